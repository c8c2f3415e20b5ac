"""The signals that ask a command to stop: Ctrl-C, SIGTERM and the end of the terminal."""

from __future__ import annotations

import queue
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Stop:
    """Whether a command is to stop, for one thread that waits for it.

    It takes the place of a `threading.Event`, whose `set` takes a lock: a signal handler that
    interrupts its own thread while a `wait` there holds that lock would never return.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake = queue.SimpleQueue[None]()  # whose `put` may interrupt its `get`

    def is_set(self) -> bool:
        """Return whether the command is to stop."""
        return self._is_set

    def set(self) -> None:
        """Let the command stop."""
        self._is_set = True
        self._wake.put(None)

    def wait(self, timeout: float) -> bool:
        """Wait until the command is to stop, for so many seconds at most; return whether it is."""
        if not self._is_set:
            with suppress(queue.Empty):
                self._wake.get(timeout=timeout)
        return self._is_set


@contextmanager
def stop_signals() -> Generator[Stop, None, None]:
    """Yield what such a signal sets, instead of ending the process."""
    stopping = Stop()

    def stop(_number: int, _frame: object) -> None:
        stopping.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(hangup)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for_stop(stopping: Stop) -> None:
    """Wait until the command is to stop."""
    while not stopping.wait(0.5):  # Windows handles Ctrl-C only between waits
        pass
