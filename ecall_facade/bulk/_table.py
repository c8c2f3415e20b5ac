"""The common form of every kind of file: the names of its columns, then its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import attrs

from ecall_facade.bulk._cells import Cell


@attrs.frozen
class Header:
    """The names of the columns as they are written; they come before all rows."""

    names: tuple[str, ...]


@attrs.frozen
class Row:
    """The cells of one row by the keys of their columns; what the row does not have is left out.

    `unreadable` has the reasons why cells that look empty, or the row itself (key ""), cannot be used.
    """

    line: int
    cells: Mapping[str, Cell]
    unreadable: Mapping[str, str] = {}


@attrs.frozen
class BadRow:
    """A row that could not be taken apart."""

    line: int
    reason: str


Table: TypeAlias = Iterator[Header | Row | BadRow]


class FileProblem(Exception):
    """A file cannot be read any further; the message is the reason, to be put after the file's name."""

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
