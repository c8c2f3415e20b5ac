"""The command on a terminal, which it colours, asks questions on, and fits its lines to."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from _processes import ECALL, environment


def run_on_terminal(
    folder: Path,
    *arguments: str,
    answer: str | Callable[[], str] = "",
    variables: Mapping[str, str] | None = None,
    columns: int = 80,
) -> tuple[int, str]:
    """Run the command on a terminal, and answer its question; return its exit code and what it shows.

    Args:
        folder: Where it runs.
        arguments: Of the command.
        answer: What is typed at its question, or a function that does something first.
        variables: Of the environment.
        columns: The width of the terminal.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    process = subprocess.Popen(
        [*ECALL, *arguments],
        cwd=folder,
        env=environment(folder, **{"COLUMNS": str(columns), **(variables or {})}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    said = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux, when the other end is closed
            break
        if not data:
            break
        said += data
        if answer and said.endswith(b"[y/N] "):
            words = answer if isinstance(answer, str) else answer()
            os.write(master, words.encode())
            answer = ""
    code = process.wait(timeout=30)
    os.close(master)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r\n", "\n")
