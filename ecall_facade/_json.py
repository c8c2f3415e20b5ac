"""Read JSON whose shape is not known for certain, and bring its names to the spelling of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias, cast

from ecall_client.tables import JSON_NAMES

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""Any JSON value."""


def as_dict(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def as_iterable(value: object) -> Iterable[object] | None:
    return cast("Iterable[object]", value) if isinstance(value, Iterable) else None


def iterate_items(data: object) -> Iterator[tuple[str, object]]:
    """Yield each name with its value, at any depth."""
    todo = [data]
    while todo:
        node = todo.pop()
        yield from as_dict(node).items()
        todo += as_list(node)
        todo += as_dict(node).values()


def iterate_strings(data: object) -> Iterator[str]:
    """Yield each string value, at any depth."""
    todo = [data]
    while todo:
        node = todo.pop()
        if isinstance(node, str):
            yield node
        todo += as_list(node)
        todo += as_dict(node).values()


def normalize_names(data: JSON) -> JSON:
    """Return JSON with the names that the spec knows in its spelling.

    The service ignores the case of names (documented). Where two spellings of a name are there, the
    spec's own wins.
    """
    if isinstance(data, list):
        return [normalize_names(item) for item in data]
    if not isinstance(data, dict):
        return data
    result: dict[str, JSON] = {}
    for name, value in data.items():
        known = JSON_NAMES.get(name.lower(), name)
        if known == name or known not in data:
            is_nested = isinstance(value, (dict, list))
            result[known] = normalize_names(value) if is_nested else value
    return result
