"""eCall's callbacks in Starlette: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    uvicorn --no-proxy-headers webhooks_starlette:app

Three environment variables are read, and each may be left out.
CALLBACK_SOURCES holds the addresses that callbacks come from, in place of the service's: 127.0.0.1 for the sandbox.
CALLBACK_PROXIES holds the addresses of your own reverse proxies, and "unix:" if one of them connects by a Unix socket.
CALLBACK_SECRET comes after /ecall/ in the URLs.
"""

import os

from starlette.applications import Starlette
from starlette.routing import Mount

from ecall_facade.webhooks import (
    DOCUMENTED_SOURCES,
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
    WebhookApp,
)

receiver = Receiver(
    sources=os.environ.get("CALLBACK_SOURCES", "").split() or DOCUMENTED_SOURCES,
    trusted_proxies=os.environ.get("CALLBACK_PROXIES", "").split(),
    path_secret=os.environ.get("CALLBACK_SECRET"),
)
seen = SeenKeys()  # for one process; for several, write one over a database


def handle(event: StatusUpdate | ReceivedMessage | UnknownEvent) -> None:
    match event:
        case StatusUpdate():
            print(f"Message {event.message_id} is {event.state}")
        case ReceivedMessage():
            print(f"A reply by {event.channel} has {len(event.text or '')} characters")
        case UnknownEvent():
            print(f"Something else came: {event.key}")


app = Starlette(routes=[Mount("/ecall", WebhookApp(handle, receiver=receiver, seen=seen))])
