"""Message contents: which of them a channel carries, and how long a text may be."""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, TypeAlias, Union

from ecall_client import models
from ecall_client.tables import CHANNEL_RULES
from ecall_client.types import UNSET, Unset
from ecall_facade.errors import InvalidMedia, UsageError
from ecall_facade.text import check_text

if TYPE_CHECKING:
    from ecall_facade._uploads import Upload

SmsContent: TypeAlias = Union[str, "models.TextContent"]
WhatsappContent: TypeAlias = Union[
    str,
    "models.TextContent",
    "models.ImageContent",
    "models.DocumentContent",
    "models.AudioContent",
    "models.VideoContent",
]
RcsContent: TypeAlias = Union[WhatsappContent, "models.StickerContent"]
Content: TypeAlias = RcsContent
"""Contents that at least one channel carries."""

FileContent: TypeAlias = Union[
    "models.ImageContent", "models.DocumentContent", "models.AudioContent", "models.VideoContent"
]
ContentModel: TypeAlias = Union["models.TextContent", FileContent, "models.StickerContent"]
"""The classes of contents in the generated code."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}( *;([ -~]*[!-~])?)?")


def check_content(
    channel: models.Channel, content: object, page_limit: int | None = None
) -> tuple[ContentModel, int | None]:
    """Return the content as the generated code has it, and the number of pages of an SMS.

    Raises:
        UsageError: The channel does not carry it.
    """
    if isinstance(content, str):
        content = models.TextContent(text=content)
    if isinstance(content, models.TextContent):
        return _check_text_content(channel, content, page_limit)
    if not isinstance(
        content,
        (
            models.ImageContent,
            models.DocumentContent,
            models.AudioContent,
            models.VideoContent,
            models.StickerContent,
        ),
    ):
        raise UsageError("content must be a str, or a content such as TextContent or ImageContent")
    if channel is models.Channel.SMS:
        raise InvalidMedia("An SMS carries text only; send media by WhatsApp or RCS")
    if content.type_ in CHANNEL_RULES[channel].refused_content:
        raise InvalidMedia(
            f"{channel.value} does not carry content of type {content.type_} (documented);"
            " send another type, such as ImageContent"
        )
    check_id(content.media_id, "media_id")
    return content, None


def _check_text_content(
    channel: models.Channel, content: models.TextContent, page_limit: int | None
) -> tuple[models.TextContent, int | None]:
    _check_options(content.options)
    if page_limit is not None:
        content = copy(content)  # attrs.evolve would lose additional_properties
        content.options = models.TextOptions(page_limit=page_limit)
    limit = content.options.page_limit if content.options else UNSET
    size = check_text(content.text, channel, None if isinstance(limit, Unset) else limit)
    return content, None if size is None else size.pages


def _check_options(options: object) -> None:
    if not isinstance(options, (models.TextOptions, Unset)):
        raise UsageError("options of a TextContent must be TextOptions")


def file_content(upload: Upload, media_id: str = "not uploaded yet") -> FileContent:
    """Return the content that fits a file: image, audio or video, otherwise a document.

    Args:
        upload: The file.
        media_id: The id of the file, once it is uploaded.

    Raises:
        InvalidMedia: The type of the file is not known.
    """
    if upload.content_type is None:
        raise InvalidMedia(
            "The media type of the file is not known; pass content_type=…, such as 'image/jpeg'"
        )
    check_media_type(upload.content_type)
    main_type = upload.content_type.lower().partition("/")[0]
    if main_type == "image":
        return models.ImageContent(media_id=media_id)
    if main_type == "audio":
        return models.AudioContent(media_id=media_id)
    if main_type == "video":
        return models.VideoContent(media_id=media_id)
    return models.DocumentContent(media_id=media_id)


def check_media_type(value: object) -> None:
    """Raise if a value cannot be a media type, which is sent as a header.

    Raises:
        InvalidMedia: It is not a string such as "image/jpeg".
    """
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise InvalidMedia("content_type must be a media type, such as 'image/jpeg'")


def check_id(value: object, name: str) -> None:
    """Raise if a value cannot be an id of the service.

    Raises:
        UsageError: It is empty, or not a string.
    """
    is_id = isinstance(value, str) and value.strip() and value.isprintable() and set(value) != {"."}
    if not is_id:
        raise UsageError(f"{name} must be an id that the service gave: a string that is not empty")
