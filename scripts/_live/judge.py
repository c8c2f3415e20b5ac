"""An answer compared with the spec. What is noted names kinds and shapes, no values but words of an enumeration."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from . import spec
from .book import UTF_8, V1_TIMES, V2_TIMES, Book
from .watch import Exchange

_REQUEST_ID: Final = "/components/headers/RequestId"
_JSON: Final = "application/json"
_NAME: Final = re.compile(r"[A-Za-z_@$][A-Za-z_@$.-]{0,39}")
_WORD: Final = re.compile(r"[^\W\d_]+(?:[ _-][^\W\d_]+){0,2}")
_CODE: Final = re.compile(r"[A-Za-z_.]{1,40}\d{0,4}|\d{1,6}")
BUSY: Final = {401, 403, 408, 429, *range(500, 600)}
"""Statuses that say nothing about the spec: not allowed, not now, not well."""
TIME_SHAPES: Final = {
    "ISO 8601 in UTC with Z": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z"),
    "ISO 8601 with an offset": re.compile(
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?[+-]\d\d:?\d\d"
    ),
    "ISO 8601 without an offset": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?"),
    "dd.mm.yyyy hh:mm:ss": re.compile(r"\d\d?\.\d\d?\.\d{4} \d\d?:\d\d(:\d\d)?"),
    "RFC 1123": re.compile(r"[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d.*"),
    ".NET's /Date(…)/": re.compile(r"/Date\(\d+([+-]\d{4})?\)/"),
}
V2_SHAPE, V1_SHAPE = "ISO 8601 in UTC with Z", "ISO 8601 without an offset"


def safe_name(name: str) -> str:
    """Write the name of a property; one that is rather a value is not shown."""
    return name if _NAME.fullmatch(name) else "a name that is not shown"


def time_shape(value: object) -> str | None:
    """Name the shape of a time; None for what is none."""
    if isinstance(value, str):
        return next(
            (name for name, pattern in TIME_SHAPES.items() if pattern.fullmatch(value)), None
        )
    return None


def kind_of(value: object) -> str:
    """Name the JSON type of a value, or the shape of a time."""
    if (shape := time_shape(value)) is not None:
        return f"a time, {shape}"
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"),
    ]  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def version_of(exchange: Exchange) -> int:
    """Tell which version a request has stated."""
    in_path = re.match(r"/api/v(\d)", exchange.path)
    stated = in_path[1] if in_path else exchange.request_headers.get("x-api-version", "1")
    return int(stated[0])


def response_of(operation: str, status: int) -> str:
    """Give the pointer of the response that the spec has for a status of an operation."""
    place = spec.operation(operation) + "/responses"
    answers = spec.at(place)
    key = next(key for key in (str(status), f"{status // 100}XX", "default") if key in answers)
    return spec.resolved(place + spec.pointer(key))


class Judge:
    """Compares answers with the spec, and writes what it sees into the book."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def headers(self, exchange: Exchange, what: str) -> None:
        """Look at what every answer has to have."""
        if exchange.headers.get("x-f24-request-id"):
            self.book.confirm(_REQUEST_ID, "x-f24-request-id")
        else:
            self.book.contradict(
                _REQUEST_ID, f"{what}: the answer {exchange.status} has no x-f24-request-id"
            )

    def status(self, exchange: Exchange, operation: str, what: str, wanted: int) -> bool:
        """Look whether the status is the wanted one; 200 stands for all that say yes."""
        place = response_of(operation, wanted)
        if exchange.status == wanted or (wanted == 200 and 200 <= exchange.status <= 299):
            self.book.confirm(place, f"{what}: {exchange.status}")
            return True
        if exchange.status in BUSY:
            self.book.trouble(f"{what} was answered {exchange.status}{self.code(exchange)}")
        else:
            self.book.contradict(place, f"{what}: {exchange.status}")
        return False

    def body(
        self, exchange: Exchange, operation: str, what: str, must: Collection[str] = ()
    ) -> None:
        """Compare an answer in JSON with the spec's schema for its status; `must` names what has to be there."""
        place = response_of(operation, exchange.status)
        content = spec.at(place).get("content", {})
        if _JSON not in content:
            return
        place += spec.pointer("content", _JSON)
        media_type = exchange.headers.get("content-type", "none").partition(";")[0].strip().lower()
        value = exchange.json
        if media_type != _JSON:
            shown = (
                media_type if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", media_type) else "no type"
            )
            self.book.contradict(place, f"{what}: content type {shown}")
        elif value is not None:
            self.book.confirm(place, f"{what}: {exchange.status} with JSON")
        if value is None:
            problem = "empty" if not exchange.body else "not JSON in UTF-8"
            self.book.contradict(place, f"{what}: an answer {exchange.status} that is {problem}")
            if exchange.body and b"\0" in exchange.body[:4]:
                self.book.contradict(UTF_8, f"{what}: UTF-16 or UTF-32")
            return
        if not exchange.body.isascii():
            self.book.confirm(UTF_8, what)
        schema = spec.resolved(place + "/schema")
        self.schema(schema, value, what, must, version_of(exchange))

    def code(self, exchange: Exchange) -> str:
        """Give the error code of an answer, where it is one that can be shown."""
        data = exchange.json
        values = (
            [value for name, value in data.items() if name.lower() == "errorcode"]
            if isinstance(data, dict)
            else []
        )
        return (
            f", {values[0]}"
            if values and isinstance(values[0], str) and _CODE.fullmatch(values[0])
            else ""
        )

    # Schemas

    def schema(
        self, place: str, value: Any, what: str, must: Collection[str] = (), version: int = 2
    ) -> None:
        """Compare an object with a schema of the spec."""
        place = spec.resolved(place)
        if not isinstance(value, dict):
            self.book.contradict(place, f"{what}: {kind_of(value)}, and not an object")
            return
        known = {name.lower(): name for name in spec.names_of(place)}
        there = {known[name.lower()]: name for name in value if name.lower() in known}
        others = {
            name: kind_of(content) for name, content in value.items() if name.lower() not in known
        }
        shown = (
            ", ".join(f"{safe_name(name)} ({kind})" for name, kind in others.items())
            or "nothing else"
        )
        if there or not must:
            self.book.confirm(place, what)
        else:
            self.book.contradict(place, f"{what}: an object with {shown}")
        for name in must:
            if name not in there:
                self.book.contradict(
                    f"{place}/properties/{name}", f"{what}: it is not there; there is {shown}"
                )
        for name, spelled in there.items():
            said = "" if name == spelled else f", as {spelled}"
            self.property(f"{place}/properties/{name}", value[spelled], what, said, version)
        self._others(place, others, what)
        if "timestamp" in known.values() and "timestamp" not in there:
            self._times(
                [content for content in value.values() if time_shape(content)], what, version
            )

    def _others(self, place: str, others: dict[str, str], what: str) -> None:
        for name, kind in others.items():
            self.book.unlisted[f"{spec.title(place)}.{safe_name(name)}"] = kind
            if spec.at(place).get("additionalProperties") is False:
                self.book.contradict(
                    place + "/additionalProperties", f"{what}: also {safe_name(name)} ({kind})"
                )

    def property(self, place: str, value: Any, what: str, said: str, version: int) -> None:
        """Compare one property with the spec."""
        seen = f"{what}: {kind_of(value)}{said}"
        branches = [spec.resolved(branch) for branch in _branches(place)]
        fitting = [branch for branch in branches if _fits(spec.at(branch), value)]
        if not fitting:
            self.book.contradict(place, seen)
            return
        schema = fitting[0]
        if (words := spec.at(schema).get("enum")) and value not in words:
            shown = (
                f"the word {value}"
                if _WORD.fullmatch(value) and len(value) < 30
                else "a word that is not shown"
            )
            self.book.contradict(schema + "/enum", f"{what}: {shown}")
            self.book.confirm(place, seen)
            return
        self.book.confirm(place, f"{seen}, {value}" if words else seen)
        if schema != place and "x-evidence" in spec.at(schema) and not isinstance(value, dict):
            self.book.confirm(schema, f"{what}: {value}" if words else what)
        if place.endswith("/timestamp") and value is not None:
            self._times([value], what, version)
        if isinstance(value, dict):
            self.schema(schema, value, what, (), version)
        elif isinstance(value, list) and (items := spec.at(schema).get("items")):
            for item in value:
                if "$ref" in items and isinstance(item, dict):
                    self.schema(items["$ref"].removeprefix("#"), item, what, (), version)

    def _times(self, values: list[Any], what: str, version: int) -> None:
        fact, shape = (V2_TIMES, V2_SHAPE) if version == 2 else (V1_TIMES, V1_SHAPE)
        for value in values:
            seen = f"{what}, v{version}: {kind_of(value)}"
            if time_shape(value) == shape and _is_real(value):
                self.book.confirm(fact, seen)
            else:
                self.book.contradict(fact, seen)


def _is_real(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _branches(place: str) -> list[str]:
    """Give the schemas of which a value has to fit one."""
    place = spec.resolved(place)
    several = spec.at(place).get("anyOf")
    return [f"{place}/anyOf/{number}" for number in range(len(several))] if several else [place]


def _fits(schema: dict[str, Any], value: Any) -> bool:
    wanted = schema.get("type", [])
    kind = kind_of(value).partition(",")[0].replace("a time", "string")
    return kind in ([wanted] if isinstance(wanted, str) else wanted)
