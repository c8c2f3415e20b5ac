"""What the spec says that is not in the models: paths, JSON names, limits and rules."""

from typing import Final, NamedTuple

from .models.channel import Channel


class Operation(NamedTuple):
    """One operation of the service."""

    name: str
    method: str
    path: str
    level: str
    """How well the path is known: documented, observed or inferred."""


OPERATIONS: Final[dict[str, Operation]] = {
    "send_message": Operation("send_message", "POST", "/api/message", "documented"),
    "get_message_status": Operation("get_message_status", "GET", "/api/message/{messageId}", "documented"),
    "send_message_list": Operation("send_message_list", "POST", "/api/messagelist", "inferred"),
    "get_message_list_status": Operation(
        "get_message_list_status", "GET", "/api/messagelist/{messageListId}", "inferred"
    ),
    "upload_media": Operation("upload_media", "POST", "/api/media", "inferred"),
    "get_media": Operation("get_media", "GET", "/api/media/{mediaId}", "inferred"),
}
"""The operations, by their names in Python."""

JSON_NAMES: Final[dict[str, str]] = {
    "address": "address",
    "addresses": "addresses",
    "channel": "channel",
    "content": "content",
    "error": "error",
    "errorcode": "errorCode",
    "errordetails": "errorDetails",
    "errormessage": "errorMessage",
    "errors": "errors",
    "forevent": "forEvent",
    "from": "from",
    "mediaid": "mediaId",
    "messageid": "messageId",
    "messageidlist": "messageIdList",
    "messagelistid": "messageListId",
    "messages": "messages",
    "notification": "notification",
    "options": "options",
    "pagelimit": "pageLimit",
    "parameter": "parameter",
    "state": "state",
    "text": "text",
    "timestamp": "timestamp",
    "to": "to",
    "tolist": "toList",
    "type": "type",
}
"""The spelling of each JSON name, by its lower case."""

REQUEST_NAMES: Final = frozenset(
    [
        "address",
        "addresses",
        "channel",
        "content",
        "forevent",
        "from",
        "mediaid",
        "messages",
        "notification",
        "options",
        "pagelimit",
        "text",
        "to",
        "tolist",
        "type",
    ]
)
"""The JSON names that requests are made of, in lower case."""


class ChannelRules(NamedTuple):
    """What a channel carries."""

    max_text_length: int
    """In characters."""
    refused_content: frozenset[str]
    """The types of content that it does not carry."""


CHANNEL_RULES: Final[dict[Channel, ChannelRules]] = {
    Channel.SMS: ChannelRules(1530, frozenset([])),
    Channel.WHATSAPP: ChannelRules(4096, frozenset(["Sticker"])),
    Channel.RCS: ChannelRules(1000, frozenset([])),
}


class AddressedMessageIdSpec:
    """The JSON names of `AddressedMessageId`, and the limits of its values."""

    message_id: Final = "messageId"
    address: Final = "address"


class AudioContentSpec:
    """The JSON names of `AudioContent`, and the limits of its values."""

    type_: Final = "type"
    media_id: Final = "mediaId"
    media_id_min_length: Final = 1


class DocumentContentSpec:
    """The JSON names of `DocumentContent`, and the limits of its values."""

    type_: Final = "type"
    media_id: Final = "mediaId"
    media_id_min_length: Final = 1


class ErrorSpec:
    """The JSON names of `Error`, and the limits of its values."""

    error_code: Final = "errorCode"
    error_message: Final = "errorMessage"
    error_details: Final = "errorDetails"


class ErrorDetailsSpec:
    """The JSON names of `ErrorDetails`, and the limits of its values."""

    errors: Final = "errors"


class ImageContentSpec:
    """The JSON names of `ImageContent`, and the limits of its values."""

    type_: Final = "type"
    media_id: Final = "mediaId"
    media_id_min_length: Final = 1


class MediaUploadResultSpec:
    """The JSON names of `MediaUploadResult`, and the limits of its values."""

    media_id: Final = "mediaId"


