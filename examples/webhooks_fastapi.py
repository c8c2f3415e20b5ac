"""eCall's callbacks in FastAPI: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    uvicorn --no-proxy-headers webhooks_fastapi:app

Three environment variables are read, and each may be left out.
CALLBACK_SOURCES holds the addresses that callbacks come from, in place of the service's: 127.0.0.1 for the sandbox.
CALLBACK_PROXIES holds the addresses of your own reverse proxies, and "unix:" if one of them connects by a Unix socket.
CALLBACK_SECRET comes after /ecall/ in the URLs.
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from ecall_facade.webhooks import (
    DOCUMENTED_SOURCES,
    InProgress,
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
    WebhookError,
    handle_once,
)

receiver = Receiver(
    sources=os.environ.get("CALLBACK_SOURCES", "").split() or DOCUMENTED_SOURCES,
    trusted_proxies=os.environ.get("CALLBACK_PROXIES", "").split(),
    path_secret=os.environ.get("CALLBACK_SECRET"),
)
seen = SeenKeys()  # for one process; for several, write one over a database
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
            break  # receive() refuses it, so the rest is not needed
    path: str = request.scope["path"]
    return receiver.receive(
        bytes(body),
        remote_addr=request.client.host if request.client else None,
        headers=request.headers,
        query=request.scope["query_string"],
        path=path,
        expected="message" if path.endswith("/receivedmessage") else "any",
    )


@app.api_route("/ecall/{path:path}", methods=["GET", "POST"], include_in_schema=False)
def receive(
    event: Annotated[StatusUpdate | ReceivedMessage | UnknownEvent, Depends(read_event)],
) -> PlainTextResponse:
    with handle_once(seen, event.key) as is_new:
        if is_new:
            handle(event)
    return PlainTextResponse("ok")


@app.exception_handler(WebhookError)
def refuse(_: Request, error: WebhookError) -> PlainTextResponse:
    return PlainTextResponse(str(error), error.status_code)


@app.exception_handler(InProgress)
def ask_to_retry(_: Request, error: InProgress) -> PlainTextResponse:
    return PlainTextResponse(str(error), 503)


@app.exception_handler(ClientDisconnect)
def give_up(_: Request, __: ClientDisconnect) -> PlainTextResponse:
    return PlainTextResponse("The caller hung up", 400)
