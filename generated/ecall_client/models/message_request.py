from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.channel import Channel
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.audio_content import AudioContent
    from ..models.document_content import DocumentContent
    from ..models.image_content import ImageContent
    from ..models.notification import Notification
    from ..models.sticker_content import StickerContent
    from ..models.text_content import TextContent
    from ..models.to_address_number import ToAddressNumber
    from ..models.video_content import VideoContent


T = TypeVar("T", bound="MessageRequest")


@_attrs_define(repr=False)
class MessageRequest:
    """One message, to one recipient (`to`) or to many (`toList`).

    Attributes:
        channel (Channel): The way a message takes. Enum values are case-sensitive (documented); v1 takes `sms` as well
            (observed), and no client of v2 writes it.
        from_ (str): The sender. SMS: at most 16 digits, or at most 11 characters of ASCII 32-126, approved by eCall.
            WhatsApp: the registered business number in international form. RCS: the sender ID that the provider issued.
        content (AudioContent | DocumentContent | ImageContent | StickerContent | TextContent | VideoContent): What a
            message says; `type` tells the kinds apart.
        to (None | str | Unset): The one recipient, international, as `+41791234567` or `0041791234567`.
        to_list (list[ToAddressNumber] | None | Unset): The recipients of one text to many. At least one more kind of
            address is documented; its name and fields are not known.
        notification (Notification | Unset): Who is told about the delivery, and of which events.
    """

    channel: Channel
    from_: str
    content: AudioContent | DocumentContent | ImageContent | StickerContent | TextContent | VideoContent
    to: None | str | Unset = UNSET
    to_list: list[ToAddressNumber] | None | Unset = UNSET
    notification: Notification | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.audio_content import AudioContent  # noqa: PLC0415
        from ..models.document_content import DocumentContent  # noqa: PLC0415
        from ..models.image_content import ImageContent  # noqa: PLC0415
        from ..models.text_content import TextContent  # noqa: PLC0415
        from ..models.video_content import VideoContent  # noqa: PLC0415

        channel = self.channel.value

        from_ = self.from_

        content: dict[str, Any]
        if isinstance(self.content, TextContent):
            content = self.content.to_dict()
        elif isinstance(self.content, ImageContent):
            content = self.content.to_dict()
        elif isinstance(self.content, DocumentContent):
            content = self.content.to_dict()
        elif isinstance(self.content, AudioContent):
            content = self.content.to_dict()
        elif isinstance(self.content, VideoContent):
            content = self.content.to_dict()
        else:
            content = self.content.to_dict()

        to: None | str | Unset
        if isinstance(self.to, Unset):
            to = UNSET
        else:
            to = self.to

        to_list: list[dict[str, Any]] | None | Unset
        if isinstance(self.to_list, Unset):
            to_list = UNSET
        elif isinstance(self.to_list, list):
            to_list = []
            for to_list_type_0_item_data in self.to_list:
                to_list_type_0_item = to_list_type_0_item_data.to_dict()
                to_list.append(to_list_type_0_item)

        else:
            to_list = self.to_list

        notification: dict[str, Any] | Unset = UNSET
        if not isinstance(self.notification, Unset):
            notification = self.notification.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "channel": channel,
                "from": from_,
                "content": content,
            }
        )
        if to is not UNSET:
            field_dict["to"] = to
        if to_list is not UNSET:
            field_dict["toList"] = to_list
        if notification is not UNSET:
            field_dict["notification"] = notification

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.audio_content import AudioContent  # noqa: PLC0415
        from ..models.document_content import DocumentContent  # noqa: PLC0415
        from ..models.image_content import ImageContent  # noqa: PLC0415
        from ..models.notification import Notification  # noqa: PLC0415
        from ..models.sticker_content import StickerContent  # noqa: PLC0415
        from ..models.text_content import TextContent  # noqa: PLC0415
        from ..models.to_address_number import ToAddressNumber  # noqa: PLC0415
        from ..models.video_content import VideoContent  # noqa: PLC0415

        d = dict(src_dict)
        channel = Channel(d.pop("channel"))

        from_ = d.pop("from")

        def _parse_content(
            data: object,
        ) -> AudioContent | DocumentContent | ImageContent | StickerContent | TextContent | VideoContent:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_content_type_0 = TextContent.from_dict(data)

                return componentsschemas_content_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_content_type_1 = ImageContent.from_dict(data)

                return componentsschemas_content_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_content_type_2 = DocumentContent.from_dict(data)

                return componentsschemas_content_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_content_type_3 = AudioContent.from_dict(data)

                return componentsschemas_content_type_3
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_content_type_4 = VideoContent.from_dict(data)

                return componentsschemas_content_type_4
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_content_type_5 = StickerContent.from_dict(data)

            return componentsschemas_content_type_5

        content = _parse_content(d.pop("content"))

        def _parse_to(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        to = _parse_to(d.pop("to", UNSET))

        def _parse_to_list(data: object) -> list[ToAddressNumber] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                to_list_type_0 = []
                _to_list_type_0 = data
                for to_list_type_0_item_data in _to_list_type_0:
                    to_list_type_0_item = ToAddressNumber.from_dict(to_list_type_0_item_data)

                    to_list_type_0.append(to_list_type_0_item)

                return to_list_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[ToAddressNumber] | None | Unset, data)

        to_list = _parse_to_list(d.pop("toList", UNSET))

        _notification = d.pop("notification", UNSET)
        notification: Notification | Unset
        if isinstance(_notification, Unset):
            notification = UNSET
        else:
            notification = Notification.from_dict(_notification)

        message_request = cls(
            channel=channel,
            from_=from_,
            content=content,
            to=to,
            to_list=to_list,
            notification=notification,
        )

        message_request.additional_properties = d
        return message_request

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
