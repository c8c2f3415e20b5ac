"""Where a text comes from: an argument, a file, or stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from ecall_facade.cli._failures import usage_error

STDIN = "\0-"
"""Replaces a bare `-`, which cyclopts would take for an option; no argument of a process can contain a NUL."""

NOTES = """\
Pass the text as an argument, with --text-file, or on stdin. Stdin is read if the text is "-", or if there is no text \
and stdin is not a terminal. Files and stdin must be UTF-8; one line break at the end is removed. Put a text that \
begins with "-" after "--".
"""

Text: TypeAlias = Annotated[str | None, Parameter(help='The text, or "-" for stdin.')]
TextFile: TypeAlias = Annotated[Path | None, Parameter(help="Read the text from this file.")]


def not_stdin(_: object, path: Path | None) -> None:
    """Refuse a bare `-` where a file must be named (a validator for cyclopts)."""
    if str(path) == STDIN:
        raise ValueError("Name a file; only a text can be read from stdin")


def read_text(text: str | None, file: Path | None) -> str:
    """Return the text from the one source that was given."""
    if text is not None and file is not None:
        raise usage_error("Pass the text as an argument or with --text-file, not both")
    if file is not None and str(file) != STDIN:
        return _decode(_read(file), file.name)
    if text is not None and text != STDIN:
        return text
    # At a terminal, wait for input only if it was asked for explicitly.
    if sys.stdin is None or (text is None and file is None and sys.stdin.isatty()):
        raise usage_error('No text: pass it as an argument, with --text-file, or on stdin with "-"')
    return _decode(sys.stdin.buffer.read(), "stdin")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise usage_error(f"{file.name or file} cannot be read: {error.strerror}") from None


def _decode(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise usage_error(f"{name} is not UTF-8: byte {error.start + 1} cannot be read") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
