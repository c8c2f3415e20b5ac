"""Where a text comes from: an argument, a file, or stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from ecall_facade.cli._output import usage

STDIN = "\0-"
"""What a bare `-` becomes, which cyclopts takes for an option; no argument of a process can hold a NUL."""

NOTES = """\
The text is an argument, or comes from --text-file, or from stdin: with "-", or where nothing else is given and stdin \
is no terminal. Files and stdin are UTF-8, and one line break at their end is left out. A text that begins with "-" \
goes after "--".
"""

Text: TypeAlias = Annotated[str | None, Parameter(help='The text, or "-" for stdin.')]
TextFile: TypeAlias = Annotated[Path | None, Parameter(help="File with the text.")]


def not_stdin(_: object, path: Path | None) -> None:
    """Refuse a bare `-` where a file is to be named; for cyclopts, as a validator."""
    if str(path) == STDIN:
        raise ValueError("Name a file, as only a text can come from stdin")


def read_text(text: str | None, file: Path | None) -> str:
    """Give the text from the one place that was named."""
    if text is not None and file is not None:
        raise usage("There are two texts, the argument and --text-file: leave one away")
    if file is not None and str(file) != STDIN:
        return _decode(_read(file), file.name)
    if text is not None and text != STDIN:
        return text
    # Only one that was asked for by name is waited for at a terminal.
    if sys.stdin is None or (text is None and file is None and sys.stdin.isatty()):
        raise usage(
            'There is no text: give it as an argument, with --text-file, or on stdin with "-"'
        )
    return _decode(sys.stdin.buffer.read(), "stdin")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise usage(f"{file.name or file} cannot be read: {error.strerror}") from None


def _decode(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise usage(f"{name} is not UTF-8: byte {error.start + 1} cannot be read") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
