"""How well each fact of the spec is known, and from where: docs/evidence.md, and its summary in README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import yaml

from _openapi import DATA, METHODS, Node, escaped, look_up, place_of, unescaped

BEGIN = "<!-- evidence: written by scripts/regenerate -->"
END = "<!-- evidence: end -->"

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
    "header": "headers of answers",
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


# Reading the spec


def read_facts(spec: Node) -> dict[str, Fact]:
    """Return all facts by their place, in the order of the spec."""
    facts: dict[str, Fact] = {}
    lacking: list[str] = []
    for pointer, kind, node in parts(spec):
        if kind in MAY_BE_REFERENCES and is_reference(node):
            target = look_up(spec, node["$ref"])
            if not isinstance(target, dict) or (
                "x-evidence" not in target and kind not in NEEDS_NONE
            ):
                lacking.append(
                    f"{place_of(pointer)}: {node['$ref']} leads to nothing with x-evidence; {REMEDY}"
                )
        elif isinstance(node, dict) and "x-evidence" in node:
            evidence = node["x-evidence"]
            if is_evidence(evidence):
                facts[pointer] = Fact(
                    pointer, kind, node, evidence["level"], evidence["source"].strip()
                )
            else:
                lacking.append(f"{place_of(pointer)}: x-evidence of another shape; {REMEDY}")
        elif kind not in NEEDS_NONE:
            lacking.append(f"{place_of(pointer)}: no x-evidence; {REMEDY}")
    if lacking:
        raise Lacking("\n".join(lacking))
    return facts


def is_reference(node: object) -> bool:
    return isinstance(node, dict) and "$ref" in node and "x-evidence" not in node


def is_evidence(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"level", "source"}:
        return False
    return (
        value["level"] in [*LEVELS]
        and isinstance(value["source"], str)
        and bool(value["source"].strip())
    )


def parts(
    node: Any, pointer: str = "#", kind: str = "other", *, in_rule: bool = False
) -> Iterator[tuple[str, str, Any]]:
    """Give each part of the document that has a kind, or evidence: its place, its kind, itself."""
    if kind != "other" or (isinstance(node, dict) and "x-evidence" in node):
        yield pointer, exact(kind, pointer, node, in_rule=in_rule), node
    if isinstance(node, list):
        for place, item in enumerate(node):
            yield from parts(item, f"{pointer}/{place}", in_rule=in_rule)
    elif isinstance(node, dict):
        for key, value in node.items():
            below = f"{pointer}/{escaped(key)}"
            if kind == "path" and key in METHODS:
                yield from parts(value, below, "operation")
            elif kind == "callback":
                yield from parts(value, below, "path")
            elif key not in DATA:
                holds = HOLDERS.get(key)
                if pointer == "#/components" and key.startswith("x-"):
                    holds = "rule"
                in_condition = in_rule or holds == "rule" or key in CONDITIONS
                if holds is None:
                    one = "request body" if key == "requestBody" else "other"
                    yield from parts(value, below, one, in_rule=in_condition)
                else:
                    for name, entry in (
                        value.items() if isinstance(value, dict) else enumerate(value or [])
                    ):
                        yield from parts(
                            entry, f"{below}/{escaped(name)}", holds, in_rule=in_condition
                        )


def exact(kind: str, pointer: str, node: object, *, in_rule: bool) -> str:
    """Tell callbacks from operations, lists of values from schemas, and the conditions of rules from properties."""
    if kind == "operation" and not pointer.startswith("#/paths/"):
        return "webhook"
    if kind == "schema" and isinstance(node, dict) and "enum" in node:
        return "enum"
    return "rule" if kind == "property" and in_rule else kind


# Writing


class Page:
    """Writes the page, and remembers which facts it has shown."""

    def __init__(self, spec: Node) -> None:
        self.spec = spec
        self.facts = read_facts(spec)
        self.rest = dict(self.facts)
        self.lines: list[str] = []

    def text(self) -> str:
        """Give the whole page, in the order of the spec; what has no section of its own comes last."""
        self._add(
            "# Evidence",
            "",
            "<!-- Written by scripts/regenerate from spec/ecall.yaml; not to be edited. -->",
            "",
        )
        self._add(
            "Find out how well each fact about the service is known, and from where.",
            "`scripts/regenerate` makes this page from the description of the service, `spec/ecall.yaml`.",
            "To correct a fact, change it there and run the script again.",
            "",
            *[f"- **{level}**: {meaning}" for level, meaning in LEVELS.items()],
        )
        self._add(
            "",
            "## Totals",
            "",
            "What several operations share counts once.",
            "",
            *totals(self.facts),
        )
        self._add("", "## Operations")
        self._operations("paths")
        self._add("", "## Shared answers", "", "What the operations above answer alike.", "")
        shared = [
            fact
            for pointer, fact in self.facts.items()
            if pointer.startswith("#/components/responses/")
        ]
        rows = [
            (self._name_of(fact), self._body_of(fact.node), *self._known(fact.pointer))
            for fact in shared
        ]
        self._table(("answer", "what", "level", "source"), rows)
        self._add("", "## Callbacks")
        self._operations("webhooks")
        self._add("", "## Schemas")
        for name in self.spec.get("components", {}).get("schemas", {}):
            self._schema(name)
        for holder, rules in self.spec.get("components", {}).items():
            if holder.startswith("x-"):
                self._add("", f"## {holder.removeprefix('x-').replace('-', ' ').capitalize()}")
                for name in rules:
                    self._rule(f"#/components/{escaped(holder)}/{escaped(name)}", name)
        self._add("", "## Everything else", "")
        others = [
            (f"{fact.kind} `{self._name_of(fact)}`", *self._known(pointer))
            for pointer, fact in [*self.rest.items()]
        ]
        self._table(("what", "level", "source"), others)
        return "\n".join(self.lines) + "\n"

    def _add(self, *lines: str) -> None:
        self.lines += lines

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._add(*table(heads, rows))

    def _known(self, pointer: str) -> tuple[str, str]:
        """Give level and source of a fact, which is shown thereby."""
        self.rest.pop(pointer, None)
        fact = self.facts[pointer]
        return fact.level, escape_cell(fact.source)

    def _operations(self, holder: str) -> None:
        for path, item in self.spec.get(holder, {}).items():
            for method, operation in item.items():
                pointer = f"#/{holder}/{escaped(path)}/{method}"
                if pointer not in self.facts:
                    continue  # what all operations of a path share
                name = operation.get("operationId", path)
                where = f"{method.upper()} {path}" if holder == "paths" else method.upper()
                level, source = self._known(pointer)
                self._add(
                    "",
                    f"### {name}: {where}",
                    "",
                    f"{operation.get('summary', '')} **{level}**: {source}.",
                    "",
                )
                shared = f"#/{holder}/{escaped(path)}"
                rows = [*self._parameters(item, shared), *self._parameters(operation, pointer)]
                rows += self._requests(operation, pointer)
                rows += self._answers(operation, pointer)
                self._table(("part", "what", "level", "source"), rows)

    def _parameters(self, operation: Node, pointer: str) -> Iterator[tuple[str, ...]]:
        for number, parameter in enumerate(operation.get("parameters", [])):
            place = parameter.get("$ref", f"{pointer}/parameters/{number}")
            node = look_up(self.spec, place)
            what = f"`{node['name']}`: {self._type_of(node.get('schema', {}))}"
            yield f"{node['in']} parameter", what, *self._known(place)

    def _requests(self, operation: Node, pointer: str) -> Iterator[tuple[str, ...]]:
        if "requestBody" in operation:
            place = operation["requestBody"].get("$ref", f"{pointer}/requestBody")
            known = self._known(place) if place in self.facts else ("", "that of its schema")
            yield "request", self._body_of(look_up(self.spec, place)), *known

    def _answers(self, operation: Node, pointer: str) -> Iterator[tuple[str, ...]]:
        """Give the answers of the operation itself, and the shared ones by level."""
        shared: dict[str, list[str]] = {}
        for status, answer in operation.get("responses", {}).items():
            if is_reference(answer):
                shared.setdefault(self.facts[answer["$ref"]].level, []).append(f"{status}")
            else:
                yield (
                    f"{status}",
                    self._body_of(answer),
                    *self._known(f"{pointer}/responses/{escaped(status)}"),
                )
        for level, statuses in shared.items():
            yield ", ".join(statuses), "errors", level, "[shared answers](#shared-answers)"

    def _body_of(self, node: Node) -> str:
        contents = node.get("content", {}).items()
        return ", ".join(
            f"`{kind}`: {self._type_of(media.get('schema', {}))}" for kind, media in contents
        )

    def _schema(self, name: str) -> None:
        pointer = f"#/components/schemas/{escaped(name)}"
        node = self.spec["components"]["schemas"][name]
        level, source = self._known(pointer)
        self._add(
            "", f"### {name}", "", f"{node.get('description', '').strip()} **{level}**: {source}."
        )
        below = [fact for place, fact in self.rest.items() if place.startswith(f"{pointer}/")]
        properties = [fact for fact in below if fact.kind == "property"]
        if properties:
            self._add("")
            rows = [
                (
                    f"`{self._name_of(fact)}`",
                    self._type_of(fact.node),
                    self._required(fact),
                    *self._known(fact.pointer),
                )
                for fact in properties
            ]
            self._table(("property", "type", "required", "level", "source"), rows)
        elif kinds := self._type_of(node):
            self._add("", f"Type: {kinds}")
        rules = [fact for fact in below if fact.kind != "property"]
        if rules:
            self._add("", "Conditions:", "")
            conditions = [
                (self._condition(fact, pointer), words(fact.node), *self._known(fact.pointer))
                for fact in rules
            ]
            self._table(("where", "what", "level", "source"), conditions)

    def _rule(self, pointer: str, name: str) -> None:
        level, source = self._known(pointer)
        description = self.facts[pointer].node.get("description", "").strip()
        self._add("", f"### Rules of {name}", "", f"{description} **{level}**: {source}.", "")
        below = [fact for place, fact in self.rest.items() if place.startswith(f"{pointer}/")]
        rows = [
            (f"`{self._name_of(fact)}`", words(fact.node), *self._known(fact.pointer))
            for fact in below
        ]
        self._table(("property", "what", "level", "source"), rows)

    def _name_of(self, fact: Fact) -> str:
        """Name a property with those that it is in; anything else by its last name."""
        names = fact.pointer.split("/")
        below = [unescaped(name) for parent, name in pairwise(names) if parent == "properties"]
        return ".".join(below) or str(
            fact.node.get("url") or fact.node.get("name") or unescaped(names[-1])
        )

    @staticmethod
    def _condition(fact: Fact, pointer: str) -> str:
        names = fact.pointer.removeprefix(f"{pointer}/").split("/")
        return f"`{'/'.join(unescaped(name) for name in names if name != 'properties')}`"

    def _required(self, fact: Fact) -> str:
        parent, _, name = fact.pointer.rpartition("/properties/")
        return "yes" if unescaped(name) in look_up(self.spec, parent).get("required", []) else ""

    def _type_of(self, schema: Node) -> str:
        """Say what a value is, in a few words with links."""
        if "$ref" in schema:
            name = unescaped(schema["$ref"].rpartition("/")[2])
            return f"[{name}](#{name.lower()})"
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return " or ".join(self._type_of(one) for one in schema[key])
        for key in ("const", "enum"):
            if key in schema:
                return " or ".join(
                    f"`{value}`" for value in (schema[key] if key == "enum" else [schema[key]])
                )
        types = schema.get("type", "")
        text = " or ".join(types if isinstance(types, list) else [types])
        if "items" in schema:
            inner = self._type_of(schema["items"])
            text = text.replace(
                "array", f"array of ({inner})" if " or " in inner else f"array of {inner}"
            )
        return "binary" if schema.get("format") == "binary" else text


def words(node: Node) -> str:
    """Write the keywords of a rule as YAML does, without what is said elsewhere."""
    said = {
        key: value
        for key, value in node.items()
        if key not in {"description", "properties", "x-evidence"}
    }
    text = yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=10_000).strip()[
        1:-1
    ]
    return f"`{escape_cell(text)}`" if text else ""


def totals(facts: dict[str, Fact], kinds: Sequence[str] = tuple(KINDS)) -> list[str]:
    """Count facts by kind and level, with shares."""
    counted = Counter((fact.kind, fact.level) for fact in facts.values())
    rows = []
    for kind in kinds:
        of_kind = [counted[kind, level] for level in LEVELS]
        if any(of_kind):
            rows.append(
                (
                    KINDS[kind],
                    *[share(number, sum(of_kind)) for number in of_kind],
                    str(sum(of_kind)),
                )
            )
    if len(kinds) == len(KINDS):
        levels = [counted_of(facts, level) for level in LEVELS]
        rows.append(("**all**", *[share(number, len(facts)) for number in levels], str(len(facts))))
    return list(table(("", *LEVELS, "in all"), rows))


def counted_of(facts: dict[str, Fact], level: str) -> int:
    return sum(fact.level == level for fact in facts.values())


def share(number: int, total: int) -> str:
    return f"{number} ({100 * number / total:.0f} %)" if number else "0"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"| {' | '.join(heads)} |"
        yield f"|{' --- |' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(row)} |".replace("  ", " ")


def escape_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def summary(facts: dict[str, Fact]) -> str:
    """Write what the README says of the page."""
    lines = [
        BEGIN,
        "",
        "In numbers; what several operations share counts once:",
        "",
        *totals(facts, ("operation", "webhook", "parameter", "property", "status")),
        "",
    ]
    lines += ["[Evidence](docs/evidence.md) has each of them, with its source.", "", END]
    return "\n".join(lines)


def with_summary(readme: str, text: str) -> str:
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the summary; add the lines {BEGIN} and {END}")
    return before + text + after
