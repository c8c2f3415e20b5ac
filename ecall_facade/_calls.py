"""Each operation as data: how its request is made, and how its answer is read. Pure; the clients run it.

Whatever is wrong with a request is raised here, before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar, Union, cast
from urllib.parse import quote, unquote

import attrs

from ecall_client import models
from ecall_client.tables import REQUEST_NAMES
from ecall_client.types import UNSET, File, Unset
from ecall_facade import errors, results
from ecall_facade._json import JSON, as_dict, as_list, names_and_values, spell
from ecall_facade._policy import READS, REQUEST_ID, Kind, caused_by, unreadable
from ecall_facade.errors import ECallError, InvalidMedia, UsageError
from ecall_facade.numbers import RawAddress, normalize, normalize_all
from ecall_facade.results import read_error, read_id, read_state, read_time
from ecall_facade.text import check_text

if TYPE_CHECKING:
    from ecall_client.types import Response
    from ecall_facade._settings import Options
    from ecall_facade._uploads import Upload

T = TypeVar("T")
M = TypeVar("M")
B = TypeVar("B", "models.MessageRequest", "models.MessageListItem", "models.MessageListRequest")

Recipient: TypeAlias = str | RawAddress
MediaContent: TypeAlias = Union[
    "models.ImageContent",
    "models.DocumentContent",
    "models.AudioContent",
    "models.VideoContent",
    "models.StickerContent",
]
Content: TypeAlias = "str | models.TextContent | MediaContent"
Extra: TypeAlias = Mapping[str, JSON]


class Call(NamedTuple, Generic[T]):
    """One operation with its arguments: the generated functions that perform it, and how its answer is read."""

    kind: Kind
    sync: Callable[..., Response[Any]]
    asyncio: Callable[..., Awaitable[Response[Any]]]
    reading: Callable[[Response[Any]], T]

    def read(self, response: Response[Any]) -> T:
        """Give the result that an answer stands for."""
        try:
            return self.reading(response)
        except ECallError:
            raise
        except Exception as error:
            raise unreadable(
                f"its answer cannot be read ({type(error).__name__})", response, self.kind
            ) from error

    def failure(self, error: Exception) -> ECallError:
        """Give an error of ours for one that nobody foresaw; of a send it is not known what became of it."""
        words = f"Something that was not foreseen went wrong ({type(error).__name__})"
        cls = errors.ServiceUnreachable if self.kind in READS else errors.OutcomeUnknown
        return caused_by(
            error, cls(words, may_have_been_sent=self.kind in {Kind.SEND, Kind.STATUS})
        )


def _call(
    kind: Kind, operation: Any, read: Callable[[Response[Any]], T], **arguments: Any
) -> Call[T]:
    sync, asyncio = (
        partial(operation.sync_detailed, **arguments),
        partial(operation.asyncio_detailed, **arguments),
    )
    return Call(kind, sync, asyncio, read)


# Sending


class Draft(NamedTuple):
    """A message but for its recipients, checked."""

    options: Options
    parts: dict[str, Any]
    pages: int | None

    def notifying(self, notify: Notifiable) -> dict[str, Any]:
        return {**self.parts, "notification": notification(notify, self.options.region)}


def compose(draft: Draft, to: Recipient, extra: Extra | None) -> models.MessageListItem:
    recipient = normalize_all([to], draft.options.region)[0][0]
    return _with_extra(models.MessageListItem(to=recipient, **draft.parts), extra)


def send(
    draft: Draft, to: Recipient, notify: Notifiable, extra: Extra | None
) -> Call[results.SentMessage]:
    from ecall_client.api.message import send_message

    recipient = normalize_all([to], draft.options.region)[0][0]
    body = _with_extra(models.MessageRequest(to=recipient, **draft.notifying(notify)), extra)

    def read(response: Response[Any]) -> results.SentMessage:
        ids, sent_at = _sent(response, "messageId")
        return results.SentMessage(ids[0][0], sent_at, draft.pages, **_about(response))

    return _call(Kind.SEND, send_message, read, body=body)


def broadcast(
    draft: Draft, to: Iterable[Recipient], notify: Notifiable, extra: Extra | None
) -> Call[results.SentBroadcast]:
    from ecall_client.api.message import send_message

    recipients, duplicates = normalize_all(to, draft.options.region)
    addresses = [models.ToAddressNumber(address=recipient) for recipient in recipients]
    body = _with_extra(models.MessageRequest(to_list=addresses, **draft.notifying(notify)), extra)

    def read(response: Response[Any]) -> results.SentBroadcast:
        ids, sent_at = _sent(response, "messageIdList")
        matched = {
            _same_form(address): message_id for message_id, address in ids if address is not None
        }
        if not matched and len(ids) == len(recipients):
            matched = {
                recipient: message_id
                for recipient, (message_id, _) in zip(recipients, ids, strict=True)
            }
        by_recipient = {
            recipient: matched[recipient] for recipient in recipients if recipient in matched
        }
        message_ids = tuple(message_id for message_id, _ in ids)
        return results.SentBroadcast(
            message_ids, recipients, duplicates, sent_at, by_recipient, **_about(response)
        )

    return _call(Kind.SEND, send_message, read, body=body)


def send_list(
    options: Options,
    messages: Iterable[models.MessageListItem],
    notify: Notifiable,
    extra: Extra | None,
) -> Call[results.SentList]:
    from ecall_client.api.message_list import send_message_list

    if not isinstance(cast("object", messages), Iterable):
        raise UsageError("messages is a list of what was made by compose(…)")
    given: list[object] = list(messages)
    items = [item for item in given if isinstance(item, models.MessageListItem)]
    if not given:
        raise UsageError("The list holds no message; compose(…) makes one")
    if wrong := [
        str(at) for at, item in enumerate(given) if not isinstance(item, models.MessageListItem)
    ]:
        raise UsageError(
            f"Not made by compose(…): the messages at {', '.join(wrong)} (counted from 0)"
        )
    body = models.MessageListRequest(
        messages=items, notification=notification(notify, options.region)
    )
    body = _with_extra(body, extra)

    def read(response: Response[Any]) -> results.SentList:
        list_id = read_id(_parsed(response, models.MessageListResult, Kind.SEND).message_list_id)
        if list_id is None:
            raise unreadable("its answer is without a messageListId", response, Kind.SEND)
        found = [
            models.MessageListEntry.from_dict(as_dict(spell(item))) for item in _items(response)
        ]
        # Matched by their order (inferred); another number of entries cannot be matched, and `raw` has them.
        outcomes = found if len(found) == len(items) else [models.MessageListEntry() for _ in items]
        entries = [
            results.ListEntry(item, read_id(outcome.message_id), read_error(_plain(outcome.error)))
            for item, outcome in zip(items, outcomes, strict=True)
        ]
        return results.SentList(list_id, tuple(entries), **_about(response))

    return _call(Kind.SEND, send_message_list, read, body=body)


# Reading


def status(message_id: str) -> Call[results.MessageStatus]:
    from ecall_client.api.message import get_message_status

    check_id(message_id, "message_id")

    def read(response: Response[Any]) -> results.MessageStatus:
        answer = _parsed(response, models.MessageStatusResult, Kind.STATUS)
        return _status(answer, message_id, _about(response))

    return _call(Kind.STATUS, get_message_status, read, message_id=message_id)


def list_status(list_id: str) -> Call[results.ListStatus]:
    from ecall_client.api.message_list import get_message_list_status

    check_id(list_id, "list_id")

    def read(response: Response[Any]) -> results.ListStatus:
        about = _about(response)
        found = [
            _status(
                models.MessageStatusResult.from_dict(as_dict(spell(item))),
                "",
                {**about, "answer": item},
            )
            for item in _items(response)
        ]
        return results.ListStatus(list_id, tuple(found), **about)

    return _call(Kind.STATUS, get_message_list_status, read, message_list_id=list_id)


def _status(
    answer: models.MessageStatusResult, asked: str, about: dict[str, Any]
) -> results.MessageStatus:
    state, is_final = read_state(answer.state)
    updated_at = read_time(answer.timestamp, answer.additional_properties)
    message_id = read_id(answer.message_id) or asked
    return results.MessageStatus(
        message_id, state, is_final, updated_at, read_error(_plain(answer.error)), **about
    )


def upload(source: Upload, payload: object) -> Call[results.Media]:
    from ecall_client.api.media import upload_media

    def read(response: Response[Any]) -> results.Media:
        media_id = read_id(_parsed(response, models.MediaUploadResult, Kind.UPLOAD).media_id)
        if media_id is None:
            raise unreadable("its answer is without a mediaId", response, Kind.UPLOAD)
        return results.Media(media_id, source.content_type, source.done, **_about(response))

    file = File(
        payload=cast("Any", payload)
    )  # httpx sends any iterable, the generated type knows only files
    size = UNSET if source.size is None else source.size
    return _call(Kind.UPLOAD, upload_media, read, body=file, content_length=size)


def media_path(media_id: str) -> str:
    check_id(media_id, "media_id")
    return f"/api/media/{quote(media_id, safe='')}"


def check_id(value: object, name: str) -> None:
    if (
        not isinstance(value, str)
        or not value.strip()
        or not value.isprintable()
        or set(value) == {"."}
    ):
        raise UsageError(f"{name} is not an id that the service gave: a string that is not empty")


def check_request(method: object, path: object, body: object) -> None:
    """Refuse what `request` cannot send safely."""
    if (
        not isinstance(path, str)
        or not path.startswith("/")
        or path.startswith("//")
        or "\\" in path
    ):
        raise UsageError(
            "path begins with one slash, as in /api/message; another host cannot be called"
        )
    if (
        not path.isprintable()
        or not isinstance(method, str)
        or not method.isalpha()
        or not method.isascii()
    ):
        raise UsageError("The method or path holds a character that has no place in it")
    if {".", ".."} & set(
        unquote(path.partition("?")[0]).split("/")
    ):  # it would not be what it is judged by
        raise UsageError("path leads straight to its end, without . and ..")
    _check_json(body, "json")


# Parts of requests


@attrs.frozen(init=False)
class Notify:
    """Who is told about the delivery, and of which events.

    An address is a URL (called by POST: `UrlPost`), an e-mail address, a number, or a `NotificationAddress` with a type
    of its own. `for_event` is `All`, `FinalOnly`, `SuccessOnly` or `ErrorOnly` (observed); without it the service
    decides.
    """

    addresses: tuple[str | models.NotificationAddress, ...] = attrs.field(repr=False)
    for_event: models.NotificationEvent | None = None

    def __init__(
        self,
        *addresses: str | models.NotificationAddress,
        for_event: models.NotificationEvent | str | None = None,
    ) -> None:
        if for_event is not None and for_event not in list(models.NotificationEvent):
            raise UsageError(f"for_event is one of {', '.join(models.NotificationEvent)}")
        event = None if for_event is None else models.NotificationEvent(for_event)
        object.__setattr__(self, "addresses", addresses)  # frozen
        object.__setattr__(self, "for_event", event)


Notifiable: TypeAlias = str | Notify | Sequence[str] | None
_NOTIFIED_LENGTH = 100


def notification(notify: Notifiable, region: str) -> Any:
    """Give the notification of a request, or UNSET."""
    if notify is None:
        return UNSET
    if not isinstance(notify, Notify):
        if not isinstance(cast("object", notify), Iterable):
            raise UsageError(
                "notify is a URL, an e-mail address, a number, several of them, or Notify(…)"
            )
        notify = Notify(*([notify] if isinstance(notify, str) else notify))
    addresses = [_notification_address(address, region) for address in notify.addresses]
    if not addresses:
        raise UsageError("notify names no address: a URL, an e-mail address or a number")
    if (length := sum(len(address.address) for address in addresses)) >= _NOTIFIED_LENGTH:
        raise UsageError(
            f"The addresses in notify have {length} characters together; at most 99 are taken (observed)"
        )
    return models.Notification(addresses=addresses, for_event=notify.for_event or UNSET)


def _notification_address(address: object, region: str) -> models.NotificationAddress:
    kinds = models.NotificationAddressType
    if isinstance(address, models.NotificationAddress):
        if not isinstance(cast("object", address.address), str) or not address.address.strip():
            raise UsageError("An address in notify is empty, or not a str")
        return address
    if not isinstance(address, str):
        raise UsageError("An address in notify is a str, or a NotificationAddress")
    if address.lower().startswith(("http://", "https://")):
        kind, name, parts = kinds.URL_POST, "URL", address.split("/")[2:3]
    elif "@" in address:
        kind, name, parts = kinds.EMAIL, "e-mail address", list(address.rpartition("@"))
    else:
        return models.NotificationAddress(kinds.SMS, normalize(address, region))
    if not all(parts) or not parts or not address.isprintable() or " " in address:
        raise UsageError(f"An address in notify is not a valid {name}")
    return models.NotificationAddress(kind, address)


def check_content(
    channel: models.Channel, content: Content, page_limit: int | None
) -> tuple[Any, int | None]:
    """Give the generated content, and how many pages an SMS has."""
    if isinstance(content, str):
        content = models.TextContent(text=content)
    if isinstance(content, models.TextContent):
        if not isinstance(cast("object", content.options), (models.TextOptions, Unset)):
            raise UsageError("options of a TextContent is a TextOptions")
        if page_limit is not None:
            content = copy(content)  # evolve would lose additional_properties
            content.options = models.TextOptions(page_limit=page_limit)
        limit = content.options.page_limit if content.options else UNSET
        size = check_text(content.text, channel.value, None if isinstance(limit, Unset) else limit)
        return content, size.pages if size else None
    if not isinstance(content, media_contents()):
        raise UsageError(
            "content is a str, or one of the contents such as TextContent or ImageContent"
        )
    if channel is models.Channel.SMS:
        raise InvalidMedia("An SMS carries text only; send media by WhatsApp or RCS")
    if isinstance(content, models.StickerContent) and channel is models.Channel.WHATSAPP:
        raise InvalidMedia(
            "Stickers are not supported on WhatsApp (documented); send an ImageContent"
        )
    check_id(content.media_id, "media_id")
    return content, None


def media_contents() -> tuple[type[MediaContent], ...]:
    return (
        models.ImageContent,
        models.DocumentContent,
        models.AudioContent,
        models.VideoContent,
        models.StickerContent,
    )


def content_for(upload: Upload) -> MediaContent:
    """Give the content that fits the kind of a file whose id is still to come; what is nothing else is a document."""
    if upload.content_type is None:
        raise InvalidMedia(
            "The kind of the file is not known; pass content_type=…, such as 'image/jpeg'"
        )
    kinds: dict[str, type[MediaContent]]
    kinds = {
        "image": models.ImageContent,
        "audio": models.AudioContent,
        "video": models.VideoContent,
    }
    return kinds.get(upload.content_type.lower().partition("/")[0], models.DocumentContent)(
        media_id="to come"
    )


def _with_extra(body: B, extra: Extra | None) -> B:
    """Add the caller's own fields; a known one among them would be there twice, and the service would choose."""
    if extra is None:
        return body
    _check_json(extra, "extra")
    if known := sorted(
        {name for name, _ in names_and_values(extra) if name.lower() in REQUEST_NAMES}
    ):
        raise UsageError(f"extra holds what has a place of its own: {', '.join(known)}")
    body.additional_properties.update(extra)
    return body


