from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="AudioContent")


@_attrs_define(repr=False)
class AudioContent:
    """A sound that was uploaded before.

    Attributes:
        type_ (Literal['Audio']): Tells the kinds of content apart. Default: 'Audio'.
        media_id (str): The id that the upload returned.
    """

    media_id: str
    type_: Literal["Audio"] = "Audio"
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        media_id = self.media_id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "mediaId": media_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = cast(Literal["Audio"], d.pop("type"))
        if type_ != "Audio":
            raise ValueError(f"type must match const 'Audio', got '{type_}'")

        media_id = d.pop("mediaId")

        audio_content = cls(
            type_=type_,
            media_id=media_id,
        )

        audio_content.additional_properties = d
        return audio_content

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
