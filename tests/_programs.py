"""Programs as processes of their own: commands that are run to their end, and servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_LONGEST_START = 60  # seconds, on a machine with much to do


def run_python(
    *arguments: str | Path, folder: Path = EXAMPLES, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments to its end."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def run_program(
    *command: str | Path, folder: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program that has to succeed, with more in its environment; show what it says if it fails."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@contextmanager
def serve(
    *command: str, folder: Path = EXAMPLES, environment: Mapping[str, str], log: Path
) -> Iterator[str]:
    """Run a server's module on a free port until the block ends; yield its address.

    Its output goes to the file `log`, from which the address is read.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + _LONGEST_START
        while not (found := _READY.search(log.read_text("utf-8"))):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.05)
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)
