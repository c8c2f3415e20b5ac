from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.notification_address_type import NotificationAddressType

T = TypeVar("T", bound="NotificationAddress")


@_attrs_define(repr=False)
class NotificationAddress:
    """One address that is told about the delivery.

    Attributes:
        type_ (NotificationAddressType): How an address is told: by e-mail, by SMS, or at a URL; `Url` by GET with a
            query and `UrlPost` by POST with a body (inferred from the names and the sibling interface).
        address (str): The e-mail address, the number or the URL.
    """

    type_: NotificationAddressType
    address: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_.value

        address = self.address

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "address": address,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = NotificationAddressType(d.pop("type"))

        address = d.pop("address")

        notification_address = cls(
            type_=type_,
            address=address,
        )

        notification_address.additional_properties = d
        return notification_address

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
