"""The client's clock, for tests in which its pauses take no time."""

from __future__ import annotations

import time

import pytest

from ecall_facade import _clock


class Clock:
    """Time that passes at once in the client's pauses, and otherwise as ever.

    Deadlines go by it as well, so that a wait of ten seconds does not ask ten thousand times. One
    that `stands` passes in pauses only.
    """

    def __init__(self, *, stands: bool = False) -> None:
        self.pauses: list[float] = []
        self._stands = stands
        self._slept = 0.0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it in the place of the client's clock, which is one module."""
        for name in ("monotonic", "wall_time", "sleep", "sleep_async"):
            monkeypatch.setattr(_clock, name, getattr(self, name))

    def monotonic(self) -> float:
        return (1000 if self._stands else time.monotonic()) + self._slept

    def wall_time(self) -> float:
        return (1_800_000_000 if self._stands else time.time()) + self._slept

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._slept += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
