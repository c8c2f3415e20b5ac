"""The sandbox's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Now: TypeAlias = Callable[[], datetime]


class Clock:
    """The time in the sandbox, which passes as usual and can be advanced.

        sandbox.clock.advance(hours=1)    # what is due within the hour has happened

    `freeze()` stops it, so that a test can look at a state that would soon be over. Then only `advance` moves it.

    Args:
        now: Returns the time, with a timezone; by default the time of this machine.
    """

    def __init__(self, now: Now | None = None) -> None:
        self._now = now or _steady()
        self._frozen_at: datetime | None = None
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """Return the time, with a timezone."""
        return (self._frozen_at or self._now()) + self._ahead

    def __repr__(self) -> str:
        return f"<Clock {self().isoformat(timespec='milliseconds')}{', frozen' if self._frozen_at else ''}>"

    def advance(
        self,
        by: float | timedelta = 0.0,
        *,
        seconds: float = 0.0,
        minutes: float = 0.0,
        hours: float = 0.0,
    ) -> None:
        """Move the clock forward.

        Args:
            by: Seconds, or a `timedelta`. The other arguments are added.
            seconds: Seconds.
            minutes: Minutes.
            hours: Hours.

        Raises:
            ValueError: The sum is negative.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        step += timedelta(seconds=seconds, minutes=minutes, hours=hours)
        if step < timedelta():
            raise ValueError("The clock can only be moved forward")
        self._ahead += step

    def freeze(self) -> None:
        """Stop the clock."""
        if self._frozen_at is None:
            self._frozen_at = self._now()


def _steady() -> Now:
    """Return a clock that changes of the system's time do not affect."""
    began, offset = datetime.now(UTC), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - offset)
