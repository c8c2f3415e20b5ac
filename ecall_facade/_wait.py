"""Waiting for a message: a sans-I/O state machine that decides when to ask again, and when to stop."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from ecall_client.models.delivery_state import DeliveryState
from ecall_facade import _clock, errors
from ecall_facade.results import MessageStatus

Until: TypeAlias = Literal["final", "sent"]

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_GROWTH = 1.5
_NEW = 30.0
"""Seconds in which the service may not find a message that it has just accepted."""
_TOO_LATE = 0.05
"""Seconds; with less time left, the status is not read again."""
_TRANSIENT = (
    errors.ServiceUnreachable,
    errors.ServerError,
    errors.RateLimited,
    errors.UnreadableResponse,
)


class Wait:
    """One wait for a message.

    Args:
        message_id: The message.
        timeout: In seconds.
        until: What is waited for.

    Raises:
        UsageError: `timeout` or `until` is not valid.
    """

    def __init__(self, message_id: str, timeout: object, until: object) -> None:
        if not isinstance(timeout, (int, float)) or not 0 < timeout < 1e9:
            raise errors.UsageError("timeout must be a positive number of seconds")
        if until not in get_args(Until):
            raise errors.UsageError("until must be 'final' or 'sent'")
        self._message_id = message_id
        self._timeout = timeout
        self._until = until
        self._started = _clock.monotonic()
        self._interval = _FIRST_PAUSE
        self._last: MessageStatus | None = None
        self.deadline = self._started + timeout
        self.pause = 0.0

    def done(self, seen: MessageStatus | errors.ECallError) -> MessageStatus | None:
        """Return the status that ends the wait; None to ask again after `pause` seconds.

        Args:
            seen: The status, or the error of asking for it.

        Raises:
            WaitTimeout: There is no time to ask again.
            ECallError: The error, if it will not pass.
        """
        now = _clock.monotonic()
        asked = 0.0
        if isinstance(seen, MessageStatus):
            self._last = seen
            if seen.is_final or (self._until == "sent" and seen.state is DeliveryState.SENT):
                return seen
        elif not self._may_pass(seen, now):
            raise seen
        elif isinstance(seen, errors.APIError):
            asked = seen.retry_after or 0.0
        left = self.deadline - now
        if left - asked < _TOO_LATE:  # a pause that the service asks for is never undercut
            raise self._timed_out(asked)
        # The last time comes a little before the end, so that its response can arrive.
        self.pause = max(asked, min(self._interval, max(left - 1, left / 2)))
        self._interval = min(self._interval * _GROWTH, _LONGEST_PAUSE)
        return None

    def _may_pass(self, error: errors.ECallError, now: float) -> bool:
        if isinstance(error, errors.NotFound):
            return now < self._started + _NEW
        if isinstance(error, errors.APIError) and error.status_code == 408:
            return True
        return isinstance(error, _TRANSIENT)

    def _timed_out(self, asked: float) -> errors.WaitTimeout:
        last = "; its status could not be read"
        if self._last is not None:
            last = f"; it was last seen as {self._last.state}"
        pause = f"; the service asks for a pause of {asked:g} s" if asked else ""
        return errors.WaitTimeout(
            f"The message {self._message_id} was not {self._until} within {self._timeout:g} s"
            f"{last}{pause}",
            self._last,
        )
