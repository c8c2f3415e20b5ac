from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="MediaUploadResult")


@_attrs_define(repr=False)
class MediaUploadResult:
    """A file was stored.

    Attributes:
        media_id (None | str | Unset): Identifies the file, for messages and for retrieving it.
    """

    media_id: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        media_id: None | str | Unset
        if isinstance(self.media_id, Unset):
            media_id = UNSET
        else:
            media_id = self.media_id

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if media_id is not UNSET:
            field_dict["mediaId"] = media_id

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_media_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        media_id = _parse_media_id(d.pop("mediaId", UNSET))

        media_upload_result = cls(
            media_id=media_id,
        )

        return media_upload_result
