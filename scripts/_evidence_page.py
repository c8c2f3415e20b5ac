"""The page that shows the evidence, docs/evidence.md, and its summary in README.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import yaml

from _evidence import KINDS, LEVELS, Fact, is_reference, read_facts
from _openapi import Node, escaped, look_up, unescaped

BEGIN = "<!-- evidence: written by scripts/regenerate -->"
END = "<!-- evidence: end -->"

Row: TypeAlias = tuple[str, ...]


class Page:
    """Writes the page, and remembers which facts it has not shown yet."""

    def __init__(self, spec: Node) -> None:
        self.spec = spec
        self.facts = read_facts(spec)
        self.rest = dict(self.facts)

    def text(self) -> str:
        """Return the whole page, in the order of the spec; what has no section of its own comes last."""
        lines = [
            *self._introduction(),
            *("", "## Operations", *self._operations("paths")),
            *(
                "",
                "## Shared responses",
                "",
                "Responses that several operations have in common.",
                "",
            ),
            *self._shared_responses(),
            *("", "## Callbacks", *self._operations("webhooks")),
            *("", "## Schemas", *self._schemas()),
            *self._rules(),
            *("", "## Everything else", "", *self._others()),
        ]
        return "\n".join(lines) + "\n"

    def _introduction(self) -> list[str]:
        rows = count_rows(self.facts.values(), KINDS)
        rows.append(count_row("**all**", list(self.facts.values())))
        return [
            "# Evidence",
            "",
            "<!-- Written by scripts/regenerate from spec/ecall.yaml; not to be edited. -->",
            "",
            "Find out how well each fact about the service is known, and from where.",
            "`scripts/regenerate` makes this page from the description of the service, `spec/ecall.yaml`.",
            "To correct a fact, change it there and run the script again.",
            "",
            *[f"- **{level}**: {meaning}" for level, meaning in LEVELS.items()],
            "",
            "## Totals",
            "",
            "What several operations share counts once.",
            "",
            *table(("", *LEVELS, "in all"), rows),
        ]

    def _known(self, pointer: str) -> tuple[str, str]:
        """Return level and source of a fact, which is shown thereby."""
        self.rest.pop(pointer, None)
        fact = self.facts[pointer]
        return fact.level, escape_cell(fact.source)

    def _below(self, pointer: str) -> list[Fact]:
        """Return the facts below a place that were not shown yet."""
        return [fact for place, fact in self.rest.items() if place.startswith(f"{pointer}/")]

    def _operations(self, holder: str) -> Iterator[str]:
        for path, item in self.spec.get(holder, {}).items():
            shared = f"#/{holder}/{escaped(path)}"
            for method, operation in item.items():
                pointer = f"{shared}/{method}"
                if pointer not in self.facts:
                    continue  # what all operations of a path share
                name = operation.get("operationId", path)
                where = f"{method.upper()} {path}" if holder == "paths" else method.upper()
                level, source = self._known(pointer)
                summary = operation.get("summary", "")
                yield from ("", f"### {name}: {where}", "", f"{summary} **{level}**: {source}.", "")
                rows = [
                    *self._parameters(item, shared),
                    *self._parameters(operation, pointer),
                    *self._request(operation, pointer),
                    *self._responses(operation, pointer),
                ]
                yield from table(("part", "what", "level", "source"), rows)

    def _parameters(self, operation: Node, pointer: str) -> Iterator[Row]:
        for number, parameter in enumerate(operation.get("parameters", [])):
            place = parameter.get("$ref", f"{pointer}/parameters/{number}")
            node = look_up(self.spec, place)
            what = f"`{node['name']}`: {type_of(node.get('schema', {}))}"
            yield f"{node['in']} parameter", what, *self._known(place)

    def _request(self, operation: Node, pointer: str) -> Iterator[Row]:
        if "requestBody" in operation:
            place = operation["requestBody"].get("$ref", f"{pointer}/requestBody")
            known = self._known(place) if place in self.facts else ("", "that of its schema")
            yield "request", body_of(look_up(self.spec, place)), *known

    def _responses(self, operation: Node, pointer: str) -> Iterator[Row]:
        """Yield the responses of the operation itself, and the shared ones by level."""
        shared: dict[str, list[str]] = {}
        for status, response in operation.get("responses", {}).items():
            if is_reference(response):
                level = self.facts[response["$ref"]].level
                shared.setdefault(level, []).append(str(status))
            else:
                known = self._known(f"{pointer}/responses/{escaped(status)}")
                yield str(status), body_of(response), *known
        for level, statuses in shared.items():
            yield ", ".join(statuses), "errors", level, "[shared responses](#shared-responses)"

    def _shared_responses(self) -> Iterator[str]:
        rows = [
            (name_of(fact), body_of(fact.node), *self._known(fact.pointer))
            for fact in self._below("#/components/responses")
        ]
        return table(("response", "what", "level", "source"), rows)

    def _schemas(self) -> Iterator[str]:
        for name, node in self.spec.get("components", {}).get("schemas", {}).items():
            pointer = f"#/components/schemas/{escaped(name)}"
            level, source = self._known(pointer)
            description = node.get("description", "").strip()
            yield from ("", f"### {name}", "", f"{description} **{level}**: {source}.")
            properties = [fact for fact in self._below(pointer) if fact.kind == "property"]
            if properties:
                yield ""
                yield from self._properties(properties)
            elif kinds := type_of(node):
                yield from ("", f"Type: {kinds}")
            conditions = self._below(pointer)
            if conditions:
                yield from ("", "Conditions:", "")
                yield from self._conditions(conditions, pointer)

    def _properties(self, facts: list[Fact]) -> Iterator[str]:
        rows = [
            (
                f"`{name_of(fact)}`",
                type_of(fact.node),
                self._required(fact),
                *self._known(fact.pointer),
            )
            for fact in facts
        ]
        return table(("property", "type", "required", "level", "source"), rows)

    def _required(self, fact: Fact) -> str:
        parent, _, name = fact.pointer.rpartition("/properties/")
        return "yes" if unescaped(name) in look_up(self.spec, parent).get("required", []) else ""

    def _conditions(self, facts: list[Fact], pointer: str) -> Iterator[str]:
        rows = []
        for fact in facts:
            names = fact.pointer.removeprefix(f"{pointer}/").split("/")
            where = "/".join(unescaped(name) for name in names if name != "properties")
            rows.append((f"`{where}`", keywords_of(fact.node), *self._known(fact.pointer)))
        return table(("where", "what", "level", "source"), rows)

    def _rules(self) -> Iterator[str]:
        for holder, rules in self.spec.get("components", {}).items():
            if holder.startswith("x-"):
                yield from ("", f"## {holder.removeprefix('x-').replace('-', ' ').capitalize()}")
                for name in rules:
                    yield from self._rule(f"#/components/{escaped(holder)}/{escaped(name)}", name)

    def _rule(self, pointer: str, name: str) -> Iterator[str]:
        level, source = self._known(pointer)
        description = self.facts[pointer].node.get("description", "").strip()
        yield from ("", f"### Rules of {name}", "", f"{description} **{level}**: {source}.", "")
        rows = [
            (f"`{name_of(fact)}`", keywords_of(fact.node), *self._known(fact.pointer))
            for fact in self._below(pointer)
        ]
        yield from table(("property", "what", "level", "source"), rows)

    def _others(self) -> Iterator[str]:
        rows = [
            (f"{fact.kind} `{name_of(fact)}`", *self._known(fact.pointer))
            for fact in list(self.rest.values())
        ]
        return table(("what", "level", "source"), rows)


def name_of(fact: Fact) -> str:
    """Return the name of a property with those that it is in; of anything else the last name."""
    names = fact.pointer.split("/")
    below = [unescaped(name) for parent, name in pairwise(names) if parent == "properties"]
    return ".".join(below) or str(
        fact.node.get("url") or fact.node.get("name") or unescaped(names[-1])
    )


def body_of(node: Node) -> str:
    """Return the media types of a request or response, and what is in them."""
    contents = node.get("content", {}).items()
    return ", ".join(f"`{kind}`: {type_of(media.get('schema', {}))}" for kind, media in contents)


def type_of(schema: Node) -> str:
    """Return what a value is, in a few words with links."""
    if "$ref" in schema:
        name = unescaped(schema["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower()})"
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(type_of(one) for one in schema[key])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("format") == "binary":
        return "binary"
    types = schema.get("type", "")
    text = " or ".join(types if isinstance(types, list) else [types])
    if "items" in schema:
        inner = type_of(schema["items"])
        items = f"({inner})" if " or " in inner else inner
        text = text.replace("array", f"array of {items}")
    return text


def keywords_of(node: Node) -> str:
    """Return the keywords of a rule as YAML has them, without what is said elsewhere."""
    elsewhere = {"description", "properties", "x-evidence"}
    said = {key: value for key, value in node.items() if key not in elsewhere}
    text = yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=10_000)
    text = text.strip()[1:-1]  # without the braces
    return f"`{escape_cell(text)}`" if text else ""


def count_rows(facts: Iterable[Fact], kinds: Iterable[str]) -> list[Row]:
    """Return a row for each of these kinds that there is."""
    by_kind: dict[str, list[Fact]] = {}
    for fact in facts:
        by_kind.setdefault(fact.kind, []).append(fact)
    return [count_row(KINDS[kind], by_kind[kind]) for kind in kinds if kind in by_kind]


def count_row(name: str, facts: Sequence[Fact]) -> Row:
    """Return how many facts are of each level, with the shares, and how many there are."""
    levels = [fact.level for fact in facts]
    return name, *[share(levels.count(level), len(levels)) for level in LEVELS], str(len(levels))


def share(number: int, total: int) -> str:
    return f"{number} ({100 * number / total:.0f} %)" if number else "0"


def table(heads: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table; none if it has no rows."""
    if rows:
        yield f"| {' | '.join(heads)} |"
        yield f"|{' --- |' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(row)} |".replace("  ", " ")


def escape_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def summary(facts: dict[str, Fact]) -> str:
    """Return what the README says of the page."""
    kinds = ("operation", "webhook", "parameter", "property", "status")
    lines = [
        BEGIN,
        "",
        "In numbers; what several operations share counts once:",
        "",
        *table(("", *LEVELS, "in all"), count_rows(facts.values(), kinds)),
        "",
        "[Evidence](docs/evidence.md) has each of them, with its source.",
        "",
        END,
    ]
    return "\n".join(lines)


def with_summary(readme: str, text: str) -> str:
    """Return the README with this summary.

    Raises:
        ValueError: It has no place for it.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the summary; add the lines {BEGIN} and {END}")
    return before + text + after
