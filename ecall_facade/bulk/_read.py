"""Read messages from people's files: CSV, TSV, JSON lines, Excel, OpenDocument."""

from __future__ import annotations

import codecs
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import attrs

from ecall_facade._settings import CHANNELS
from ecall_facade.bulk._delimited import read_delimited
from ecall_facade.bulk._encoding import find_encoding
from ecall_facade.bulk._json_lines import read_json_lines
from ecall_facade.bulk._message import Message
from ecall_facade.bulk._problems import InvalidMessages, RowProblem
from ecall_facade.bulk._row_reader import FIELDS, RowOptions, RowReader
from ecall_facade.bulk._spreadsheet import OLE, ZIP, read_spreadsheet
from ecall_facade.bulk._table import BadRow, FileProblem, Header, Table
from ecall_facade.bulk._template import Template
from ecall_facade.errors import InvalidConfiguration

if TYPE_CHECKING:
    from ecall_facade._settings import ChannelName

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_OTHER_FORMATS = {
    b"%PDF": "a PDF",
    b"{\\rtf": "an RTF document",
    b"\x1f\x8b": "compressed by gzip",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "compressed by bzip2",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
}


@attrs.frozen
class _FileOptions:
    sheet: str | None
    encoding: str | None
    delimiter: str | None


class Messages(Iterable[Message]):
    """The messages of a file, read again from its beginning at each iteration.

    Iterating yields each message as it is read, and after the last row raises one
    `InvalidMessages` with all the problems, if there are any.
    `rows` yields the problems in their places instead.

    Attributes:
        source: Name of the file.
        remarks: What the last reading found worth a look, such as a guessed encoding; each is also
            issued as a `UserWarning`.
    """

    def __init__(self, path: Path, rows: RowOptions, file: _FileOptions) -> None:
        self.source: str = path.name
        self.remarks: tuple[str, ...] = ()
        self._path = path
        self._row_options = rows
        self._file_options = file

    def __repr__(self) -> str:
        return f"<Messages of {self.source}>"

    def __iter__(self) -> Iterator[Message]:
        problems: list[RowProblem] = []
        for row in self.rows():
            if isinstance(row, RowProblem):
                problems.append(row)
            else:
                yield row
        if problems:
            raise InvalidMessages(problems)

    def rows(self) -> Iterator[Message | RowProblem]:
        """Yield what each row is: a message, or the problem that it has.

        A problem without a line is about the whole file. One that ends the reading comes last.
        """
        self.remarks = ()
        try:
            with self._path.open("rb") as file:
                yield from self._read(file)
        except FileProblem as problem:
            yield RowProblem(self.source, problem.line, f"the file {problem.reason}")
        except OSError as error:
            yield RowProblem(self.source, None, f"the file cannot be read: {error.strerror}")

    def _read(self, file: BinaryIO) -> Iterator[Message | RowProblem]:
        if not file.seekable():
            raise FileProblem("is not a regular file: save it to one first")
        kind = _find_kind(file, self._path)
        reader = RowReader(self.source, self._row_options, blank_may_be_lost=kind == "spreadsheet")
        found_rows = False
        for row in self._open_table(file, kind):
            if isinstance(row, Header):
                reader.check_header(row)
                continue
            found_rows = True
            if isinstance(row, BadRow):
                yield RowProblem(self.source, row.line, row.reason)
            else:
                yield reader.read(row)
        if not found_rows:
            lost = (
                "; formulas that were never calculated count as empty"
                if kind == "spreadsheet"
                else ""
            )
            raise FileProblem(f"has no rows below its header{lost}")

    def _open_table(self, file: BinaryIO, kind: str) -> Table:
        options = self._file_options
        if kind == "spreadsheet":
            return read_spreadsheet(file, options.sheet, self._remark)
        if options.sheet is not None:
            raise FileProblem("is not a spreadsheet, so it has no sheets: leave out sheet=")
        encoding = options.encoding or find_encoding(file, self._remark)
        file.seek(0)
        lines = _decode(file, encoding)
        if kind == "JSON lines":
            return read_json_lines(lines)
        return read_delimited(lines, self._row_options.key_of("to"), options.delimiter)

    def _remark(self, words: str) -> None:
        remark = f"{self.source} {words}"
        self.remarks = (*self.remarks, remark)
        warnings.warn(remark, UserWarning, stacklevel=2)


