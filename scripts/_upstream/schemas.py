"""The differences between two schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .documents import Document, Place, pointer
from .findings import Finding, Findings, Severity, Side
from .shapes import LIMITS, Shape, read, tag

SIZES: Final = {"int32", "int64", "float", "double"}
"""Formats that change nothing on the wire."""


class Schemas:
    """Compares schemas, each pair once for what we write and once for what we read."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._ours, self._theirs = findings.ours, findings.theirs
        self._done: set[tuple[object, ...]] = set()
        self._tagged: set[str] = set()
        self.seen_ours: set[str] = set()
        self.seen_theirs: set[str] = set()

    def compare(self, o: Place, t: Place, side: Side, *, whole: bool = True) -> None:
        """Compare; `whole` is false for a variant, whose union says whether null is allowed."""
        ours, theirs = read(self._ours, o), read(self._theirs, t)
        self.seen_ours |= ours.layers
        self.seen_theirs |= theirs.layers
        if not (ours.known and theirs.known):
            self._findings.covered_ours |= self._ours.uses(o)
            return
        if whole and ours.nullable != theirs.nullable:
            self._nullable(o, t, ours, theirs, side)
        key = (ours.pointer, ours.type, theirs.pointer, theirs.type, side)
        if key in self._done:
            return
        self._done.add(key)
        if ours.name and theirs.name:
            self._findings.names.setdefault(theirs.name, ours.name)
            if ours.name != theirs.name:
                self._add(
                    "schema-name", theirs.pointer, ours.name, theirs.name, "info", ours.pointer
                )
        if ours.variants or theirs.variants:
            if not self._variants(o, t, ours, theirs, side):
                return
        elif ours.type != theirs.type:
            severity = self._type_severity(ours.type, theirs.type, side, o)
            at, source = self._to_correct(o, t, ours, theirs)
            finding = Finding(
                "type", f"{theirs.pointer}/type", ours.type, theirs.type, severity, at
            )
            self._findings.add(finding, ours=o, theirs=source)
            return
        self._values(ours, theirs, side)
        self._limits(o, t, ours, theirs, side)
        self._properties(ours, theirs, side)
        self._extra(ours, theirs)
        if ours.items and theirs.items:
            self.compare(ours.items, theirs.items, side)
        elif any(place and place.value not in ({}, True) for place in (ours.items, theirs.items)):
            severity = self._findings.lacking(ours.items) if ours.items else "differs"
            mine, other = (place and _plain(place.value) for place in (ours.items, theirs.items))
            finding = Finding(
                "items", f"{theirs.pointer}/items", mine, other, severity, ours.pointer
            )
            self._findings.add(finding, ours=ours.items, theirs=theirs.items)

    def _add(
        self, kind: str, where: str, ours: Any, theirs: Any, severity: Severity, at: str
    ) -> None:
        self._findings.add(Finding(kind, where, ours, theirs, severity, at))

    def _to_correct(self, o: Place, t: Place, ours: Shape, theirs: Shape) -> tuple[str, Place]:
        """Say what another type replaces, and what says so: our definition only where theirs is in its stead."""
        others = {
            name.lower() for name in self._theirs.root.child("components").children("schemas")
        }
        if ours.name and theirs.name and ours.name.lower() not in others - {theirs.name.lower()}:
            return ours.pointer, self._theirs.at(theirs.pointer)
        return o.pointer, t

    def _nullable(self, o: Place, t: Place, ours: Shape, theirs: Shape, side: Side) -> None:
        if theirs.nullable:
            in_definition = theirs.nullable_at == theirs.pointer != t.pointer
            where, severity = theirs.nullable_at, _by(side, "differs", "breaking")
        else:
            in_definition = ours.nullable_at == ours.pointer != o.pointer
            where, severity = (
                theirs.pointer if in_definition else t.pointer,
                _by(side, "breaking", "info"),
            )
        at = ours.pointer if in_definition else o.pointer
        self._add("nullable", where, ours.nullable, theirs.nullable, severity, at)

    def _type_severity(
        self, ours: str | None, theirs: str | None, side: Side, o: Place
    ) -> Severity:
        if theirs is None:
            return self._findings.lacking(o)
        narrow, wide = (ours, theirs) if side == "request" else (theirs, ours)
        return "differs" if (narrow, wide) == ("integer", "number") else "breaking"

    def _values(self, ours: Shape, theirs: Shape, side: Side) -> None:
        if ours.enum is None and theirs.enum is None:
            return
        if theirs.enum is None:
            if theirs.pointer not in self._tagged:
                severity = self._findings.lacking(Place(ours.pointer, None))
                self._add("enum", f"{theirs.pointer}/enum", ours.enum, None, severity, ours.pointer)
            return
        if ours.enum is None:
            severity = _by(side, "breaking", "differs")
            self._add("enum", theirs.enum_at, None, theirs.enum, severity, ours.pointer)
            return
        o, t = _without(ours.enum, theirs.enum), _without(theirs.enum, ours.enum)
        if o and t and len(ours.enum) == len(theirs.enum) == 1 and _folded(o[0]) != _folded(t[0]):
            self._add("const", theirs.enum_at, o[0], t[0], "breaking", ours.pointer)
            return
        for value in t:
            position = "" if theirs.enum_at.endswith("/const") else f"/{_index(theirs.enum, value)}"
            where = f"{theirs.enum_at}{position}"
            twin = next((other for other in o if _folded(other) == _folded(value)), None)
            if twin is None:
                self._add("enum-value-missing-ours", where, None, value, "differs", ours.pointer)
            else:
                o.remove(twin)
                self._add("enum-case", where, twin, value, "breaking", ours.pointer)
        for value in o:
            severity = _by(side, "breaking", "info")
            self._add(
                "enum-value-missing-theirs",
                f"{theirs.enum_at}/-",
                value,
                None,
                severity,
                ours.pointer,
            )

    def _limits(self, used: Place, by: Place, ours: Shape, theirs: Shape, side: Side) -> None:
        for key in LIMITS:
            o, t = ours.limits.get(key), theirs.limits.get(key)
            if (o or t) and (o is None or t is None or o.value != t.value):
                mine, other = o and o.value, t and t.value
                severity: Severity = "info"
                if key == "format":
                    severity = "info" if {mine, other} <= SIZES | {None} else "differs"
                elif o and not t:
                    severity = self._findings.lacking(o)
                elif key != "default":
                    severity = _by(
                        side, "breaking" if _is_tighter(key, mine, other) else "differs", "info"
                    )
                where = t.pointer if t else f"{theirs.pointer}/{key}"
                kind = key if key in {"pattern", "format", "default"} else "limit"
                # What stands beside their reference goes beside ours.
                at = used.pointer if where == f"{by.pointer}/{key}" else ours.pointer
                self._add(kind, where, mine, other, severity, f"{at}/{key}")

    def _properties(self, ours: Shape, theirs: Shape, side: Side) -> None:
        left = dict(ours.properties)
        ours_anyway, theirs_anyway = (
            self._shared(self._ours, ours),
            self._shared(self._theirs, theirs),
        )
        for name, t in theirs.properties.items():
            twin = (
                name
                if name in left
                else next((mine for mine in left if mine.lower() == name.lower()), None)
            )
            needed = name in theirs.required
            if twin is None and name.lower() in ours_anyway:
                continue
            if twin is None:
                severity: Severity = "breaking" if needed and side == "request" else "differs"
                finding = Finding(
                    "property-missing-ours", t.pointer, None, name, severity, ours.pointer
                )
                self._findings.add(finding, theirs=t)
                continue
            o = left.pop(twin)
            if twin != name:
                self._add("property-case", t.pointer, twin, name, "info", o.pointer)
            if (twin in ours.required) != needed:
                if side == "request":
                    severity = "breaking" if needed else "differs"
                else:
                    severity = "info" if needed else "breaking"
                self._add("required", t.pointer, not needed, needed, severity, o.pointer)
            self.compare(o, t, side)
        for name, o in left.items():
            if name.lower() in theirs_anyway:
                continue
            where = f"{theirs.pointer}/properties{pointer(name)}"
            finding = Finding(
                "property-missing-theirs", where, name, None, self._findings.lacking(o), o.pointer
            )
            self._findings.add(finding, ours=o)

    @staticmethod
    def _shared(document: Document, shape: Shape) -> set[str]:
        """Give the properties that all variants have: a base class may name them, and need not."""
        names = [
            {name.lower() for name in read(document, one).properties} for one in shape.variants
        ]
        return set.intersection(*names) if names else set()

    def _extra(self, ours: Shape, theirs: Shape) -> None:
        o, t = ours.extra, theirs.extra
        if (
            o
            and t
            and isinstance(o.value, dict)
            and isinstance(t.value, dict)
            and o.value
            and t.value
        ):
            self.compare(o, t, "response")
            return
        mine, other = (_openness(place) for place in (o, t))
        if mine != other:
            where = f"{theirs.pointer}/additionalProperties"
            finding = Finding("additional-properties", where, mine, other, "info", ours.pointer)
            self._findings.add(finding, ours=o, theirs=t)

    def _variants(self, o: Place, t: Place, ours: Shape, theirs: Shape, side: Side) -> bool:
        """Compare the variants; say whether what is beside them is to be compared, too."""
        left, right = ours.variants or [o], theirs.variants or [t]
        pairs = self._pairs(left, right, theirs)
        at = ours.pointer
        if not pairs:
            severity: Severity = (
                "breaking" if side == "request" or ours.type or theirs.type else "differs"
            )
            said = (
                [self._label(self._ours, one) for one in left],
                [self._label(self._theirs, one) for one in right],
            )
            at, source = self._to_correct(o, t, ours, theirs)
            finding = Finding("type", theirs.pointer, said[0], said[1], severity, at)
            self._findings.add(finding, ours=o, theirs=source)
            return False
        for mine, other in pairs:
            self._tag(mine, other, theirs)
            self.compare(mine, other, side, whole=False)
        for other in [one for one in right if one not in [pair[1] for pair in pairs]]:
            finding = Finding(
                "variant-missing-ours",
                other.pointer,
                None,
                self._label(self._theirs, other),
                "differs",
                at,
            )
            self._findings.add(finding, theirs=other)
        key = next(
            (
                key
                for key in ("oneOf", "anyOf")
                if key in (self._theirs.at(theirs.pointer).value or {})
            ),
            "",
        )
        for mine in [one for one in left if one not in [pair[0] for pair in pairs]]:
            where = f"{theirs.pointer}/{key}/-" if key else theirs.pointer
            severity = _by(side, "breaking", "info")
            label = self._label(self._ours, mine)
            self._findings.add(
                Finding("variant-missing-theirs", where, label, None, severity, at), ours=mine
            )
        if ours.discriminator and theirs.discriminator:
            names = [
                one.value.get("propertyName") for one in (ours.discriminator, theirs.discriminator)
            ]
            if names[0] != names[1]:
                where = f"{theirs.discriminator.pointer}/propertyName"
                self._add("discriminator", where, names[0], names[1], "differs", at)
        return bool(ours.variants and theirs.variants)

    def _tag(self, o: Place, t: Place, union: Shape) -> None:
        """Take the value that tells a variant from the others from their mapping, where their property has none."""
        if (told := tag(union, t)) is None:
            return
        name, value = told
        mine, other = (
            shape.properties.get(name) for shape in (read(self._ours, o), read(self._theirs, t))
        )
        if mine is None or other is None:
            return
        shape = read(self._theirs, other)
        if shape.enum is None:
            self._tagged.add(shape.pointer)
            ours = read(self._ours, mine)
            if ours.enum is not None and ours.enum != [value.value]:
                self._add(
                    "const", value.pointer, ours.enum[0], value.value, "breaking", ours.pointer
                )

    def _pairs(
        self, left: list[Place], right: list[Place], union: Shape
    ) -> list[tuple[Place, Place]]:
        """Match variants: by name, then by the value that tells them apart, then by type and likeness."""
        mine = [
            (one, read(self._ours, one), self._constants(self._ours, one, None)) for one in left
        ]
        other = [
            (one, read(self._theirs, one), self._constants(self._theirs, one, union))
            for one in right
        ]
        known = [one for one in other if one[1].known]
        pairs: list[tuple[Place, Place]] = []

        def match(fits: Callable[[Any, Any], int]) -> None:
            ranked = [(fits(a, b), a, b) for a in mine for b in known]
            for score, a, b in sorted(ranked, key=lambda row: -row[0]):
                if score > 0 and a in mine and b in known:
                    pairs.append((a[0], b[0]))
                    mine.remove(a)
                    known.remove(b)

        match(lambda a, b: int(_name(a) is not None and _name(a) == _name(b)))
        match(lambda a, b: len(a[2].items() & b[2].items()))
        match(_likeness)
        for (
            one
        ) in other:  # what is not known may be any of those that are left: nothing is said about it
            if not one[1].known and mine:
                named = str(one[0].value.get("$ref", "")).rpartition("/")[2]
                row = next((row for row in mine if row[1].name == named), mine[0])
                mine.remove(row)
                pairs.append((row[0], one[0]))
        return pairs

    def _constants(self, document: Document, place: Place, union: Shape | None) -> dict[str, str]:
        shape = read(document, place)
        shapes = {name.lower(): read(document, below) for name, below in shape.properties.items()}
        found = {
            name: one.enum[0]
            for name, one in shapes.items()
            if one.enum is not None and len(one.enum) == 1
        }
        if union is not None and (told := tag(union, place)):
            found.setdefault(told[0].lower(), told[1].value)
        return {name: _folded(value) for name, value in found.items()}

    @staticmethod
    def _label(document: Document, place: Place) -> str:
        shape = read(document, place)
        return shape.name or shape.type or "anything"


