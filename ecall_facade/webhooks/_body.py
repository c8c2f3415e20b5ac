"""From the body or query of a callback to JSON data, whatever its encoding."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import cast
from urllib.parse import unquote_to_bytes

import attrs

from ecall_facade._json import JSON, as_dict, as_list
from ecall_facade.errors import MalformedEvent

MAX_DEPTH = 32  # of JSON in JSON
MAX_FIELDS = 200  # of a form or a query
_FORM = "application/x-www-form-urlencoded"
_BOM = b"\xef\xbb\xbf"
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.ASCII | re.IGNORECASE)
# Codecs of Python that are not character sets; two of them are slow.
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


@attrs.frozen
class Content:
    """The data of a callback. Bytes that cannot be decoded are surrogates, as `surrogateescape` makes them."""

    data: JSON
    is_form: bool


def parse(body: bytes, query: bytes, content_type: str) -> Content:
    """Return the data of a body (JSON or a form), or of a query if there is no body.

    Raises:
        MalformedEvent: It is none of these.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    charsets = _declared_charsets(content_type)
    given = body
    if not given.removeprefix(_BOM).strip():
        media_type, given = _FORM, query
    text = given.removeprefix(_BOM).strip()
    if not text:
        raise MalformedEvent("The callback has neither a body nor a query")
    # JSON may be declared as a form, but cannot look like one.
    if media_type.endswith("json") or text[:1] in b"{[":
        # Not stripped, as the last byte of UTF-16 may look like a line break.
        return Content(_parse_json(given, charsets), is_form=False)
    if media_type in {_FORM, "text/plain", ""}:
        return Content(_parse_form(text, charsets), is_form=True)
    raise MalformedEvent("The callback is neither JSON nor a form", status_code=415)


def storable(data: JSON) -> JSON:
    """Return the data with U+FFFD for NULs and unpaired surrogates, which databases refuse to store."""
    if isinstance(data, str):
        return _NOT_STORABLE.sub("\ufffd", data)
    if isinstance(data, list):
        return [storable(item) for item in data]
    if isinstance(data, dict):
        return {name: storable(value) for name, value in data.items()}
    return data


def _declared_charsets(content_type: str) -> list[str]:
    """Return the codecs for the declared character set, none if it is not known."""
    found = _CHARSET.search(content_type)
    try:
        codec = codecs.lookup(found[1]).name if found else ""
    except LookupError:
        return []
    if codec == "iso8859-1":
        return ["cp1252", codec]  # browsers read it as Windows-1252, because many write that
    return [codec] if codec and codec not in _NO_CHARSETS else []


def _decoded(text: bytes, charsets: list[str]) -> Iterator[str]:
    """Yield the possible readings of a text, the most likely first. There is always at least one."""
    for charset in charsets:
        try:
            yield text.decode(charset)
        except (LookupError, ValueError):  # LookupError: a codec that is not for text, such as hex
            continue
    yield text.decode("utf-8", "surrogateescape")


def _parse_json(text: bytes, charsets: list[str]) -> JSON:
    # In another charset a byte order mark makes the text invalid JSON, so that UTF-8 is tried.
    for reading in _decoded(text, [*charsets, json.detect_encoding(text)]):
        try:
            data = cast("JSON", json.loads(reading.lstrip("\ufeff")))
        except (ValueError, RecursionError):
            continue
        _check_depth(data, reading)
        return data
    raise MalformedEvent("The callback is not JSON that can be read")


def _check_depth(data: JSON, text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return  # the usual case, without a walk through the data
    level: list[object] = [data]
    for _ in range(MAX_DEPTH):
        inside = (inner for outer in level for inner in (*as_dict(outer).values(), *as_list(outer)))
        level = [inner for inner in inside if isinstance(inner, (dict, list))]
        if not level:
            return
    raise MalformedEvent(f"The callback's JSON is more than {MAX_DEPTH} levels deep")


def _parse_form(text: bytes, charsets: list[str]) -> JSON:
    """Read a form as browsers do (the WHATWG URL standard), but in its declared character set."""
    if charsets and charsets[0].startswith(("utf-16", "utf-32")):
        text = next(_decoded(text, charsets)).encode("utf-8", "surrogateescape")
        charsets = []
    fields = [field for field in text.split(b"&") if field]
    # Without any "=" it is rather a text than a form.
    if len(fields) > MAX_FIELDS or not any(b"=" in field for field in fields):
        raise MalformedEvent("The callback is not a form that can be read")
    result: dict[str, JSON] = {}
    for field in fields:
        name, _, value = field.partition(b"=")
        # If a name comes twice, the first value is taken.
        result.setdefault(_decode_part(name, charsets), _decode_part(value, charsets))
    return result


def _decode_part(part: bytes, charsets: list[str]) -> str:
    return next(_decoded(unquote_to_bytes(part.replace(b"+", b" ")), [*charsets, "utf-8"]))
