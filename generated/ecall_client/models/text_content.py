from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.text_options import TextOptions


T = TypeVar("T", bound="TextContent")


@_attrs_define(repr=False)
class TextContent:
    """A text.

    Attributes:
        type_ (Literal['Text']): Tells the kinds of content apart. Default: 'Text'.
        text (str): The text. SMS at most 10 pages, WhatsApp 4096 characters, RCS 1000.
        options (TextOptions | Unset): Options of a text by SMS.
    """

    text: str
    type_: Literal["Text"] = "Text"
    options: TextOptions | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        text = self.text

        options: dict[str, Any] | Unset = UNSET
        if not isinstance(self.options, Unset):
            options = self.options.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "text": text,
            }
        )
        if options is not UNSET:
            field_dict["options"] = options

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.text_options import TextOptions  # noqa: PLC0415

        d = dict(src_dict)
        type_ = cast(Literal["Text"], d.pop("type"))
        if type_ != "Text":
            raise ValueError(f"type must match const 'Text', got '{type_}'")

        text = d.pop("text")

        _options = d.pop("options", UNSET)
        options: TextOptions | Unset
        if isinstance(_options, Unset):
            options = UNSET
        else:
            options = TextOptions.from_dict(_options)

        text_content = cls(
            type_=type_,
            text=text,
            options=options,
        )

        text_content.additional_properties = d
        return text_content

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
