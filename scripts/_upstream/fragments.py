"""The JSON blocks of all pages, joined into one OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from _openapi import METHODS, escaped
from _schemas import bare

from .grammar import flaw
from .pages import Block, Page, blocks

PARTS: Final = ("openapi", "paths", "components", "webhooks")
"""Keys that make a JSON object a fragment of a description."""
DEEPEST: Final = 100
"""Nesting beyond this is no description of an API, and would exhaust the stack."""
SECTIONS: Final = {
    "schemas": "schema",
    "parameters": "parameter",
    "headers": "header",
    "responses": "response",
    "requestBodies": "body",
    "securitySchemes": "security",
}
# A block that cannot be read is a fragment if it has one of these keys; else it is an example that was shortened.
_LOOKS_LIKE_ONE: Final = re.compile(
    r'"(openapi|paths|components|webhooks|schemas|responses|requestBody|operationId|parameters|properties|\$ref)"\s*:'
    r"|[{,]\s*'?(openapi|paths|components|webhooks)'?\s*:"  # as JavaScript and JSON5 write them
)


class Problem(NamedTuple):
    """Something that could not be read, and is left out of the comparison."""

    kind: str
    where: str
    page: str
    message: str


@dataclass
class Joined:
    """One document made of many fragments."""

    document: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    """The page of each part, by its pointer."""
    problems: list[Problem] = field(default_factory=list)
    without: int = 0
    """Pages that hold no fragment."""

    def page_of(self, pointer: str) -> str:
        """Return the page of a place, or of the first part inside of it."""
        inside = (page for part, page in self.pages.items() if part.startswith(f"{pointer}/"))
        while pointer:
            if pointer in self.pages:
                return self.pages[pointer]
            pointer = pointer.rpartition("/")[0]
        return next(inside, "")


def join(pages: list[Page]) -> Joined:
    """Join the fragments of the pages; what is broken, or contradicts an earlier part, is left out and named."""
    joined = Joined()
    for page in pages:
        has_fragment = False
        for block in blocks(page.text):
            try:
                fragment = _parse(block)
            except ValueError as error:
                has_fragment = True
                joined.problems.append(Problem("unreadable-fragment", "", page.name, str(error)))
                continue
            if fragment is not None:
                has_fragment = True
                for pointer, kind, message in _add(joined, fragment, page.name):
                    text = f"line {block.line}: {message}"
                    joined.problems.append(Problem(kind, pointer, page.name, text))
        joined.without += not has_fragment
    return joined


def _parse(block: Block) -> dict[str, Any] | None:
    """Return the fragment, or None if the block is none; a fragment that is broken is a ValueError."""
    try:
        value = json.loads(block.text, object_pairs_hook=_object, parse_constant=_no_constant)
        json.dumps(
            value, ensure_ascii=False
        ).encode()  # an unpaired surrogate can be escaped, and not written
    except RecursionError:
        reason = f"line {block.line}: it is nested too deeply"
    except json.JSONDecodeError as error:
        reason = f"line {block.line + error.lineno - 1}: {error.msg}"
    except ValueError as error:
        reason = f"line {block.line}: {error}"
    else:
        if isinstance(value, dict) and not any(part in value for part in PARTS):
            return None
        if not isinstance(value, dict):
            reason = f"line {block.line}: it is not an object"
        elif not _is_deep(value):
            return value
        else:
            reason = f"line {block.line}: it is nested too deeply"
    if _LOOKS_LIKE_ONE.search(block.text):
        raise ValueError(reason)
    return None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made and made[key] != value:
            raise ValueError(f"the key {key!r} is there twice, with two values")
        made[key] = value
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _add(joined: Joined, fragment: dict[str, Any], page: str) -> Iterator[tuple[str, str, str]]:
    """Add the parts of a fragment; yield the place, kind and words of each problem."""
    for keys, kind, value in _parts(fragment):
        pointer = "/".join(["#", *map(escaped, keys)])
        if message := flaw(value, kind) if kind else ": it cannot be read":
            yield pointer, "unreadable-fragment", f"{pointer[1:]}{message}"
            continue
        around = joined.document
        for key in keys[:-1]:
            around = around.setdefault(key, {})
        if keys[-1] not in around:
            around[keys[-1]] = value
            joined.pages[pointer] = page
        elif _essence(around[keys[-1]]) != _essence(value):
            other = joined.pages[pointer]
            yield pointer, "contradiction", f"it differs from the one of {other}, which is kept"


Part: TypeAlias = tuple[tuple[str, ...], str, Any]
"""A value that is kept or left out as a whole: its keys, its kind (none if it cannot be read) and itself."""


def _parts(fragment: dict[str, Any]) -> Iterator[Part]:
    for section in ("paths", "webhooks"):
        for path, item in _members(fragment, section):
            yield from _operations((section, path) if path else (section,), item)
    components = fragment.get("components", {})
    if isinstance(components, dict):
        for section, kind in SECTIONS.items():
            for name, value in _members(components, section):
                yield ("components", section, *([name] if name else [])), kind, value
    else:
        yield ("components",), "", components
    for section, kind in (("servers", "servers"), ("security", "requirements")):
        if section in fragment:
            yield (section,), kind, fragment[section]


def _operations(keys: tuple[str, ...], item: Any) -> Iterator[Part]:
    if (
        not isinstance(item, dict) or "$ref" in item or len(keys) == 1
    ):  # a reference to a whole path
        yield keys, "", item
        return
    shared = item.get("parameters", [])
    if flaw(shared, "parameters"):
        yield (*keys, "parameters"), "parameters", shared
        return
    for method in METHODS:
        if method in item:
            yield (*keys, method), "operation", _with_shared(item[method], shared)


def _members(holder: dict[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    members = holder.get(section, {})
    yield from members.items() if isinstance(members, dict) else [("", members)]


def _with_shared(operation: Any, shared: list[Any]) -> Any:
    """Add the parameters of its path to an operation, as another page may hold the path's other operations."""
    own = operation.get("parameters", []) if isinstance(operation, dict) else None
    if not shared or not isinstance(own, list):
        return operation
    names = [(item.get("in"), item.get("name")) for item in own if isinstance(item, dict)]
    more = [item for item in shared if "$ref" in item or (item["in"], item["name"]) not in names]
    return {**operation, "parameters": own + more}


def _essence(value: Any) -> str:
    """Return what matters of a part as text: without annotations, extensions and the order of lists."""

    def ordered(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: ordered(item) for key, item in node.items()}
        if isinstance(node, list):
            return sorted((ordered(item) for item in node), key=json.dumps)
        return node

    return json.dumps(ordered(bare(value)), sort_keys=True)
