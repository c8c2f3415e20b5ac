"""What a schema of OpenAPI means, however it writes references, inheritance, constants and null."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from _openapi import Document, Place, escaped

# What says nothing about what goes over the wire.
ANNOTATIONS: Final = {
    "description", "summary", "title", "example", "examples", "externalDocs", "tags", "operationId", "deprecated",
    "$comment",
}  # fmt: skip
_NAMES: Final = {"properties", "mapping", "headers"}
"""Under these, the keys are names, even where they look like an annotation or an extension."""
_NAMED: Final = re.compile("#/components/schemas/[^/]+")
_TYPES: Final = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
_LEAST: Final = {"minLength", "minItems", "minProperties", "uniqueItems"}


@dataclass
class Shape:
    """What the schemas say together that all apply at one place."""

    pointer: str
    layers: list[Place] = field(default_factory=list)
    """Those schemas, the one at the place first."""
    variants: list[Place] = field(default_factory=list)
    """The schemas of which one applies."""
    nullable_at: str = ""
    """Where null is allowed, if it is."""
    discriminator: Place | None = None
    is_known: bool = True
    """False where a reference leads nowhere, so that nothing can be said."""

    @property
    def place(self) -> Place:
        return Place(self.pointer, None)

    @property
    def name(self) -> str:
        """Return the pointer of the named schema that this one is, or to which it leads and adds nothing."""
        for layer in self.layers:
            if _NAMED.fullmatch(layer.pointer):
                return layer.pointer
            if not _is_wrapper(layer.value):
                break
        return ""

    @property
    def definition(self) -> Place:
        """Return the schema itself, past those that only lead to it."""
        own = (layer for layer in self.layers if not _is_wrapper(layer.value))
        return next(own, self.place)

    @property
    def reference(self) -> str:
        """Return what the schema refers to, also if that leads nowhere."""
        return str(self.layers[0].value.get("$ref", "")) if self.layers else ""

    @property
    def named(self) -> set[str]:
        """Return the pointers of all named schemas that it is made of."""
        return {layer.pointer for layer in self.layers if _NAMED.fullmatch(layer.pointer)}

    @property
    def properties(self) -> dict[str, Place]:
        found: dict[str, Place] = {}
        for layer in self.layers:
            for name, below in layer.children("properties"):
                found.setdefault(name, below)
        return found

    @property
    def required(self) -> set[str]:
        return {name for layer in self.layers for name in layer.value.get("required", [])}

    @property
    def enum(self) -> Place | None:
        """Return the list of the only values that are allowed, null apart."""
        place = self.keyword("enum")
        if place is None and (constant := self.keyword("const")):
            place = Place(constant.pointer, [constant.value])
        constants = [one.value for one in self.variants if isinstance(one.value, dict)]
        if place is None and len(constants) > 1 and all("const" in one for one in constants):
            around = self.variants[0].pointer.rpartition("/")[0]
            place = Place(around, [one["const"] for one in constants])
        if place is None or place.value == [None]:
            return None
        return Place(place.pointer, [one for one in place.value if one is not None])

    @property
    def type(self) -> str:
        """Return the type, also where only other keywords imply it; empty where there is none."""
        kinds = self.types
        if kinds:
            return kinds[0]
        if self.properties or self.keyword("additionalProperties"):
            return "object"
        if self.keyword("items"):
            return "array"
        implied = {_TYPES.get(type(value), "") for value in (self.enum.value if self.enum else [])}
        return implied.pop() if len(implied) == 1 else ""

    @property
    def types(self) -> list[str]:
        place = self.keyword("type")
        given = place.value if place else []
        return [kind for kind in ([given] if isinstance(given, str) else given) if kind != "null"]

    def keyword(self, name: str) -> Place | None:
        """Return the value of a keyword, by the first schema that has it."""
        found = (layer.child(name) for layer in self.layers if layer.value.get(name) is not None)
        return next(found, None)

    def limit(self, name: str) -> Place | None:
        """Return a limit as OpenAPI 3.1 writes it, unless it limits nothing."""
        place = self.keyword(name)
        if name in {"minimum", "maximum"}:
            exclusive = self.keyword(f"exclusiveM{name[1:]}")
            return None if exclusive and exclusive.value is True else place
        if place is None or (name in _LEAST and not place.value):
            return None
        if name.startswith("exclusive") and isinstance(place.value, bool):
            return self.keyword(f"m{name.removeprefix('exclusiveM')}") if place.value else None
        if name == "default" and self.enum and len(self.enum.value) == 1:
            return None  # a constant has no other value
        return place


def read_schema(document: Document, place: Place) -> Shape:
    """Read the schema at a place."""
    shape = Shape(place.pointer)
    _merge(document, shape, place, ())
    if shape.enum is not None and not shape.keyword("enum") and not shape.keyword("const"):
        shape.layers.append(Place(shape.enum.pointer, {"enum": shape.enum.value}))
        shape.variants = []
    return shape


def alternatives(document: Document, shape: Shape, depth: int = 0) -> Iterator[Shape]:
    """Yield the schemas of which one applies: the variants with theirs, or one for each type, or the schema itself."""
    if shape.variants and depth < 5:
        for variant in shape.variants:
            yield from alternatives(document, read_schema(document, variant), depth + 1)
    elif len(kinds := shape.types) > 1:
        for kind in kinds:
            yield Shape(shape.pointer, [Place(shape.pointer, {"type": kind}), *shape.layers])
    else:
        yield shape


def mapping(shape: Shape) -> dict[str, str]:
    """Return the value of the discriminator by the pointer of each schema, where a mapping says it."""
    found: dict[str, str] = {}
    if shape.discriminator:
        for value, target in shape.discriminator.children("mapping"):
            found.setdefault(_reference(target.value), value)
    return found


def _merge(document: Document, shape: Shape, place: Place, stack: tuple[str, ...]) -> None:
    value = place.value
    if place.pointer in stack or not isinstance(value, dict):
        return
    stack = (*stack, place.pointer)
    shape.layers.append(place)
    types = value.get("type", [])
    if value.get("nullable") or "null" in types or None in value.get("enum", []):
        shape.nullable_at = shape.nullable_at or place.pointer
    if "$ref" in value:
        target = document.target(place, "schemas")
        shape.is_known = shape.is_known and target is not None
        if target:
            _merge(document, shape, target, stack)
    for _, member in place.children("allOf"):
        _merge(document, shape, member, stack)
    for key in ("anyOf", "oneOf"):
        members = [member for _, member in place.children(key)]
        real = [member for member in members if not _is_null(member.value)]
        if len(real) < len(members):
            shape.nullable_at = shape.nullable_at or place.pointer
        if len(real) == 1:
            _merge(document, shape, real[0], stack)
        else:
            _add_variants(shape, real, stack)
    if "discriminator" in value:
        shape.discriminator = shape.discriminator or place.child("discriminator")
        if not {"anyOf", "oneOf"} & value.keys():  # a base class that names its descendants
            around = f"{place.pointer}/discriminator/mapping"
            members = [
                Place(f"{around}/{escaped(value)}", {"$ref": reference})
                for reference, value in mapping(shape).items()
            ]
            _add_variants(shape, members, stack)


def _add_variants(shape: Shape, members: list[Place], stack: tuple[str, ...]) -> None:
    """Add variants, unless this schema is one of them and only leads to its base."""
    references = {member.value.get("$ref") for member in members if isinstance(member.value, dict)}
    if not references & {*stack}:
        shape.variants += members


def bare(value: Any, *, is_names: bool = False) -> Any:
    """Return a part of a document without its annotations and extensions."""
    if isinstance(value, list):
        return [bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: bare(each, is_names=key in _NAMES and not is_names)
        for key, each in value.items()
        if is_names or (key not in ANNOTATIONS and not str(key).startswith("x-"))
    }


def _is_wrapper(schema: dict[str, Any]) -> bool:
    """Return whether a schema adds nothing to another one, but for null."""
    said = set(bare(schema)) - {"nullable"}
    if len(said) != 1 or not said & {"$ref", "allOf", "anyOf", "oneOf"}:
        return False
    members = schema[said.pop()]
    return isinstance(members, str) or sum(not _is_null(member) for member in members) == 1


def _reference(target: str) -> str:
    return target if target.startswith("#/") else f"#/components/schemas/{target}"


def _is_null(value: Any) -> bool:
    return isinstance(value, dict) and (
        value.get("type") in ("null", ["null"])
        or value.get("enum") == [None]
        or value.get("const", 0) is None
    )
