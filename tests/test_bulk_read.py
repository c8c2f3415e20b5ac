"""Files as people have them are read right, or refused by line with the reason."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import attrs
import pytest
import xlwt
from _tables import Make, edited_xml, ods, text_file, xls, xlsx

from ecall_facade.bulk import InvalidMessages, Message, RowProblem, read_messages
from ecall_facade.errors import InvalidConfiguration, UsageError
from ecall_facade.numbers import RawAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from openpyxl.worksheet.worksheet import Worksheet

NUMBER = "0791234567"
OTHER = "+41787654321"


class Options(NamedTuple):
    text: str | None = None
    columns: Mapping[str, str] | None = None
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None


def read(path: Path, options: Options) -> list[Message]:
    return list(read_messages(path, **options._asdict()))


def right(name: str, make: Make, *expected: tuple[int, str, str], **options: object) -> object:
    """State the line, recipient and text of each message of a file."""
    return pytest.param(make, list(expected), Options(**options), id=name)  # type: ignore[arg-type]


def remarked(name: str, make: Make, remark: str, *expected: tuple[int, str, str]) -> object:
    return pytest.param(make, remark, list(expected), id=name)


def refused(name: str, make: Make, *problems: tuple[int | None, str], **options: object) -> object:
    """State the line of each problem of a file, and words of its reason."""
    return pytest.param(make, list(problems), Options(**options), id=name)  # type: ignore[arg-type]


MOMENT = dt.datetime(2026, 11, 27, 17, 30)  # noqa: DTZ001  # as spreadsheets have it
HELLO = [(2, NUMBER, "Hello")]


def style(cell: str, number_format: str) -> Callable[[Worksheet], None]:
    def edit(sheet: Worksheet) -> None:
        sheet[cell].number_format = number_format

    return edit


def hide_row_3(sheet: Worksheet) -> None:
    sheet.row_dimensions[3].hidden = True


def repeated_rows(folder: Path) -> Path:
    """Make a file as LibreOffice does, which writes equal rows once."""
    path = ods([["to", "text"], [], [NUMBER, "Hello"], [OTHER, "Bye"], []])(folder)
    rows = iter(["1", "5", "1", "2", "1048567"])
    with zipfile.ZipFile(path) as archive:
        content = archive.read("content.xml").decode()
    parts = content.split("<table:table-row")
    repeated = parts[0] + "".join(
        f'<table:table-row table:number-rows-repeated="{next(rows)}"{part}' for part in parts[1:]
    )
    return edited_xml(lambda _: path, "content.xml", r"(?s).+", repeated)(folder)


RIGHT = [
    # delimiters
    right("comma", text_file(f"to,text\n{NUMBER},Hello\n"), *HELLO),
    right("semicolon", text_file(f"to;text\r\n{NUMBER};Hello, you\r\n"), (2, NUMBER, "Hello, you")),
    right(
        "tab",
        text_file(f"to\ttext\n{NUMBER}\tHello, you; all\n", "people.tsv"),
        (2, NUMBER, "Hello, you; all"),
    ),
    right("vertical bar", text_file(f"to|text\n{NUMBER}|Hello\n"), *HELLO),
    right(
        "declared for Excel",
        text_file(f"sep=;\r\nto;text\r\n{NUMBER};Hello\r\n"),
        (3, NUMBER, "Hello"),
    ),
    right(
        "another delimiter in a name",
        text_file(f"to;name, first;text, long, or not\n{NUMBER};Anna;x\n"),
        (2, NUMBER, "Anna"),
        text="{name, first}",
    ),
    right("given delimiter", text_file(f"to:text\n{NUMBER}:Hello\n"), *HELLO, delimiter=":"),
    right(
        "one column",
        text_file(f"to\n{NUMBER}\n{OTHER}\n"),
        (2, NUMBER, "Hi"),
        (3, OTHER, "Hi"),
        text="Hi",
    ),
    right(
        "blanks after delimiters",
        text_file(f'to, text\n{NUMBER}, "Hello, you"\n'),
        (2, NUMBER, "Hello, you"),
    ),
    # encodings
    right("UTF-8", text_file(f"to,text\n{NUMBER},Zürich 😀\n"), (2, NUMBER, "Zürich 😀")),
    right(
        "UTF-8 with mark",
        text_file(f"to,text\n{NUMBER},Zürich\n", encoding="utf-8-sig"),
        (2, NUMBER, "Zürich"),
    ),
    right(
        "mark before a quote",
        text_file(f'"to","text"\n"{NUMBER}","Zürich"\n', encoding="utf-8-sig"),
        (2, NUMBER, "Zürich"),
    ),
    right(
        "UTF-16 with mark",
        text_file(f"to\ttext\n{NUMBER}\tZürich\n", "people.txt", "utf-16"),
        (2, NUMBER, "Zürich"),
    ),
    right(
        "UTF-16 without mark",
        text_file(f"to;text\n{NUMBER};Zürich\n", encoding="utf-16-le"),
        (2, NUMBER, "Zürich"),
    ),
    right(
        "UTF-16 big-endian",
        text_file(f"to;text\n{NUMBER};Zürich\n", encoding="utf-16-be"),
        (2, NUMBER, "Zürich"),
    ),
    right(
        "UTF-32", text_file(f"to;text\n{NUMBER};Zürich\n", encoding="utf-32"), (2, NUMBER, "Zürich")
    ),
    right(
        "given encoding",
        text_file(f"to;text\n{NUMBER};für\n", encoding="cp850"),
        (2, NUMBER, "für"),
        encoding="cp850",
    ),
    # lines
    right(
        "quoted line break",
        text_file(f'to,text\r\n{NUMBER},"One\r\ntwo, ""three"""\r\n{OTHER},Four\r\n'),
        (2, NUMBER, 'One\ntwo, "three"'),
        (4, OTHER, "Four"),
    ),
    right(
        "empty lines",
        text_file(f"\nto,text\n\n{NUMBER},Hello\n\n,\n   \n{OTHER},Bye\n\n\n"),
        (4, NUMBER, "Hello"),
        (8, OTHER, "Bye"),
    ),
    right("line ends of old Macs", text_file(f"to,text\r{NUMBER},Hello\r"), *HELLO),
    right("no line end at the end", text_file(f"to,text\n{NUMBER},Hello"), *HELLO),
    right("delimiters at the end", text_file(f"to;text;;\n{NUMBER};Hello;;\n"), *HELLO),
    right("additional columns", text_file(f"no,text,to,note\n1,Hello,{NUMBER},\n"), *HELLO),
    right(
        "optional column missing at the end",
        text_file(f"to,text,reference\n{NUMBER},Hello\n"),
        *HELLO,
    ),
    # header
    right(
        "header in capitals with blanks", text_file(f" TO ,\u00a0Text\n{NUMBER},Hello\n"), *HELLO
    ),
    right(
        "named column",
        text_file(f"Name;Handy-Nr.;text\nAnna;{NUMBER};Hello\n"),
        *HELLO,
        columns={"to": "handy-nr."},
    ),
    right(
        "line break in a quoted header",
        text_file(f'to,"first\nname"\n{NUMBER},Anna\n'),
        (3, NUMBER, "Hi Anna"),
        text="Hi {First Name}",
    ),
    right(
        "accents written in two ways",
        text_file(f"to,pre\u0301nom\n{NUMBER},Zoé\n"),
        (2, NUMBER, "Zoé"),
        text="{Prénom}",
    ),
    # numbers as tables spoil them
    right("leading zero lost", text_file("to,text\n791234567,Hello\n"), (2, "791234567", "Hello")),
    right(
        "apostrophe in front",
        text_file(f"to,text\n'{NUMBER},'s is fine\n"),
        (2, NUMBER, "'s is fine"),
    ),
    right(
        "formula around a number",
        text_file(f'to;text\n="{NUMBER}";Hello\n"=""{OTHER}""";Bye\n'),
        (2, NUMBER, "Hello"),
        (3, OTHER, "Bye"),
    ),
    right(
        "JSON lines",
        text_file(
            f'{{"to": "{NUMBER}", "text": "Hello"}}\n\n{{"TO": 41787654321, "text": "Bye"}}\n',
            "people.jsonl",
        ),
        (1, NUMBER, "Hello"),
        (3, "41787654321", "Bye"),
    ),
    right(
        "JSON lines named otherwise",
        text_file(f'\n{{"text": "Hello", "to": "{NUMBER}"}}', "people.txt", "utf-8-sig"),
        *HELLO,
    ),
    right(
        "JSON float",
        text_file('{"to": 41791234567.0, "text": "{}"}', "people.json"),
        (1, "41791234567", "{}"),
    ),
    # spreadsheets
    right("xlsx", xlsx([["to", "text"], [NUMBER, "Zürich"]]), (2, NUMBER, "Zürich")),
    right(
        "xlsx number",
        xlsx([["to", "text"], [791234567, "Hello"], [41791234567, "Bye"]]),
        (2, "791234567", "Hello"),
        (3, "41791234567", "Bye"),
    ),
    right("xlsx apostrophe", xlsx([["to", "text"], [f"'{NUMBER}", "Hello"]]), *HELLO),
    right(
        "xlsx empty rows and columns in front",
        xlsx([[], [], [None, "to", "text"], [], [None, NUMBER, "Hello"]]),
        (5, NUMBER, "Hello"),
    ),
    right(
        "xlsx line break", xlsx([["to", "text"], [NUMBER, "One\r\ntwo"]]), (2, NUMBER, "One\ntwo")
    ),
    right(
        "xlsx dates and times",
        xlsx(
            [["to", "day", "time", "both"], [NUMBER, dt.date(2026, 11, 7), dt.time(8, 5), MOMENT]]
        ),
        (2, NUMBER, "07.11.2026 08:05 27.11.2026 17:30"),
        text="{day} {time} {both}",
    ),
    right(
        "xlsx whole numbers in a template",
        xlsx([["to", "room"], [NUMBER, 12]]),
        (2, NUMBER, "Room 12"),
        text="Room {room}",
    ),
    right(
        "xlsx chosen sheet",
        xlsx([["x"]], sheets=["Late", "Early "]),
        (2, "0787654321", "from Early "),
        sheet="early",
    ),
    right("xlsx named .csv", xlsx([["to", "text"], [NUMBER, "Hello"]], name="people.csv"), *HELLO),
    right(
        "xlsx in prefixed XML",
        edited_xml(
            xlsx([["to", "text"], [NUMBER, "Hello"]]),
            "xl/worksheets/sheet1.xml",
            r"xmlns=",
            "xmlns:unused='urn:x' xmlns=",
        ),
        *HELLO,
    ),
    right(
        "xlsx formula that gives an empty text",
        edited_xml(
            xlsx([["to", "text", "note"], [NUMBER, "Hello", "=A9"]]),
            "xl/worksheets/sheet1.xml",
            r'<c r="C2"><f>A9</f><v(?: ?/|></v)>',
            '<c r="C2" t="str"><f>A9</f><v></v>',
        ),
        *HELLO,
    ),
    right(
        "xlsx formula with its value",
        edited_xml(
            xlsx([["to", "text"], [NUMBER, "=A9"]]),
            "xl/worksheets/sheet1.xml",
            r'<c r="B2"><f>A9</f><v(?: ?/|></v)>',
            '<c r="B2" t="str"><f>A9</f><v>Hello</v>',
        ),
        *HELLO,
    ),
    right(
        "xls",
        xls([["to", "text"], [NUMBER, "Zürich"], [791234567, "Bye"]]),
        (2, NUMBER, "Zürich"),
        (3, "791234567", "Bye"),
    ),
    right(
        "xls date",
        xls([["to", "day", "time"], [NUMBER, dt.date(2026, 11, 7), dt.time(8, 5)]]),
        (2, NUMBER, "07.11.2026 08:05"),
        text="{day} {time}",
    ),
    right(
        "ods",
        ods([["to", "text"], [], [NUMBER, "One\ntwo"], [791234567, "Bye"]]),
        (3, NUMBER, "One\ntwo"),
        (4, "791234567", "Bye"),
    ),
    right(
        "ods date",
        ods([["to", "day", "time"], [NUMBER, dt.date(2026, 11, 7), dt.time(8, 5)]]),
        (2, NUMBER, "07.11.2026 08:05"),
        text="{day} {time}",
    ),
]


