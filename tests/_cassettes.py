"""Cassettes: how they are recorded, matched and checked. Each says at its top where it was recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest import mock
from urllib.parse import urlsplit, urlunsplit

import vcr
import yaml
from _clients import PASSWORD, TOKEN, USERNAME, Opener
from _scenarios import ACCEPTED, SCENARIOS, SEED, Scenario, Scene
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.serialize import serialize

from ecall_facade import _clock
from ecall_facade.sandbox import Sandbox

_LOADER = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # the one in C is ten times as fast, and not everywhere

FOLDER = Path(__file__).parent / "cassettes"
SERVICE = "https://rest.ecall.ch"
ORIGINS = {
    "sandbox": "Answers of ecall_facade.sandbox, this project's own simulation; the real service said none of this.",
    "prism": "Answers that Prism made up from spec/ecall.yaml; the real service said none of this.",
    "service": "Answers of the real service, with numbers and texts replaced by invented ones.",
}
SIGN = "x-ecall-sandbox"
"""The header that each answer of the sandbox has, and no other."""

# All that a request or answer is recognised by; a list of what may stay forgets no secret.
_REQUEST_HEADERS = {"content-length", "content-type", "host", "transfer-encoding", "x-api-version"}
_VOLATILE_HEADERS = {"date", "server"}

_IDS = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_NUMBER = re.compile(r"\+?\d(?:[ ]?\d){6,}")
INVENTED = {"41791234567", "41787654321", "41791000001", "41791112233", "441632960123"}
"""The only phone numbers that a cassette may hold, without + or 00."""


class Unfit(ValueError):
    """A cassette that must not be used, or not be written."""


def load(text: str) -> Any:
    """Return the content of a cassette."""
    return yaml.load(text, Loader=_LOADER)


class Serializer:
    """Writes and reads cassettes as YAML; what it reads has to name an origin that is allowed."""

    def __init__(self, origin: str | None = None) -> None:
        self._origin = origin

    def serialize(self, data: Mapping[str, Any]) -> str:
        if self._origin is None:
            raise Unfit("Tests write no cassettes; scripts/record_cassettes does")
        named = {"recorded_from": self._origin, "what_this_is": ORIGINS[self._origin], **data}
        return yaml.dump(
            named, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=10_000
        )

    def deserialize(self, text: str) -> dict[str, Any]:
        data = load(text)
        if found := list(_origin_problems(text, data)):
            raise Unfit("; ".join(found))
        return cast("dict[str, Any]", data)


def configure(recorder: Any, origin: str | None = None) -> None:
    """Make a VCR write, read and match our cassettes."""
    recorder.register_serializer("yaml", Serializer(origin))
    recorder.register_matcher("headers of version and body", _compare_headers)


def settings() -> dict[str, Any]:
    return {
        "match_on": [
            "method",
            "scheme",
            "host",
            "port",
            "path",
            "query",
            "headers of version and body",
            "body",
        ],
        "filter_headers": ["authorization"],
        "decode_compressed_response": True,
        "before_record_request": _tidy_request,
        "before_record_response": _tidy_response,
        "record_mode": "none",
    }


def _compare_headers(request: Any, recorded: Any) -> None:
    """Compare what the headers say about version and body."""
    for name in ("X-API-Version", "Content-Type"):
        one, other = request.headers.get(name), recorded.headers.get(name)
        assert one == other, f"{name}: {one} != {other}"


def _tidy_request(request: Any) -> Any:
    """Leave out what differs from one recording to the next, and what is nobody's business."""
    kept = {
        name: value for name, value in request.headers.items() if name.lower() in _REQUEST_HEADERS
    }
    request.headers = dict(sorted(kept.items()))
    return request


def _tidy_response(response: dict[str, Any]) -> dict[str, Any]:
    headers = {
        name: value
        for name, value in response["headers"].items()
        if name.lower() not in _VOLATILE_HEADERS
    }
    response["headers"] = dict(sorted(headers.items()))
    response["status"]["message"] = None  # Python's words for a status change with its version
    return response


# Recording


def _to_service(request: Any) -> Any:
    """Write a request to the sandbox as one to the service, as which it will be replayed."""
    service, parts = urlsplit(SERVICE), urlsplit(request.uri)
    request.uri = urlunsplit((service.scheme, service.netloc, *parts[2:]))
    request.headers["host"] = service.netloc
    return _tidy_request(request)


class _Clock:
    """Stands still, unless a scenario or a pause of the client moves it."""

    def __init__(self) -> None:
        self.now = ACCEPTED

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class _Recording(Scene):
    def __init__(
        self, sandbox: Sandbox, opener: Opener, options: Mapping[str, Any], clock: _Clock
    ) -> None:
        super().__init__(opener(sandbox.url, **options))
        self._sandbox = sandbox
        self._clock = clock

    def plan(self, status: int, **answer: Any) -> None:
        self._sandbox.fail_next(status, **answer)

    def later(self, seconds: float) -> None:
        self._clock.move(seconds)


