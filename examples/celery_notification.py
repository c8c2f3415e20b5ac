"""Text one person from an application, by a task of Celery.

Set ECALL_USERNAME, ECALL_PASSWORD and ECALL_SENDER, and start a worker in this folder:

    CELERY_BROKER=redis://… ECALL_LEDGER=postgresql+psycopg://… celery -A celery_notification worker

The application calls `notify` or `request_code`. A notification must arrive, and must not arrive twice, even if a
worker is killed: a ledger takes care of that. A code is of use for two minutes only, so it does without.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from celery import Celery, Task
from celery.utils.log import get_task_logger

from ecall_facade import ECall, ECallError, NotSent, RateLimited, ServerError
from ecall_facade.bulk import Ledger, Message
from ecall_facade.bulk.celery import register

LEDGER = os.environ.get("ECALL_LEDGER", "sqlite:///notifications.db")

logger = get_task_logger(__name__)
app = Celery("notifications", broker=os.environ.get("CELERY_BROKER", "redis://localhost:6379/0"))
app.conf.broker_connection_retry_on_startup = True
# A task that is acknowledged late, and comes back if its worker dies. The ledger lets that do no harm.
send_chunk = register(app, LEDGER)


@cache
def ledger() -> Ledger:
    return Ledger(LEDGER)


@cache
def ecall() -> ECall:
    return ECall(timeout=(5, 10))


def notify(key: str, number: str, text: str) -> None:
    """Queue a text that is sent once, however often this is called with the same key.

    The broker gets no number and no text; they are in the ledger.

    Args:
        key: What the notification is about, such as "order 17 is shipped".
        number: The recipient.
        text: The text.
    """
    ledger().job(key, [Message(number, text)]).enqueue(send_chunk)


def request_code(number: str, code: str) -> None:
    """Queue a one-time code, which is not sent later than in two minutes."""
    send_code.apply_async((number, code), expires=120)


@app.task(bind=True, max_retries=3, ignore_result=True)
def send_code(self: Task[Any, None], number: str, code: str) -> None:
    """Send a code; acknowledged before it begins, so that a killed worker does not send it again."""
    try:
        ecall().sms.send(number, f"Your code is {code}", page_limit=1)
    except ECallError as error:
        if error.may_have_been_sent:
            # The person has the code, or asks for another one. Trying again could text them twice.
            logger.warning("A code may not have been sent: %s", error)
        elif isinstance(error, (NotSent, RateLimited, ServerError)):
            retry_after = None if isinstance(error, NotSent) else error.retry_after
            raise self.retry(exc=error, countdown=retry_after or 10) from None
        else:
            raise  # the number, the account or the program is wrong, and stays so
