"""What a response says about the spec: it is read as an OpenAPI document, and that is compared with the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from _differences import Difference, compare
from _facts import read_facts
from _openapi import (
    Node,
    load,
    match_operation,
)
from live._guard import Exchange

ROOT = Path(__file__).parents[2]
SPEC: Final[Node] = load(ROOT / "spec" / "ecall.yaml")
OURS: Final = read_facts(SPEC)
# Differences that one response can show. What it lacks, another may have.
CONTRADICTIONS: Final = {
    "type",
    "nullable",
    "variant-missing-ours",
    "enum-value-missing-ours",
    "enum-case",
    "media-type-missing-ours",
    "property-missing-ours",
    "property-case",
}
HARMLESS: Final = {"property-missing-ours", "property-case"}
"""Differences that the library does not mind: it keeps unknown properties, and ignores the case of names."""
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string"}
_WORD: Final = re.compile(r"[^\W\d_]{2,30}")
_NAME: Final = re.compile(r"[A-Za-z_@$][A-Za-z_@$.-]{0,39}")


def as_document(exchange: Exchange) -> Node:
    """Return an OpenAPI document that says of one response what it was like."""
    operation = match_operation(SPEC, exchange.method, exchange.path)
    path = operation.path if operation else exchange.path
    kind = exchange.headers.get("content-type", "none").partition(";")[0].strip().lower()
    value = exchange.json
    schema = schema_of(value) if kind == "application/json" and value is not None else {}
    response = {"content": {kind: {"schema": schema}}} if exchange.body else {}
    return {
        "paths": {path: {exchange.method.lower(): {"responses": {str(exchange.status): response}}}}
    }


def schema_of(value: Any) -> Node:
    if value is None:
        return {"nullable": True}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0]) if value else {}}
    if isinstance(value, dict):
        properties = {
            name: schema_of(each) for name, each in value.items() if _NAME.fullmatch(name)
        }
        return {"type": "object", "properties": properties}
    word = {"enum": [value]} if isinstance(value, str) else {}
    return {"type": _TYPES[type(value)], **word}


def differences(exchange: Exchange) -> Iterator[Difference]:
    """Yield what a response contradicts, without any value but the words of an enum."""
    for one in compare(OURS, read_facts(as_document(exchange))):
        if one.kind not in CONTRADICTIONS or one.theirs in (None, False):
            continue
        is_null = one.theirs == "any"  # which says no type; null has a difference of its own
        if is_null or is_file(one) or (one.kind == "type" and one.ours is None):
            continue
        if one.kind.startswith("enum") and not _WORD.fullmatch(str(one.theirs)):
            one.theirs = "a value that is not shown"
        one.where = one.our_place or _around(one)
        yield one


def is_file(one: Difference) -> bool:
    """Return whether this is the media type of a file, for which the spec has one that stands for any."""
    return one.kind == "media-type-missing-ours" and (
        (*one.key[:-1], "application/octet-stream") in OURS.table
    )


def confirmed(exchange: Exchange) -> set[str]:
    """Return the places of the spec that a response confirms."""
    theirs = read_facts(as_document(exchange)).table
    against = {one.key for one in differences(exchange)}
    return {
        OURS.table[key].pointer
        for key, fact in theirs.items()
        if key in OURS.table
        and key not in against
        and fact.kind in {"method", "status", "property"}
    }


def facts() -> set[str]:
    """Return the places of the spec that responses could confirm."""
    return {
        fact.pointer
        for key, fact in OURS.table.items()
        if key[0] == "path" and fact.kind in {"method", "status", "property"} and "status" in key
    }


def _around(one: Difference) -> str:
    """Return the place of the spec that what it lacks would be in."""
    keys = (one.key[:length] for length in range(len(one.key), 0, -1))
    return next((OURS.table[key].pointer for key in keys if key in OURS.table), "#")
