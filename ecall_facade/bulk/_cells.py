"""Cells as tables spoil them: what they say as text, or why that cannot be known."""

from __future__ import annotations

import datetime as dt
import re
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | dt.datetime | dt.date | dt.time | dt.timedelta | None

# Above this, neighbouring integers may be the same float; E.164 has at most 15 digits.
_LARGEST = 10**15

# Almost no cell has any of these, so that the slower checks are rarely needed.
_SUSPECT = re.compile(r"[#\ufffd\0\u00c3]|^\s*(?:['=]|Err:|<NA>|nan|NaN|NaT|null|NULL)|[eE][+-]\d")
_PLAIN_NUMBER = re.compile(r"\+?\d[\d ]*", re.ASCII)
_ERROR_VALUE = re.compile(
    r"#(?:N/A|NV|N/D|REF!|BEZUG!|RIF!|VALUE!|WERT!|VALEUR!|VALORE!|NAME\?|NOM\?|NOME\?|DIV/0!|NUM!|ZAHL!"
    r"|NOMBRE!|NULL!|NUL!|NULLO!|SPILL!|CALC!|FIELD!|BLOCKED!|GETTING_DATA|#+)|Err:\d+"
)
_NO_VALUE = re.compile(r"<NA>|nan|NaN|NaT|null|NULL")
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d{1,3}")
_FORMULA = re.compile(r"=\s*[+-]?(?:\$?[A-Za-z]{1,3}\$?\d|[\w.]+\(|\d+\s*[*/+-]|\")", re.ASCII)
_QUOTED_FORMULA = re.compile(r'="([^"]*)"')
_FORCED_TEXT = re.compile(r"'(?=[\d+=@-])")
_DECODED_TWICE = re.compile("\u00c3[\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf]")
_WHOLE_NUMBER_WITH_FRACTION = re.compile(r"[\s()./+-]*(?:\d[\s()/+-]*)+[.,]0+")


class UnusableCell(ValueError):
    """The value of a cell cannot be known; the message is the reason, without the value."""


def read_text(cell: Cell) -> str:
    """Return a cell as text; the empty string for an empty one.

    Dates and times are written as in Switzerland: `27.11.2026`, `08:30`.

    Raises:
        UnusableCell: The value was lost or cannot be written in one certain way.
    """
    if isinstance(cell, str):
        return _read_string(cell) if _SUSPECT.search(cell) else cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        raise UnusableCell("is a logical value, not a text: write it as text")
    if isinstance(cell, (int, float)):
        return _read_number(cell)
    if isinstance(cell, dt.timedelta):
        raise UnusableCell("is a duration, whose form is not known: format the column as text")
    return _write_time(cell)


def read_recipient(cell: Cell) -> str:
    """Return a recipient's cell as text.

    Raises:
        UnusableCell: It is a date, or a number whose digits are not certain.
    """
    if isinstance(cell, str) and _PLAIN_NUMBER.fullmatch(cell):
        return cell
    if isinstance(cell, (dt.date, dt.time)):
        raise UnusableCell("is a date or a time: format the column as text and enter it again")
    text = read_text(cell).strip()
    if text.startswith("'"):
        text = text[1:].strip()
    if not isinstance(cell, str):
        if text.startswith("-"):
            raise UnusableCell("is a negative number: format the column as text and enter it again")
        return text
    if _SCIENTIFIC.fullmatch(text):
        raise _scientific()
    if _WHOLE_NUMBER_WITH_FRACTION.fullmatch(text):
        raise UnusableCell("is a number with decimal places: write the column as text")
    return text


def is_blank(cell: Cell) -> bool:
    """Return whether nothing can be seen in a cell."""
    return cell is None or cell == "" or (isinstance(cell, str) and cell.isspace())


def _read_string(text: str) -> str:
    bare = text.strip()
    if _ERROR_VALUE.fullmatch(bare):
        raise UnusableCell("is an error value of the spreadsheet, such as #N/A")
    if _NO_VALUE.fullmatch(bare):
        raise UnusableCell("stands for a missing value (nan or null)")
    if "\ufffd" in text:
        raise UnusableCell("has a character that was lost in a conversion (U+FFFD)")
    if "\0" in text:
        raise UnusableCell("has a NUL character")
    if _DECODED_TWICE.search(text):
        raise UnusableCell(
            "was decoded wrongly before it was saved (\u00c3\u00bc for \u00fc): save it from the original"
        )
    if _SCIENTIFIC.fullmatch(bare) and re.search("[+-]", bare[1:]):
        raise _scientific()
    if quoted := _QUOTED_FORMULA.fullmatch(bare):
        return quoted[1]
    if _FORMULA.match(bare):
        raise UnusableCell("is a formula, not its value")
    if _FORCED_TEXT.match(bare):  # how people make Excel leave a number alone
        return bare[1:]
    return text


def _scientific() -> UnusableCell:
    return UnusableCell(
        "is in scientific notation, which has lost digits: format the column as text and enter it again"
    )


def _read_number(number: float) -> str:
    if isinstance(number, int):
        return str(number)
    if not number.is_integer():  # infinities and NaN too
        raise UnusableCell(
            "is a number with decimal places, whose format is lost: format the column as text"
        )
    if not -_LARGEST < number < _LARGEST:
        raise UnusableCell("is a number of more than 15 digits, not all of which were kept")
    return str(int(number))


def _write_time(moment: dt.datetime | dt.date | dt.time) -> str:
    if isinstance(moment, dt.time):
        return _write_clock(moment)
    if isinstance(moment, dt.datetime):
        # Spreadsheets count in fractions of a day, which are off by some microseconds.
        moment = (moment + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        day = f"{moment.day:02}.{moment.month:02}.{moment.year:04}"
        if moment.time() == dt.time():
            return day
        return f"{day} {_write_clock(moment.time())}"
    return f"{moment.day:02}.{moment.month:02}.{moment.year:04}"


def _write_clock(moment: dt.time) -> str:
    seconds = moment.second + round(moment.microsecond / 1e6)
    minutes, seconds = divmod(moment.hour * 3600 + moment.minute * 60 + seconds, 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours % 24:02}:{minutes:02}"
    return f"{clock}:{seconds:02}" if seconds else clock


def normalize_line_ends(text: str) -> str:
    """Return a text with line feeds only: how lines end is a matter of the file, and costs units."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
