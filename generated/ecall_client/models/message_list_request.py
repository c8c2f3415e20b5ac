from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.message_list_item import MessageListItem
    from ..models.notification import Notification


T = TypeVar("T", bound="MessageListRequest")


@_attrs_define(repr=False)
class MessageListRequest:
    """Many different messages.

    Attributes:
        messages (list[MessageListItem]): The messages; each may go its own way.
        notification (Notification | Unset): Who is told about the delivery, and of which events.
    """

    messages: list[MessageListItem]
    notification: Notification | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        messages = []
        for messages_item_data in self.messages:
            messages_item = messages_item_data.to_dict()
            messages.append(messages_item)

        notification: dict[str, Any] | Unset = UNSET
        if not isinstance(self.notification, Unset):
            notification = self.notification.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "messages": messages,
            }
        )
        if notification is not UNSET:
            field_dict["notification"] = notification

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.message_list_item import MessageListItem  # noqa: PLC0415
        from ..models.notification import Notification  # noqa: PLC0415

        d = dict(src_dict)
        messages = []
        _messages = d.pop("messages")
        for messages_item_data in _messages:
            messages_item = MessageListItem.from_dict(messages_item_data)

            messages.append(messages_item)

        _notification = d.pop("notification", UNSET)
        notification: Notification | Unset
        if isinstance(_notification, Unset):
            notification = UNSET
        else:
            notification = Notification.from_dict(_notification)

        message_list_request = cls(
            messages=messages,
            notification=notification,
        )

        message_list_request.additional_properties = d
        return message_list_request

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
