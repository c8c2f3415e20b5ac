from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.notification_event import NotificationEvent
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.notification_address import NotificationAddress


T = TypeVar("T", bound="Notification")


@_attrs_define(repr=False)
class Notification:
    """Who is told about the delivery, and of which events.

    Attributes:
        addresses (list[NotificationAddress] | Unset): Who is told. One client keeps their summed length under 100
            characters (observed).
        for_event (NotificationEvent | Unset): Which events are told.
    """

    addresses: list[NotificationAddress] | Unset = UNSET
    for_event: NotificationEvent | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        addresses: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.addresses, Unset):
            addresses = []
            for addresses_item_data in self.addresses:
                addresses_item = addresses_item_data.to_dict()
                addresses.append(addresses_item)

        for_event: str | Unset = UNSET
        if not isinstance(self.for_event, Unset):
            for_event = self.for_event.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if addresses is not UNSET:
            field_dict["addresses"] = addresses
        if for_event is not UNSET:
            field_dict["forEvent"] = for_event

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.notification_address import NotificationAddress  # noqa: PLC0415

        d = dict(src_dict)
        _addresses = d.pop("addresses", UNSET)
        addresses: list[NotificationAddress] | Unset = UNSET
        if _addresses is not UNSET:
            addresses = []
            for addresses_item_data in _addresses:
                addresses_item = NotificationAddress.from_dict(addresses_item_data)

                addresses.append(addresses_item)

        _for_event = d.pop("forEvent", UNSET)
        for_event: NotificationEvent | Unset
        if isinstance(_for_event, Unset):
            for_event = UNSET
        else:
            for_event = NotificationEvent(_for_event)

        notification = cls(
            addresses=addresses,
            for_event=for_event,
        )

        notification.additional_properties = d
        return notification

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
