"""JSON of which little is known: read without trust, and in the spelling of the spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, cast

from ecall_client.tables import JSON_NAMES

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""Anything that JSON can say."""


def as_dict(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def names_and_values(data: object) -> Iterator[tuple[str, object]]:
    """Give all names with their values, at any depth."""
    todo = [data]
    while todo:
        node = todo.pop()
        yield from as_dict(node).items()
        todo += [*as_list(node), *as_dict(node).values()]


def spell(data: JSON) -> JSON:
    """Give JSON with the names that the spec knows in its spelling; where both are there, the spec's own wins."""
    if isinstance(data, list):
        return [spell(item) for item in data]
    if not isinstance(data, dict):
        return data
    result: dict[str, JSON] = {}
    for name, value in data.items():
        spelled = JSON_NAMES.get(name.lower(), name)
        if spelled == name or spelled not in data:
            result[spelled] = spell(value) if isinstance(value, (dict, list)) else value
    return result
