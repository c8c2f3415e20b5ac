"""An OpenAPI document as a flat table of facts.

Each fact has a key that says where it applies on the wire: `("path", "/api/message", "post", "body",
"application/json", "object", "property", "to")`. Whatever the document repeats, abbreviates or spells in its own way is
gone by then, so documents that mean the same have the same table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from _openapi import METHODS, Document, Node, Place, unescaped
from _schemas import Shape, alternatives, bare, mapping, read_schema

Key: TypeAlias = tuple[str, ...]
Side: TypeAlias = Literal["request", "response"]
"""Whether we write a value or read it."""

LIMITS: Final = (
    "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "default",
)  # fmt: skip
CONDITIONS: Final = ("not", "if", "then", "else", "dependentRequired", "dependentSchemas")
IGNORED_HEADERS: Final = {"accept", "content-type", "authorization"}
"""OpenAPI says that parameters with these names are to be ignored."""
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_VERSION: Final = re.compile(r"(?i)/v(\d+)(\.\d+)?(?=/)")
_WEBHOOK: Final = re.compile(r"(?i)/webhooks?/([^/{}]+)/?$")


class Fact(NamedTuple):
    kind: str
    value: Any
    pointer: str
    """Where the document says so."""
    side: Side


@dataclass
class Facts:
    """The facts of a document, and where nothing is known."""

    document: Document
    table: dict[Key, Fact] = field(default_factory=dict)
    unknown: set[Key] = field(default_factory=set)
    """Keys below which there may be more: a reference leads nowhere, or back to where it came from."""

    def add(self, key: Key, kind: str, value: Any, place: Place, side: Side = "request") -> None:
        self.table.setdefault(key, Fact(kind, value, place.pointer, side))


def read_facts(document: Node) -> Facts:
    """Read all facts of a document."""
    return _Reader(Document(document)).read()


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.root = document.root
        self.facts = Facts(document)
        self.add = self.facts.add
        self.reached: dict[str, Side] = {}
        """The named schemas that an operation leads to, and whether it writes them."""

    def read(self) -> Facts:
        for _, server in self.root.children("servers"):
            scheme, host, _ = _split(server.value["url"])
            if host:
                self.add(("server", host), "server", f"{scheme}://{host}", server)
        for _, place in self.root.child("components").children("securitySchemes"):
            name = self._scheme(place)
            self.add(("security-scheme", name), "security-scheme", name, place)
        for key, spelled, item in self._routes():
            self.add(key, key[0], spelled, item)
            for method in METHODS:
                if isinstance(item.value.get(method), dict):
                    self._operation((*key, method), item, item.child(method))
        self._components()
        return self.facts

    def _routes(self) -> Iterator[tuple[Key, str, Place]]:
        """Yield the webhooks, also those that are written as paths, and the newest version of each path."""
        for name, item in self.root.children("webhooks"):
            yield ("webhook", name.lower()), name, item
        servers = self.root.children("servers")
        prefix = _split(servers[0][1].value["url"])[2].rstrip("/") if servers else ""
        newest: dict[str, tuple[int, str, Place]] = {}
        for path, item in self.root.children("paths"):
            if found := _WEBHOOK.search(path):
                yield ("webhook", found[1].lower()), found[1], item
                continue
            version = _VERSION.search(prefix + path)
            number = int(version[1][:9]) if version else 0
            route = _VERSION.sub("", prefix + path, count=1)
            spelled = _PLACEHOLDER.sub("{}", route).rstrip("/")
            if number >= newest.get(spelled.lower(), (0,))[0]:
                newest[spelled.lower()] = number, spelled, item
        for route, (_, spelled, item) in newest.items():
            yield ("path", route), spelled, item

    def _operation(self, key: Key, item: Place, operation: Place) -> None:
        is_call = key[0] == "path"
        written: Side = "request" if is_call else "response"
        read: Side = "response" if is_call else "request"
        self.add(key, "method", key[-1], operation, written)
        for _, spot in (*operation.children("parameters"), *item.children("parameters")):
            self._parameter(key, spot)
        secured = operation.child("security")
        if secured.value is None and is_call:
            secured = self.root.child("security")
        if secured.value is not None:
            needed = [" + ".join(sorted(map(self._named_scheme, one))) for one in secured.value]
            self.add((*key, "security"), "security", sorted(needed), secured, written)
        body = operation.child("requestBody")
        if body.value is not None:
            self.add((*key, "body"), "request-body", "a body", body, written)
            if found := self._follow((*key, "body"), body, "requestBodies"):
                self._required((*key, "body"), "request-body-required", found, written)
                self._content((*key, "body"), found, written)
        for status, response in operation.children("responses"):
            # All that means success is one: the service may answer any of them.
            below = (*key, "status", "2XX" if status.startswith("2") else status.upper())
            self.add(below, "status", below[-1], response, read)
            if found := self._follow(below, response, "responses"):
                self._content(below, found, read)
                self.add((*below, "header"), "holder", None, found.child("headers"), read)
                for name, header in found.children("headers"):
                    self._header((*below, "header", name.lower()), header, read)

    def _follow(self, key: Key, place: Place, section: str) -> Place | None:
        found = self.document.follow(place, section)
        if found is None:
            self.facts.unknown.add(key)
        return found

    def _required(self, key: Key, kind: str, place: Place, side: Side) -> None:
        needed = place.child("required")
        self.add((*key, "required"), kind, bool(needed.value), needed, side)

    def _parameter(self, key: Key, spot: Place) -> None:
        place = self.document.follow(spot, "parameters")
        if place is None:
            return
        where, name = place.value["in"], place.value["name"]
        known = name.lower()
        if where == "header" and known in IGNORED_HEADERS:
            return
        if where == "path":  # only its position goes over the wire
            names = _PLACEHOLDER.findall(unescaped(spot.pointer.split("/")[2]))
            known = str(names.index(name)) if name in names else name
        key = (*key, "parameter", where, known)
        self.add(key, "parameter", name, spot)
        self.add((*key, "name"), "parameter-name", name, place.child("name"))
        self._required(key, "parameter-required", place, "request")
        self._schema((*key, "schema"), place.child("schema"), "request")

    def _header(self, key: Key, spot: Place, side: Side) -> None:
        if key[-1] not in IGNORED_HEADERS:
            self.add(key, "header", key[-1], spot, side)
            if place := self._follow(key, spot, "headers"):
                self._required(key, "header-required", place, side)
                self._schema((*key, "schema"), place.child("schema"), side)

    def _content(self, key: Key, place: Place, side: Side) -> None:
        self.add((*key, "content"), "holder", None, place.child("content"), side)
        for name, media in place.children("content"):
            below = (*key, "content", name.partition(";")[0].strip().lower())
            self.add(below, "media-type", below[-1], media, side)
            self._schema((*below, "schema"), media.child("schema"), side)

    def _scheme(self, place: Place) -> str:
        found = self.document.follow(place, "securitySchemes")
        value = found.value if found else {}
        parts = [value[name] for name in ("type", "scheme", "in", "name") if name in value]
        return " ".join(parts).lower()

    def _named_scheme(self, name: str) -> str:
        place = self.root.child("components").child("securitySchemes").child(name)
        return self._scheme(place) if isinstance(place.value, dict) else name

    def _components(self) -> None:
        """Read the named schemas by themselves too, since some belong to no operation."""
        reached = dict(self.reached)
        components = self.root.child("components")
        for name, schema in components.children("schemas"):
            side = reached.get(schema.pointer)
            kind = "used-schema" if side else "schema"
            self.add(("schema", name.lower()), kind, name, schema)
            self._schema(("schema", name.lower(), "schema"), schema, side or "response")
        for holder in components.value or {}:
            if str(holder).startswith("x-"):  # the rules that conditions of our schemas lead to
                for name, rule in components.children(holder):
                    self.add(("rule", holder, name), "rule", name, rule)
                    self._schema(("rule", holder, name, "schema"), rule, "request")

    def _schema(self, key: Key, place: Place, side: Side, around: tuple[str, ...] = ()) -> None:
        if not isinstance(place.value, dict) or not place.value:
            return
        shape = read_schema(self.document, place)
        self._reach(shape, side)
        if not shape.is_known or shape.named & {*around}:
            self.facts.unknown.add(key)
            return
        around = (*around, *shape.named)
        nullable = bool(shape.nullable_at)
        where = Place(shape.nullable_at or place.pointer, None)
        if shape.name:
            name = unescaped(shape.name.rpartition("/")[2])
            self.add((*key, "name"), "schema-name", name, Place(shape.name, None), side)
        told = shape.discriminator.value.get("propertyName", "") if shape.discriminator else ""
        if shape.discriminator and told:
            at = shape.discriminator.child("propertyName")
            self.add((*key, "discriminator"), "discriminator", told, at, side)
        found = list(alternatives(self.document, shape))
        tags = mapping(shape)
        labels: list[str] = []
        for each in found:
            tag = tags.get(each.name or each.reference, "")
            label = (tag or self._constant(each, told)) if len(found) > 1 else ""
            label = label or each.type or "any"
            if label.lower() in labels:
                label = f"{label} {each.name.rpartition('/')[2] or len(labels)}"
            labels.append(label.lower())
            below = (*key, label.lower())
            if not each.is_known:
                self.facts.unknown.add(below if tag else (*key, "type"))
            nullable = nullable or bool(each.nullable_at)
            at = each.place if len(found) > 1 else each.definition
            self.add(below, "variant", label, at, side)
            self._reach(each, side)
            own = each.named - shape.named
            if own & {*around}:
                self.facts.unknown.add(below)
            else:
                self._shape(below, each, side, (*around, *own))
                self._tag(below, told, tag, each, side)
        typed = shape.keyword("type") or shape.definition
        self.add((*key, "type"), "type", sorted(labels), typed, side)
        self.add((*key, "null"), "nullable", nullable, where, side)

    def _reach(self, shape: Shape, side: Side) -> None:
        for pointer in shape.named:
            if self.reached.get(pointer) != "request":
                self.reached[pointer] = side

    def _constant(self, shape: Shape, discriminator: str) -> str:
        """Return the value of the property that tells a variant from the others."""
        names = [discriminator] if discriminator else sorted(shape.properties)
        for name in names:
            if name in shape.properties:
                values = read_schema(self.document, shape.properties[name]).enum
                if values is not None and len(values.value) == 1:
                    return str(values.value[0])
        return ""

    def _tag(self, key: Key, name: str, tag: str, shape: Shape, side: Side) -> None:
        """Add the value of a discriminator that only its mapping tells."""
        at = (*key, "property", name.lower(), "string", "enum")
        if tag and name in shape.properties and at not in self.facts.table:
            place = shape.properties[name]
            self.add(at, "enum", [tag], place, side)
            self.add((*at, _folded(tag)), "enum-value", tag, place, side)

    def _shape(self, key: Key, shape: Shape, side: Side, around: tuple[str, ...]) -> None:
        if (values := shape.enum) is not None:
            self.add((*key, "enum"), "enum", values.value, values, side)
            for position, value in enumerate(values.value):
                place = values if values.pointer.endswith("/const") else values.child(position)
                self.add((*key, "enum", _folded(value)), "enum-value", value, place, side)
        for name in (*LIMITS, *CONDITIONS):
            if (limit := shape.limit(name)) is not None:
                kind = "condition" if name in CONDITIONS else "limit"
                kind = name if name in {"pattern", "format", "default"} else kind
                self.add((*key, name), kind, bare(limit.value), limit, side)
        extra = shape.keyword("additionalProperties")
        if extra and extra.value not in (True, {}):
            openness = "described" if extra.value else "none"
            self.add((*key, "extra"), "additional-properties", openness, extra, side)
            self._schema((*key, "extra"), extra, side, around)
        items = shape.keyword("items")
        if items and isinstance(items.value, dict) and items.value:
            self.add((*key, "items"), "items", "described", items, side)
            self._schema((*key, "items"), items, side, around)
        for name, below in shape.properties.items():
            at = (*key, "property", name.lower())
            self.add(at, "property", name, below, side)
            self.add((*at, "required"), "required", name in shape.required, below, side)
            self._schema(at, below, side, around)


def _split(url: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "", ""
    return parts.scheme.lower(), parts.netloc.lower(), parts.path


def _folded(value: Any) -> str:
    return f"{type(value).__name__} {json.dumps(value).lower()}"
