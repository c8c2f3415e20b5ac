"""The client's clock, for tests in which its pauses take no time."""

from __future__ import annotations

import time

import pytest

from ecall_facade import _async, _policy, _session, _sync, _wait


class Clock:
    """Time that passes in the client's pauses, at once; and else as ever, but for one that `stands`.

    It is what deadlines go by as well, so that who waits for ten seconds does not ask ten thousand times.
    """

    def __init__(self, *, stands: bool = False) -> None:
        self.pauses: list[float] = []
        self._stands = stands
        self._slept = 0.0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (_session, _sync):
            monkeypatch.setattr(module, "sleep", self.sleep)
        for module in (_session, _async):
            monkeypatch.setattr(module, "sleep_async", self.sleep_async)
        for module in (_policy, _wait):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return (1000 if self._stands else time.monotonic()) + self._slept

    def time(self) -> float:
        return (1_800_000_000 if self._stands else time.time()) + self._slept

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._slept += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
