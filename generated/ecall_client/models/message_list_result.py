from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.message_list_entry import MessageListEntry


T = TypeVar("T", bound="MessageListResult")


@_attrs_define(repr=False)
class MessageListResult:
    """What became of each message of a list.

    Attributes:
        message_list_id (None | str | Unset): Identifies the list, for its status.
        messages (list[MessageListEntry] | None | Unset): One entry per message, in the order of the request (inferred).
    """

    message_list_id: None | str | Unset = UNSET
    messages: list[MessageListEntry] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        message_list_id: None | str | Unset
        if isinstance(self.message_list_id, Unset):
            message_list_id = UNSET
        else:
            message_list_id = self.message_list_id

        messages: list[dict[str, Any]] | None | Unset
        if isinstance(self.messages, Unset):
            messages = UNSET
        elif isinstance(self.messages, list):
            messages = []
            for messages_type_0_item_data in self.messages:
                messages_type_0_item = messages_type_0_item_data.to_dict()
                messages.append(messages_type_0_item)

        else:
            messages = self.messages

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if message_list_id is not UNSET:
            field_dict["messageListId"] = message_list_id
        if messages is not UNSET:
            field_dict["messages"] = messages

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.message_list_entry import MessageListEntry  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_message_list_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message_list_id = _parse_message_list_id(d.pop("messageListId", UNSET))

        def _parse_messages(data: object) -> list[MessageListEntry] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                messages_type_0 = []
                _messages_type_0 = data
                for messages_type_0_item_data in _messages_type_0:
                    messages_type_0_item = MessageListEntry.from_dict(messages_type_0_item_data)

                    messages_type_0.append(messages_type_0_item)

                return messages_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[MessageListEntry] | None | Unset, data)

        messages = _parse_messages(d.pop("messages", UNSET))

        message_list_result = cls(
            message_list_id=message_list_id,
            messages=messages,
        )

        message_list_result.additional_properties = d
        return message_list_result

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
