"""Output of the command for people and programs, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Self, TextIO, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON
    from ecall_facade.errors import ECallError

Line: TypeAlias = str | tuple[str | tuple[str, str], ...]
"""A line as it is, or as parts, of which some are pairs of a text and its style."""


class Exit(IntEnum):
    """Exit codes; after `send`, 2, 3 and 4 mean that nobody was texted, all others that somebody may have been."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done"
    FAILED = 1, "failed in another way; a message that was accepted is named"
    USAGE = 2, "usage error: arguments or credentials, or the sandbox cannot start"
    REJECTED = 3, "rejected: the service refused, and nobody was texted"
    NOT_SENT = 4, "not sent: no connection, and nobody was texted"
    UNKNOWN = 5, "outcome unknown: it may have been sent, so do not repeat it blindly"
    UNDELIVERED = 6, "the message failed or was not delivered"
    INTERRUPTED = 130, "interrupted"


class Failure(Exception):
    """Ends a command with an exit code and a message."""

    def __init__(
        self,
        code: Exit,
        kind: str,
        message: str,
        *,
        request_id: str | None = None,
        may_have_been_sent: bool = False,
        more: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = _printable(message)
        self.facts: dict[str, JSON] = {
            "type": kind,
            "message": self.message,
            "request_id": request_id,
            "may_have_been_sent": may_have_been_sent,
            **(more or {}),
        }


NARROWEST = 20
WIDEST = 1000


def limit_width() -> None:
    """Keep the width of the terminal, for this process, within what the help can be laid out for.

    Below three columns cyclopts and rich would loop without end, with millions of them nearly so; and rich fails for a
    `COLUMNS` or `LINES` that is not a number.
    """
    for name in ("COLUMNS", "LINES"):
        if not re.fullmatch("0*[1-9][0-9]{0,8}", os.environ.get(name, "80")):
            del os.environ[name]
    columns = int(os.environ.get("COLUMNS") or _terminal_columns() or 80)
    if not NARROWEST <= columns <= WIDEST:
        os.environ["COLUMNS"] = str(min(max(columns, NARROWEST), WIDEST))


def _terminal_columns() -> int:
    for descriptor in range(3):  # as rich does: stdin, stdout, stderr
        with suppress(OSError):
            return os.get_terminal_size(descriptor).columns
    return 0


def usage(message: str) -> Failure:
    """Return the failure for a command that cannot work as it was called."""
    return Failure(Exit.USAGE, "UsageError", message)


def failure_of(error: Exception, *, is_send: bool = False) -> Failure | None:
    """Return the failure for an error, or None for an unexpected one."""
    from ecall_facade.errors import APIError, ECallError

    if isinstance(error, Failure):
        return error
    if isinstance(error, OSError) and not isinstance(error, ECallError):
        name = f": {os.path.basename(error.filename)}" if isinstance(error.filename, str) else ""  # noqa: PTH119
        return Failure(Exit.FAILED, type(error).__name__, f"{error.strerror or error}{name}")
    if not isinstance(error, ECallError):
        return None
    more: dict[str, JSON] = {}
    if isinstance(error, APIError):
        more = {
            "status_code": error.status_code,
            "code": error.code,
            "retry_after": error.retry_after,
        }
    return Failure(
        _code_of(error, is_send),
        type(error).__name__,
        ". ".join([str(error), *getattr(error, "__notes__", [])]),
        request_id=error.request_id,
        may_have_been_sent=error.may_have_been_sent,
        more=more,
    )


def _code_of(error: ECallError, is_send: bool) -> Exit:
    from ecall_facade.errors import APIError, NotSent, UsageError

    if isinstance(error, UsageError):
        return Exit.USAGE
    if isinstance(error, NotSent):
        return Exit.NOT_SENT
    if is_send and error.may_have_been_sent:
        return Exit.UNKNOWN
    if isinstance(error, APIError) and 400 <= error.status_code < 500:
        return Exit.REJECTED
    return Exit.NOT_SENT if is_send else Exit.FAILED  # the upload before a send failed


@dataclass(frozen=True)
class Output:
    """Writes results: a line for people, or a JSON object on a line for programs."""

    as_json: bool

    def show(self, facts: Mapping[str, JSON], line: Line) -> None:
        """Write one result in the chosen form."""
        if self.as_json:
            write_json(facts)
        else:
            say(line)


def write_json(facts: Mapping[str, JSON]) -> None:
    """Write an object on a line of its own, in ASCII, which every encoding can represent."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def say(line: Line) -> None:
    """Write a line for people, with colours on a terminal."""
    parts = [
        (part, "") if isinstance(part, str) else part
        for part in ((line,) if isinstance(line, str) else line)
    ]
    parts = [(_printable(text), style) for text, style in parts]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        Console().print(Text.assemble(*parts), soft_wrap=True)
    else:
        sys.stdout.write("".join(text for text, _ in parts) + "\n")
        sys.stdout.flush()


def remark(line: str) -> None:
    """Write a line to stderr; that nobody reads it is not an error."""
    try:
        sys.stderr.write(_printable(line) + "\n")
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def report(failure: Failure, *, as_json: bool) -> Exit:
    """Write a failure and return its exit code."""
    try:
        if as_json:
            write_json({"error": failure.facts})
        sys.stdout.flush()
    except OSError:
        _give_up(sys.stdout)
        as_json = False
    if not as_json:
        remark(f"ecall: {failure.message}")
    return failure.code


def _give_up(stream: TextIO) -> None:
    # The reader has left or the disk is full; flushing at exit would fail again and change the exit code.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _printable(text: str) -> str:
    # Text of a service or a file must not contain control sequences for the terminal.
    return "".join(sign if sign.isprintable() else " " for sign in text.replace("\0", ""))
