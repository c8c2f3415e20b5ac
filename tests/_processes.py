"""The command as a process of its own, in an environment that holds nothing it would use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecall_facade._settings import SENDER_VARIABLES
from ecall_facade.sandbox import Sandbox

ECALL = [sys.executable, "-m", "ecall_facade.cli"]
_LEFT_OUT = (
    *("ECALL_", "XDG_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT"),
    "PYTHONUNBUFFERED",  # with which nobody sees that an output is not flushed
)


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Give an environment with these variables and nothing else that the command looks at."""
    others = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(_LEFT_OUT)
    }
    return {**others, "HOME": str(home), "TERM": "xterm", "COLUMNS": "80", **variables}


def variables_of(sandbox: Sandbox) -> dict[str, str]:
    """Give the variables that point to a sandbox."""
    credentials = sandbox.credentials
    return {
        "ECALL_USERNAME": credentials["username"],
        "ECALL_PASSWORD": credentials["password"],
        "ECALL_BASE_URL": credentials["base_url"],
        **{SENDER_VARIABLES[name]: sender for name, sender in credentials["sender"].items()},
    }


def run(
    home: Path, *arguments: str | Path, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*ECALL, *map(str, arguments)],
        cwd=home,
        env=environment(home, **variables),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )


@contextmanager
def running(
    home: Path, *arguments: str | Path, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run the command until the block ends, or for two minutes: a test that waits for its output then fails."""
    # What ignores SIGINT, as tests in the background do, would have it ignored in the process too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*ECALL, *map(str, arguments)],
            cwd=home,
            env=environment(home, **(variables or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    finally:
        signal.signal(signal.SIGINT, before)
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def read_json(process: subprocess.Popen[str]) -> Any:
    """Read the next line of a process, which is JSON."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line and process.stderr is not None:
        raise AssertionError(process.stderr.read())
    return json.loads(line)
