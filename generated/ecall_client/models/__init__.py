"""Contains all the data models used in inputs/outputs; each is loaded when it is first asked for (PEP 562)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .addressed_message_id import AddressedMessageId
    from .api_version import ApiVersion
    from .audio_content import AudioContent
    from .channel import Channel
    from .delivery_state import DeliveryState
    from .document_content import DocumentContent
    from .error import Error
    from .error_details import ErrorDetails
    from .image_content import ImageContent
    from .media_upload_result import MediaUploadResult
    from .message_list_entry import MessageListEntry
    from .message_list_item import MessageListItem
    from .message_list_request import MessageListRequest
    from .message_list_result import MessageListResult
    from .message_list_status_result import MessageListStatusResult
    from .message_request import MessageRequest
    from .message_result import MessageResult
    from .message_status_result import MessageStatusResult
    from .notification import Notification
    from .notification_address import NotificationAddress
    from .notification_address_type import NotificationAddressType
    from .notification_event import NotificationEvent
    from .parameter_error import ParameterError
    from .received_content import ReceivedContent
    from .received_message import ReceivedMessage
    from .status_notification import StatusNotification
    from .sticker_content import StickerContent
    from .text_content import TextContent
    from .text_options import TextOptions
    from .to_address_number import ToAddressNumber
    from .video_content import VideoContent

_MODULES = {
    "AddressedMessageId": ".addressed_message_id",
    "ApiVersion": ".api_version",
    "AudioContent": ".audio_content",
    "Channel": ".channel",
    "DeliveryState": ".delivery_state",
    "DocumentContent": ".document_content",
    "Error": ".error",
    "ErrorDetails": ".error_details",
    "ImageContent": ".image_content",
    "MediaUploadResult": ".media_upload_result",
    "MessageListEntry": ".message_list_entry",
    "MessageListItem": ".message_list_item",
    "MessageListRequest": ".message_list_request",
    "MessageListResult": ".message_list_result",
    "MessageListStatusResult": ".message_list_status_result",
    "MessageRequest": ".message_request",
    "MessageResult": ".message_result",
    "MessageStatusResult": ".message_status_result",
    "Notification": ".notification",
    "NotificationAddress": ".notification_address",
    "NotificationAddressType": ".notification_address_type",
    "NotificationEvent": ".notification_event",
    "ParameterError": ".parameter_error",
    "ReceivedContent": ".received_content",
    "ReceivedMessage": ".received_message",
    "StatusNotification": ".status_notification",
    "StickerContent": ".sticker_content",
    "TextContent": ".text_content",
    "TextOptions": ".text_options",
    "ToAddressNumber": ".to_address_number",
    "VideoContent": ".video_content",
}

__all__ = (
    "AddressedMessageId",
    "ApiVersion",
    "AudioContent",
    "Channel",
    "DeliveryState",
    "DocumentContent",
    "Error",
    "ErrorDetails",
    "ImageContent",
    "MediaUploadResult",
    "MessageListEntry",
    "MessageListItem",
    "MessageListRequest",
    "MessageListResult",
    "MessageListStatusResult",
    "MessageRequest",
    "MessageResult",
    "MessageStatusResult",
    "Notification",
    "NotificationAddress",
    "NotificationAddressType",
    "NotificationEvent",
    "ParameterError",
    "ReceivedContent",
    "ReceivedMessage",
    "StatusNotification",
    "StickerContent",
    "TextContent",
    "TextOptions",
    "ToAddressNumber",
    "VideoContent",
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