class MessageListEntrySpec:
    """The JSON names of `MessageListEntry`, and the limits of its values."""

    message_id: Final = "messageId"
    error: Final = "error"


class MessageListItemSpec:
    """The JSON names of `MessageListItem`, and the limits of its values."""

    channel: Final = "channel"
    from_: Final = "from"
    from_min_length: Final = 1
    to: Final = "to"
    to_list: Final = "toList"
    content: Final = "content"


class MessageListRequestSpec:
    """The JSON names of `MessageListRequest`, and the limits of its values."""

    messages: Final = "messages"
    messages_min_items: Final = 1
    notification: Final = "notification"


class MessageListResultSpec:
    """The JSON names of `MessageListResult`, and the limits of its values."""

    message_list_id: Final = "messageListId"
    messages: Final = "messages"


class MessageListStatusResultSpec:
    """The JSON names of `MessageListStatusResult`, and the limits of its values."""

    message_list_id: Final = "messageListId"
    messages: Final = "messages"


class MessageRequestSpec:
    """The JSON names of `MessageRequest`, and the limits of its values."""

    channel: Final = "channel"
    from_: Final = "from"
    from_min_length: Final = 1
    to: Final = "to"
    to_list: Final = "toList"
    content: Final = "content"
    notification: Final = "notification"


class MessageResultSpec:
    """The JSON names of `MessageResult`, and the limits of its values."""

    message_id: Final = "messageId"
    message_id_list: Final = "messageIdList"
    timestamp: Final = "timestamp"


class MessageStatusResultSpec:
    """The JSON names of `MessageStatusResult`, and the limits of its values."""

    message_id: Final = "messageId"
    state: Final = "state"
    timestamp: Final = "timestamp"
    error: Final = "error"


class NotificationSpec:
    """The JSON names of `Notification`, and the limits of its values."""

    addresses: Final = "addresses"
    addresses_min_items: Final = 1
    for_event: Final = "forEvent"


class NotificationAddressSpec:
    """The JSON names of `NotificationAddress`, and the limits of its values."""

    type_: Final = "type"
    address: Final = "address"
    address_min_length: Final = 1
    address_max_length: Final = 99


class ParameterErrorSpec:
    """The JSON names of `ParameterError`, and the limits of its values."""

    parameter: Final = "parameter"
    messages: Final = "messages"


class ReceivedContentSpec:
    """The JSON names of `ReceivedContent`, and the limits of its values."""

    type_: Final = "type"
    text: Final = "text"
    media_id: Final = "mediaId"


class ReceivedMessageSpec:
    """The JSON names of `ReceivedMessage`, and the limits of its values."""

    message_id: Final = "messageId"
    channel: Final = "channel"
    from_: Final = "from"
    to: Final = "to"
    content: Final = "content"
    timestamp: Final = "timestamp"


class StatusNotificationSpec:
    """The JSON names of `StatusNotification`, and the limits of its values."""

    message_id: Final = "messageId"
    state: Final = "state"
    to: Final = "to"
    timestamp: Final = "timestamp"
    error: Final = "error"


class StickerContentSpec:
    """The JSON names of `StickerContent`, and the limits of its values."""

    type_: Final = "type"
    media_id: Final = "mediaId"
    media_id_min_length: Final = 1


class TextContentSpec:
    """The JSON names of `TextContent`, and the limits of its values."""

    type_: Final = "type"
    text: Final = "text"
    text_min_length: Final = 1
    options: Final = "options"


class TextOptionsSpec:
    """The JSON names of `TextOptions`, and the limits of its values."""

    page_limit: Final = "pageLimit"
    page_limit_minimum: Final = 1
    page_limit_maximum: Final = 10


class ToAddressNumberSpec:
    """The JSON names of `ToAddressNumber`, and the limits of its values."""

    type_: Final = "type"
    address: Final = "address"
    address_min_length: Final = 1


class VideoContentSpec:
    """The JSON names of `VideoContent`, and the limits of its values."""

    type_: Final = "type"
    media_id: Final = "mediaId"
    media_id_min_length: Final = 1
