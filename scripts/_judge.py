"""What is wrong with a value, by a schema of the spec."""

from __future__ import annotations

from typing import Any

from referencing import Registry
from referencing.jsonschema import DRAFT202012

from _openapi import Node

_URI = "urn:spec"


class Judge:
    """Validates values by the schemas of a document."""

    def __init__(self, spec: Node) -> None:
        self.spec = spec
        self._registry = Registry().with_resource(_URI, DRAFT202012.create_resource(spec))

    def problems(self, schema: Any, value: object) -> list[str]:
        """Return what is wrong with a value, each as a JSON path and a message."""
        # Here, as it takes seconds beside some other packages, and most that import this judge nothing.
        from jsonschema import Draft202012Validator

        validator = Draft202012Validator(_absolute(schema), registry=self._registry)
        found = validator.iter_errors(value)
        return [f"{error.json_path} {' '.join(error.message.split())[:200]}" for error in found]


def _absolute(schema: Any) -> Any:
    """Return a schema whose references lead into the spec from anywhere."""
    if isinstance(schema, list):
        return [_absolute(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"{_URI}{value}" if key == "$ref" and isinstance(value, str) else _absolute(value)
        for key, value in schema.items()
    }
