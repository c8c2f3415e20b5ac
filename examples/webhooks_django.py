"""eCall's callbacks in Django: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    gunicorn webhooks_django

Three environment variables are read, and each may be left out.
CALLBACK_SOURCES holds the addresses that callbacks come from, in place of the service's: 127.0.0.1 for the sandbox.
CALLBACK_PROXIES holds the addresses of your own reverse proxies, and "unix:" if one of them connects by a Unix socket.
CALLBACK_SECRET comes after /ecall/ in the URLs.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ecall_facade.webhooks import (
    DOCUMENTED_SOURCES,
    InProgress,
    MalformedEvent,
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


def handle(event: StatusUpdate | ReceivedMessage | UnknownEvent) -> None:
    match event:
        case StatusUpdate():
            print(f"Message {event.message_id} is {event.state}")
        case ReceivedMessage():
            print(f"A reply by {event.channel} has {len(event.text or '')} characters")
        case UnknownEvent():
            print(f"Something else came: {event.key}")


def read_body(request: HttpRequest) -> bytes:
    """Return the body; of one that is too long only as much as receive() needs to refuse it."""
    stream = request
    if not request.META.get("CONTENT_LENGTH") and request.META.get("wsgi.input_terminated"):
        stream = request.META["wsgi.input"]  # a chunked body, of which Django reads nothing
    try:
        body: bytes = stream.read(receiver.max_body + 1)
    except OSError:
        raise MalformedEvent("The caller hung up") from None
    return body


@csrf_exempt
@require_http_methods(["GET", "POST"])
def receive(request: HttpRequest) -> HttpResponse:
    try:
        event = receiver.receive(
            read_body(request),
            remote_addr=request.META.get("REMOTE_ADDR"),  # missing at a Unix socket
            headers=request.headers,
            query=request.META.get("QUERY_STRING", ""),
            path=request.path,
            expected="message" if request.path.endswith("/receivedmessage") else "any",
        )
        with handle_once(seen, event.key) as is_new:
            if is_new:
                handle(event)
    except WebhookError as error:
        return HttpResponse(str(error), status=error.status_code)
    except InProgress as error:
        return HttpResponse(str(error), status=503)
    return HttpResponse("ok")


urlpatterns = [re_path(r"^ecall/", receive)]

if not settings.configured:  # in a project they are, and what is above is all that it needs
    settings.configure(ROOT_URLCONF=__name__)
    application = get_wsgi_application()
