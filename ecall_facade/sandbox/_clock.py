"""The sandbox's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from dateutil import tz

_SWISS = tz.gettz("Europe/Zurich")

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
        now = self._now() if self._frozen_at is None else self._frozen_at
        return now + self._ahead

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


def write_time(at: datetime, version: int = 2) -> str:
    """Return a timestamp as the API writes it.

    Args:
        at: The time.
        version: 2 writes UTC with a Z (documented), 1 writes Swiss time without an offset (inferred).
    """
    if version == 2:
        return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return at.astimezone(_SWISS).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _steady() -> Now:
    """Return a clock that is not affected when the system's time is changed."""
    began, offset = datetime.now(UTC), time.monotonic()
    return lambda: began + timedelta(seconds=time.monotonic() - offset)
