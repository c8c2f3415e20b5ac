"""Files as people have them: text in any encoding, and spreadsheets as three libraries write them."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import xlwt
from odf.element import Element
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from openpyxl.worksheet.worksheet import Worksheet

Make = Callable[[Path], Path]


def text_file(content: str | bytes, name: str = "people.csv", encoding: str = "utf-8") -> Make:
    """Make a file of this text, or of exactly these bytes."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return make


def xlsx(
    rows: Sequence[Sequence[object]],
    edit: Callable[[Worksheet], object] | None = None,
    name: str = "people.xlsx",
    sheets: Sequence[str] = (),
) -> Make:
    """Make a workbook of Excel; `edit` changes its first sheet, `sheets` are further ones."""

    def make(folder: Path) -> Path:
        workbook = openpyxl.Workbook()
        sheet = workbook.worksheets[0]
        for row in rows:
            sheet.append(list(row))
        if edit:
            edit(sheet)
        for title in sheets:
            workbook.create_sheet(title).append(["to", "text"])
            workbook[title].append(["0787654321", f"from {title}"])
        workbook.save(folder / name)
        return folder / name

    return make


def edited_xml(made: Make, part: str, pattern: str, replacement: str) -> Make:
    """Change a part of a workbook, as another program would have written it."""

    def make(folder: Path) -> Path:
        path = made(folder)
        content = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == part:
                    changed = re.sub(pattern, replacement, data.decode())
                    assert changed != data.decode()
                    data = changed.encode()
                new.writestr(name, data)
        path.write_bytes(content.getvalue())
        return path

    return make


def xls(rows: Sequence[Sequence[Any]]) -> Make:
    """Make a workbook of Excel before 2007."""

    def make(folder: Path) -> Path:
        workbook = xlwt.Workbook()
        sheet = workbook.add_sheet("People")
        styles = {
            dt.date: xlwt.easyxf(num_format_str="DD.MM.YYYY"),
            dt.time: xlwt.easyxf(num_format_str="HH:MM"),
        }
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if value is not None:
                    style = styles.get(type(value), xlwt.Style.default_style)
                    sheet.write(at, column, value, style)
        workbook.save(str(folder / "people.xls"))
        return folder / "people.xls"

    return make


def ods(rows: Sequence[Sequence[object]]) -> Make:
    """Make an OpenDocument spreadsheet."""

    def make(folder: Path) -> Path:
        document = OpenDocumentSpreadsheet()
        table = Table(name="People")
        for row in rows:
            line = TableRow()
            for value in row:
                line.addElement(_ods_cell(value))
            table.addElement(line)
        document.spreadsheet.addElement(table)  # pyright: ignore[reportAttributeAccessIssue]  # set by its maker
        document.save(str(folder / "people.ods"))
        return folder / "people.ods"

    return make


def _ods_cell(value: object) -> Element:
    if value is None:
        return TableCell()
    if isinstance(value, bool):
        return TableCell(valuetype="boolean", booleanvalue=str(value).lower())
    if isinstance(value, (int, float)):
        return TableCell(valuetype="float", value=value)
    if isinstance(value, dt.date):
        return TableCell(valuetype="date", datevalue=value.isoformat())
    if isinstance(value, dt.time):
        return TableCell(valuetype="time", timevalue=value.strftime("PT%HH%MM%SS"))
    cell = TableCell(valuetype="string")
    for line in str(value).split("\n"):
        cell.addElement(P(text=line))
    return cell
