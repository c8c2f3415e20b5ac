"""Waiting for files in non-blocking mode, which have nothing to read yet, or no room to write."""

from __future__ import annotations

import io
import select
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE = 0.01  # seconds between two tries, where the system cannot say when a file is ready


def can_wait_for(file: object) -> bool:
    """Return whether None from `read` or `write` means "not ready".

    So it does for Python's own kinds of file, and for what has a descriptor. Of any other object
    nobody knows.
    """
    return isinstance(file, io.IOBase) or _descriptor_of(file) is not None


def wait_until_readable(file: object) -> None:
    """Wait, as a blocking file would, for a file whose `read` returned None."""
    _wait(file, for_reading=True)


def wait_until_writable(file: object) -> None:
    """Wait, as a blocking file would, for a file whose `write` took nothing."""
    _wait(file, for_reading=False)


def _wait(file: object, *, for_reading: bool) -> None:
    if not can_wait_for(file):
        raise BlockingIOError("The file is not ready; open it in blocking mode")
    descriptor = _descriptor_of(file)
    if descriptor is None or sys.platform == "win32":
        time.sleep(_PAUSE)
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN if for_reading else select.POLLOUT)
    poll.poll()


def _descriptor_of(file: object) -> int | None:
    try:
        fileno: Callable[[], int] | None = getattr(file, "fileno", None)
        return None if fileno is None else int(fileno())
    except (AttributeError, OSError, TypeError, ValueError):  # it has one that does not work
        return None