def _by(side: Side, request: Severity, response: Severity) -> Severity:
    return request if side == "request" else response


def _name(row: Any) -> str | None:
    return row[1].name.lower() if row[1].name else None


def _likeness(a: Any, b: Any) -> int:
    """How much two variants are alike; 0 where they cannot be the same."""
    (_, ours, our_constants), (_, theirs, their_constants) = a, b
    if ours.type != theirs.type or bool(ours.variants) != bool(theirs.variants):
        return 0
    if any(their_constants.get(name, value) != value for name, value in our_constants.items()):
        return 0
    return 1 + len(
        {name.lower() for name in ours.properties} & {name.lower() for name in theirs.properties}
    )


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _without(values: list[Any], others: list[Any]) -> list[Any]:
    return [value for value in values if not any(_same(value, other) for other in others)]


def _index(values: list[Any], value: Any) -> int:
    return next(number for number, one in enumerate(values) if _same(one, value))


def _folded(value: Any) -> str:
    return f"{type(value).__name__} {str(value).lower()}"


def _is_tighter(key: str, ours: Any, theirs: Any) -> bool:
    if ours is None or not key.lower().endswith(("length", "items", "properties", "imum")):
        return True
    return bool(theirs < ours if "max" in key.lower() else theirs > ours)


def _openness(place: Place | None) -> Any:
    if place is None or place.value is True or place.value == {}:
        return True
    return _plain(place.value)


def _plain(value: Any) -> Any:
    """Give a schema without its evidence."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not key.startswith("x-")}
    return value
