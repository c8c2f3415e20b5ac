"""eCall's callbacks in Django: delivery reports at /ecall/, inbound messages at /ecall/api/webhooks/receivedmessage.

    gunicorn webhooks_django

From the environment: CALLBACK_PROXIES, the addresses of your own reverse proxies, and CALLBACK_SECRET, which then comes
after /ecall/ in the URLs. Either may be left out.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

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


def handle(event: StatusUpdate | ReceivedMessage | UnknownEvent) -> None:
    match event:
        case StatusUpdate():
            print(f"Message {event.message_id} is {event.state}")
        case ReceivedMessage():
            print(f"A reply by {event.channel} has {len(event.text or '')} characters")
        case UnknownEvent():
            print(f"Something else came: {event.key}")


@csrf_exempt
@require_http_methods(["GET", "POST"])
def receive(request: HttpRequest) -> HttpResponse:
    try:
        event = receiver.receive(
            request.read(receiver.max_body + 1),  # what is longer is refused
            remote_addr=request.META["REMOTE_ADDR"],
            headers=request.headers,
            query=request.META["QUERY_STRING"],
            path=request.path,
            expected="message" if request.path.endswith("/receivedmessage") else "any",
        )
        with once(seen, event.key) as is_new:
            if is_new:
                handle(event)
    except WebhookError as error:
        return HttpResponse(str(error), status=error.status_code)
    except Busy as error:
        return HttpResponse(str(error), status=503)
    return HttpResponse("ok")


urlpatterns = [re_path(r"^ecall/", receive)]

if not settings.configured:  # in a project they are, and what is above is all that it needs
    settings.configure(ROOT_URLCONF=__name__)
    application = get_wsgi_application()
