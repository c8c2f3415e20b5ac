"""Whether a part of a fragment has the shape that OpenAPI gives it, so that what follows may rely on it.

It is more lenient than OpenAPI's own schema: fragments lack descriptions and responses, and mix versions of OpenAPI.
"""

from __future__ import annotations

from typing import Any, Final

from jsonschema import Draft202012Validator

_STRING: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}


def _object(properties: dict[str, Any], needed: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"$ref": _STRING, **properties},
        "anyOf": [{"required": ["$ref"]}, {"required": list(needed)}],  # a reference needs no more
    }


def _a(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind}"}


def _list(kind: str) -> dict[str, Any]:
    return {"type": "array", "items": _a(kind)}


def _map(kind: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _a(kind)}


_TYPES: Final = ["string", "number", "integer", "boolean", "array", "object", "null"]
_NUMBERS: Final = (
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "multipleOf", "minimum",
    "maximum",
)  # fmt: skip
_DEFINITIONS: Final = {
    "string": _STRING,
    "operation": _object({
        "parameters": _a("parameters"), "requestBody": _a("body"), "responses": _map("response"),
        "security": _a("requirements"),
    }),
    "parameter": _object({"name": _STRING, "in": _STRING, "required": _FLAG, "schema": _a("schema")}, ("name", "in")),
    "body": _object({"required": _FLAG, "content": _map("media")}),
    "response": _object({"headers": _map("header"), "content": _map("media")}),
    "header": _object({"required": _FLAG, "schema": _a("schema")}),
    "media": _object({"schema": _a("schema")}),
    "parameters": _list("parameter"),
    "servers": _list("server"),
    "requirements": _list("requirement"),
    "server": {"type": "object", "properties": {"url": _STRING}, "required": ["url"]},
    "requirement": {"type": "object"},
    "security": _object(dict.fromkeys(("type", "scheme", "in", "name"), _STRING)),
    "discriminator": _object({"propertyName": _STRING, "mapping": _map("string")}),
    "schema": {
        "type": ["object", "boolean"],
        "properties": {
            "$ref": _STRING,
            "type": {"anyOf": [{"enum": _TYPES}, {"type": "array", "items": {"enum": _TYPES}}]},
            "nullable": _FLAG,
            "enum": {"type": "array"},
            "required": _list("string"),
            "pattern": _STRING,
            "format": _STRING,
            "uniqueItems": _FLAG,
            "properties": _map("schema"),
            "items": _a("schema"),
            "additionalProperties": _a("schema"),
            "discriminator": _a("discriminator"),
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), _list("schema")),
            **{name: {"type": "number"} for name in _NUMBERS},
            "exclusiveMinimum": {"type": ["boolean", "number"]},
            "exclusiveMaximum": {"type": ["boolean", "number"]},
        },
    },
}  # fmt: skip
_VALIDATORS: Final = {
    kind: Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": _DEFINITIONS})
    for kind in _DEFINITIONS
}


def flaw(value: Any, kind: str) -> str:
    """Return where and what is wrong with a part of this kind; an empty text if nothing is."""
    errors = _VALIDATORS[kind].iter_errors(value)
    for error in sorted(errors, key=lambda one: [str(step) for step in one.absolute_path]):
        deepest = max(
            reversed(error.context), key=lambda one: len(one.absolute_path), default=error
        )
        where = "".join(f"/{step}" for step in error.absolute_path)
        return f"{where}: {' '.join(deepest.message.split())[:150]}"
    return ""
