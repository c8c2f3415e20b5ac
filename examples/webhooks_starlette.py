"""eCall's callbacks in Starlette: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    uvicorn --no-proxy-headers webhooks_starlette:app

From the environment: CALLBACK_PROXIES, the addresses of your own reverse proxies, and CALLBACK_SECRET, which then comes
after /ecall/ in the URLs. Either may be left out.
"""

import os

from starlette.applications import Starlette
from starlette.routing import Mount

from ecall_facade.webhooks import (
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
    WebhookApp,
)

receiver = Receiver(
    trusted_proxies=os.environ.get("CALLBACK_PROXIES", "").split(),
    path_secret=os.environ.get("CALLBACK_SECRET"),
)
seen = SeenKeys()  # of this process; with several, your own over a database


def handle(event: StatusUpdate | ReceivedMessage | UnknownEvent) -> None:
    match event:
        case StatusUpdate():
            print(f"Message {event.message_id} is {event.state}")
        case ReceivedMessage():
            print(f"A reply by {event.channel} has {len(event.text or '')} characters")
        case UnknownEvent():
            print(f"Something else came: {event.key}")


app = Starlette(routes=[Mount("/ecall", WebhookApp(handle, receiver=receiver, seen=seen))])