RIGHT += [
    right(
        "xlsx numbers and dates in the header",
        xlsx([["to", 2026, dt.date(2026, 11, 27), 0.5, True], [NUMBER, "a", "b", "c", "d"]]),
        (2, NUMBER, "a b"),
        text="{2026} {27.11.2026}",
    ),
    right(
        "ods with rows that stand for many",
        repeated_rows,
        (7, NUMBER, "Hello"),
        (8, OTHER, "Bye"),
        (9, OTHER, "Bye"),
    ),
]


@pytest.mark.parametrize(("make", "expected", "options"), RIGHT)
def test_a_file_is_read_right(
    make: Make, expected: list[tuple[int, str, str]], options: Options, tmp_path: Path
) -> None:
    path = make(tmp_path)
    messages = read(path, options)
    assert [(each.line, each.to, each.text) for each in messages] == expected
    assert {each.source for each in messages} == {path.name}


REMARKED = [
    remarked(
        "Windows-1252",
        text_file(f"to;text\n{NUMBER};für 5 €\n", encoding="cp1252"),
        "was read as Windows-1252",
        (2, NUMBER, "für 5 €"),
    ),
    remarked(
        "several sheets",
        xlsx([["to", "text"], [NUMBER, "Hello"]], sheets=["Late"]),
        "has 2 sheets, of which 'Sheet' was read",
        *HELLO,
    ),
]


