"""CSV, TSV and their kin: which delimiter, and the rows."""

from __future__ import annotations

import csv
import itertools
import re
from typing import TYPE_CHECKING

from ecall_facade.bulk._table import BadRow, FileProblem, Header, Row, Table
from ecall_facade.bulk._template import column_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DELIMITERS = (",", ";", "\t", "|")
_HEADER_LINES = 50  # within these lines the header has to begin and end
_DECLARED = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
_NUMBER = re.compile(r'[\s"]*[+(]?\d(?:[\s()/.-]*\d){6,}[\s"]*')


def read_delimited(lines: Iterable[str], recipient: str, delimiter: str | None) -> Table:
    """Read rows that are separated by a delimiter.

    Args:
        lines: The lines of the file, with their ends.
        recipient: The key of the column with the recipients.
        delimiter: The delimiter, or None to find it in the header.
    """
    lines = iter(lines)
    head = list(itertools.islice(lines, _HEADER_LINES))
    if head and delimiter is None and (declared := _DECLARED.fullmatch(head[0])):
        # A line for Excel, which is not shown there; it stays in place for the line numbers.
        delimiter = declared[1]
        head[0] = "\n"
    if not any(line.strip() for line in head):
        if len(head) == _HEADER_LINES:
            raise FileProblem(f"begins with {_HEADER_LINES} empty lines: delete them")
        raise FileProblem("is empty: its first row must name the columns")
    delimiter = delimiter or _find_delimiter(head, recipient)
    yield from _read_records(itertools.chain(head, lines), recipient, delimiter)


def _read_records(lines: Iterable[str], recipient: str, delimiter: str) -> Table:
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    keys: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if not keys:
                raise FileProblem(
                    f"has a header that cannot be read ({error})", line=line
                ) from None
            yield BadRow(line, _explain(error))
            if "limit" in str(error):  # the rest of that value would be taken for rows
                break
            continue
        if not any(map(str.strip, values)):
            continue
        if not keys:
            names = _trim(values)
            keys = [column_key(name) for name in names]
            yield Header(tuple(names))
        elif reason := _find_fault(
            values, keys, delimiter, recipient, is_long=reader.line_num > line
        ):
            yield BadRow(line, reason)
        else:
            yield Row(line, dict(zip(keys, values, strict=False)))


def _find_fault(
    values: Sequence[str], keys: Sequence[str], delimiter: str, recipient: str, *, is_long: bool
) -> str:
    """Return what shows that a row was taken apart wrongly, or the empty string."""
    if len(values) > len(keys) and any(map(str.strip, values[len(keys) :])):
        return (
            f"has {len(values)} values for {len(keys)} columns: put texts that contain "
            f"{_name(delimiter)} into double quotes"
        )
    if is_long and _holds_rows(values, keys, delimiter, recipient):
        return (
            "has a value of several lines with what seem to be further rows: "
            "is a closing double quote missing?"
        )
    return ""


def _find_delimiter(head: Sequence[str], recipient: str) -> str:
    """Return the delimiter that gives a column of recipients, and then the most columns."""

    def quality(delimiter: str) -> tuple[bool, int]:
        reader = csv.reader(head, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            header = next(row for row in reader if any(map(str.strip, row)))
        except (csv.Error, StopIteration):
            return False, 0
        return recipient in map(column_key, header), len(header)

    return max(DELIMITERS, key=quality)


def _trim(names: list[str]) -> list[str]:
    """Leave out empty names at the end, which a delimiter after the last column makes."""
    last = max(at for at, name in enumerate(names) if name.strip())
    return names[: last + 1]


def _holds_rows(values: Sequence[str], keys: Sequence[str], delimiter: str, recipient: str) -> bool:
    """Return whether a value of several lines contains lines that look like rows with a recipient."""
    if recipient not in keys or len(keys) < 2:
        return False
    at = keys.index(recipient)
    for value in values:
        for line in value.splitlines()[1:]:
            parts = line.split(delimiter)
            if len(parts) >= 2 and at < len(parts) and _NUMBER.fullmatch(parts[at]):
                return True
    return False


def _explain(error: csv.Error) -> str:
    words = str(error)
    if "unexpected end of data" in words:
        return "has an opening double quote that is never closed"
    if "limit" in words:
        return (
            f"has a value of more than {csv.field_size_limit():,} characters: "
            "is a closing double quote missing? What follows was not read"
        )
    if "expected after" in words:
        return (
            'has a double quote inside of a quoted value: write it twice (""), '
            "or close the quote of an earlier line"
        )
    return f"cannot be read ({words})"


def _name(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}.get(
        delimiter, f"{delimiter!r}"
    )
