"""Delivery reports and replies: whether a callback is the service's, and what it says.

    receiver = Receiver()
    event = receiver.receive(body, remote_addr="193.93.208.200", headers=request.headers)

`Receiver` does no I/O and fits any framework; `WebhookApp` (extra `webhooks`) is an ASGI app to mount.
"""

from typing import TYPE_CHECKING

from ecall_facade.errors import MalformedEvent, UntrustedSource, WebhookError
from ecall_facade.webhooks._deduplication import InProgress, Seen, SeenKeys, handle_once
from ecall_facade.webhooks._events import Event, ReceivedMessage, StatusUpdate, UnknownEvent
from ecall_facade.webhooks._receiver import Receiver
from ecall_facade.webhooks._sources import DOCUMENTED_SOURCES

if TYPE_CHECKING:
    from ecall_facade.webhooks._app import WebhookApp

__all__ = [
    "DOCUMENTED_SOURCES",
    "Event",
    "InProgress",
    "MalformedEvent",
    "ReceivedMessage",
    "Receiver",
    "Seen",
    "SeenKeys",
    "StatusUpdate",
    "UnknownEvent",
    "UntrustedSource",
    "WebhookApp",
    "WebhookError",
    "handle_once",
]


def __getattr__(name: str) -> object:
    if name == "WebhookApp":  # needs starlette
        from ecall_facade.webhooks._app import WebhookApp

        return WebhookApp
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
