"""What went over the wire as cassettes, without what is anybody's business.

A list of what may stay forgets no secret: JSON's structure and names, words of enumerations, codes, small numbers. All
else is replaced, the same by the same: numbers, ids, texts, words, times (which keep their shape and their distances).
The replacements are those that the scenarios of the tests expect, so that a cassette can take the place of one that was
recorded from the sandbox.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import yaml

from . import spec
from .judge import time_shape
from .walk import PICTURE, TEXT, UNKNOWN
from .watch import Exchange

Origin: TypeAlias = Literal["service", "sandbox", "elsewhere"]
ORIGINS: Final[dict[Origin, str]] = {
    "sandbox": "Answers of ecall_facade.sandbox, this project's own simulation; the real service said none of this.",
    "service": "Answers of the real service, with numbers and texts replaced by invented ones.",
    "elsewhere": "Answers of a server that is not eCall's; the real service said none of this.",
}
"""As in tests/_cassettes.py, which takes no cassette from elsewhere."""
SERVICE: Final = "https://rest.ecall.ch"
SIGN: Final = "x-ecall-sandbox"

# The same as in tests/_clients.py and tests/_scenarios.py.
SEED: Final = 0xECA11
ACCEPTED: Final = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
NUMBER: Final = "41791234567"
OTHER_NUMBERS: Final = ("41787654321", "41791112233", "441632960123")
SENDER, SENDER_NUMBER = "ACME", "41791000001"
SENT_TEXT: Final = "Your code is 481 516, see you soon"
FILE: Final = b"\x89PNG\r\n\x1a\n" + bytes(7 * place % 256 for place in range(256))

Kind: TypeAlias = Literal["message", "list", "media", "request"]
_KINDS: Final[tuple[Kind, ...]] = ("message", "list", "media", "request")
_REQUEST_HEADERS: Final = {"content-length", "content-type", "host", "x-api-version"}
_RESPONSE_HEADERS: Final = {"content-length", "content-type", "x-f24-request-id", SIGN}
_SWISS: Final = ZoneInfo("Europe/Zurich")
_NUMBER: Final = re.compile(r"(\+|00)?([1-9][0-9]{6,14})")
_MAY_BE_A_NUMBER: Final = re.compile(r"\d(?:[ ./-]?\d){4}")
_NAME: Final = re.compile(r"[A-Za-z_@$][A-Za-z_@$.-]{0,39}")
_CODE: Final = re.compile(r"[A-Z][A-Za-z]{2,39}")
_STATE: Final = re.compile(r"[^\W\d_]{2,20}")
_PARAMETER: Final = re.compile(r"[A-Z][A-Za-z]{1,20}(\.[A-Z][A-Za-z]{1,20}){0,2}")
_CONTENT_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?charset=[a-z0-9-]+)?", re.IGNORECASE)
_PUBLIC_PATH: Final = re.compile(r"[a-z-]+|v[0-9]", re.IGNORECASE)


@dataclass(frozen=True)
class Private:
    """What must not be in any cassette, in whatever spelling."""

    username: str
    password: str
    number: str  # in E.164, with its +; empty where nothing was sent
    sender: str

    def words(self) -> list[str]:
        """Give what is looked for, in small letters, in whatever is to be kept."""
        whole = [
            self.username,
            self.password,
            self.number.removeprefix("+"),
            self.sender,
            self.sender.lstrip("+0"),
        ]
        parts = [
            part
            for name in (self.username, self.sender)
            for part in re.split(r"[^\w]+", name)
            if len(part) > 3
        ]
        return [word.lower() for word in (*whole, *parts) if word]


def _words_of_the_spec() -> frozenset[str]:
    """Give the words that the spec has for something, which may stay."""
    schemas = spec.at("/components/schemas")
    found = [word for schema in schemas.values() for word in schema.get("enum", [])]
    for schema in schemas.values():
        found += [
            part["const"] for part in schema.get("properties", {}).values() if "const" in part
        ]
    return frozenset(map(str, found))


class Scrubber:
    """Replaces what is in the exchanges of one cassette."""

    def __init__(self, private: Private) -> None:
        self._private = private
        self._words = _words_of_the_spec()
        self._ids: dict[tuple[str, Kind], int] = {}
        self._spelled: dict[str, str | int] = {}
        self._texts: dict[str, str] = {TEXT: SENT_TEXT}
        self._numbers: dict[str, str] = (
            {private.number.lstrip("+"): NUMBER} if private.number else {}
        )
        self._shift: timedelta | None = None
        if found := _NUMBER.fullmatch(private.sender):
            self._numbers[found[2]] = SENDER_NUMBER
        elif private.sender:
            self._texts[private.sender] = SENDER

    # Interactions

    def interaction(self, exchange: Exchange) -> dict[str, Any]:
        """Give one interaction as VCR writes it."""
        answer = self._body(exchange.body, _resource(exchange.path))
        request = self._body(exchange.request_body, "")
        sent = {
            name: value
            for name, value in exchange.request_headers.items()
            if name.lower() in _REQUEST_HEADERS
        }
        received = {
            name: value
            for name, value in exchange.headers.items()
            if name.lower() in _RESPONSE_HEADERS
        }
        host = SERVICE.removeprefix("https://")
        return {
            "request": {
                "method": exchange.method,
                "uri": SERVICE + self._path(exchange.path),
                "body": request,
                "headers": self._headers({**sent, "host": host}, request),
            },
            "response": {
                "status": {"code": exchange.status, "message": None},
                "headers": self._headers(received, answer),
                "body": {"string": answer},
            },
        }

    def _headers(self, headers: dict[str, str], body: str | bytes) -> dict[str, list[str]]:
        kept: dict[str, list[str]] = {}
        for given, value in sorted(headers.items()):
            name = given.lower()
            if name == "content-length":
                kept[name] = [str(len(body.encode() if isinstance(body, str) else body))]
            elif name == "x-f24-request-id":
                kept[name] = [str(self._id(value, "request"))] if value else [""]
            elif name != "content-type" or (
                _CONTENT_TYPE.fullmatch(value) and not self._is_private(value)
            ):
                kept[name] = [value]
        return kept

    def _path(self, path: str) -> str:
        """Replace the ids in a path; what else is in it is ours."""
        parts = path.partition("?")[0].split("/")
        for place, part in enumerate(parts):
            known = self._spelled.get(unquote(part))
            if known is not None:
                parts[place] = quote(str(known), safe="")
            elif (
                not _PUBLIC_PATH.fullmatch(part)
                and part
                and unquote(part) not in {UNKNOWN, "a/b c"}
            ):
                parts[place] = quote(str(self._id(unquote(part), _resource(path))), safe="")
        return "/".join(parts)

    def _body(self, body: bytes, resource: Kind | Literal[""]) -> str | bytes:
        if not body:
            return ""
        if body == PICTURE:
            return FILE
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return "<html>left out</html>" if body.lstrip()[:1] == b"<" else "left out"
        separators = (",", ":") if not resource else None
        return json.dumps(
            self._value(data, "", resource or "message"), ensure_ascii=False, separators=separators
        )

    # Values

    def _value(self, value: Any, name: str, kind: Kind) -> Any:
        if isinstance(value, dict):
            return {
                self._name(key): self._value(part, key.lower(), _kind(key, kind))
                for key, part in value.items()
            }
        if isinstance(value, list):
            return [self._value(part, name, kind) for part in value]
        if isinstance(value, str):
            return self._string(value, name, kind)
        if isinstance(value, bool) or value is None:
            return value
        return self._number(value, name, kind)

    def _name(self, name: str) -> str:
        """Keep the name of a property, unless it is rather a value."""
        if _NAME.fullmatch(name) and not self._is_private(name):
            return name
        return str(self._string(name, "", "message"))

    def _number(self, value: float, name: str, kind: Kind) -> Any:
        if _names_an_id(name):
            return self._id(value, kind)
        if isinstance(value, int) and str(value) in self._numbers:
            return int(self._numbers[str(value)])
        if 1e9 <= value < 1e10 or 1e12 <= value < 1e13:  # seconds or milliseconds
            scale = 1 if value < 1e10 else 1000
            moved = self._moved(datetime.fromtimestamp(value / scale, UTC)).timestamp() * scale
            return round(moved) if isinstance(value, int) else moved
        if isinstance(value, int) and -1000 < value < 1000:
            return value
        return self._id(value, kind) if isinstance(value, int) else 1.5

    def _string(self, value: str, name: str, kind: Kind) -> str:
        if not value.strip() or value in self._words or value == UNKNOWN:
            return value
        if value in self._texts:
            return self._texts[value]
        if value in self._spelled:
            return str(self._spelled[value])
        if _names_an_id(name):
            return str(self._id(value, kind))
        if (shape := time_shape(value)) is not None:
            return self._time(value, shape)
        if found := _NUMBER.fullmatch(value):
            return (found[1] or "") + self._other_number(found[2])
        patterns = {"errorcode": _CODE, "state": _STATE, "parameter": _PARAMETER}
        if name in patterns and patterns[name].fullmatch(value) and not self._is_private(value):
            return value
        self._texts[value] = (
            f"Words {chr(65 + len(self._texts) % 26) * (1 + len(self._texts) // 26)}"
        )
        return self._texts[value]

    def _other_number(self, digits: str) -> str:
        used = sum(number in OTHER_NUMBERS for number in self._numbers.values())
        return self._numbers.setdefault(digits, OTHER_NUMBERS[min(used, len(OTHER_NUMBERS) - 1)])

    def _id(self, value: Any, kind: Kind) -> str | int:
        """Give the id that stands for one; a number for a number, else one as the sandbox makes them."""
        if value in (None, "", 0, UNKNOWN) or isinstance(value, bool):
            return value  # type: ignore[no-any-return]
        if str(value) in self._spelled:
            return self._spelled[str(value)]
        number = self._ids[(str(value), kind)] = 1 + sum(one == kind for _, one in self._ids)
        place = _KINDS.index(kind) + 1
        new = place * 1000 + number if isinstance(value, (int, float)) else id_of(kind, number)
        self._spelled[str(value)] = new
        return new

    def _is_private(self, value: str) -> bool:
        small = value.lower()
        return (
            any(word in small for word in self._private.words())
            or _MAY_BE_A_NUMBER.search(small) is not None
        )

    # Times

    def _moved(self, moment: datetime) -> datetime:
        """Move a time, so that the first of them is when the sandbox accepts what is sent."""
        if self._shift is None:
            self._shift = ACCEPTED - moment
        return moment + self._shift

    def _time(self, value: str, shape: str) -> str:
        try:
            if shape == "dd.mm.yyyy hh:mm:ss":
                pattern = "%d.%m.%Y %H:%M:%S" if value.count(":") == 2 else "%d.%m.%Y %H:%M"
                moment = datetime.strptime(value, pattern).replace(tzinfo=_SWISS)
                return self._moved(moment).astimezone(_SWISS).strftime(pattern)
            if shape.startswith("ISO"):
                return self._iso(value)
        except (ValueError, OverflowError):
            pass
        return (
            format_datetime(ACCEPTED, usegmt=True)
            if shape == "RFC 1123"
            else "/Date(1784021400000)/"
        )

    def _iso(self, value: str) -> str:
        fraction = re.search(r"\.(\d+)", value)
        given = datetime.fromisoformat(
            re.sub(r"\.\d+", f".{fraction[1][:6]:0<6}", value) if fraction else value
        )
        zone = given.tzinfo or _SWISS
        moved = self._moved(given.replace(tzinfo=zone)).astimezone(zone)
        text = moved.strftime(f"%Y-%m-%d{value[10]}%H:%M" + (":%S" if value.count(":") > 1 else ""))
        if fraction:
            text += f".{moved:%f}"[: len(fraction[0])].ljust(len(fraction[0]), "0")
        return text + (re.search(r"(Z|[+-]\d\d:?\d\d)?$", value[16:]) or [""])[0]


def id_of(kind: Kind, number: int) -> str:
    """Give the id that the sandbox gives as the first, second … of a kind."""
    return f"{SEED:08x}-{_KINDS.index(kind) + 1:04x}-4c6e-9d3a-{number:012x}"


def _kind(name: str, kind: Kind) -> Kind:
    small = name.lower()
    kinds: dict[str, Kind] = {"messagelistid": "list", "mediaid": "media", "messageid": "message"}
    if small == "messages":  # the messages of a list
        return "message"
    return kinds.get(small, kind)


def _resource(path: str) -> Kind:
    parts = path.lower().split("/")
    return "list" if "messagelist" in parts else "media" if "media" in parts else "message"


def _names_an_id(name: str) -> bool:
    return name.endswith(("id", "ids", "idlist")) or name in {"guid", "uuid", "traceparent"}


# Cassettes


def origin_of(exchanges: Iterable[Exchange], host: str) -> Origin:
    """Tell who has answered; only eCall's own hosts are the service."""
    if any(SIGN in exchange.headers for exchange in exchanges):
        return "sandbox"
    return "service" if host == "ecall.ch" or host.endswith(".ecall.ch") else "elsewhere"


def cassettes(exchanges: list[Exchange], private: Private, origin: Origin) -> dict[str, str]:
    """Give the text of each cassette, by its file name."""
    written: dict[str, str] = {}
    for group in dict.fromkeys(exchange.group for exchange in exchanges):
        scrubber = Scrubber(private)
        data = {
            "recorded_from": origin,
            "what_this_is": ORIGINS[origin],
            "version": 1,
            "interactions": [
                scrubber.interaction(exchange)
                for exchange in exchanges
                if exchange.group == group and exchange.status
            ],
        }
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
        written[f"{group}.yaml"] = text
    return written


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
