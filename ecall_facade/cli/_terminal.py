"""Limits of a terminal: its width, and text without control characters."""

from __future__ import annotations

import os
import re
from contextlib import suppress

NARROWEST = 20
WIDEST = 1000


def limit_width() -> None:
    """Keep the width of the terminal, for this process, within what the help can be laid out for.

    Below three columns cyclopts and rich loop without end, with millions of them nearly so; and rich fails for a
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


def make_printable(text: str) -> str:
    """Return a text on one line, without the control sequences that a service or a file could put into it."""
    return "".join(
        character if character.isprintable() else " " for character in text.replace("\0", "")
    )
