"""The spec as a judge: which operation a request is, and what is wrong with a request or a response."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _judge import Judge
from _openapi import (
    Node,
    Operation,
    load,
    match_operation,
    operations,
    resolve,
    response_of,
)

ROOT = Path(__file__).parents[1]
__all__ = [
    "OPERATIONS",
    "SPEC",
    "Operation",
    "answer_problems",
    "operation_of",
    "problems",
    "request_problems",
]

SPEC: dict[str, Any] = load(ROOT / "spec" / "ecall.yaml")
OPERATIONS: dict[str, Operation] = {each.node["operationId"]: each for each in operations(SPEC)}
_JUDGE = Judge(SPEC)


def operation_of(method: str, raw_path: str) -> Operation | None:
    """Return the operation that a request is, whichever way its version is stated."""
    return match_operation(SPEC, method, raw_path)


def problems(pointer: str, value: Any) -> list[str]:
    """Return what is wrong with a value, by the schema at this place of the spec."""
    return _JUDGE.problems({"$ref": pointer}, value)


def request_problems(
    operation: Operation, raw_path: str, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """Return what is wrong with a request."""
    found: list[str] = []
    for given in operation.node.get("parameters", []):
        parameter = resolve(SPEC, given)
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "header" and name in headers:
            is_number = schema.get("type") == "integer"
            value: object = int(headers[name]) if is_number else headers[name]
            found += [f"{name}: {problem}" for problem in _JUDGE.problems(schema, value)]
    in_path, stated = re.match(r"/api/v[12]/", raw_path) is not None, "X-API-Version" in headers
    if in_path == stated:
        found.append("it states its version not at all, or twice")
    described = resolve(SPEC, operation.node.get("requestBody"))
    if not described:
        return found + (["it has a body"] if body else [])
    return found + _body_problems(described, headers.get("Content-Type"), body)


def answer_problems(
    operation: Operation, status: int, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """Return what is wrong with a response."""
    described = response_of(SPEC, operation, status)
    assert described is not None, f"{operation} has no response {status}"
    return _body_problems(described, headers.get("Content-Type"), body)


def _body_problems(described: Node, content_type: str | None, body: bytes) -> list[str]:
    content = described["content"]
    if list(content) == ["application/octet-stream"]:  # stands for the type of any file
        return [] if body and content_type else ["it is empty, or without a media type"]
    if content_type not in content:
        return [f"its content type is {content_type}, and not {' or '.join(content)}"]
    if content_type != "application/json":
        return [] if body else ["it is empty"]
    try:
        value = json.loads(body)
    except ValueError as error:
        return [f"it is not JSON: {error}"]
    return _JUDGE.problems(content[content_type]["schema"], value)
