"""Callbacks of the service: delivery reports and replies."""

from functools import cache

from django.conf import settings
from django.core.mail import mail_managers
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ecall_facade.bulk import Ledger
from ecall_facade.webhooks import (
    Event,
    InProgress,
    MalformedEvent,
    ReceivedMessage,
    Receiver,
    StatusUpdate,
    WebhookError,
    handle_once,
)

from .models import Delivery, Reply, Text

receiver = Receiver(sources=settings.ECALL_SOURCES, trusted_proxies=settings.ECALL_PROXIES)


@cache
def ledger() -> Ledger:
    """Return the ledger of this process."""
    return Ledger(settings.ECALL_LEDGER)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def receive(request: HttpRequest) -> HttpResponse:
    """Answer 200 once an event has been handled, by this process or by another one."""
    try:
        event = receiver.receive(
            read_body(request),
            remote_addr=request.META.get("REMOTE_ADDR"),
            headers=request.headers,
            query=request.META.get("QUERY_STRING", ""),
            path=request.path,
            expected="message" if request.path.endswith("/receivedmessage") else "any",
        )
        with handle_once(ledger().seen, event.key) as is_new:
            if is_new:
                handle(event)
    except WebhookError as error:
        return HttpResponse(str(error), status=error.status_code)
    except InProgress as error:
        return HttpResponse(str(error), status=503)
    return HttpResponse("ok")


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


def handle(event: Event) -> None:
    """Store an event.

    If the process is killed in between, the event comes again, so that storing it twice must do no harm.
    """
    match event:
        case StatusUpdate(message_id=str() as message_id):
            facts = {"state": str(event.state), "is_final": event.is_final}
            with transaction.atomic():
                Delivery.objects.get_or_create(message_id=message_id, defaults=facts)
                # Reports may come in any order, and nothing comes after a final state.
                Delivery.objects.filter(message_id=message_id, is_final=False).update(**facts)
        case ReceivedMessage():
            answered = Text.objects.filter(recipient=event.sender).order_by("-id").first()
            reply, _ = Reply.objects.get_or_create(
                key=event.key,
                defaults={
                    "sender": event.sender or "",
                    "body": event.text or "",
                    "answers": answered,
                },
            )
            mail_managers("A reply by SMS", f"It is reply {reply.pk}.")
        case _:
            pass
