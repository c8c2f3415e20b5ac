"""Send SMS, WhatsApp and RCS messages through eCall: typed, sync and async, and never the same text twice.

    from ecall_facade import ECall

    with ECall() as ecall:  # credentials and sender from the environment
        sent = ecall.sms.send("079 123 45 67", "Your code is 481 516")
        print(ecall.messages.wait(sent.message_id, timeout=60).state)

`AsyncECall` is the same with `await`.
"""

import os
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from ecall_facade._version import __version__

if TYPE_CHECKING:
    from ecall_client.models import (
        AudioContent,
        Channel,
        DeliveryState,
        DocumentContent,
        ImageContent,
        MessageListItem,
        NotificationAddress,
        NotificationAddressType,
        NotificationEvent,
        StickerContent,
        TextContent,
        TextOptions,
        VideoContent,
    )
    from ecall_facade import text
    from ecall_facade._async._client import AsyncECall
    from ecall_facade._notify import Notify
    from ecall_facade._sync._client import ECall
    from ecall_facade.errors import (
        APIError,
        AuthenticationError,
        BadRequest,
        ECallError,
        InvalidConfiguration,
        InvalidMedia,
        InvalidNumber,
        InvalidSender,
        InvalidText,
        MalformedEvent,
        MissingCredentials,
        NotFound,
        NotSent,
        NumberProblem,
        OutcomeUnknown,
        PermissionDenied,
        RateLimited,
        ServerError,
        ServiceUnreachable,
        TooLarge,
        UnreadableResponse,
        UntrustedSource,
        UsageError,
        WaitTimeout,
        WebhookError,
    )
    from ecall_facade.numbers import RawAddress
    from ecall_facade.results import (
        ErrorDetail,
        FailureReason,
        ListEntry,
        ListStatus,
        Media,
        MessageStatus,
        RawResponse,
        SentBroadcast,
        SentList,
        SentMessage,
    )

__all__ = [  # noqa: RUF022  # by topic
    # clients
    "AsyncECall",
    "ECall",
    "__version__",
    # messages
    "AudioContent",
    "Channel",
    "DocumentContent",
    "ImageContent",
    "MessageListItem",
    "NotificationAddress",
    "NotificationAddressType",
    "NotificationEvent",
    "Notify",
    "RawAddress",
    "StickerContent",
    "TextContent",
    "TextOptions",
    "VideoContent",
    "text",
    # results
    "DeliveryState",
    "ErrorDetail",
    "FailureReason",
    "ListEntry",
    "ListStatus",
    "Media",
    "MessageStatus",
    "RawResponse",
    "SentBroadcast",
    "SentList",
    "SentMessage",
    # errors
    "APIError",
    "AuthenticationError",
    "BadRequest",
    "ECallError",
    "InvalidConfiguration",
    "InvalidMedia",
    "InvalidNumber",
    "InvalidSender",
    "InvalidText",
    "MalformedEvent",
    "MissingCredentials",
    "NotFound",
    "NotSent",
    "NumberProblem",
    "OutcomeUnknown",
    "PermissionDenied",
    "RateLimited",
    "ServerError",
    "ServiceUnreachable",
    "TooLarge",
    "UnreadableResponse",
    "UntrustedSource",
    "UsageError",
    "WaitTimeout",
    "WebhookError",
]

_MODULES = (
    "ecall_facade.errors",
    "ecall_facade.results",
    "ecall_facade.numbers",
    "ecall_client.models",
    "ecall_facade._notify",
    "ecall_facade._sync._client",
    "ecall_facade._async._client",
)


def _check_for_a_namesake() -> None:
    """Raise an ImportError if somebody else's module has the name of the generated package and comes first."""
    found = PathFinder.find_spec("ecall_client")
    if found is None or found.origin is None or not os.path.isfile(found.origin):  # noqa: PTH113  # pathlib is slow to import
        return  # not among files, as in a frozen program
    if found.submodule_search_locations is None or (
        PathFinder.find_spec("ecall_client.tables", found.submodule_search_locations) is None
    ):
        raise ImportError(
            f"{found.origin} has the name of the package 'ecall_client', which is part of ecall-facade, and is found"
            " before it: rename yours",
            name="ecall_client",
            path=found.origin,
        )


_check_for_a_namesake()


def __getattr__(name: str) -> object:
    """Load a name when it is first used, so that an import costs what is used of it."""
    if name == "text":
        return import_module("ecall_facade.text")
    for home in _MODULES if name in __all__ else ():
        if (value := getattr(import_module(home), name, None)) is not None:
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
