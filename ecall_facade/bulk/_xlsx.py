"""Facts about an Excel sheet that calamine does not report: which cells lost their value, and which rows are hidden."""

from __future__ import annotations

import posixpath
import re
import zipfile
from functools import lru_cache
from typing import IO, BinaryIO
from xml.etree import ElementTree as ET
from xml.parsers import expat

import attrs

from ecall_facade.bulk._table import FileProblem

_ERROR = "is an error value of the spreadsheet, such as #N/A"
_NOT_CALCULATED = (
    "is a formula whose value is not in the file: open and save it in a spreadsheet program"
)
MERGED = "is a cell that was merged with others: unmerge them, and fill in each"
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")


@attrs.frozen
class SheetDetails:
    """Reasons by row (from 1) and column (from 0), and the rows that are hidden."""

    lost: dict[int, dict[int, str]] = attrs.field(factory=dict)
    hidden: set[int] = attrs.field(factory=set)

    def lose(self, row: int, column: int, reason: str) -> None:
        """Note why a cell cannot be used."""
        self.lost.setdefault(row, {}).setdefault(column, reason)


def read_details(file: BinaryIO, sheet: str) -> SheetDetails:
    """Read the details of a sheet; there are none of formats other than Excel's since 2007."""
    file.seek(0)
    if not zipfile.is_zipfile(file):
        return SheetDetails()
    with zipfile.ZipFile(file) as archive:
        try:
            part = _find_part(archive, sheet)
            if part is None:
                return SheetDetails()
            with archive.open(part) as content:
                return _SheetParser().parse(content)
        except (
            ET.ParseError,
            expat.ExpatError,
            zipfile.BadZipFile,
            ValueError,
            EOFError,
        ) as error:
            raise FileProblem(f"is damaged ({error}): open it and save it again") from None


def _find_part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the part that holds a sheet, or None where there is none."""
    names = set(archive.namelist())
    relations = "xl/_rels/workbook.xml.rels"
    if not names >= {"xl/workbook.xml", relations}:
        return None
    wanted = None
    # expat limits what entities may expand to
    for element in ET.fromstring(archive.read("xl/workbook.xml")).iter():  # noqa: S314
        if _local(element.tag) == "sheet" and element.get("name") == sheet:
            wanted = next((v for k, v in element.items() if k.endswith("}id")), None)
    for element in ET.fromstring(archive.read(relations)).iter():  # noqa: S314
        if element.get("Id") == wanted and wanted is not None:
            part = posixpath.normpath(posixpath.join("/xl", element.get("Target", ""))).lstrip("/")
            return part if part in names else None
    return None


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


class _SheetParser:
    """Walks through the XML of a sheet once, without keeping it."""

    def __init__(self) -> None:
        self._details = SheetDetails()
        self._local_names: dict[str, str] = {}
        self._row = 0
        self._column = -1
        self._type = ""
        self._has_formula = False
        self._has_value = False
        self._in_value = False

    def parse(self, content: IO[bytes]) -> SheetDetails:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._read_characters
        parser.ParseFile(content)
        return self._details

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = self._local_names.get(tag)
        if name is None:
            name = self._local_names[tag] = _local(tag)
        if name == "c":
            place = _CELL.match(attributes.get("r", ""))
            self._column = _column_number(place[1]) if place else self._column + 1
            self._type = attributes.get("t", "")
            self._has_formula = self._has_value = False
        elif name == "v":
            self._in_value = True
        elif name == "f":
            self._has_formula = True
        elif name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._column = -1
            if attributes.get("hidden") in ("1", "true"):
                self._details.hidden.add(self._row)
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def _read_characters(self, _: str) -> None:
        if self._in_value:
            self._has_value = True

    def _end(self, tag: str) -> None:
        name = self._local_names[tag]
        if name == "v":
            self._in_value = False
        elif name == "c":
            if self._type == "e":
                self._details.lose(self._row, self._column, _ERROR)
            elif self._has_formula and not self._has_value and self._type != "str":
                self._details.lose(self._row, self._column, _NOT_CALCULATED)

    def _merge(self, reference: str) -> None:
        """Note the cells of a merged area but the first, which has the value."""
        first, _, last = reference.partition(":")
        top, bottom = _CELL.fullmatch(first), _CELL.fullmatch(last)
        if not top or not bottom:
            return
        left, right = _column_number(top[1]), _column_number(bottom[1])
        # Merged cells come after all rows; some reach far below the last one.
        for row in range(int(top[2]), min(int(bottom[2]), self._row) + 1):
            for column in range(left, right + 1):
                if (row, column) != (int(top[2]), left):
                    self._details.lose(row, column, MERGED)


@lru_cache(1024)
def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1