@pytest.mark.parametrize(("make", "remark", "expected"), REMARKED)
def test_what_was_assumed_of_a_file_is_remarked(
    make: Make, remark: str, expected: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    messages = read_messages(make(tmp_path))
    with pytest.warns(UserWarning, match=remark):
        found = [(each.line, each.to, each.text) for each in messages]
    assert found == expected
    assert len(messages.remarks) == 1
    assert remark in messages.remarks[0]


@pytest.mark.long
def test_an_umlaut_late_in_a_file_decides_its_encoding(tmp_path: Path) -> None:
    rows = f"{NUMBER};Hello\n" * 100_000
    path = text_file(f"to;text\n{rows}{OTHER};für\n", encoding="cp1252")(tmp_path)
    with pytest.warns(UserWarning, match="Windows-1252"):
        *_, last = read_messages(path)
    assert (last.line, last.text) == (100_002, "für")


def encrypted_ods(folder: Path) -> Path:
    path = folder / "people.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", os.urandom(200))
        archive.writestr("META-INF/manifest.xml", "<manifest:encryption-data/>")
    return path


def encrypted_xlsx(folder: Path) -> Path:
    """Make what Excel makes with a password: an OLE file with the workbook in a stream."""
    workbook = xlwt.Workbook()
    workbook.add_sheet("x")
    content = io.BytesIO()
    workbook.save(content)
    data = content.getvalue().replace(
        "Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le")[:16]
    )
    path = folder / "people.xlsx"
    path.write_bytes(data + "EncryptedPackage".encode("utf-16-le"))
    return path


def cut(made: Make, size: int) -> Make:
    def make(folder: Path) -> Path:
        path = made(folder)
        path.write_bytes(path.read_bytes()[:size])
        return path

    return make


def archive_of_texts(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "people.zip", "w") as archive:
        archive.writestr("people.csv", "to,text\n")
    return folder / "people.zip"


