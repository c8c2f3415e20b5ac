"""The spec as a judge: which operation a request is, and what is wrong with a body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SPEC: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "spec" / "ecall.yaml").read_text("utf-8")
)
_URI = "urn:spec"
_REGISTRY = Registry().with_resource(_URI, DRAFT202012.create_resource(SPEC))
_VERSION = re.compile(r"^/api/v[12]/")


class Operation(NamedTuple):
    id: str
    method: str
    path: str
    pointer: str

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = _at(self.pointer)
        return data


def _operations() -> Iterator[Operation]:
    for path, methods in SPEC["paths"].items():
        for method, data in methods.items():
            yield Operation(
                data["operationId"], method.upper(), path, f"#/paths/{_escaped(path)}/{method}"
            )


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _at(pointer: str) -> Any:
    return _REGISTRY.resolver(_URI).lookup(pointer).contents


OPERATIONS = {operation.id: operation for operation in _operations()}


def operation_of(method: str, raw_path: str) -> Operation | None:
    """Give the operation that a request is, whichever way its version is stated."""
    path = _VERSION.sub("/api/", raw_path)
    for operation in OPERATIONS.values():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(operation.path))
        if operation.method == method and re.fullmatch(pattern, path):
            return operation
    return None


def problems(pointer: str, value: Any) -> list[str]:
    """Name what is wrong with a value, by the schema at this place of the spec."""
    validator = Draft202012Validator({"$ref": f"{_URI}{pointer}"}, registry=_REGISTRY)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def request_problems(
    operation: Operation, raw_path: str, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """Name what is wrong with a request."""
    found = []
    for place, parameter in enumerate(operation.data.get("parameters", [])):
        pointer = parameter.get("$ref", f"{operation.pointer}/parameters/{place}")
        name = _at(pointer)["name"]
        if _at(pointer)["in"] == "header" and name in headers:
            kind = _at(pointer)["schema"].get("type")
            value: object = int(headers[name]) if kind == "integer" else headers[name]
            found += [f"{name}: {problem}" for problem in problems(f"{pointer}/schema", value)]
    in_path, stated = _VERSION.match(raw_path) is not None, "X-API-Version" in headers
    if in_path == stated:
        found.append("it states its version not at all, or twice")
    if "requestBody" not in operation.data:
        return found + (["it has a body"] if body else [])
    return found + _body_problems(
        f"{operation.pointer}/requestBody", headers.get("Content-Type"), body
    )


def answer_problems(
    operation: Operation, status: int, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """Name what is wrong with an answer."""
    answers = operation.data["responses"]
    key = next(key for key in (str(status), f"{status // 100}XX", "default") if key in answers)
    pointer = answers[key].get("$ref", f"{operation.pointer}/responses/{key}")
    return _body_problems(pointer, headers.get("Content-Type"), body)


def _body_problems(pointer: str, content_type: str | None, body: bytes) -> list[str]:
    content = _at(pointer)["content"]
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
    return problems(f"{pointer}/content/{_escaped(content_type)}/schema", value)
