"""Write what the facade needs to know of the spec and the generator does not emit: names, limits, rules, paths."""

from __future__ import annotations

import pprint
import sys
from typing import Any, NoReturn

from openapi_python_client.strings import PythonIdentifier, snake_case

from _openapi import Node, operations, property_names, resolve

LIMITS = ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems")


def refuse(where: str, problem: str, remedy: str) -> NoReturn:
    """End with one line that names the place in the spec, the problem and the remedy."""
    sys.exit(f"spec/ecall.yaml, {where}: {problem}; {remedy}")


def identifier(name: str) -> str:
    """Return the Python name that the generator gives to a JSON name."""
    return str(PythonIdentifier(name, "field_"))


def by_lower_case(names: set[str]) -> dict[str, str]:
    """Return each name by its lower case."""
    table = {name.lower(): name for name in sorted(names)}
    if len(table) != len(names):
        sys.exit(
            "spec/ecall.yaml: two property names differ in letter case only, and the service"
            " cannot tell them apart; rename one"
        )
    return table


def schema_classes(spec: Node) -> str:
    """Write, for each schema with properties, a class of its JSON names and limits."""
    parts: list[str] = []
    for name, schema in sorted(spec["components"]["schemas"].items()):
        properties = schema.get("properties")
        if not properties:
            continue
        lines = [
            f"class {name}Spec:",
            f'    """The JSON names of `{name}`, and the limits of its values."""',
            "",
        ]
        for json_name, described in properties.items():
            lines.append(f"    {identifier(json_name)}: Final = {json_name!r}")
            target = resolve(spec, described)
            lines += [
                f"    {identifier(json_name).rstrip('_')}_{snake_case(limit)}: Final = {target[limit]!r}"
                for limit in LIMITS
                if limit in target
            ]
        parts.append("\n".join(lines))
    return "\n\n\n".join(parts)


def enum_members(spec: Node, name: str) -> dict[str, str]:
    """Return the Python name of each value of an enum."""
    schema = spec["components"]["schemas"][name]
    values = schema["enum"]
    names = schema.get("x-enum-varnames") or [snake_case(value).upper() for value in values]
    return dict(zip(values, names, strict=True))


def channel_rules(spec: Node) -> dict[str, dict[str, Any]]:
    """Return the rules of each channel, found by the `const` that leads to them.

    They stand in the schema of a message as a chain of `if`, `then` and `else`.
    """
    found: dict[str, dict[str, Any]] = {}
    node = resolve(spec, spec["components"]["schemas"]["MessageRequest"])
    while isinstance(node, dict) and "if" in node:
        for condition in node["if"].get("properties", {}).values():
            if "const" in condition:
                found[condition["const"]] = resolve(spec, node.get("then", {}))
        node = resolve(spec, node.get("else"))
    return found


def channel_rule(channel: str, rule: dict[str, Any] | None) -> tuple[int, list[str]]:
    """Return the longest text of a channel and the types of content that it does not carry."""
    where = f"MessageRequest, channel {channel}"
    if rule is None:
        refuse(
            where,
            "it has no rule",
            f"add `if: {{properties: {{channel: {{const: {channel}}}}}}}` with a `then`",
        )
    content = rule.get("properties", {}).get("content", {}).get("properties", {})
    length = content.get("text", {}).get("maxLength")
    if type(length) is not int:
        refuse(
            where,
            "its rule has no limit for a text",
            "give it properties.content.properties.text.maxLength, a whole number",
        )
    refused = content.get("type", {}).get("not", {})
    values = refused.get("enum") or [refused["const"]] if refused else []
    return length, list(values)


def write_channel_rules(spec: Node) -> str:
    """Write the rules of all channels, keyed by the enum."""
    rules = channel_rules(spec)
    lines: list[str] = []
    for channel, member in enum_members(spec, "Channel").items():
        length, refused = channel_rule(channel, rules.get(channel))
        lines.append(f"    Channel.{member}: ChannelRules({length}, frozenset({refused!r})),")
    return "\n".join(lines)


def write_operations(spec: Node) -> str:
    """Write the operations with their paths and how well those are known."""
    lines: list[str] = []
    names: set[str] = set()
    for operation in operations(spec):
        where = str(operation)
        if "level" not in operation.node.get("x-evidence", {}):
            refuse(where, "it has no x-evidence", "say how well the path is known: level, source")
        name = str(PythonIdentifier(operation.node["operationId"], "operation_"))
        if name in names:
            refuse(where, f"its name in Python, {name}, is there twice", "rename the operationId")
        names.add(name)
        method, path = operation.method.upper(), operation.path
        level = operation.node["x-evidence"]["level"]
        lines.append(f"    {name!r}: Operation({name!r}, {method!r}, {path!r}, {level!r}),")
    return "\n".join(lines)


def tables(spec: Node) -> str:
    """Return the source of `tables.py`."""
    bodies = [
        operation.node["requestBody"]
        for operation in operations(spec)
        if "requestBody" in operation.node
    ]
    names = by_lower_case(property_names(spec, [spec["components"]["schemas"]]))
    requests = sorted(name.lower() for name in property_names(spec, bodies))
    return f'''"""What the spec says that is not in the models: paths, JSON names, limits and rules."""

from typing import Final, NamedTuple

from .models.channel import Channel


class Operation(NamedTuple):
    """One operation of the service."""

    name: str
    method: str
    path: str
    level: str
    """How well the path is known: documented, observed or inferred."""


OPERATIONS: Final[dict[str, Operation]] = {{
{write_operations(spec)}
}}
"""The operations, by their names in Python."""

JSON_NAMES: Final[dict[str, str]] = {pprint.pformat(names, width=100)}
"""The spelling of each JSON name, by its lower case."""

REQUEST_NAMES: Final = frozenset({pprint.pformat(requests, width=100)})
"""The JSON names that requests are made of, in lower case."""


class ChannelRules(NamedTuple):
    """What a channel carries."""

    max_text_length: int
    """In characters."""
    refused_content: frozenset[str]
    """The types of content that it does not carry."""


CHANNEL_RULES: Final[dict[Channel, ChannelRules]] = {{
{write_channel_rules(spec)}
}}


{schema_classes(spec)}
'''
