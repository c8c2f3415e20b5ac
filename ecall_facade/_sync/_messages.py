# Made by scripts/unasync from ecall_facade/_async/_messages.py; change that file.

"""Delivery status, and lists of messages."""

from __future__ import annotations

from collections.abc import Iterable

from ecall_client import models
from ecall_facade import _clock
from ecall_facade._messages import send_list
from ecall_facade._notify import Notifiable
from ecall_facade._request_parts import Extra
from ecall_facade._statuses import list_status, status
from ecall_facade._sync._session import Session
from ecall_facade._wait import Until, Wait
from ecall_facade.errors import ECallError
from ecall_facade.results import ListStatus, MessageStatus, SentList


class Messages:
    """Delivery status, and lists of messages."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def status(self, message_id: str) -> MessageStatus:
        """Return the delivery status of a message; it is kept for seven days (documented).

        Args:
            message_id: As the send returned it.

        Raises:
            NotFound: The service knows no such message, or no longer.
            ServiceUnreachable: No response came.
            APIError: The service refused the request, or failed.
        """
        return self._session.run(status(message_id))

    def wait(self, message_id: str, *, timeout: float, until: Until = "final") -> MessageStatus:
        """Wait until a message has come as far as asked, and return its status.

        Asks at once, after half a second, and then less and less often, up to every ten seconds. A
        message that failed is returned, not raised. Errors that may pass are absorbed, and so is a 404
        in the first 30 seconds.

        Args:
            message_id: As the send returned it.
            timeout: In seconds.
            until: "final" (its state will not change any more) or "sent" (it has left the service).

        Raises:
            WaitTimeout: The time is over; has the last status.
            ECallError: An error that will not pass.
        """
        wait = Wait(message_id, timeout, until)
        call = status(message_id)
        while True:
            seen: MessageStatus | ECallError
            try:
                seen = self._session.run(call, wait.deadline)
            except ECallError as error:
                seen = error
            done = wait.done(seen)
            if done is not None:
                return done
            _clock.sleep(wait.pause)

    def send_list(
        self,
        messages: Iterable[models.MessageListItem],
        *,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentList:
        """Send many different messages, in one request; its path is inferred.

        Some being refused does not fail the call: the result has an entry for each, in order.

        Args:
            messages: Made by `compose` of a channel.
            notify: As in `sms.send`, for the whole list.
            extra: As in `sms.send`.

        Raises:
            ECallError: As `sms.send` raises.
        """
        return self._session.run(send_list(self._session.options, messages, notify, extra))

    def list_status(self, list_id: str) -> ListStatus:
        """Return the delivery status of the messages of a list; the path is inferred.

        Args:
            list_id: As `send_list` returned it.

        Raises:
            ECallError: As `status` raises.
        """
        return self._session.run(list_status(list_id))
