"""Run the command in this process, as a shell would, and capture its output."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ecall_facade._settings import SENDER_VARIABLES
from ecall_facade.cli import _app, _signals
from ecall_facade.sandbox import Sandbox

NUMBER = "+41 79 123 45 67"
TEXT = "See you at 8"
NOTICE = "SIMULATION: an embedded sandbox, nobody is texted\n"


class Result(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def json(self) -> Any:
        (only,) = self.lines
        return only

    @property
    def error(self) -> Any:
        assert self.json.keys() == {"error"}
        assert {"type", "message", "request_id", "may_have_been_sent"} <= self.json["error"].keys()
        return self.json["error"]


class Command:
    """The command `ecall`, whose home and working directory is an empty folder."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> Result:
        self._monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        )
        self._capsys.readouterr()
        code = _app.run([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def line(self, line: str) -> Result:
        """Run a line of shell: a command, `export`, `echo … | ecall …`, and variables of the environment."""
        words = shlex.split(
            re.sub(r"\$(\w+)", lambda found: os.environ[found[1]], line), comments=True
        )
        stdin = b""
        if words[0] == "export":
            for word in words[1:]:
                name, _, value = word.partition("=")
                self._monkeypatch.setenv(name, value)
            return Result(0, "", "")
        if words[0] == "echo":
            stdin, words = f"{words[1]}\n".encode(), words[3:]
        assert words[0] == "ecall", line
        assert not {"|", ">", "<", "&&"} & set(words), line
        if words[1] in ("sandbox", "listen") and "--port" not in words:
            words[2:2] = ["--port", "0"]  # somebody may be running one at the usual port
        return self(*words[1:], stdin=stdin)


def point_to(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Set the environment variables that point to a sandbox."""
    credentials = sandbox.credentials
    for name in ("username", "password", "base_url"):
        monkeypatch.setenv(f"ECALL_{name.upper()}", credentials[name])
    for channel, variable in SENDER_VARIABLES.items():
        monkeypatch.setenv(variable, credentials["sender"][channel])


class StopAfter(_signals.Stop):
    """A stop that is set after `action` was called, which happens when somebody waits for it."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action = action

    def wait(self, timeout: float) -> bool:
        self._action()
        self.set()
        return True


def stop_after(
    monkeypatch: pytest.MonkeyPatch, action: Callable[[], object] = lambda: None
) -> None:
    """Make `ecall sandbox` and `ecall listen` call `action` once they run, and then stop."""

    @contextmanager
    def stop_signals() -> Iterator[_signals.Stop]:
        yield StopAfter(action)

    monkeypatch.setattr(_signals, "stop_signals", stop_signals)
