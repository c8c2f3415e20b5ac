"""In which encoding a text file is written. The whole file is looked at, as its first umlaut may come late."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, BinaryIO

from ecall_facade.bulk._table import FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 20
# UTF-32 first, whose mark begins like that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SAVE_AS_UTF8 = 'save it as "CSV UTF-8", or name its encoding with encoding='
# What umlauts and accents of DOS (cp850) and old Macs look like where letters of Windows-1252 cannot be.
_DOS_OR_MAC = re.compile(rb"[a-z][\x81\x82\x84\x88\x8a\x8e\x94\x9f][a-z]")
# The most frequent beginning of an umlaut in UTF-8, and never one in Windows-1252.
_UTF8_LETTER = re.compile(rb"\xc3[\x80-\xbf]")


def find_encoding(file: BinaryIO, remark: Callable[[str], None]) -> str:
    """Return the encoding of a file, which is read from its beginning.

    Raises:
        FileProblem: It is in none of those that can be told apart.
    """
    file.seek(0)
    head = file.read(4096)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if encoding := _utf16_without_mark(head):
        return encoding
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    while chunk := file.read(_CHUNK):
        if (nul := chunk.find(b"\0")) >= 0:
            raise FileProblem(
                "has NUL bytes, as no text file does: is it a damaged or a binary file?",
                line=line + chunk.count(b"\n", 0, nul),
            )
        begun = decoder.getstate()[0]
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            at = max(error.start - len(begun), 0)
            return _windows_1252(file, line + chunk.count(b"\n", 0, at), remark)
        line += chunk.count(b"\n")
    if decoder.getstate()[0]:
        return _windows_1252(file, line, remark)
    return "utf-8"


def _utf16_without_mark(head: bytes) -> str:
    pairs = len(head) // 2
    low = head[0 : 2 * pairs : 2].count(0)
    high = head[1 : 2 * pairs : 2].count(0)
    # Latin text has a NUL in nearly every pair, always on the same side.
    if pairs and high > 0.6 * pairs and low < 0.05 * pairs:
        return "utf-16-le"
    if pairs and low > 0.6 * pairs and high < 0.05 * pairs:
        return "utf-16-be"
    return ""


def _windows_1252(file: BinaryIO, line: int, remark: Callable[[str], None]) -> str:
    """Check that a file that is not UTF-8 (since that line) can be Windows-1252."""
    file.seek(0)
    last = b""
    at = 1
    while chunk := file.read(_CHUNK):
        joined = last + chunk
        if _UTF8_LETTER.search(joined):
            raise FileProblem(
                f"is UTF-8 in some places and not in others: {_SAVE_AS_UTF8}", line=line
            )
        try:
            chunk.decode("cp1252")
        except UnicodeDecodeError as error:
            found_at = at + chunk.count(b"\n", 0, error.start)
            raise FileProblem(
                f"is neither UTF-8 nor Windows-1252: {_SAVE_AS_UTF8}", line=found_at
            ) from None
        if _DOS_OR_MAC.search(joined):
            raise FileProblem(
                f"seems to be in an encoding of DOS or an old Mac: {_SAVE_AS_UTF8}", line=line
            )
        last = chunk[-2:]
        at += chunk.count(b"\n")
    remark(
        "is not UTF-8 and was read as Windows-1252: check that umlauts and accents are right, or "
        'save it as "CSV UTF-8"'
    )
    return "cp1252"
