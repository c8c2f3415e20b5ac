from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.addressed_message_id import AddressedMessageId


T = TypeVar("T", bound="MessageResult")


@_attrs_define(repr=False)
class MessageResult:
    """A message was accepted.

    Attributes:
        message_id (None | str | Unset): Identifies the message to one recipient, for the status.
        message_id_list (list[AddressedMessageId | str] | None | Unset): Identifies the messages to many recipients.
        timestamp (None | str | Unset): When the message was accepted; in v2 in UTC with `Z`.
    """

    message_id: None | str | Unset = UNSET
    message_id_list: list[AddressedMessageId | str] | None | Unset = UNSET
    timestamp: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.addressed_message_id import AddressedMessageId  # noqa: PLC0415

        message_id: None | str | Unset
        if isinstance(self.message_id, Unset):
            message_id = UNSET
        else:
            message_id = self.message_id

        message_id_list: list[dict[str, Any] | str] | None | Unset
        if isinstance(self.message_id_list, Unset):
            message_id_list = UNSET
        elif isinstance(self.message_id_list, list):
            message_id_list = []
            for message_id_list_type_0_item_data in self.message_id_list:
                message_id_list_type_0_item: dict[str, Any] | str
                if isinstance(message_id_list_type_0_item_data, AddressedMessageId):
                    message_id_list_type_0_item = message_id_list_type_0_item_data.to_dict()
                else:
                    message_id_list_type_0_item = message_id_list_type_0_item_data
                message_id_list.append(message_id_list_type_0_item)

        else:
            message_id_list = self.message_id_list

        timestamp: None | str | Unset
        if isinstance(self.timestamp, Unset):
            timestamp = UNSET
        else:
            timestamp = self.timestamp

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if message_id is not UNSET:
            field_dict["messageId"] = message_id
        if message_id_list is not UNSET:
            field_dict["messageIdList"] = message_id_list
        if timestamp is not UNSET:
            field_dict["timestamp"] = timestamp

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.addressed_message_id import AddressedMessageId  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_message_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        message_id = _parse_message_id(d.pop("messageId", UNSET))

        def _parse_message_id_list(data: object) -> list[AddressedMessageId | str] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                message_id_list_type_0 = []
                _message_id_list_type_0 = data
                for message_id_list_type_0_item_data in _message_id_list_type_0:

                    def _parse_message_id_list_type_0_item(data: object) -> AddressedMessageId | str:
                        try:
                            if not isinstance(data, dict):
                                raise TypeError()
                            message_id_list_type_0_item_type_0 = AddressedMessageId.from_dict(data)

                            return message_id_list_type_0_item_type_0
                        except (TypeError, ValueError, AttributeError, KeyError):
                            pass
                        return cast(AddressedMessageId | str, data)

                    message_id_list_type_0_item = _parse_message_id_list_type_0_item(message_id_list_type_0_item_data)

                    message_id_list_type_0.append(message_id_list_type_0_item)

                return message_id_list_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[AddressedMessageId | str] | None | Unset, data)

        message_id_list = _parse_message_id_list(d.pop("messageIdList", UNSET))

        def _parse_timestamp(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        timestamp = _parse_timestamp(d.pop("timestamp", UNSET))

        message_result = cls(
            message_id=message_id,
            message_id_list=message_id_list,
            timestamp=timestamp,
        )

        message_result.additional_properties = d
        return message_result

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
