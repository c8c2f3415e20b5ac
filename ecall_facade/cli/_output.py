"""What the command says to people and to programs, and the exit codes."""

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
    """The exit codes; after a `send`, 2, 3 and 4 say that nobody was texted, and all others that somebody may be."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done"
    FAILED = 1, "failed in another way; what send sent before is named"
    USAGE = 2, "usage error: arguments, credentials, or no sandbox can start"
    REJECTED = 3, "rejected: the service refused, and nobody was texted"
    NOT_SENT = 4, "not sent: no connection, and nobody was texted"
    UNKNOWN = 5, "outcome unknown: it may be out, so do not repeat it blindly"
    UNDELIVERED = 6, "the message failed or was not delivered"
    INTERRUPTED = 130, "interrupted"


class Failure(Exception):
    """What ends a command: an exit code, and what there is to say."""

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
    """Make the failure for what cannot work as it was asked for."""
    return Failure(Exit.USAGE, "UsageError", message)


def failure_of(error: Exception, *, is_send: bool = False) -> Failure | None:
    """Give the failure that an error stands for; None for one that nobody foresaw."""
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
    return Exit.NOT_SENT if is_send else Exit.FAILED  # a send whose file did not get there


@dataclass(frozen=True)
class Output:
    """Says results: to people a line, to programs an object of JSON on a line."""

    as_json: bool

    def show(self, facts: Mapping[str, JSON], line: Line) -> None:
        """Say one result, in the form that was asked for."""
        if self.as_json:
            write_json(facts)
        else:
            say(line)


def write_json(facts: Mapping[str, JSON]) -> None:
    """Write an object on a line of its own, in ASCII, so that no encoding can spoil it."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def say(line: Line) -> None:
    """Write a line for people, on a terminal with its colours."""
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
    """Write a line beside the results, on stderr, if anybody reads it: no command fails for it."""
    try:
        sys.stderr.write(_printable(line) + "\n")
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def report(failure: Failure, *, as_json: bool) -> Exit:
    """Say what went wrong; give the exit code."""
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
    # Nobody reads any more, or the disk is full: Python would fail at its exit, with another code.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _printable(text: str) -> str:
    # What a service or a file says must not steer the terminal.
    return "".join(sign if sign.isprintable() else " " for sign in text.replace("\0", ""))
