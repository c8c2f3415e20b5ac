"""Output of the command, for people and for programs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, TypeAlias

from ecall_facade.cli._terminal import make_printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON
    from ecall_facade.cli._failures import Exit, Failure

Line: TypeAlias = str | tuple[str | tuple[str, str], ...]
"""A line as a string, or as parts, each a string or a (text, style) pair."""


@dataclass(frozen=True)
class Output:
    """Writes results: a line for people, or a JSON object on a line for programs."""

    as_json: bool

    def show(self, data: Mapping[str, JSON], line: Line) -> None:
        """Write one result in the chosen form."""
        if self.as_json:
            write_json(data)
        else:
            write_line(line)


def write_json(data: Mapping[str, JSON]) -> None:
    """Write an object on a line of its own, in ASCII, which every encoding can represent."""
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


def write_line(line: Line) -> None:
    """Write a line for people, with colours on a terminal."""
    parts = [
        (part, "") if isinstance(part, str) else part
        for part in ((line,) if isinstance(line, str) else line)
    ]
    parts = [(make_printable(text), style) for text, style in parts]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        Console().print(Text.assemble(*parts), soft_wrap=True)
    else:
        sys.stdout.write("".join(text for text, _ in parts) + "\n")
        sys.stdout.flush()


def write_note(line: str) -> None:
    """Write a line to stderr; a stderr that nobody reads is not an error."""
    try:
        sys.stderr.write(make_printable(line) + "\n")
        sys.stderr.flush()
    except OSError:
        _redirect_to_null(sys.stderr)


def write_failure(failure: Failure, *, as_json: bool) -> Exit:
    """Write a failure and return its exit code."""
    try:
        if as_json:
            write_json({"error": failure.data})
        sys.stdout.flush()
    except OSError:
        _redirect_to_null(sys.stdout)
        as_json = False
    if not as_json:
        write_note(f"ecall: {failure.message}")
    return failure.code


def _redirect_to_null(stream: TextIO) -> None:
    # The reader has left or the disk is full; flushing at exit would fail again and change the exit code.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
