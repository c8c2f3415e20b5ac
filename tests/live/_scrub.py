"""Hooks for vcrpy that leave nobody's data in a cassette.

What may stay is listed, so that nothing is forgotten: names, words of the spec, codes, times and small numbers.
Everything else is replaced, the same by the same.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from live._observed import SPEC

_KEPT_HEADERS: Final = {"content-type", "x-f24-request-id", "x-api-version", "x-ecall-sandbox"}
_NAME: Final = re.compile(r"[A-Za-z_@$][A-Za-z_@$.-]{0,39}")
_CODE: Final = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.,Z+-]*|\d\d?\.\d\d?\.\d{4} [\d:]+")
_PUBLIC: Final = re.compile(r"|api|v\d|message|messagelist|media|gone", re.IGNORECASE)


def _words_of(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = [*node.get("enum", []), node.get("const")]
        below = set().union(*map(_words_of, node.values()))
        return {word for word in own if isinstance(word, str)} | below
    return set().union(*map(_words_of, node)) if isinstance(node, list) else set()


WORDS: Final = _words_of(SPEC["components"])


class Scrubber:
    """Replaces what is in the requests and responses of one run."""

    def __init__(self, private: list[str]) -> None:
        self._private = [word.lower() for word in private if word]
        self._replaced: dict[str, str] = {}

    def request(self, request: Any) -> Any:
        """Scrub a request; for `before_record_request`."""
        parts = urlsplit(request.uri)
        path = "/".join(map(self._segment, parts.path.split("/")))
        request.uri = urlunsplit(("https", "rest.ecall.ch", path, "", ""))
        request.headers = self._headers(request.headers)
        request.body = self._body(request.body or b"")
        return request

    def response(self, response: dict[str, Any]) -> dict[str, Any]:
        """Scrub a response; for `before_record_response`."""
        response["headers"] = self._headers(response["headers"])
        response["status"]["message"] = None
        response["body"] = {"string": self._body(response["body"]["string"])}
        return response

    def _headers(self, headers: dict[str, Any]) -> dict[str, Any]:
        kept = {name.lower(): value for name, value in headers.items()}
        kept = {name: value for name, value in kept.items() if name in _KEPT_HEADERS}
        if "x-f24-request-id" in kept:
            kept["x-f24-request-id"] = [self._replace("request id")]
        return kept

    def _segment(self, segment: str) -> str:
        return segment if _PUBLIC.fullmatch(segment) else self._replace(segment)

    def _body(self, body: bytes | str) -> bytes:
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        if not text:
            return b""
        try:
            return json.dumps(self._value(json.loads(text))).encode()
        except (ValueError, RecursionError):
            return b"left out"

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._name(name): self._value(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return value if abs(value) < 1000 and value == int(value) else self._replace(value)
        if value in WORDS or _TIME.fullmatch(value):
            return value
        return (
            value
            if _CODE.fullmatch(value) and not self._is_private(value)
            else self._replace(value)
        )

    def _name(self, name: str) -> str:
        return name if _NAME.fullmatch(name) and not self._is_private(name) else self._replace(name)

    def _is_private(self, text: str) -> bool:
        return any(word in text.lower() or text.lower() in word for word in self._private)

    def _replace(self, value: object) -> str:
        return self._replaced.setdefault(str(value), f"value-{len(self._replaced) + 1}")
