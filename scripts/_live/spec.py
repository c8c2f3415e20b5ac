"""The facts of spec/ecall.yaml, by their JSON pointers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

FILE: Final = Path(__file__).parents[2] / "spec" / "ecall.yaml"
_ELSEWHERE: Final = {
    "webhooks",
    "ReceivedMessage",
    "ReceivedContent",
    "StatusNotification",
    "x-channel-rules",
}
"""What no request of ours can show: the callbacks; and rules that would need a send each."""
_RULES: Final = {"not", "if", "then", "else"}


class Evidence(NamedTuple):
    level: str
    source: str


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


def pointer(*keys: str) -> str:
    return "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in keys)


def keys_of(place: str) -> list[str]:
    return [key.replace("~1", "/").replace("~0", "~") for key in place.split("/")[1:]]


def at(place: str) -> Any:
    """Give what is at a pointer; None where there is nothing."""
    node: Any = document()
    for key in keys_of(place):
        node = (
            node.get(key)
            if isinstance(node, dict)
            else node[int(key)]
            if isinstance(node, list)
            else None
        )
    return node


def resolved(place: str) -> str:
    """Follow references: give the pointer of what is meant."""
    node = at(place)
    while isinstance(node, dict) and "$ref" in node:
        place = node["$ref"].removeprefix("#")
        node = at(place)
    return place


def evidence(place: str) -> Evidence:
    """Give the evidence of what is at a pointer, or of what it belongs to."""
    keys = keys_of(place)
    for count in range(len(keys), 0, -1):
        node = at(pointer(*keys[:count]))
        if isinstance(node, dict) and "x-evidence" in node:
            return Evidence(node["x-evidence"]["level"], node["x-evidence"]["source"])
    return Evidence("documented", "the general rules")


def facts() -> list[str]:
    """Give the pointers of all that requests could show."""
    return [
        place
        for name in ("paths", "components")
        for place in _below(document()[name], pointer(name))
    ]


def _below(node: Any, place: str) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    if "x-evidence" in node:
        yield place
    for name, value in node.items():
        if name not in _ELSEWHERE | _RULES:
            yield from _below(value, place + pointer(name))


def operation(operation_id: str) -> str:
    """Give the pointer of an operation."""
    for path, methods in document()["paths"].items():
        for method, data in methods.items():
            if data["operationId"] == operation_id:
                return pointer("paths", path, method)
    raise KeyError(operation_id)


def title(place: str) -> str:
    """Write a pointer so that people can read it."""
    keys = keys_of(place)
    if keys[0] == "paths":
        name = f"{keys[2].upper()} {keys[1]}" if len(keys) > 2 else keys[1]
        return " ".join([name, *keys[3:]])
    kept = [
        key
        for key in keys
        if key not in {"components", "schemas", "properties", "headers", "responses"}
    ]
    return ".".join(kept)


def names_of(schema: str) -> list[str]:
    """Give the names of an object's properties."""
    return list(at(schema).get("properties", {}))