def _check_json(value: object, name: str) -> None:
    try:
        read = json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{name} cannot be written as JSON ({type(error).__name__})") from None
    if name == "extra" and (not isinstance(read, dict) or read != value):
        raise UsageError(
            "extra is a dict of field names to what JSON can say: dict, list, str, numbers, bool, None"
        )


# Parts of answers


def _about(response: Response[Any]) -> dict[str, Any]:
    return {"request_id": response.headers.get(REQUEST_ID) or None, "answer": response.content}


def _parsed(response: Response[Any], model: type[M], kind: Kind) -> M:
    if isinstance(response.parsed, model):
        return response.parsed
    raise unreadable("its answer is not the one that is described", response, kind)


def _sent(
    response: Response[Any], name: str
) -> tuple[list[tuple[str, str | None]], datetime | None]:
    answer = _parsed(response, models.MessageResult, Kind.SEND)
    one, many = read_id(answer.message_id), _message_ids(answer)
    # One recipient is answered by one id and many by a list; should the service do it the other way, that counts, too.
    ids: list[tuple[str, str | None]] = (
        [(one, None)] if one and (name == "messageId" or not many) else many
    )
    if not ids:
        raise unreadable(f"its answer is without a {name}", response, Kind.SEND)
    return ids, read_time(answer.timestamp, answer.additional_properties)


