from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ToAddressNumber")


@_attrs_define(repr=False)
class ToAddressNumber:
    """A phone number as one of many recipients.

    Attributes:
        type_ (Literal['Number']): Tells this kind of address from the others. Default: 'Number'.
        address (str): The number, international, as `+41791234567` or `0041791234567`.
    """

    address: str
    type_: Literal["Number"] = "Number"
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

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
        type_ = cast(Literal["Number"], d.pop("type"))
        if type_ != "Number":
            raise ValueError(f"type must match const 'Number', got '{type_}'")

        address = d.pop("address")

        to_address_number = cls(
            type_=type_,
            address=address,
        )

        to_address_number.additional_properties = d
        return to_address_number

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
