"""eCall's callbacks in FastAPI: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    uvicorn --no-proxy-headers webhooks_fastapi:app

From the environment: CALLBACK_PROXIES, the addresses of your own reverse proxies, and CALLBACK_SECRET, which then comes
after /ecall/ in the URLs. Either may be left out.
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse

from ecall_facade.webhooks import (
    Busy,
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
    WebhookError,
    once,
)

receiver = Receiver(
    trusted_proxies=os.environ.get("CALLBACK_PROXIES", "").split(),
    path_secret=os.environ.get("CALLBACK_SECRET"),
)
seen = SeenKeys()  # of this process; with several, your own over a database
app = FastAPI()


def handle(event: StatusUpdate | ReceivedMessage | UnknownEvent) -> None:
    match event:
        case StatusUpdate():
            print(f"Message {event.message_id} is {event.state}")
        case ReceivedMessage():
            print(f"A reply by {event.channel} has {len(event.text or '')} characters")
        case UnknownEvent():
            print(f"Something else came: {event.key}")


async def read_event(request: Request) -> StatusUpdate | ReceivedMessage | UnknownEvent:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > receiver.max_body:
            break  # the rest is not read, as receive() refuses it
    path: str = request.scope["path"]
    return receiver.receive(
        bytes(body),
        remote_addr=request.client.host if request.client else None,
        headers=request.headers.raw,
        query=request.scope["query_string"],
        path=path,
        expected="message" if path.endswith("/receivedmessage") else "any",
    )


@app.api_route("/ecall/{path:path}", methods=["GET", "POST"], include_in_schema=False)
def receive(
    event: Annotated[StatusUpdate | ReceivedMessage | UnknownEvent, Depends(read_event)],
) -> PlainTextResponse:
    with once(seen, event.key) as is_new:
        if is_new:
            handle(event)
    return PlainTextResponse("ok")


@app.exception_handler(WebhookError)
def refuse(_: Request, error: WebhookError) -> PlainTextResponse:
    return PlainTextResponse(str(error), error.status_code)


@app.exception_handler(Busy)
def ask_to_come_again(_: Request, error: Busy) -> PlainTextResponse:
    return PlainTextResponse(str(error), 503)