def _message_ids(answer: models.MessageResult) -> list[tuple[str, str | None]]:
    """Give the ids that the answer holds, each with its recipient where that is named."""
    pairs: list[tuple[object, object]] = [
        (item.message_id, _address(item))
        if isinstance(item, models.AddressedMessageId)
        else (item, None)
        for item in as_list(answer.message_id_list)
    ]
    found = [
        (read_id(message_id), address if isinstance(address, str) else None)
        for message_id, address in pairs
    ]
    return [(message_id, address) for message_id, address in found if message_id is not None]


def _address(item: models.AddressedMessageId) -> object:
    """Give the recipient; its name is inferred, so where ours is not there, what looks like a number counts."""
    others = item.additional_properties.values()
    return item.address or next(
        (one for one in others if isinstance(one, str) and one.startswith(("+", "00"))), None
    )


def _items(response: Response[Any]) -> list[dict[str, Any]]:
    """Give the entries of a list's answer as they came; the name of the array is not known, so the only one counts."""
    answer = as_dict(json.loads(response.content))
    names = sorted(
        answer, key="messages".__eq__
    )  # where there are several spellings, the last one counts
    arrays = {name.lower(): array for name in names if (array := as_list(answer[name]))}
    found = arrays.get("messages") or (next(iter(arrays.values())) if len(arrays) == 1 else [])
    return [as_dict(item) or {"messageId": item} for item in found]


def _plain(error: object) -> object:
    return error.to_dict() if isinstance(error, models.Error) else error


def _same_form(address: str) -> str:
    return f"+{address[2:]}" if address.startswith("00") else address
