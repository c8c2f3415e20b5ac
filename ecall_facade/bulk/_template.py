"""Texts with columns in braces. Only names are looked up; nothing is evaluated, as str.format would."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from ecall_facade.bulk._problems import InvalidMessages, RowProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
# Invisible characters that spreadsheets and web pages leave in headers.
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u00ad"))


def column_key(name: str) -> str:
    """Return what a column is found by: its name without case and without additional white space."""
    visible = unicodedata.normalize("NFC", name).translate(_INVISIBLE)
    return " ".join(visible.split()).casefold()


class Template:
    """A text with columns in braces, such as `{name}`; `{{` and `}}` stand for braces."""

    def __init__(self, text: str) -> None:
        """Parse the template.

        Raises:
            InvalidMessages: A brace is not closed or names no column.
        """
        self._literals: list[str] = []
        self.columns: list[tuple[str, str]] = []
        """The key and the written name of each placeholder, in order."""
        literal = ""
        end = 0
        for found in _PART.finditer(text):
            literal += text[end : found.start()]
            end = found.end()
            name = found[1]
            if found[0] in ("{{", "}}"):
                literal += found[0][0]
            elif name is None or not name.strip():
                raise _invalid(found.start(), found[0])
            else:
                self._literals.append(literal)
                self.columns.append((column_key(name), name.strip()))
                literal = ""
        self._last = literal + text[end:]
        self._placeholders = list(zip(self._literals, self.columns, strict=True))

    def render(self, values: Mapping[str, str]) -> str:
        """Return the text with the values of the columns, found by their keys."""
        parts = [f"{literal}{values[key]}" for literal, (key, _) in self._placeholders]
        return "".join([*parts, self._last])


def _invalid(position: int, brace: str) -> InvalidMessages:
    return InvalidMessages(
        [
            RowProblem(
                None,
                None,
                f"The template's {brace!r} at character {position + 1} names no column: "
                "write {column}, or {{ and }} for braces",
            )
        ]
    )
