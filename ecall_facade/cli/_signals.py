"""The signals that ask a command to stop: Ctrl-C, SIGTERM and the end of the terminal."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def stop_signals() -> Generator[threading.Event, None, None]:
    """Yield an event that such a signal sets, instead of ending the process."""
    stopping = threading.Event()

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


def wait_for_stop(stopping: threading.Event) -> None:
    """Wait until the event is set."""
    while not stopping.wait(0.5):  # Windows handles Ctrl-C only between waits
        pass
