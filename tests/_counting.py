"""Counts function calls, which, unlike time, are the same on every machine and in every run."""

from __future__ import annotations

import gc
import sys
from typing import Self


class Count:
    """Within its block, `calls` grows by each function that is called in this thread, of Python and of C."""

    def __init__(self) -> None:
        self.calls = 0

    def _step(self, frame: object, event: str, argument: object) -> None:
        self.calls += event in {"call", "c_call"}

    def __enter__(self) -> Self:
        self.calls = 0
        self._collects = gc.isenabled()
        self._before = sys.getprofile()
        gc.disable()  # what a collection calls, as the finalizers of other tests' objects, does not count
        sys.setprofile(self._step)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        if self._collects:
            gc.enable()