def folder_of_files(folder: Path) -> Path:
    return folder


def hidden_sheets_only(folder: Path) -> Path:
    path = xlsx([["to", "text"], [NUMBER, "Hello"]])(folder)
    return edited_xml(lambda _: path, "xl/workbook.xml", 'state="visible"', 'state="hidden"')(
        folder
    )


SHEET = "xl/worksheets/sheet1.xml"
TEXT = [["to", "text"], [NUMBER, "Hello"]]

REFUSED = [
    # whole files
    refused("missing", lambda folder: folder / "people.csv", (None, "No such file")),
    refused("folder", folder_of_files, (None, "cannot be read")),
    refused("empty", text_file(""), (None, "is empty")),
    refused("blank", text_file("\n  \n\n"), (None, "is empty")),
    refused("only a mark", text_file(b"\xef\xbb\xbf"), (None, "is empty")),
    refused("header only", text_file("to,text\n"), (None, "no rows below its header")),
    refused(
        "xlsx header only", xlsx([["to", "text"]]), (None, "no rows below its header; formulas")
    ),
    refused("xlsx empty", xlsx([]), (None, "has no cells in this sheet")),
    refused(
        "HTML named .xls",
        text_file(f"<html><table><tr><td>to<tr><td>{NUMBER}</table>", "people.xls"),
        (None, "is HTML or XML, although it is named .xls"),
    ),
    refused(
        "XML in UTF-16",
        text_file("<?xml version='1.0'?><a/>", encoding="utf-16"),
        (None, "is HTML or XML"),
    ),
    refused("PDF", text_file(b"%PDF-1.7"), (None, "is a PDF")),
    refused("gzip", text_file(b"\x1f\x8b\x08\0"), (None, "is compressed by gzip")),
    refused("other ZIP archive", archive_of_texts, (None, "is a ZIP archive, not a spreadsheet")),
    refused("cut xlsx", cut(xlsx(TEXT), 3000), (None, "is damaged")),
    refused("cut xls", cut(xls(TEXT), 3000), (None, "open it and save it as .xlsx")),
    refused("password xlsx", encrypted_xlsx, (None, "is protected by a password")),
    refused("password ods", encrypted_ods, (None, "is protected by a password")),
    refused("hidden sheets only", hidden_sheets_only, (None, "not hidden: name one with sheet=")),
    refused(
        "missing sheet",
        xlsx(TEXT, sheets=["Late"]),
        (None, "has no sheet 'Now'; its sheets are 'Sheet', 'Late'"),
        sheet="Now",
    ),
    refused(
        "sheet of a CSV",
        text_file(f"to,text\n{NUMBER},Hello"),
        (None, "is not a spreadsheet"),
        sheet="Now",
    ),
    # encodings
    refused("NUL bytes", text_file(f"to,text\n{NUMBER},Hel\0lo\n"), (2, "has NUL bytes")),
    refused(
        "DOS",
        text_file(f"to;text\n{NUMBER};für\n", encoding="cp850"),
        (2, "is neither UTF-8 nor Windows-1252"),
    ),
    refused(
        "DOS without the undefined bytes",
        text_file(f"to;text\n{NUMBER};spät\n", encoding="cp850"),
        (2, "DOS or an old Mac"),
    ),
    refused(
        "old Mac",
        text_file(f"to;text\n{NUMBER};spät\n", encoding="mac-roman"),
        (2, "DOS or an old Mac"),
    ),
    refused(
        "two encodings",
        text_file("to;text\n1;Zürich\n2;".encode() + "für\n".encode("cp1252")),
        (3, "is UTF-8 in some places"),
    ),
    refused(
        "cut in a character",
        text_file("to;text\n1;Zürich\n2;fü".encode()[:-1]),
        (3, "is UTF-8 in some places"),
    ),
    refused(
        "wrong given encoding",
        text_file("to;text\n1;für", encoding="cp1252"),
        (None, "is not all in utf-8"),
        encoding="utf-8",
    ),
    refused(
        "wrong after mark",
        text_file(b"\xef\xbb\xbfto;text\n1;f\xfcr"),
        (None, "is not all in utf-8-sig"),
    ),
    refused(
        "decoded twice",
        text_file(f"to;text\n{NUMBER};Zürich\n".encode().decode("cp1252").encode()),
        (2, "text was decoded wrongly"),
    ),
    refused(
        "lost characters",
        text_file(f"to;text\n{NUMBER};Z\ufffdrich\n"),
        (2, "lost in a conversion"),
    ),
    # headers
    refused("no header", text_file(f"{NUMBER},Hello\n{OTHER},Bye\n"), (None, "has no header")),
    refused(
        "no recipient",
        text_file("name;Handy;text\nAnna;1;x\n"),
        (
            None,
            'has no column "to"; its columns are "name", "Handy", "text": .* columns={"to": "Handy"}',
        ),
    ),
    refused(
        "several likely recipients",
        text_file("Handy;Natel Tochter;text\n1;2;x\n"),
        (None, 'columns={"to": "…"}'),
    ),
    refused(
        "no text",
        text_file(f"to;name\n{NUMBER};Anna\n"),
        (None, 'has no column "text"; its columns are "to", "name": .* text='),
    ),
    refused(
        "named column missing",
        text_file(f"to;text\n{NUMBER};x\n"),
        (None, 'has no column "von"'),
        columns={"sender": "von"},
    ),
    refused(
        "column twice",
        text_file(f"to;text;To\n{NUMBER};x;{OTHER}\n"),
        (None, 'has two columns "to"'),
    ),
    refused(
        "template column twice",
        text_file(f"to;name;name\n{NUMBER};x;y\n"),
        (None, 'has two columns "name"'),
        text="{name}",
    ),
    refused(
        "template column missing",
        text_file(f"to;Name\n{NUMBER};x\n"),
        (None, 'has no column "vorname", which the template uses; its columns are "to", "Name"'),
        text="Hi {vorname}",
    ),
    refused(
        "unclosed quote in the header",
        text_file(f'"to,text\n{NUMBER},x\n'),
        (1, "has a header that cannot be read"),
    ),
    # rows
    refused(
        "recipient empty",
        text_file(f"to,text\n,Hello\n  ,Hello\n{NUMBER},Hello\n"),
        (2, "to is empty"),
        (3, "to is empty"),
    ),
    refused(
        "text empty",
        text_file(f"to,text\n{NUMBER},\n{NUMBER}\n{NUMBER},  \n"),
        (2, "text is empty"),
        (3, "text is missing"),
        (4, "text is empty"),
    ),
    refused(
        "template value empty",
        text_file(f"to,name\n{NUMBER},\n{NUMBER}, \n{NUMBER},Anna\n{NUMBER}\n"),
        (2, '"name" is empty'),
        (3, '"name" is empty'),
        (5, '"name" is missing'),
        text="Hi {name}",
    ),
    refused(
        "too many values",
        text_file(f"to,text\n{NUMBER},Hello, you\n{NUMBER},fine\n"),
        (2, "has 3 values for 2 columns: put texts that contain a comma into double quotes"),
    ),
    refused(
        "quote never closed",
        text_file(f'to,text\n{NUMBER},fine\n{NUMBER},"Hello\n{OTHER},Bye\n'),
        (3, "never closed"),
    ),
    refused(
        "quote closed by another",
        text_file(f'to,text\n{NUMBER},"Hello\n{OTHER},Bye\n{NUMBER},end"\n{OTHER},x\n'),
        (2, "seem to be further rows"),
    ),
    refused(
        "quote within",
        text_file(f'to,text\n{NUMBER},"Hello "you" there"\n{NUMBER},fine\n'),
        (2, "double quote inside of a quoted value"),
    ),
    refused(
        "value over the limit",
        text_file(f'to,text\n{NUMBER},"{"x" * 140_000}"\n'),
        (2, "more than 131,072 characters"),
    ),
    refused(
        "unknown channel",
        text_file(f"to,text,channel\n{NUMBER},x,fax\n{NUMBER},x,SMS\n"),
        (2, "channel is none of sms, whatsapp, rcs"),
    ),
    refused(
        "several problems of a row",
        text_file("to,text,channel\n,,fax\n"),
        (2, "to is empty; text is empty; channel is none"),
    ),
    # cells
    refused(
        "scientific notation",
        text_file('to,text\n4.17912E+10,Hello\n4.17912e10,Hello\n"4,17912E+10",Hello\n'),
        *[(n, "scientific notation") for n in (2, 3, 4)],
    ),
    refused(
        "scientific notation in a template",
        text_file(f"to,code\n{NUMBER},1.2E+15\n"),
        (2, '"code" is in scientific'),
        text="{code}",
    ),
    refused(
        "number with decimal places",
        text_file("to;text\n41791234567.0;Hello\n791234567,00;Hello\n"),
        (2, "decimal places"),
        (3, "decimal places"),
    ),
    refused(
        "error values",
        text_file(
            f"to,text\n#N/A,x\n{NUMBER},#REF!\n{NUMBER},#NV\n{NUMBER},Err:502\n{NUMBER},####\n{NUMBER},# 5 is fine\n"
        ),
        (2, "to is an error value"),
        *[(n, "text is an error value") for n in (3, 4, 5, 6)],
    ),
    refused(
        "missing values of programs",
        text_file(f"to,name\n{NUMBER},nan\n{NUMBER},NULL\n{NUMBER},<NA>\n{NUMBER},Nan\n"),
        *[(n, "missing value") for n in (2, 3, 4)],
        text="{name}",
    ),
    refused(
        "formula as text",
        text_file(f"to,text\n{NUMBER},=A2&B2\n=VLOOKUP(A2),x\n"),
        (2, "text is a formula"),
        (3, "to is a formula"),
    ),
    refused(
        "xlsx error values",
        xlsx([["to", "text"], ["#N/A", "x"], [NUMBER, "#REF!"], ["#N/A", "#N/A"]]),
        (2, "to is an error"),
        (3, "text is an error"),
        (4, "to is an error"),
    ),
    refused(
        "xlsx error in an optional column",
        xlsx([["to", "text", "channel"], [NUMBER, "x", "#N/A"]]),
        (2, "channel is an error"),
    ),
    refused(
        "xlsx formula without value",
        xlsx([["to", "text"], [NUMBER, "=A9"], ["=A9", "=B9"]]),
        (2, "text is a formula whose value is not in the file"),
        (3, "to is a formula"),
    ),
    refused(
        "xls error and formula",
        xls([["to", "text"], [NUMBER, xlwt.Formula("1/0")]]),
        (2, "text is empty"),
    ),
    refused("ods error", ods([["to", "text"], [NUMBER, "#N/A"]]), (2, "text is an error value")),
    refused(
        "xlsx merged cells",
        xlsx([*TEXT, [OTHER, None]], lambda sheet: sheet.merge_cells("B2:B3")),
        (3, "text is a cell that was merged"),
    ),
    refused(
        "xlsx merged recipient",
        xlsx(
            [["to", "text"], [NUMBER, "Hello"], [None, "Bye"]],
            lambda sheet: sheet.merge_cells("A2:A3"),
        ),
        (3, "to is a cell that was merged"),
    ),
    refused(
        "xlsx merged channel",
        xlsx(
            [["to", "text", "channel"], [NUMBER, "Hello", "rcs"], [OTHER, "Bye"]],
            lambda sheet: sheet.merge_cells("C2:C3"),
        ),
        (3, "channel is a cell that was merged"),
    ),
    refused(
        "ods merged or empty channel",
        ods([["to", "text", "channel"], [NUMBER, "Hello", "rcs"], [OTHER, "Bye", None]]),
        (3, "channel is empty"),
    ),
    refused("xlsx hidden row", xlsx([*TEXT, [OTHER, "Bye"]], hide_row_3), (3, "row is hidden")),
    refused(
        "xlsx boolean",
        xlsx([["to", "text", "x"], [True, "x", 1], [NUMBER, "x", True]]),
        (2, "to is a logical value"),
        (3, '"x" is a logical value'),
        text="{x}",
    ),
    refused("xls boolean", xls([["to", "text"], [NUMBER, True]]), (2, "text is not a text")),
    refused("ods boolean", ods([["to", "x"], [NUMBER, True]]), (2, "logical value"), text="{x}"),
    refused(
        "xlsx date as recipient",
        xlsx([["to", "text"], [dt.date(2026, 11, 27), "x"]]),
        (2, "to is a date"),
    ),
    refused(
        "xlsx percent",
        xlsx([["to", "x"], [NUMBER, 0.5]], style("B2", "0%")),
        (2, "decimal places"),
        text="{x}",
    ),
    refused(
        "xlsx 16 digits",
        xlsx([["to", "text"], [4179123456789012, "x"]]),
        (2, "more than 15 digits"),
    ),
    refused(
        "xlsx number with decimals",
        xlsx([["to", "text"], [41791234567.5, "x"], [-41791234567, "x"]]),
        (2, "decimal places"),
        (3, "negative"),
    ),
    refused(
        "xlsx duration",
        xlsx([["to", "x"], [NUMBER, dt.timedelta(hours=30)]]),
        (2, "is a duration"),
        text="{x}",
    ),
    refused(
        "xlsx number as text", xlsx([["to", "text"], [NUMBER, 1234]]), (2, "text is not a text")
    ),
    refused(
        "xlsx damaged XML",
        edited_xml(xlsx([*TEXT, [OTHER, "Bye"]]), SHEET, "</sheetData>", ""),
        (None, "damaged|cannot be read"),
    ),
    # JSON lines
    refused(
        "JSON broken",
        text_file(
            f'{{"to": "{NUMBER}", "text": "x"}}\n{{"to": \n[1]\n{{"to": "1", "TO": "2"}}\n{{"to": NaN}}\n',
            "people.jsonl",
        ),
        (2, "is not JSON"),
        (3, "is not a JSON object"),
        (4, "same name twice"),
        (5, "NaN"),
    ),
    refused(
        "JSON values",
        text_file(
            '{"to": {"a": 1}, "text": "x"}\n{"to": true, "text": null}\n'
            f'{{"to": 1e300, "text": ["x"]}}\n{{"to": "{NUMBER}"}}\n',
            "people.jsonl",
        ),
        (1, "to is a list or an object"),
        (2, "text is empty"),
        (3, "more than 15 digits, .*; text is a list"),
        (4, "text is missing"),
    ),
    refused(
        "JSON array", text_file('[{"to": "1", "text": "x"}]', "people.json"), (1, "is a JSON array")
    ),
    refused(
        "JSON nested",
        text_file('{"a":' * 100_000, "people.jsonl"),
        (1, "nested too deeply|not JSON"),
        (None, "no object"),
    ),
]


