"""How well each fact of the spec is known, and from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from _openapi import DATA, METHODS, Node, escaped, look_up, place_of

LEVELS: Final = {
    "documented": "the vendor's documentation says so",
    "observed": "seen in code that others run against the service",
    "inferred": "our best reading of the vendor's other interfaces or of names; may be wrong",
}
KINDS: Final = {
    "operation": "operations",
    "webhook": "callbacks",
    "parameter": "parameters",
    "request body": "request bodies",
    "property": "properties",
    "schema": "schemas",
    "enum": "lists of values",
    "status": "statuses",
    "header": "response headers",
    "rule": "rules",
    "server": "servers",
    "security scheme": "credentials",
    "other": "others",
}
# What the entries of a mapping or list are, by the key that holds it.
HOLDERS: Final = {
    "paths": "path",
    "pathItems": "path",
    "webhooks": "path",
    "callbacks": "callback",
    "parameters": "parameter",
    "headers": "header",
    "requestBodies": "request body",
    "responses": "status",
    "securitySchemes": "security scheme",
    "servers": "server",
    "schemas": "schema",
    "$defs": "schema",
    "properties": "property",
    "patternProperties": "property",
}
CONDITIONS: Final = {"not", "if", "then", "else", "dependentSchemas"}
NEEDS_NONE: Final = {"path", "callback", "request body", "other"}
MAY_BE_REFERENCES: Final = {
    "path",
    "callback",
    "parameter",
    "header",
    "request body",
    "status",
    "security scheme",
}
REMEDY: Final = f"give it a level ({', '.join(LEVELS)}) and a source"


class Fact(NamedTuple):
    """A part of the spec that says how well it is known."""

    pointer: str
    kind: str
    node: Node
    level: str
    source: str


class Lacking(Exception):
    """Parts of the spec do not say how well they are known."""


def read_facts(spec: Node) -> dict[str, Fact]:
    """Return all facts by their place, in the order of the spec.

    Raises:
        Lacking: Parts have no evidence, or none that can be read; the message has a line for each.
    """
    facts: dict[str, Fact] = {}
    lacking: list[str] = []
    for pointer, kind, node in parts(spec):
        problem = _problem(spec, kind, node)
        if problem is not None:
            lacking.append(f"{place_of(pointer)}: {problem}; {REMEDY}")
        elif _has_evidence(node):
            evidence = node["x-evidence"]
            facts[pointer] = Fact(
                pointer, kind, node, evidence["level"], evidence["source"].strip()
            )
    if lacking:
        raise Lacking("\n".join(lacking))
    return facts


def is_reference(node: object) -> bool:
    """Return whether a part only refers to another one, whose evidence serves for it as well."""
    return isinstance(node, dict) and "$ref" in node and "x-evidence" not in node


def parts(
    node: Any, pointer: str = "#", kind: str = "other", *, in_rule: bool = False
) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the kind and the node of each part of the document that has a kind or evidence."""
    if kind != "other" or _has_evidence(node):
        yield pointer, _exact_kind(kind, pointer, node, in_rule=in_rule), node
    for below, kind_below, child, is_rule in _children(node, pointer, kind, in_rule=in_rule):
        yield from parts(child, below, kind_below, in_rule=is_rule)


def _children(
    node: Any, pointer: str, kind: str, *, in_rule: bool
) -> Iterator[tuple[str, str, Any, bool]]:
    """Yield the place and the kind of each child, the child, and whether it is in a rule."""
    if isinstance(node, list):
        for place, item in enumerate(node):
            yield f"{pointer}/{place}", "other", item, in_rule
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        below = f"{pointer}/{escaped(key)}"
        if kind == "path" and key in METHODS:
            yield below, "operation", value, False
        elif kind == "callback":
            yield below, "path", value, False
        elif key not in DATA:
            is_rules = pointer == "#/components" and key.startswith("x-")
            holds = "rule" if is_rules else HOLDERS.get(key)
            is_rule = in_rule or is_rules or key in CONDITIONS
            if holds is None:
                yield below, "request body" if key == "requestBody" else "other", value, is_rule
                continue
            entries = value.items() if isinstance(value, dict) else enumerate(value or [])
            for name, entry in entries:
                yield f"{below}/{escaped(name)}", holds, entry, is_rule


def _exact_kind(kind: str, pointer: str, node: object, *, in_rule: bool) -> str:
    """Distinguish callbacks from operations, lists of values from schemas, and conditions of rules from properties."""
    if kind == "operation" and not pointer.startswith("#/paths/"):
        return "webhook"
    if kind == "schema" and isinstance(node, dict) and "enum" in node:
        return "enum"
    return "rule" if kind == "property" and in_rule else kind


def _problem(spec: Node, kind: str, node: Any) -> str | None:
    """Return why a part does not say how well it is known, or None if it does or need not."""
    if kind in MAY_BE_REFERENCES and is_reference(node):
        target = look_up(spec, node["$ref"])
        if isinstance(target, dict) and ("x-evidence" in target or kind in NEEDS_NONE):
            return None
        return f"{node['$ref']} leads to nothing with x-evidence"
    if _has_evidence(node):
        return None if _is_evidence(node["x-evidence"]) else "x-evidence of another shape"
    return None if kind in NEEDS_NONE else "no x-evidence"


def _has_evidence(node: object) -> bool:
    return isinstance(node, dict) and "x-evidence" in node


def _is_evidence(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"level", "source"}:
        return False
    level, source = value["level"], value["source"]
    return (
        isinstance(level, str)
        and level in LEVELS
        and isinstance(source, str)
        and bool(source.strip())
    )
