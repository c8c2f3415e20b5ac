"""Rows become messages, or the reasons why they cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from ecall_facade._settings import CHANNELS
from ecall_facade.bulk._cells import (
    Cell,
    UnusableCell,
    is_blank,
    normalize_line_ends,
    read_recipient,
    read_text,
)
from ecall_facade.bulk._message import Message
from ecall_facade.bulk._problems import RowProblem
from ecall_facade.bulk._table import FileProblem, Header, Row
from ecall_facade.bulk._template import Template, column_key
from ecall_facade.numbers import mask_numbers_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FIELDS = ("to", "text", "channel", "sender", "reference")
_PHONE_NUMBER = re.compile(r"\s*'?[+(]?\d(?:[\s()/.-]*\d){6,}\s*")
# What people call the column of their numbers. It is only named in an error, never used unasked:
# a file may have the number of a patient and that of a relative.
_LIKELY = re.compile(
    r"mobil|handy|natel|phone|telefon|t[ée]l|cell|num[mb]er|num[ée]ro|numero|sms|msisdn|gsm|recipient|empf",
    re.IGNORECASE,
)
_LONGEST_NAME = 40
_MOST_NAMES = 30


@attrs.frozen
class RowOptions:
    """The settings of all rows of a file.

    Attributes:
        template: The text of all messages, or None where a column has the texts.
        columns: The names of columns that are not called as the fields are.
        channel: The channel of rows that name none.
        sender: The sender of rows that name none.
    """

    template: Template | None
    columns: Mapping[str, str]
    channel: str
    sender: str | None

    def key_of(self, field: str) -> str:
        """Return the key of the column that a field is read from."""
        return column_key(self.columns.get(field, field))


class RowReader:
    """Makes messages of the rows of one file.

    `blank_may_be_lost` says that an empty cell may have had a value, as in spreadsheets, whose
    reader returns the same for an empty cell and for an error.
    """

    def __init__(self, source: str, options: RowOptions, *, blank_may_be_lost: bool) -> None:
        self._source = source
        self._options = options
        self._template = options.template
        self._keys = {field: options.key_of(field) for field in FIELDS}
        self._blank_may_be_lost = blank_may_be_lost

    def check_header(self, header: Header) -> None:
        """Check that the columns are there that every message needs.

        Raises:
            FileProblem: A column is missing, or there are two of the same name.
        """
        names = [" ".join(name.split()) for name in header.names]
        there = [column_key(name) for name in names]
        if self._keys["to"] not in there and any(map(_PHONE_NUMBER.fullmatch, names)):
            raise FileProblem(
                "has no header: its first row must name the columns, such as to, text"
            )
        needed = ["to"] if self._template else ["to", "text"]
        needed += [field for field in self._options.columns if field not in needed]
        for field in needed:
            if self._keys[field] not in there:
                raise FileProblem(self._explain_missing(field, names))
        placeholders = self._template.columns if self._template else []
        for key, name in placeholders:
            if key not in there:
                raise FileProblem(
                    f"has no column {_show(name)}, which the template uses; "
                    f"its columns are {_show_all(names)}"
                )
        for key in {*self._keys.values(), *(key for key, _ in placeholders)}:
            if there.count(key) > 1:
                raise FileProblem(f"has two columns {_show(names[there.index(key)])}: rename one")

    def read(self, row: Row) -> Message | RowProblem:
        """Return the message of a row, or everything that is wrong with it."""
        reasons = [f"the row {row.unreadable['']}"] if "" in row.unreadable else []
        to = self._read_field(row, "to", read_recipient, reasons, is_needed=True)
        if self._template is None:
            text = self._read_field(row, "text", _read_words, reasons, is_needed=True)
        else:
            text = self._render(row, self._template, reasons)
        channel = self._read_optional(row, "channel", reasons).casefold() or self._options.channel
        sender = self._read_optional(row, "sender", reasons) or self._options.sender
        reference = self._read_optional(row, "reference", reasons) or None
        if channel not in CHANNELS:
            reasons.append(f"channel is none of {', '.join(CHANNELS)}")
        if reasons:
            return RowProblem(self._source, row.line, "; ".join(reasons))
        return Message(to, text, channel, sender, reference, row.line, self._source)

    def _read_optional(self, row: Row, field: str, reasons: list[str]) -> str:
        key = self._keys[field]
        if key not in row.cells and key not in row.unreadable:
            return ""
        is_needed = self._blank_may_be_lost and field != "reference"
        return self._read_field(row, field, read_text, reasons, is_needed=is_needed).strip()

    def _read_field(
        self,
        row: Row,
        field: str,
        read: Callable[[Cell], str],
        reasons: list[str],
        *,
        is_needed: bool,
    ) -> str:
        try:
            return _read_cell(row, self._keys[field], read, is_needed=is_needed)
        except UnusableCell as error:
            reasons.append(f"{self._options.columns.get(field, field)} {error}")
            return ""

    def _render(self, row: Row, template: Template, reasons: list[str]) -> str:
        values: dict[str, str] = {}
        for key, name in template.columns:
            if key in values:
                continue
            try:
                values[key] = _read_cell(row, key, read_text, is_needed=True).strip()
            except UnusableCell as error:
                values[key] = ""
                reasons.append(f"{_show(name)} {error}")
        return template.render(values)

    def _explain_missing(self, field: str, names: Sequence[str]) -> str:
        wanted = self._options.columns.get(field, field)
        words = f"has no column {_show(wanted)}; its columns are {_show_all(names)}"
        if field in self._options.columns:
            return words
        likely = [name for name in names if _LIKELY.search(name)] if field == "to" else []
        example = likely[0] if len(likely) == 1 else "…"
        remedy = f'rename one, or say which it is with columns={{"{field}": "{example}"}}'
        if field == "text":
            remedy += ", or give one text for all with text="
        return f"{words}: {remedy}"


def _read_cell(row: Row, key: str, read: Callable[[Cell], str], *, is_needed: bool) -> str:
    """Return what a cell says; the empty string where it says nothing and that is allowed."""
    if row.unreadable and key in row.unreadable:
        raise UnusableCell(row.unreadable[key])
    cell = row.cells.get(key)
    words = "" if is_blank(cell) else read(cell)
    if words and not words.isspace():
        return normalize_line_ends(words)
    if is_needed:
        raise UnusableCell("is empty" if key in row.cells else "is missing in this row")
    return ""


def _read_words(cell: Cell) -> str:
    """Return a whole text, which a single number or date is only by mistake."""
    if not isinstance(cell, str):
        raise UnusableCell("is not a text: format the column as text")
    return read_text(cell)


def _show(name: str) -> str:
    # What is taken for the header may be somebody's row.
    masked = mask_numbers_in(name)
    short = masked if len(masked) <= _LONGEST_NAME else f"{masked[:_LONGEST_NAME]}…"
    return f'"{short}"'


def _show_all(names: Iterable[str]) -> str:
    shown = [_show(name) for name in names if name]
    more = [f"and {len(shown) - _MOST_NAMES} more"] if len(shown) > _MOST_NAMES else []
    return ", ".join([*shown[:_MOST_NAMES], *more])
