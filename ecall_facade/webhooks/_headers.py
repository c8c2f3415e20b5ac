"""Headers of any framework as lines, and whether some of the lines may be missing.

A header that comes on several lines is one list, and its last line is the one that the nearest proxy wrote.
A `dict` has room for one line of each name: if it was made from a framework's headers it usually has the first line,
which the caller wrote. So the names that may lack lines are recorded, and `Sources` does not trust those.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Mapping
from typing import Protocol, TypeAlias, cast

import attrs


class HasItems(Protocol):
    """A framework's headers object, or a mapping."""

    def items(self) -> Iterable[tuple[str, object]]:
        """Return the names with their values."""
        ...


Headers: TypeAlias = HasItems | Iterable[tuple[bytes, bytes]] | Iterable[tuple[str, str]]

# The method that gives all lines of a name: of multidict (aiohttp, Sanic, Litestar), of email and http.client and
# Tornado, of Starlette and Werkzeug, and of httpx.
_GIVES_ALL_LINES = ("getall", "get_all", "getlist", "get_list")
# Views of a WSGI environment, where the server has joined the lines with commas (RFC 3875): of WebOb and Bottle, and
# of Django, which does the same under ASGI.
_JOINS_LINES = ("environ", "HTTP_PREFIX")


@attrs.frozen
class HeaderLines:
    """The lines of a request's headers, with their names in lower case."""

    lines: tuple[tuple[str, str], ...]
    incomplete: frozenset[str] = frozenset()
    """The names that may have had further lines."""

    def first(self, name: str) -> str:
        """Return the first value of a header, or an empty string."""
        return next((value for key, value in self.lines if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.lines if key == name]


def read_headers(headers: Headers) -> HeaderLines:
    """Return the lines of headers of any kind.

    Args:
        headers: A framework's headers object, pairs of bytes or strings, a WSGI environment, or a mapping of names to
            a value or to a list of values.
    """
    if _is_wsgi_environ(headers):
        return HeaderLines(tuple(_from_environ(cast("Mapping[str, object]", headers))))
    # cast: an object that has `items` is not an iterable of pairs
    has_items = hasattr(headers, "items")
    pairs = cast(
        "Iterable[tuple[object, object]]",
        cast("HasItems", headers).items() if has_items else headers,
    )
    has_all_lines = (
        any(hasattr(headers, name) for name in (*_GIVES_ALL_LINES, *_JOINS_LINES))
        if has_items
        else not isinstance(headers, ItemsView)  # of a mapping, usually
    )
    lines: list[tuple[str, str]] = []
    incomplete: set[str] = set()
    for given_name, value in pairs:
        name = _text(given_name).lower()
        if isinstance(value, (list, tuple)):  # as in the `multiValueHeaders` of AWS
            lines += [(name, _text(item)) for item in cast("Iterable[object]", value)]
            continue
        lines.append((name, _text(value)))
        if not has_all_lines:
            incomplete.add(name)
    return HeaderLines(tuple(lines), frozenset(incomplete))


def _is_wsgi_environ(headers: object) -> bool:
    # A caller may send a header of this name, but its value is not a tuple.
    return isinstance(headers, Mapping) and isinstance(
        cast("Mapping[str, object]", headers).get("wsgi.version"), tuple
    )


def _from_environ(environ: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key.removeprefix("HTTP_").replace("_", "-").lower(), _text(value)
        elif key in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            yield key.replace("_", "-").lower(), _text(value)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
