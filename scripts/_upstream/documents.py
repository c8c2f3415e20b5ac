"""Places in a document: JSON pointers, and references followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from .grammar import flaw

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def pointer(*keys: str | int) -> str:
    """Write a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def tokens(place: str) -> list[str]:
    """Read a JSON pointer."""
    return [token.replace("~1", "/").replace("~0", "~") for token in place.split("/")[1:]]


def ancestors(place: str) -> Iterator[str]:
    """Give a pointer, and those of all that is around it, down to the document's own."""
    while place:
        yield place
        place = place.rpartition("/")[0]
    yield ""


def without_version(path: str) -> str:
    """Give the path as the spec writes it."""
    return re.sub(r"(?i)/v\d+(\.\d+)?(?=/)", "", path, count=1)


class Place(NamedTuple):
    """A value and where it is."""

    pointer: str
    value: Any

    def child(self, *keys: str | int) -> Place:
        """Give what is below; where it is not there, the value is None."""
        value = self.value
        for key in keys:
            value = step(value, str(key))
        return Place(self.pointer + pointer(*keys), value)

    def children(self, key: str) -> dict[str, Place]:
        """Give the members of the mapping, or list, under this key."""
        below = self.child(key)
        if isinstance(below.value, list):
            return {str(number): below.child(number) for number in range(len(below.value))}
        return (
            {name: below.child(name) for name in below.value}
            if isinstance(below.value, dict)
            else {}
        )


def step(value: Any, key: str) -> Any:
    """Give the member of a mapping or a list, or None."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(value):
        return value[int(key[:9])]
    return None


class Document:
    """A description, with its references."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.unresolved: dict[str, str] = {}
        """The references that lead nowhere, and from where."""
        self._checked: dict[tuple[str, str], bool] = {}

    @property
    def root(self) -> Place:
        return Place("", self.data)

    def at(self, place: str) -> Place:
        """Give the place of this pointer."""
        value: Any = self.data
        for key in tokens(place):
            value = step(value, key)
        return Place(place, value)

    def target(self, place: Place, kind: str) -> Place | None:
        """Give what the reference at this place leads to; None where that is nothing of this kind."""
        reference = place.value["$ref"]
        if reference.startswith("#/"):
            found = self.at(unquote(reference[1:]))
            key = (found.pointer, kind)
            if key not in self._checked:
                self._checked[key] = found.value is not None and flaw(found.value, kind) is None
            if self._checked[key]:
                return found
        self.unresolved.setdefault(reference, place.pointer)
        return None

    def follow(self, place: Place, kind: str) -> Place | None:
        """Give the place itself, or where its references end; None where they lead nowhere."""
        seen: set[str] = set()
        while isinstance(place.value, dict) and "$ref" in place.value:
            seen.add(place.pointer)
            target = self.target(place, kind)
            if target is None or target.pointer in seen:
                return None
            place = target
        return place

    def uses(self, place: Place) -> set[str]:
        """Give the places of all named schemas that this one leads to, itself among them."""
        found: set[str] = set()
        todo = [place]
        while todo:
            here = todo.pop()
            if here.pointer.startswith("/components/schemas/") and here.pointer.count("/") == 3:
                found.add(here.pointer)
            if isinstance(here.value, dict) and isinstance(here.value.get("$ref"), str):
                target = self.at(unquote(here.value["$ref"][1:]))
                if target.pointer not in found and target.value is not None:
                    found.add(target.pointer)
                    todo.append(target)
            if isinstance(here.value, (dict, list)):
                todo += Place("", {"": here.value}).children("").values()
        return found
