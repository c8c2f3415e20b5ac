"""What a schema means, however it is written: references, nullability, constants and compositions are all brought to
one form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from .documents import Document, Place, tokens
from .fragments import ANNOTATIONS

LIMITS: Final = (
    "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "default",
)  # fmt: skip
_TYPES: Final = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


@dataclass
class Shape:
    """A schema in one form."""

    pointer: str
    """Where it is defined, which is not always where it is used."""
    type: str | None = None
    nullable: bool = False
    nullable_at: str = ""
    enum: list[Any] | None = None
    enum_at: str = ""
    limits: dict[str, Place] = field(default_factory=dict)
    properties: dict[str, Place] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: Place | None = None
    extra: Place | None = None
    variants: list[Place] = field(default_factory=list)
    discriminator: Place | None = None
    known: bool = True
    """False where a reference leads nowhere, so that nothing can be said."""
    layers: set[str] = field(default_factory=set)
    """All the places that it was read from."""

    @property
    def name(self) -> str | None:
        return component(self.pointer)


def component(place: str) -> str | None:
    """Give the name of the schema that is defined here, if it has one."""
    keys = tokens(place)
    return keys[2] if keys[:2] == ["components", "schemas"] and len(keys) == 3 else None


def read(document: Document, place: Place) -> Shape:
    """Read a schema."""
    shape = Shape(_definition(document, place).pointer)
    layers = _layers(document, place, (), shape)
    types: list[str] = []
    typed = place
    for layer in layers:
        value = layer.value
        given = value.get("type", [])
        if not types:
            types, typed = (
                [item for item in ([given] if isinstance(given, str) else given) if item != "null"],
                layer,
            )
        if _is_nullable(value):
            shape.nullable, shape.nullable_at = True, shape.nullable_at or layer.pointer
        _read_values(shape, layer)
        for key in LIMITS:
            if value.get(key) is not None:
                shape.limits.setdefault(key, layer.child(key))
        for name, below in layer.children("properties").items():
            shape.properties.setdefault(name, below)
        shape.required |= set(value.get("required", []))
        shape.items = shape.items or (layer.child("items") if "items" in value else None)
        if shape.extra is None and "additionalProperties" in value:
            shape.extra = layer.child("additionalProperties")
        if "discriminator" in value:
            shape.discriminator = shape.discriminator or layer.child("discriminator")
    constants = [
        one.value["const"]
        for one in shape.variants
        if isinstance(one.value, dict) and "const" in one.value
    ]
    if len(constants) == len(shape.variants) > 1:  # an enum with a word on each value
        shape.enum, shape.enum_at = constants, shape.variants[0].pointer.rpartition("/")[0]
        shape.variants = []
    shape.required &= set(shape.properties)
    _settle_limits(shape)
    if len(types) > 1:
        shape.variants = [_only(typed, kind) for kind in types]
    elif not shape.variants:
        shape.type = types[0] if types else _implied(shape)
    return shape


def _definition(document: Document, place: Place) -> Place:
    """Go through wrappers that add nothing, to what a schema is."""
    seen: set[str] = set()
    while isinstance(place.value, dict) and place.pointer not in seen:
        seen.add(place.pointer)
        said = [
            key
            for key in place.value
            if key not in ANNOTATIONS | {"nullable"} and not key.startswith("x-")
        ]
        if said == ["$ref"]:
            place = document.target(place, "schema") or place
        elif said in (["allOf"], ["anyOf"], ["oneOf"]):
            members = [
                item for item in place.children(said[0]).values() if not _is_null(item.value)
            ]
            if len(members) == 1:
                place = members[0]
    return place


def _layers(document: Document, place: Place, stack: tuple[str, ...], shape: Shape) -> list[Place]:
    """Give the places whose keywords all hold together."""
    if place.pointer in stack or not isinstance(place.value, dict):
        return []
    stack += (place.pointer,)
    shape.layers.add(place.pointer)
    found = [place]
    if "$ref" in place.value:
        target = document.target(place, "schema")
        if target is None:
            shape.known = False
        else:
            found += _layers(document, target, stack, shape)
    for member in place.children("allOf").values():
        found += _layers(document, member, stack, shape)
    for key in ("anyOf", "oneOf"):
        members = list(place.children(key).values())
        real = [member for member in members if not _is_null(member.value)]
        if len(real) < len(members):
            shape.nullable, shape.nullable_at = True, shape.nullable_at or place.pointer
        if len(real) == 1:
            found += _layers(document, real[0], stack, shape)
        else:
            _add_variants(shape, real, stack)
            if any(_is_nullable(member.value) for member in real):
                shape.nullable, shape.nullable_at = True, shape.nullable_at or place.pointer
    if "discriminator" in place.value and not {"anyOf", "oneOf"} & set(place.value):
        # A base class that names its descendants.
        _add_variants(
            shape, [Place(at, {"$ref": ref}) for ref, at in _mapped(place).items()], stack
        )
    return found


def _add_variants(shape: Shape, members: list[Place], stack: tuple[str, ...]) -> None:
    """Add variants, unless this schema is one of them itself, whose base names them."""
    references = {
        member.value.get("$ref", "")[1:] for member in members if isinstance(member.value, dict)
    }
    if not references & set(stack):
        shape.variants += members


def _mapped(place: Place) -> dict[str, str]:
    """Give what the mapping of a discriminator leads to, and where it says so."""
    found: dict[str, str] = {}
    for below in place.child("discriminator").children("mapping").values():
        reference = (
            below.value if below.value.startswith("#/") else f"#/components/schemas/{below.value}"
        )
        found.setdefault(reference, below.pointer)
    return found


def tag(union: Shape, variant: Place) -> tuple[str, Place] | None:
    """Give the property that tells a variant from the others and the place of its value, where a mapping says it."""
    if union.discriminator is None or not isinstance(variant.value, dict):
        return None
    for name, below in union.discriminator.children("mapping").items():
        reference = (
            below.value if below.value.startswith("#/") else f"#/components/schemas/{below.value}"
        )
        if variant.value.get("$ref") == reference:
            return union.discriminator.value.get("propertyName", ""), Place(below.pointer, name)
    return None


def _read_values(shape: Shape, layer: Place) -> None:
    if shape.enum is None and "const" in layer.value:
        shape.enum, shape.enum_at = [layer.value["const"]], f"{layer.pointer}/const"
    elif shape.enum is None and "enum" in layer.value:
        shape.enum, shape.enum_at = layer.value["enum"], f"{layer.pointer}/enum"
    if shape.enum is not None and None in shape.enum:
        shape.nullable, shape.nullable_at = True, shape.nullable_at or layer.pointer
        shape.enum = [value for value in shape.enum if value is not None] or None


def _settle_limits(shape: Shape) -> None:
    """Bring the limits to the form of OpenAPI 3.1, without those that say nothing."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        place = shape.limits.get(exclusive)
        if place is not None and isinstance(place.value, bool):
            del shape.limits[exclusive]
            if place.value and inclusive in shape.limits:
                shape.limits[exclusive] = shape.limits.pop(inclusive)
    for key in ("minLength", "minItems", "minProperties", "uniqueItems"):
        if key in shape.limits and not shape.limits[key].value:
            del shape.limits[key]
    if shape.enum is not None and len(shape.enum) == 1 and "default" in shape.limits:
        del shape.limits["default"]  # a constant has no other


def _only(place: Place, kind: str) -> Place:
    return Place(
        place.pointer,
        {**{key: item for key, item in place.value.items() if key != "$ref"}, "type": kind},
    )


def _implied(shape: Shape) -> str | None:
    if shape.properties or shape.extra is not None:
        return "object"
    if shape.items is not None:
        return "array"
    kinds = {_TYPES.get(type(value)) for value in shape.enum or []}
    return kinds.pop() if len(kinds) == 1 else None


def _is_nullable(value: Any) -> bool:
    return isinstance(value, dict) and (
        bool(value.get("nullable")) or "null" in value.get("type", [])
    )


def _is_null(value: Any) -> bool:
    return isinstance(value, dict) and (
        value.get("type") in ("null", ["null"])
        or value.get("enum") == [None]
        or value.get("const", 0) is None
    )
