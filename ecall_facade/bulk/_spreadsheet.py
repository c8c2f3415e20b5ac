"""Excel and OpenDocument spreadsheets, by calamine, which loads the whole sheet."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, BinaryIO

from ecall_facade.bulk._cells import Cell, UnusableCell, is_blank, read_text
from ecall_facade.bulk._table import FileProblem, Header, Row, Table
from ecall_facade.bulk._template import column_key
from ecall_facade.bulk._xlsx import MERGED, SheetDetails, read_details

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from python_calamine import CalamineSheet, CalamineWorkbook

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PROTECTED = "is protected by a password: save a copy without one"


def read_spreadsheet(file: BinaryIO, sheet: str | None, remark: Callable[[str], None]) -> Table:
    """Read a sheet of a workbook: the one of that name, or the first that is not hidden."""
    try:
        import python_calamine
    except ModuleNotFoundError as error:
        raise ImportError(
            'Spreadsheets need python-calamine: pip install "ecall-facade[bulk]"'
        ) from error

    _check_kind(file)
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(file)
        name = _choose_sheet(workbook, sheet, remark)
        content = workbook.get_sheet_by_name(name)
    except python_calamine.PasswordError:
        raise FileProblem(_PROTECTED) from None
    except python_calamine.CalamineError as error:
        raise FileProblem(
            f"cannot be read as a spreadsheet ({error}): open it and save it as .xlsx"
        ) from None
    except BaseException as error:
        # What a damaged file makes of some versions of calamine; it is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise FileProblem("is damaged: open it and save it as .xlsx") from None
    # What calamine does not tell: cells whose value is lost, and rows that are hidden.
    details = read_details(file, name)
    return _read_rows(content, details)


def _check_kind(file: BinaryIO) -> None:
    """Refuse what is protected, and archives that hold no spreadsheet."""
    file.seek(0)
    data = file.read(8)
    file.seek(0)
    if data == OLE:
        if "EncryptedPackage".encode("utf-16-le") in file.read():
            raise FileProblem(_PROTECTED)
    else:
        try:
            with zipfile.ZipFile(file) as archive:
                names = set(archive.namelist())
                manifest = (
                    archive.read("META-INF/manifest.xml")
                    if "META-INF/manifest.xml" in names
                    else b""
                )
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError):
            raise FileProblem(
                "is damaged, or not wholly copied: open it and save it again"
            ) from None
        if b"encryption-data" in manifest:
            raise FileProblem(_PROTECTED)
        if not names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}:
            raise FileProblem("is a ZIP archive, not a spreadsheet: unpack it first")
    file.seek(0)


def _choose_sheet(
    workbook: CalamineWorkbook, wanted: str | None, remark: Callable[[str], None]
) -> str:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [found for found in workbook.sheets_metadata if found.typ == SheetTypeEnum.WorkSheet]
    names = [found.name for found in sheets]
    if wanted is not None:
        for name in names:
            if name == wanted:
                return name
        alike = [name for name in names if column_key(name) == column_key(wanted)]
        if len(alike) == 1:
            return alike[0]
        raise FileProblem(f"has no sheet {wanted!r}; its sheets are {_list(names)}")
    visible = [found.name for found in sheets if found.visible == SheetVisibleEnum.Visible]
    if not visible:
        raise FileProblem("has no sheet with cells that is not hidden: name one with sheet=")
    if len(visible) > 1:
        remark(
            f"has {len(visible)} sheets, of which {visible[0]!r} was read: name another with sheet="
        )
    return visible[0]


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _read_rows(content: CalamineSheet, details: SheetDetails) -> Table:
    no_cells = FileProblem("has no cells in this sheet: its first row must name the columns")
    if content.start is None:
        raise no_cells
    first_column = content.start[1]
    keys: list[str] = []
    last = 0
    for line, cells in enumerate(content.iter_rows(), 1):
        last = line
        if all(map(is_blank, cells)) and not _holds_lost_cells(details, line):
            continue
        if keys:
            unreadable = _by_key(details, line, keys, first_column)
            yield Row(line, dict(_pair(keys, cells)), unreadable)
            continue
        names = [_read_name(cell) for cell in cells]
        while names and not names[-1].strip():
            names.pop()
        keys = [column_key(name) for name in names]
        if keys:
            yield Header(tuple(names))
    if not keys:
        raise no_cells
    # For calamine a sheet ends where only lost cells follow.
    for line in sorted(details.lost):
        if line > last and _holds_lost_cells(details, line):
            yield Row(line, {}, _by_key(details, line, keys, first_column))


def _read_name(cell: Cell) -> str:
    """Return a cell of the header as text, whatever it is, as not every column is used."""
    try:
        return read_text(cell)
    except UnusableCell:
        return str(cell)


def _holds_lost_cells(details: SheetDetails, line: int) -> bool:
    """Return whether a row that looks empty has had values; merged cells below the first never had."""
    return any(reason != MERGED for reason in details.lost.get(line, {}).values())


def _by_key(
    details: SheetDetails, line: int, keys: Sequence[str], first_column: int
) -> dict[str, str]:
    unreadable = {
        keys[column - first_column]: reason
        for column, reason in details.lost.get(line, {}).items()
        if 0 <= column - first_column < len(keys)
    }
    if line in details.hidden:
        unreadable[""] = "is hidden, perhaps by a filter: show or delete it"
    return unreadable


def _pair(keys: Sequence[str], cells: Iterable[Cell]) -> Iterable[tuple[str, Cell]]:
    return zip(keys, cells, strict=False)