@pytest.mark.parametrize(("make", "problems", "options"), REFUSED)
def test_a_file_is_refused_with_the_line_and_the_reason(
    make: Make, problems: list[tuple[int | None, str]], options: Options, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(InvalidMessages) as caught:
        read(path, options)
    found = caught.value.problems
    assert [problem.line for problem in found] == [line for line, _ in problems], found
    for problem, (_, words) in zip(found, problems, strict=True):
        assert problem.source == path.name
        assert_words(words, problem.reason)


def assert_words(words: str, reason: str) -> None:
    """Check that a reason has these words, of which `.*` and `|` are patterns."""
    pattern = re.escape(words).replace(r"\.\*", ".*").replace(r"\|", "|")
    assert re.search(pattern, reason), reason


def test_the_tables_have_at_least_forty_files() -> None:
    assert len(RIGHT) + len(REMARKED) + len(REFUSED) > 100


class TestFields:
    def test_all_columns_of_a_message_are_read(self, tmp_path: Path) -> None:
        path = text_file(
            "Reference,SENDER,channel,text,to\n"
            f"A-1,ACME, WhatsApp ,Hello,{NUMBER}\n,,,Bye,{OTHER}\n"
        )(tmp_path)
        first, second = read_messages(path, channel="rcs", sender="EXAMPLE")
        assert first == Message(NUMBER, "Hello", "whatsapp", "ACME", "A-1", 2, "people.csv")
        assert second == Message(OTHER, "Bye", "rcs", "EXAMPLE", None, 3, "people.csv")

    def test_numbers_as_sender_and_reference_are_read(self, tmp_path: Path) -> None:
        path = xlsx(
            [
                ["to", "text", "sender", "reference"],
                [NUMBER, "x", 4321, 17],
                [OTHER, "x", "ACME", None],
            ]
        )(tmp_path)
        first, second = read_messages(path)
        assert (first.sender, first.reference) == ("4321", "17")
        assert (second.sender, second.reference) == ("ACME", None)


class TestTemplate:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("Hi", "Hi"),
            ("Hi {name}", "Hi Anna"),
            ("{ Name }{NAME}, {first name}", "AnnaAnna, {b}"),
            ("{{name}} {{{name}}} }}", "{name} {Anna} }"),
            ("%s {name} $name \\n", "%s Anna $name \\n"),
            ("{name}\n{to}", f"Anna\n{NUMBER}"),
        ],
    )
    def test_columns_in_braces_are_filled_into_the_text(
        self, template: str, text: str, tmp_path: Path
    ) -> None:
        path = text_file(f"to,name,First  Name\n{NUMBER}, Anna ,{{b}}\n")(tmp_path)
        assert [each.text for each in read_messages(path, text=template)] == [text]

    @pytest.mark.parametrize(
        "template",
        [
            "{name.__class__}",
            "{name!r}",
            "{name:>9}",
            "{name[0]}",
            "{0}",
            "{to.__init__.__globals__}",
        ],
    )
    def test_a_template_evaluates_nothing(self, template: str, tmp_path: Path) -> None:
        path = text_file(f"to,name\n{NUMBER},Anna\n")(tmp_path)
        with pytest.raises(InvalidMessages, match='its columns are "to", "name"'):
            list(read_messages(path, text=template))

    @pytest.mark.parametrize(
        "template", ["{", "}", "{}", "{ }", "a {name", "{name}}", "{{name}", ""]
    )
    def test_a_template_that_is_wrong_in_itself_is_refused_at_once(
        self, template: str, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidMessages, match="template"):
            read_messages(tmp_path / "none.csv", text=template)

    def test_the_template_wins_over_the_column_text(self, tmp_path: Path) -> None:
        path = text_file(f"to,text\n{NUMBER},eight\n{OTHER},nine\n")(tmp_path)
        texts = [each.text for each in read_messages(path, text="See you at {text}")]
        assert texts == ["See you at eight", "See you at nine"]

    def test_a_name_that_only_later_json_objects_lack_is_refused_by_line(
        self, tmp_path: Path
    ) -> None:
        path = text_file(
            f'{{"to": "{NUMBER}", "name": "Anna"}}\n{{"to": "{OTHER}"}}\n', "people.jsonl"
        )(tmp_path)
        with pytest.raises(InvalidMessages, match=r'line 2: "name" is missing'):
            list(read_messages(path, text="Hi {name}"))


