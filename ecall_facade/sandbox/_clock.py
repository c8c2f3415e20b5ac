"""The sandbox's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Now: TypeAlias = Callable[[], datetime]


class Clock:
    """The time in the sandbox. It goes by as everywhere, and a test may turn it forward.

        sandbox.clock.advance(hours=1)    # what is due within the hour has happened

    `freeze()` stops it where it is, for a test that looks at a state which would soon be over; from then on it goes
    forward only by `advance`.
    """

    def __init__(self, now: Now | None = None) -> None:
        self._now = now or _steady()
        self._frozen_at: datetime | None = None
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """Give the time, with a timezone."""
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
        """Turn it forward, by seconds or a `timedelta`; `ValueError` for a step back."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        step += timedelta(seconds=seconds, minutes=minutes, hours=hours)
        if step < timedelta():
            raise ValueError("A clock is turned forward only")
        self._ahead += step

    def freeze(self) -> None:
        """Stop it where it is."""
        if self._frozen_at is None:
            self._frozen_at = self._now()


def _steady() -> Now:
    """Give a clock that no change of the system's time turns back."""
    began, offset = datetime.now(UTC), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - offset)
