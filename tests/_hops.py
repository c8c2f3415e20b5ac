"""Which files of the package one send enters, in order: on the way down, and on the way up."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (str(ROOT / "ecall_facade"), str(ROOT / "generated" / "ecall_client"))
_WRITES = {"send", "sendall", "sendmsg", "write"}


class Hops:
    """Records each file that a function is called in.

    Attributes:
        down: The files until the first byte is written.
        up: The files after it.
    """

    def __init__(self) -> None:
        self.down: list[str] = []
        self.up: list[str] = []
        self.calls: list[str] = []
        self._is_written = False

    def record(self, call: Callable[[], object]) -> None:
        """Record what a call enters."""
        gc.collect()
        gc.disable()  # it would enter the finalizers of what earlier tests have left
        sys.setprofile(self._profile)
        try:
            call()
        finally:
            sys.setprofile(None)
            gc.enable()

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            name = getattr(argument, "__name__", "")
            owner = getattr(argument, "__self__", None)
            self._is_written |= isinstance(owner, socket.socket) and name in _WRITES
            return
        if event != "call":
            return
        path = frame.f_code.co_filename
        if not path.startswith(PACKAGES):
            return
        name = os.path.relpath(path, ROOT).removeprefix("generated/")
        way = self.up if self._is_written else self.down
        self.calls.append(
            f"{'up  ' if self._is_written else 'down'} {name}:{frame.f_code.co_qualname}"
        )
        if not way or way[-1] != name:
            way.append(name)