class TestMessages:
    def test_rows_yields_messages_and_problems_in_their_places(self, tmp_path: Path) -> None:
        path = text_file(f"to,text\n{NUMBER},a\n,b\n{OTHER},c\n")(tmp_path)
        first, problem, last = read_messages(path).rows()
        assert isinstance(first, Message)
        assert problem == RowProblem("people.csv", 3, "to is empty")
        assert isinstance(last, Message)

    def test_good_messages_come_before_the_error(self, tmp_path: Path) -> None:
        path = text_file(f"to,text\n{NUMBER},a\n,b\n{OTHER},c\n")(tmp_path)
        texts = []
        with pytest.raises(InvalidMessages):  # noqa: PT012  # what came before the error is wanted
            for message in read_messages(path):
                texts.append(message.text)  # noqa: PERF401
        assert texts == ["a", "c"]

    def test_messages_of_a_file_can_be_iterated_again(self, tmp_path: Path) -> None:
        path = text_file(f"to,text\n{NUMBER},für\n", encoding="cp1252")(tmp_path)
        messages = read_messages(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert list(messages) == list(messages)
        assert len(messages.remarks) == 1

    def test_a_file_is_not_opened_before_its_messages_are_iterated(self, tmp_path: Path) -> None:
        messages = read_messages(tmp_path / "later.csv")
        text_file(f"to,text\n{NUMBER},a\n", "later.csv")(tmp_path)
        assert len(list(messages)) == 1

    def test_an_iteration_that_is_given_up_closes_the_file(self, tmp_path: Path) -> None:
        path = text_file("to,text\n" + f"{NUMBER},a\n" * 10)(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            iterator = read_messages(path).rows()
            next(iterator)
            del iterator

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ({"channel": "fax"}, "channel must be one of sms, whatsapp, rcs"),
            ({"encoding": "rot13"}, "encoding must be the name of a text encoding"),
            ({"encoding": "none"}, "encoding must be the name of a text encoding"),
            ({"delimiter": ";;"}, "delimiter must be one character"),
            ({"delimiter": '"'}, "delimiter must be one character"),
            ({"columns": {"To": "x"}}, "it can name to, text, channel, sender, reference"),
        ],
    )
    def test_an_option_of_read_messages_that_cannot_work_is_refused_at_once(
        self, option: dict[str, object], words: str
    ) -> None:
        with pytest.raises(InvalidConfiguration, match=words):
            read_messages("none.csv", **option)  # type: ignore[arg-type]

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
    def test_a_pipe_as_a_file_of_messages_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = subprocess.Popen(["sh", "-c", f"echo to,text > '{tmp_path}/pipe'"])
        with pytest.raises(InvalidMessages, match="is not a regular file"):
            list(read_messages(tmp_path / "pipe"))
        writer.wait(10)

    @pytest.mark.long
    def test_a_csv_file_is_streamed(self, tmp_path: Path) -> None:
        path = text_file("to,name\n" + f"{NUMBER},Anna\n" * 50_000)(tmp_path)
        read_messages(path)
        sum(1 for _ in read_messages(path, text="Hi {name}"))
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_messages(path, text="Hi {name}")) == 50_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4_000_000  # the pieces in which the encoding is looked for


