"""How long to wait for a message, and when to look again; without any I/O, for both clients."""

from __future__ import annotations

import time
from typing import Literal, TypeAlias, cast, get_args

from ecall_client.models.delivery_state import DeliveryState
from ecall_facade import errors
from ecall_facade.results import MessageStatus

Until: TypeAlias = Literal["final", "sent"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_NEW = 30.0  # seconds in which the service may not know yet what it has just accepted
_PASSING = (
    errors.ServiceUnreachable,
    errors.ServerError,
    errors.RateLimited,
    errors.UnreadableResponse,
)
_ENDING = 0.05  # too little time for another look


class Wait:
    """One wait: `see` takes each status or error, and gives the status that ends it; else `pause` says how long."""

    def __init__(self, message_id: str, timeout: float, until: Until) -> None:
        if not isinstance(cast("object", timeout), (int, float)) or not 0 < timeout < 1e9:
            raise errors.UsageError("timeout is a positive number of seconds")
        if until not in get_args(Until):
            raise errors.UsageError("until is 'final' or 'sent'")
        self._message_id = message_id
        self._timeout = timeout
        self._until = until
        self._started = time.monotonic()
        self._interval = _FIRST_PAUSE
        self._last: MessageStatus | None = None
        self.deadline = self._started + timeout
        self.pause = 0.0

    def see(self, seen: MessageStatus | errors.ECallError) -> MessageStatus | None:
        now = time.monotonic()
        least = 0.0
        if isinstance(seen, MessageStatus):
            self._last = seen
            if seen.is_final or (self._until == "sent" and seen.state is DeliveryState.SENT):
                return seen
        elif not isinstance(seen, _PASSING) and not (
            isinstance(seen, errors.NotFound) and now < self._started + _NEW
        ):
            if getattr(seen, "status_code", None) != 408:
                raise seen
        elif isinstance(seen, errors.APIError):
            least = seen.retry_after or 0.0
        left = self.deadline - now
        if (
            left - least < _ENDING
        ):  # no look any more: a pause that the service asks for is never undercut
            state = (
                f"; it was last seen as {self._last.state}"
                if self._last
                else "; its status could not be read"
            )
            state += f"; the service asks for a pause of {least:g} s" if least else ""
            raise errors.WaitTimeout(
                f"The message {self._message_id} was not {self._until} within {self._timeout:g} s{state}",
                self._last,
            )
        # The last look comes a little before the end, so that there is time for its answer.
        self.pause = max(least, min(self._interval, max(left - 1, left / 2)))
        self._interval = min(self._interval * 1.5, _LONGEST_PAUSE)
        return None
