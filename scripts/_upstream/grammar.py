"""Whether a part of a fragment has the shape that OpenAPI gives it, so that all that follows may rely on it."""

from __future__ import annotations

from typing import Any, Final

# What is under a key: a kind of this table, "kind*" for a mapping of them, "kind[]" for a list; or a type of Python.
GRAMMAR: Final[dict[str, dict[str, Any]]] = {
    "operation": {
        "parameters": "parameter[]", "requestBody": "body", "responses": "response*", "security": "requirement[]",
        "operationId": str, "summary": str, "tags": "string[]",
    },
    "parameter": {"$ref": str, "name": str, "in": str, "required": bool, "schema": "schema", "content": "media*"},
    "body": {"$ref": str, "required": bool, "content": "media*"},
    "response": {"$ref": str, "headers": "header*", "content": "media*"},
    "header": {"$ref": str, "required": bool, "schema": "schema", "content": "media*"},
    "media": {"schema": "schema"},
    "server": {"url": str},
    "requirement": {},
    "security": {"$ref": str, "type": str, "scheme": str, "in": str, "name": str},
    "schema": {
        "$ref": str, "type": (str, list), "nullable": bool, "enum": list, "required": "string[]", "pattern": str,
        "format": str, "properties": "schema*", "items": "schema", "allOf": "schema[]", "anyOf": "schema[]",
        "oneOf": "schema[]", "discriminator": "discriminator", "additionalProperties": "schema",
        "minLength": (int, float), "maxLength": (int, float), "minItems": (int, float), "maxItems": (int, float),
        "minProperties": (int, float), "maxProperties": (int, float), "multipleOf": (int, float),
        "minimum": (int, float), "maximum": (int, float), "uniqueItems": bool,
        "exclusiveMinimum": (bool, int, float), "exclusiveMaximum": (bool, int, float),
    },
    "discriminator": {"propertyName": str, "mapping": "string*"},
    "string": {},
}  # fmt: skip
TYPES: Final = {"string", "number", "integer", "boolean", "array", "object", "null"}
NEEDED: Final = {"parameter": ("name", "in"), "server": ("url",)}
WORDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
}


def flaw(value: Any, kind: str) -> str | None:
    """Say what is wrong with a part of this kind (of the table, with or without its mark), or nothing."""
    name = kind.rstrip("[]*")
    if kind == name:
        return _flaw(value, kind)
    holder = list if kind.endswith("[]") else dict
    if found := _wrong_type(value, holder):
        return found
    for key, item in enumerate(value) if holder is list else value.items():
        if found := _flaw(item, name):
            return _below(key, found)
    return None


def _flaw(value: Any, kind: str) -> str | None:
    if kind == "string":
        return _wrong_type(value, str)
    if kind == "schema" and isinstance(value, bool):
        return None
    if found := _wrong_type(value, dict):
        return found
    for key, wanted in GRAMMAR[kind].items():
        if key in value:
            inner = value[key]
            found = flaw(inner, wanted) if isinstance(wanted, str) else _wrong_type(inner, wanted)
            if found:
                return _below(key, found)
    if kind == "schema":
        return _type_flaw(value.get("type"))
    missing = [
        key
        for key in NEEDED.get(kind, ())
        if key not in value and not ("$ref" in GRAMMAR[kind] and "$ref" in value)
    ]
    return f"has no {missing[0]}" if missing else None


def _below(key: str | int, found: str) -> str:
    return f"/{key}{'' if found.startswith('/') else ' '}{found}"


def _wrong_type(value: Any, wanted: Any) -> str | None:
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    if isinstance(value, allowed) and (not isinstance(value, bool) or bool in allowed):
        return None
    return f"is not {' or '.join(dict.fromkeys(WORDS.get(kind, 'a number') for kind in allowed))}"


def _type_flaw(value: Any) -> str | None:
    given = value if isinstance(value, list) else [] if value is None else [value]
    odd = [item for item in given if not isinstance(item, str) or item not in TYPES]
    return f"/type holds no type: {odd[0]!r}" if odd else None