def test_without_calamine_csv_is_read_and_a_spreadsheet_says_what_it_needs(tmp_path: Path) -> None:
    text_file(f"to,text\n{NUMBER},Hello\n")(tmp_path)
    xlsx([["to", "text"], [NUMBER, "Hello"]])(tmp_path)
    code = """if True:
        import sys
        sys.modules["python_calamine"] = None
        from ecall_facade.bulk import read_messages
        print(len(list(read_messages("people.csv"))))
        list(read_messages("people.xlsx"))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "1\n"
    assert 'ImportError: Spreadsheets need python-calamine: pip install "ecall' in done.stderr


class TestErrors:
    def test_the_first_twenty_problems_are_named_and_all_are_kept(self, tmp_path: Path) -> None:
        path = text_file("to,text\n" + ",x\n" * 25)(tmp_path)
        with pytest.raises(UsageError) as caught:
            list(read_messages(path))
        error = caught.value
        assert isinstance(error, InvalidMessages)
        assert len(error.problems) == 25
        assert str(error).startswith(
            "25 problems, nothing was accepted:\n  people.csv, line 2: to is"
        )
        assert "line 21: " in str(error)
        assert "line 22" not in str(error)
        assert str(error).endswith("and 5 more")
        assert error.may_have_been_sent is False

    def test_errors_about_files_can_be_pickled(self) -> None:
        error = InvalidMessages(
            [RowProblem("a.csv", 5, "to is empty"), RowProblem(None, None, "x")]
        )
        restored = pickle.loads(pickle.dumps(error))
        assert restored.problems == error.problems
        assert str(restored) == str(error)

    def test_neither_numbers_nor_texts_are_in_a_repr_or_an_error(self, tmp_path: Path) -> None:
        for message in (
            Message("+41791234567", "secret words", reference="secret words"),
            Message(RawAddress("791234567"), "secret words"),
            Message("secret words", "x"),
        ):
            assert "secret" not in repr(message)
            assert "1234" not in repr(message)
        spoilt = [
            f"to,text\nsecret,#N/A,{NUMBER}\n{NUMBER}.0,secret\n4.1791234E+10,secret\n",
            f"{NUMBER},secret words\n",
            f"Anna,{NUMBER} (home)\n",
            f'to,text\n{NUMBER},"secret" words\n{NUMBER},"secret',
            f'{{"to": "{NUMBER}", "text": ["secret"]}}\n{{"to": "{NUMBER}" "secret"}}',
        ]
        for content in spoilt:
            with pytest.raises(InvalidMessages) as caught:
                list(read_messages(text_file(content)(tmp_path)))
            assert "secret" not in str(caught.value)
            assert "1234" not in str(caught.value)

    def test_messages_and_problems_are_frozen(self) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            Message("1", "x").text = "y"  # type: ignore[misc]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("lines", ["\n", "\r\n"])
def test_what_the_csv_module_writes_is_read_back(
    delimiter: str, lines: str, tmp_path: Path
) -> None:
    texts = ["plain", 'a "quoted" one', "a, b; c\td|e", "two\nlines", "'s", "-5 %", "{name}", "=)"]
    content = io.StringIO()
    writer = csv.writer(content, delimiter=delimiter, lineterminator=lines)
    writer.writerow(["to", "text"])
    writer.writerows([NUMBER, text] for text in texts)
    path = text_file(content.getvalue())(tmp_path)
    assert [each.text for each in read_messages(path)] == texts
    as_json = "\n".join(json.dumps({"to": NUMBER, "text": text}) for text in texts)
    path = text_file(as_json, "people.jsonl")(tmp_path)
    assert [each.text for each in read_messages(path)] == texts
