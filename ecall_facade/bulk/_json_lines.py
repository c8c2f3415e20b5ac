"""JSON lines: one object on each line, whose names are the columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ecall_facade.bulk._table import BadRow, FileProblem, Header, Row, Table
from ecall_facade.bulk._template import column_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecall_facade.bulk._cells import Cell


class _Unreadable(ValueError):
    pass


def read_json_lines(lines: Iterable[str]) -> Table:
    """Read objects, one on each line; those on further lines may have other names than the first."""
    header_is_out = False
    for line, text in enumerate(lines, 1):
        text = text.lstrip("\ufeff").strip()
        if not text:
            continue
        try:
            pairs = _decode(text)
            cells, unreadable = _cells_from(pairs)
        except _Unreadable as error:
            if not header_is_out and text.startswith("["):
                raise FileProblem(
                    "is a JSON array: write one object on each line (JSON lines)", line=line
                ) from None
            yield BadRow(line, str(error))
            continue
        if not header_is_out:
            yield Header(tuple(name for name, _ in pairs))
            header_is_out = True
        yield Row(line, cells, unreadable)
    if not header_is_out:
        raise FileProblem("has no object that can be read")


class _Pairs(list[tuple[str, object]]):
    """The names and values of an object, also those that come twice."""


def _decode(text: str) -> _Pairs:
    try:
        value: object = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
    except RecursionError:
        raise _Unreadable("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _Unreadable(f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise _Unreadable(f"is not JSON that can be read: {error}") from None
    if not isinstance(value, _Pairs):
        raise _Unreadable('is not a JSON object, such as {"to": …}')
    return value


def _refuse_constant(name: str) -> object:
    raise _Unreadable(f"has the value {name}, which JSON does not have")


def _cells_from(pairs: _Pairs) -> tuple[dict[str, Cell], dict[str, str]]:
    cells: dict[str, Cell] = {}
    unreadable: dict[str, str] = {}
    for name, value in pairs:
        key = column_key(name)
        if key in cells or key in unreadable:
            raise _Unreadable("has the same name twice")
        if value is None or isinstance(value, (str, bool, int, float)):
            cells[key] = value
        else:
            unreadable[key] = "is a list or an object, not a text"
    return cells, unreadable