def read_messages(
    path: str | os.PathLike[str],
    *,
    text: str | None = None,
    channel: ChannelName = "sms",
    sender: str | None = None,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Messages:
    """Return the messages of a file: CSV, TSV, JSON lines, Excel (`.xlsx`, `.xls`) or `.ods`.

    The first row names the columns: `to`, and where they are used `text`, `channel`, `sender` and
    `reference`, in any letter case. The file is opened when the messages are iterated.

    Args:
        path: The file. What it is, is found from its content.
        text: The text of all messages, with columns of the file in braces, such as `{name}`;
            `{{` and `}}` stand for braces. Without it, the column `text` has the texts.
        channel: The channel of rows that name none.
        sender: The sender of rows that name none; None for the client's own.
        columns: The columns that are called otherwise, such as `{"to": "Mobile"}`.
        sheet: Name of the sheet to be read; by default the first that is not hidden.
        encoding: Encoding of a text file, if it is not found rightly.
        delimiter: The character between the values of a CSV file, if it is not found rightly.

    Returns:
        An iterable of `Message`. After the last one it raises `InvalidMessages` with all problems of
        the file, if it has any.

    Raises:
        InvalidMessages: The template has a brace that is not closed or names no column.
        InvalidConfiguration: An argument has a value that cannot work.
    """
    if channel not in CHANNELS:
        raise InvalidConfiguration(f"channel must be one of {', '.join(CHANNELS)}")
    if encoding is not None:
        _check_encoding(encoding)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise InvalidConfiguration("delimiter must be one character, not a quote or a line break")
    names = dict(columns or {})
    if unknown := names.keys() - set(FIELDS):
        raise InvalidConfiguration(
            f"columns has {', '.join(sorted(map(repr, unknown)))}; it can name {', '.join(FIELDS)}"
        )
    template = None if text is None else Template(text)
    if text is not None and not text.strip():
        raise InvalidMessages([RowProblem(None, None, "The template text= is empty")])
    return Messages(
        Path(path),
        RowOptions(template, names, channel, sender),
        _FileOptions(sheet, encoding, delimiter),
    )


def _check_encoding(encoding: str) -> None:
    try:
        info = codecs.lookup(encoding)
        io.TextIOWrapper(io.BytesIO(), encoding=info.name)
    except LookupError:
        raise InvalidConfiguration(
            "encoding must be the name of a text encoding, such as utf-8 or cp1252"
        ) from None


def _find_kind(file: BinaryIO, path: Path) -> Literal["spreadsheet", "JSON lines", "delimited"]:
    """Find what a file is from its first bytes, as many a file has the wrong name."""
    head = file.read(1024)
    file.seek(0)
    if head.startswith((ZIP, OLE)):
        return "spreadsheet"
    for mark, name in _OTHER_FORMATS.items():
        if head.startswith(mark):
            raise FileProblem(f"is {name}: save it as .xlsx or CSV")
    # Letters and signs only, in whichever encoding.
    begin = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if begin.startswith(b"<"):
        raise FileProblem(
            f"is HTML or XML{f', although it is named {path.suffix}' if path.suffix else ''}: "
            "open it in a spreadsheet program and save it as .xlsx"
        )
    if path.suffix.lower() in _JSON_SUFFIXES or begin.startswith(b"{"):
        return "JSON lines"
    return "delimited"


def _decode(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their ends."""
    with io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        try:
            yield from text
        except UnicodeError:
            # Without a line, as the error comes early: a whole buffer is decoded at once.
            raise FileProblem(
                f"is not all in {encoding}: name its encoding with encoding="
            ) from None
