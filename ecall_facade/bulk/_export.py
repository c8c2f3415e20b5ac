"""The rows of a job as CSV, for people who open it in a spreadsheet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ecall_facade.bulk._rows import Row

_HEADER = (
    "line", "to", "channel", "sender", "reference", "state", "message_id", "reason", "delivery",
)  # fmt: skip


def export_rows(rows: Iterable[Row], to: str | os.PathLike[str] | IO[str]) -> int:
    """Write rows to a file that only its owner may read, or to an open one; return how many."""
    if isinstance(to, (str, os.PathLike)):
        path = Path(to)
        # The mark at the beginning lets Excel read umlauts.
        with open(path, "w", encoding="utf-8-sig", newline="", opener=_open_for_owner) as file:
            return _write(rows, file)
    return _write(rows, to)


def _write(rows: Iterable[Row], file: IO[str]) -> int:
    writer = csv.writer(file)
    writer.writerow(_HEADER)
    count = 0
    for row in rows:
        writer.writerow(
            [
                row.line if row.line is not None else row.position + 1,
                row.to,
                row.channel,
                _for_spreadsheet(row.sender),
                _for_spreadsheet(row.reference),
                row.state,
                _for_spreadsheet(row.message_id),
                _for_spreadsheet(row.reason),
                row.delivery.value if row.delivery else None,
            ]
        )
        count += 1
    return count


def _for_spreadsheet(value: str | None) -> str | None:
    """Return a value that a spreadsheet does not take for a formula."""
    return f"'{value}" if value and value[0] in "=+-@\t\r" else value


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