class _Memory:
    """Keeps the text that VCR would write to a file."""

    def __init__(self) -> None:
        self.text = ""

    def load_cassette(self, path: str, serializer: object) -> object:
        raise CassetteNotFoundError

    def save_cassette(self, path: str, data: dict[str, Any], serializer: Any) -> None:
        self.text = serialize(data, serializer)


def record(scenario: Scenario) -> str:
    """Play a scenario against the sandbox, and return the checked cassette."""
    recorder, memory, clock = vcr.VCR(), _Memory(), _Clock()
    configure(recorder, "sandbox")
    recorder.register_persister(memory)
    sandbox = {
        "username": USERNAME,
        "password": PASSWORD,
        "seed": SEED,
        "clock": clock,
        "sent_after": 1,
        "delivered_after": 2,
        **scenario.sandbox,
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(_clock, "sleep", clock.move))
        stack.enter_context(
            mock.patch("random.uniform", return_value=1.0)
        )  # which else makes pauses a little longer
        opener = Opener(is_async=False)
        stack.callback(opener.close)
        scene = _Recording(stack.enter_context(Sandbox(**sandbox)), opener, scenario.options, clock)
        with recorder.use_cassette(
            scenario.name,
            **{**settings(), "before_record_request": _to_service, "record_mode": "all"},
        ):
            scenario.play(scene)
    if found := problems(memory.text):
        raise Unfit(f"{scenario.name}: {'; '.join(found)}")
    return memory.text


def record_all(names: list[str] | None = None) -> dict[Path, str]:
    """Return the cassettes of all scenarios, or of some, by path, without those recorded from the real service."""
    if unknown := set(names or []) - {scenario.name for scenario in SCENARIOS}:
        raise Unfit(f"There is no scenario {', '.join(sorted(unknown))}")
    own = [scenario for scenario in SCENARIOS if not is_of_service(path_of(scenario))]
    if others := set(names or []) - {scenario.name for scenario in own}:
        raise Unfit(
            f"Recorded from the real service, and so not from the sandbox: {', '.join(sorted(others))}"
        )
    return {
        path_of(scenario): record(scenario)
        for scenario in own
        if not names or scenario.name in names
    }


def replaceable() -> dict[Path, str]:
    """Return the existing cassettes that a recording from the sandbox may change or remove."""
    return {
        path: path.read_text(encoding="utf-8")
        for path in FOLDER.glob("*.yaml")
        if not is_of_service(path)
    }


def is_of_service(path: Path) -> bool:
    """Return whether a cassette was recorded from the real service, and so cannot be recorded again."""
    return path.exists() and load(path.read_text("utf-8").partition("\n")[0]) == {
        "recorded_from": "service"
    }


def path_of(scenario: Scenario) -> Path:
    return FOLDER / f"{scenario.name}.yaml"


# Checking


def problems(text: str) -> list[str]:
    """Return everything that makes a cassette unfit to be kept."""
    data = load(text)
    strings = [text, *walk(data)]
    secrets = {"authorization": "Authorization", TOKEN.lower(): "the credentials, in base64"}
    secrets |= {PASSWORD.lower(): "the password", USERNAME.lower(): "the username"}
    secrets |= {
        "127.0.0.1": "an address of this machine",
        "localhost": "an address of this machine",
    }
    found = [*_origin_problems(text, data)]
    found += [
        f"it holds {name}"
        for secret, name in secrets.items()
        if any(secret in one.lower() for one in strings)
    ]
    numbers = {number for value in strings[1:] for number in numbers_in(value)}
    return found + [f"it holds the number {number}" for number in sorted(numbers - INVENTED)]


def _origin_problems(text: str, data: Any) -> Iterator[str]:
    origin = data.get("recorded_from") if isinstance(data, dict) else None
    if not isinstance(origin, str) or origin not in ORIGINS:
        yield f"its origin is {origin!r}, and has to be one of {', '.join(ORIGINS)}"
        return
    if not text.startswith("recorded_from: ") or data.get("what_this_is") != ORIGINS[origin]:
        yield "it does not say at its top what it is"
    signed = [SIGN in interaction["response"]["headers"] for interaction in data["interactions"]]
    if set(signed) != {origin == "sandbox"}:
        yield f"the header {SIGN} of its answers does not go with its origin, {origin}"


def numbers_in(text: str) -> set[str]:
    """Return the digits of everything that looks like a phone number, without + or 00."""
    found = _NUMBER.findall(_IDS.sub(" ", text))
    return {re.sub(r"^(\+|00)", "", number.replace(" ", "")) for number in found}


def walk(node: object) -> Iterator[str]:
    """Yield everything in a cassette as text: names, values, and the bytes of files."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from walk(name)
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)
    else:
        yield node.decode("utf-8", "replace") if isinstance(node, bytes) else str(node)
