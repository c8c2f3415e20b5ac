"""eCall's callbacks in Flask: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    gunicorn webhooks_flask:app

Three environment variables are read, and each may be left out.
CALLBACK_SOURCES holds the addresses that callbacks come from, in place of the service's: 127.0.0.1 for the sandbox.
CALLBACK_PROXIES holds the addresses of your own reverse proxies, and "unix:" if one of them connects by a Unix socket.
CALLBACK_SECRET comes after /ecall/ in the URLs.
Do not use ProxyFix, which replaces the peer's address by one from a header.
"""

import os
from functools import cached_property
from typing import cast

from flask import Flask, Request, request
from flask.typing import ResponseReturnValue
from werkzeug.formparser import FormDataParser

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


class CallbackRequest(Request):
    """Keeps the body of a form, which a before_request function may read before the view does."""

    @cached_property
    def body(self) -> bytes:
        """Return the body as it came."""
        # One byte more than is taken, because Flask cuts a chunked body at the limit.
        self.max_content_length = receiver.max_body + 1
        return self.get_data()

    def make_form_data_parser(self) -> FormDataParser:
        """Read the body before it is parsed, as nothing is left of it afterwards."""
        if self.path.startswith("/ecall/"):
            _ = self.body
        return super().make_form_data_parser()


app = Flask(__name__)
app.request_class = CallbackRequest


def handle(event: StatusUpdate | ReceivedMessage | UnknownEvent) -> None:
    match event:
        case StatusUpdate():
            print(f"Message {event.message_id} is {event.state}")
        case ReceivedMessage():
            print(f"A reply by {event.channel} has {len(event.text or '')} characters")
        case UnknownEvent():
            print(f"Something else came: {event.key}")


@app.route("/ecall/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/ecall/<path:path>", methods=["GET", "POST"])
def receive(path: str) -> ResponseReturnValue:
    event = receiver.receive(
        cast("CallbackRequest", request).body,
        remote_addr=request.remote_addr,
        headers=request.headers,
        query=request.query_string,
        path=path,
        expected="message" if path.endswith("/receivedmessage") else "any",
    )
    with handle_once(seen, event.key) as is_new:
        if is_new:
            handle(event)
    return "ok"


@app.errorhandler(WebhookError)
def refuse(error: WebhookError) -> ResponseReturnValue:
    return str(error), error.status_code


@app.errorhandler(InProgress)
def ask_to_retry(error: InProgress) -> ResponseReturnValue:
    return str(error), 503
