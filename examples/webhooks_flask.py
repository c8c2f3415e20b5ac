"""eCall's callbacks in Flask: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    gunicorn webhooks_flask:app

From the environment: CALLBACK_PROXIES, the addresses of your own reverse proxies, and CALLBACK_SECRET, which then comes
after /ecall/ in the URLs. Either may be left out. No ProxyFix: it makes the caller's address
what a header says.
"""

import os

from flask import Flask, request
from flask.typing import ResponseReturnValue

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
app = Flask(__name__)


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
    request.max_content_length = receiver.max_body  # Flask answers 413
    event = receiver.receive(
        request.get_data(),
        remote_addr=request.remote_addr,
        headers=request.headers,
        query=request.query_string,
        path=path,
        expected="message" if path.endswith("/receivedmessage") else "any",
    )
    with once(seen, event.key) as is_new:
        if is_new:
            handle(event)
    return "ok"


@app.errorhandler(WebhookError)
def refuse(error: WebhookError) -> ResponseReturnValue:
    return str(error), error.status_code


@app.errorhandler(Busy)
def ask_to_come_again(error: Busy) -> ResponseReturnValue:
    return str(error), 503
