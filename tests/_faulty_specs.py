"""The spec with faults in it, and who catches each."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from _spec import SPEC

Spec: TypeAlias = dict[str, Any]

MOCK, JUDGE, LINTER, VALIDATOR = "Prism", "openapi-core", "redocly", "openapi-spec-validator"


class FaultySpec(NamedTuple):
    change: Callable[[Spec], object]
    caught_by: set[str]
    can_be_served: bool = True
    """Whether programs take it for OpenAPI at all."""

    def spec(self) -> Spec:
        changed = copy.deepcopy(SPEC)
        self.change(changed)
        assert changed != SPEC
        return changed


def _schemas(spec: Spec) -> Spec:
    schemas: Spec = spec["components"]["schemas"]
    return schemas


def _rename_id(spec: Spec) -> None:
    """The field itself, and what it is called in the examples, as in a misunderstanding."""
    spec.update(json.loads(json.dumps(spec).replace('"messageId":', '"messageNumber":')))


def _rename_path(spec: Spec) -> None:
    spec["paths"] = {
        path.replace("/messagelist", "/message-list"): methods
        for path, methods in spec["paths"].items()
    }


def _rename_parameter(spec: Spec) -> None:
    spec["paths"]["/api/message/{id}"] = spec["paths"].pop("/api/message/{messageId}")


FAULTY_SPECS: dict[str, FaultySpec] = {
    "renamed-field": FaultySpec(_rename_id, {MOCK, JUDGE}),
    "changed-type": FaultySpec(
        lambda spec: _schemas(spec)["MessageResult"]["properties"]["messageId"].update(
            type="integer"
        ),
        {MOCK, JUDGE, LINTER},
    ),
    "less-required": FaultySpec(
        lambda spec: _schemas(spec)["MessageRequest"]["required"].remove("from"), {MOCK, JUDGE}
    ),
    "more-required": FaultySpec(
        lambda spec: _schemas(spec)["MessageRequest"]["required"].append("notification"),
        {MOCK, JUDGE, LINTER},
    ),
    "misspelt-path": FaultySpec(_rename_path, {MOCK, JUDGE}),
    "misspelt-value": FaultySpec(
        lambda spec: _schemas(spec)["Channel"].update(enum=["SMS", "Whatsapp", "Rcs"]),
        {MOCK, JUDGE, LINTER},
    ),
    "misspelt-header": FaultySpec(
        lambda spec: spec["components"]["parameters"]["ApiVersion"].update(name="Api-Version"),
        {MOCK, JUDGE},
    ),
    "no-such-limit": FaultySpec(
        lambda spec: spec["components"]["x-channel-rules"]["Sms"]["properties"]["content"][
            "properties"
        ]["text"].update(maxLength=15300),
        {MOCK, JUDGE},
    ),
    "other-credentials": FaultySpec(
        lambda spec: spec["components"]["securitySchemes"]["BasicAuth"].update(scheme="bearer"),
        {MOCK, JUDGE},
    ),
    "other-content-type": FaultySpec(
        lambda spec: spec["paths"]["/api/media"]["post"]["requestBody"].update(
            content={"application/pdf": {"schema": {"type": "string", "format": "binary"}}}
        ),
        {MOCK, JUDGE},
    ),
    "misspelt-keyword": FaultySpec(
        lambda spec: _schemas(spec)["TextOptions"]["properties"]["pageLimit"].update(maximum="10"),
        {LINTER, VALIDATOR, JUDGE},
        can_be_served=False,
    ),
    "loose-reference": FaultySpec(
        lambda spec: _schemas(spec)["MessageRequest"]["properties"].update(
            content={"$ref": "#/components/schemas/Contents"}
        ),
        {LINTER, VALIDATOR, JUDGE},
        can_be_served=False,
    ),
    "renamed-parameter": FaultySpec(
        _rename_parameter, {LINTER, VALIDATOR, JUDGE}, can_be_served=False
    ),
}
