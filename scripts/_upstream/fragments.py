"""The JSON blocks of all pages, joined into one document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from .documents import METHODS, ancestors, pointer
from .grammar import flaw
from .pages import Block, Page, blocks

PARTS: Final = ("openapi", "paths", "components", "webhooks")
"""What makes a JSON object a fragment of a description."""
ANNOTATIONS: Final = {
    "description", "summary", "title", "example", "examples", "externalDocs", "tags", "operationId", "deprecated",
    "$comment",
}  # fmt: skip
"""What says nothing about what goes over the wire."""
_NAMES: Final = {"properties", "mapping", "headers"}
"""Under these, the keys are names, even where they look like an annotation or an extension."""
DEEPEST: Final = 100
"""Nesting beyond this is no description of an API, and would exhaust the stack."""
SECTIONS: Final = {
    "schemas": "schema", "parameters": "parameter", "headers": "header", "responses": "response",
    "requestBodies": "body", "securitySchemes": "security",
}  # fmt: skip
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
    """One document out of many fragments."""

    data: dict[str, Any] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    """The page of each part, by its pointer."""
    problems: list[Problem] = field(default_factory=list)
    fragments: int = 0
    without: int = 0
    """Pages that hold no fragment."""

    def page_of(self, place: str) -> str:
        """Give the page of a place, or the first one that has something inside of it."""
        around = [self.pages[part] for part in ancestors(place) if part in self.pages]
        return next(
            iter(
                [
                    *around,
                    *(page for part, page in self.pages.items() if part.startswith(f"{place}/")),
                ]
            ),
            "",
        )


def join(pages: list[Page]) -> Joined:
    """Join the fragments of the pages. What is broken, or contradicts an earlier part, is left out and named."""
    joined = Joined()
    for page in pages:
        before = joined.fragments, len(joined.problems)
        for block in blocks(page.text):
            try:
                fragment = _parse(block)
            except ValueError as error:
                joined.problems.append(Problem("unreadable-fragment", "", page.name, str(error)))
                continue
            if fragment is not None:
                _add(joined, fragment, page.name, block.line)
        joined.without += before == (joined.fragments, len(joined.problems))
    return joined


def _parse(block: Block) -> dict[str, Any] | None:
    """Give the fragment; None where the block is none, a ValueError where it is one and broken."""
    try:
        value = json.loads(block.text, object_pairs_hook=_object, parse_constant=_no_constant)
        json.dumps(
            value, ensure_ascii=False
        ).encode()  # half of a character can be escaped, and written nowhere
    except RecursionError:
        value, reason = None, f"line {block.line}: it is nested too deeply"
    except json.JSONDecodeError as error:
        value, reason = None, f"line {block.line + error.lineno - 1}: {error.msg}"
    except ValueError as error:
        value, reason = None, f"line {block.line}: {error}"
    else:
        if isinstance(value, dict) and not any(part in value for part in PARTS):
            return None
        if isinstance(value, dict) and not _is_deep(value):
            return value
        reason = f"line {block.line}: it is {'nested too deeply' if isinstance(value, dict) else 'not an object'}"
    if _LOOKS_LIKE_ONE.search(block.text):
        raise ValueError(reason)
    return None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = (
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, (dict, list))
        )
        level = [item for items in inner for item in items]
    return bool(level)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made and made[key] != value:
            raise ValueError(f"the key {key!r} is there twice, with two values")
        made[key] = value
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _add(joined: Joined, fragment: dict[str, Any], page: str, line: int) -> None:
    for key in ("paths", "components", "webhooks"):
        members = fragment.get(key, {})
        wrong = [f"/{key}"] if not isinstance(members, dict) else []
        wrong += (
            [f"/{key}/{name}" for name in members if not isinstance(members[name], dict)]
            if not wrong
            else []
        )
        if wrong:
            message = f"line {line}: {wrong[0]} is not an object"
            joined.problems.append(Problem("unreadable-fragment", "", page, message))
            return
    joined.fragments += 1
    for section in ("paths", "webhooks"):
        for name in (name for name, item in fragment.get(section, {}).items() if "$ref" in item):
            message = f"line {line}: it is a reference to a whole path, which is not followed"
            joined.problems.append(
                Problem("unreadable-fragment", pointer(section, name), page, message)
            )
    for keys, kind, value in _parts(fragment):
        place = pointer(*keys)
        if found := flaw(value, kind):
            message = f"line {line}: {place}{'' if found.startswith('/') else ' '}{found}"
            joined.problems.append(Problem("unreadable-fragment", place, page, message))
            continue
        around = joined.data
        for key in keys[:-1]:
            around = around.setdefault(key, {})
        if keys[-1] not in around:
            around[keys[-1]] = value
            joined.pages[place] = page
        elif essence(around[keys[-1]]) != essence(value):
            message = (
                f"line {line}: it differs from the one of {joined.pages[place]}, which is kept"
            )
            joined.problems.append(Problem("contradiction", place, page, message))


def _parts(fragment: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Give what is kept or left out as a whole: where it goes, its kind, itself."""
    for section in ("paths", "webhooks"):
        for path, item in fragment.get(section, {}).items():
            # What holds for the operations of a path is given to each, as another page may hold the others.
            shared = item.get("parameters", [])
            if flaw(shared, "parameter[]"):
                yield (section, path, "parameters"), "parameter[]", shared
                continue
            for method in METHODS:
                if method in item:
                    yield (section, path, method), "operation", _with_shared(item[method], shared)
    for section, kind in SECTIONS.items():
        members = fragment.get("components", {}).get(section, {})
        if not isinstance(members, dict):
            yield ("components", section), kind, members
            continue
        for name, value in members.items():
            yield ("components", section, name), kind, value
    for section, kind in (("servers", "server[]"), ("security", "requirement[]")):
        if section in fragment:
            yield (section,), kind, fragment[section]


def _with_shared(operation: Any, shared: list[Any]) -> Any:
    own = operation.get("parameters", []) if isinstance(operation, dict) else None
    if not shared or not isinstance(own, list):
        return operation
    names = [(item.get("in"), item.get("name")) for item in own if isinstance(item, dict)]
    more = [item for item in shared if "$ref" in item or (item["in"], item["name"]) not in names]
    return {**operation, "parameters": own + more}


def essence(value: Any, *, names: bool = False) -> Any:
    """Give what of a part counts: no annotations, no extensions, lists without order. `names`: its keys are names."""
    if isinstance(value, dict):
        return {
            key: essence(item, names=key in _NAMES and not names)
            for key, item in value.items()
            if names or (key not in ANNOTATIONS and not key.startswith("x-"))
        }
    if isinstance(value, list):
        return sorted(
            (essence(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return value
