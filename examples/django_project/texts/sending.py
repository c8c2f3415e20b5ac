"""Sending a text, so that the database knows what became of it."""

from functools import cache

from django.conf import settings

from ecall_facade import ECall, ECallError, Notify
from ecall_facade.numbers import normalize

from .models import Text


@cache
def ecall() -> ECall:
    """Return the client of this process."""
    return ECall()


def send(number: str, body: str) -> Text:
    """Send a text and return its row.

    Raises:
        ECallError: It was not accepted; the row says whether it may have been sent.
    """
    recipient = normalize(number)
    text = Text.objects.create(recipient=recipient, body=body)
    try:
        sent = ecall().sms.send(recipient, body, notify=Notify(settings.ECALL_CALLBACK_URL))
    except ECallError as error:
        text.state = Text.State.UNKNOWN if error.may_have_been_sent else Text.State.NOT_SENT
        raise
    else:
        text.state, text.message_id = Text.State.ACCEPTED, sent.message_id
    finally:
        text.save()
    return text
