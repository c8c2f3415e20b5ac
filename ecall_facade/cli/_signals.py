"""The wish to end, as a terminal or an operator expresses it."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def stop_signals() -> Generator[threading.Event, None, None]:
    """Set an event at Ctrl-C, SIGTERM and the end of the terminal, instead of dying of them."""
    stopping = threading.Event()

    def stop(number: int, frame: object) -> None:  # noqa: ARG001
        stopping.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:  # which nohup wants
        numbers.append(hangup)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
