"""Tests of the comparison of two OpenAPI documents, which `check_upstream` and `check_changes` share."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from _differences import compare
from _facts import read_facts
from _openapi import load

ROOT = Path(__file__).parents[1]
SPEC: dict[str, Any] = load(ROOT / "spec" / "ecall.yaml")


def found(ours: Any, theirs: Any) -> list[tuple[str, str, Any, Any]]:
    """Return the differences as (kind, place, ours, theirs)."""
    differences = compare(read_facts(ours), read_facts(theirs))
    return [(one.kind, one.where, one.ours, one.theirs) for one in differences]


def operation(schema: Any, side: str, **components: Any) -> dict[str, Any]:
    """Return a document of one operation that writes, or answers with, a schema."""
    content = {"content": {"application/json": {"schema": schema}}}
    body = {"requestBody": content, "responses": {}}
    post = body if side == "request" else {"responses": {"200": content}}
    return {"openapi": "3.1.0", "paths": {"/api/x": {"post": post}}, "components": components}


def schema_differences(ours: Any, theirs: Any, side: str) -> list[tuple[str, str]]:
    """Return the kind and severity of each difference between two schemas."""
    facts = [read_facts(operation(schema, side)) for schema in (ours, theirs)]
    return [(one.kind, one.severity) for one in compare(*facts)]


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
SAME = [
    ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    ({"type": ["string", "null"]}, {"anyOf": [TEXT, {"type": "null"}]}),
    ({"type": ["string", "null"]}, {"type": ["null", "string"], "title": "x", "example": "y"}),
    ({"type": ["string", "null"], "enum": ["a"]}, {"oneOf": [{"const": "a"}, {"const": None}]}),
    ({"type": "string", "enum": ["a", "b"]}, {"enum": ["b", "a"]}),
    ({"const": "a", "default": "a"}, {"type": "string", "enum": ["a"]}),
    (
        {"type": "string", "enum": ["a", "b"]},
        {"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]},
    ),
    ({"anyOf": [TEXT, NUMBER]}, {"type": ["integer", "string"]}),
    ({**NUMBER, "exclusiveMinimum": 0}, {**NUMBER, "minimum": 0, "exclusiveMinimum": True}),
    ({"type": "array", "items": {}}, {"type": "array"}),
    ({"type": "array", "items": {}}, {"items": True, "minItems": 0, "uniqueItems": False}),
    (
        {"type": "object", "additionalProperties": {}},
        {"type": "object", "additionalProperties": True},
    ),
    (
        {"type": "object", "required": ["a"], "properties": {"a": TEXT, "b": NUMBER}},
        {"required": ["a"], "allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": NUMBER}}]},
    ),
]


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_ways_to_write_the_same_schema_are_no_difference(
    one: Any, other: Any, side: str
) -> None:
    assert schema_differences(one, other, side) == []
    assert schema_differences(other, one, side) == []


def prop(schema: Any, *, required: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"a": schema},
        **({"required": ["a"]} if required else {}),
    }


# Ours, theirs, and what is found: where we write the value, and where we read it.
RULES: list[tuple[Any, Any, list[tuple[str, str]], list[tuple[str, str]]]] = [
    (TEXT, prop(TEXT), [("type", "breaking")], [("type", "breaking")]),
    (NUMBER, {"type": "number"}, [("type", "differs")], [("type", "breaking")]),
    ({"type": "number"}, NUMBER, [("type", "breaking")], [("type", "differs")]),
    ({"enum": ["1"]}, {"enum": [1]}, [("type", "breaking")], [("type", "breaking")]),
    (
        TEXT,
        {"anyOf": [TEXT, NUMBER]},
        [("variant-missing-ours", "differs")],
        [("variant-missing-ours", "differs")],
    ),
    (
        {"anyOf": [TEXT, NUMBER]},
        NUMBER,
        [("variant-missing-theirs", "breaking")],
        [("variant-missing-theirs", "info")],
    ),
    (TEXT, {"type": ["string", "null"]}, [("nullable", "differs")], [("nullable", "breaking")]),
    ({"type": ["string", "null"]}, TEXT, [("nullable", "breaking")], [("nullable", "info")]),
    (
        {"enum": ["a", "b"]},
        {"enum": ["a"]},
        [("enum-value-missing-theirs", "breaking")],
        [("enum-value-missing-theirs", "info")],
    ),
    (
        {"enum": ["a"]},
        {"enum": ["a", "b"]},
        [("enum-value-missing-ours", "differs")],
        [("enum-value-missing-ours", "differs")],
    ),
    ({"enum": ["a"]}, {"enum": ["A"]}, [("enum-case", "breaking")], [("enum-case", "breaking")]),
    (TEXT, {**TEXT, "enum": ["a"]}, [("enum", "breaking")], [("enum", "differs")]),
    ({**TEXT, "enum": ["a"]}, TEXT, [("enum", "info")], [("enum", "info")]),
    (
        {**TEXT, "maxLength": 9},
        {**TEXT, "maxLength": 8},
        [("limit", "breaking")],
        [("limit", "info")],
    ),
    (
        {**TEXT, "maxLength": 9},
        {**TEXT, "maxLength": 10},
        [("limit", "differs")],
        [("limit", "info")],
    ),
    (
        {**NUMBER, "minimum": 1},
        {**NUMBER, "minimum": 2},
        [("limit", "breaking")],
        [("limit", "info")],
    ),
    (TEXT, {**TEXT, "maxLength": 9}, [("limit", "breaking")], [("limit", "info")]),
    ({**TEXT, "maxLength": 9}, TEXT, [("limit", "info")], [("limit", "info")]),
    (TEXT, {**TEXT, "pattern": "a"}, [("pattern", "breaking")], [("pattern", "info")]),
    (TEXT, {**TEXT, "format": "date"}, [("format", "differs")], [("format", "differs")]),
    (NUMBER, {**NUMBER, "format": "int64"}, [("format", "info")], [("format", "info")]),
    (TEXT, {**TEXT, "default": "a"}, [("default", "info")], [("default", "info")]),
    (TEXT, {**TEXT, "not": {"const": "a"}}, [("condition", "differs")], [("condition", "differs")]),
    (
        {"type": "object"},
        {"type": "object", "additionalProperties": False},
        [("additional-properties", "info")],
        [("additional-properties", "info")],
    ),
    (
        {"type": "array"},
        {"type": "array", "items": TEXT},
        [("items", "differs")],
        [("items", "differs")],
    ),
    (
        {"type": "object"},
        prop(TEXT),
        [("property-missing-ours", "differs")],
        [("property-missing-ours", "differs")],
    ),
    (
        {"type": "object"},
        prop(TEXT, required=True),
        [("property-missing-ours", "breaking")],
        [("property-missing-ours", "differs")],
    ),
    (
        prop(TEXT),
        {"type": "object"},
        [("property-missing-theirs", "info")],
        [("property-missing-theirs", "info")],
    ),
    (prop(TEXT), prop(TEXT, required=True), [("required", "breaking")], [("required", "info")]),
    (prop(TEXT, required=True), prop(TEXT), [("required", "differs")], [("required", "breaking")]),
    (
        prop(TEXT),
        {"type": "object", "properties": {"A": TEXT}},
        [("property-case", "info")],
        [("property-case", "info")],
    ),
]


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize(("ours", "theirs", "written", "read"), RULES)
def test_a_difference_of_schemas_matters_by_who_writes_the_value(
    ours: Any, theirs: Any, written: Any, read: Any, side: str
) -> None:
    assert schema_differences(ours, theirs, side) == (written if side == "request" else read)


def published(value: Any, *, is_names: bool = False) -> Any:
    """Return a part of the spec as a vendor would publish it: without extensions."""
    if isinstance(value, list):
        return [published(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = {"properties", "headers", "mapping"}
    return {
        key: published(item, is_names=key in names and not is_names)
        for key, item in value.items()
        if is_names or not key.startswith("x-")
    }


@pytest.fixture
def whole() -> dict[str, Any]:
    """A copy of the spec, published."""
    return dict(copy.deepcopy(published(SPEC)))


@pytest.mark.long
def test_the_spec_as_a_vendor_would_publish_it_does_not_differ(whole: dict[str, Any]) -> None:
    assert found(SPEC, SPEC) == found(SPEC, whole) == []


def test_the_spec_in_another_style_does_not_differ(whole: dict[str, Any]) -> None:
    def restyle(value: Any) -> Any:
        if isinstance(value, list):
            return [restyle(item) for item in value]
        if not isinstance(value, dict):
            return value
        made = {key: restyle(item) for key, item in reversed(value.items())}
        if isinstance(made.get("type"), list) and len(made["type"]) == 2:
            kind = next(kind for kind in made["type"] if kind != "null")
            made |= {"type": kind, "nullable": True}
        if isinstance(made.get("const"), str) and "default" in made:
            made["enum"] = [made.pop("const")]
            del made["default"]
        if set(made) == {"$ref"} and "/schemas/" in made["$ref"]:
            made = {"allOf": [made], "title": "wrapped"}
        if len(members := made.get("anyOf", [])) == 2 and {"type": "null"} in members:
            made["oneOf"] = made.pop("anyOf")
        return made

    paths = whole["paths"].items()
    whole["paths"] = {path.replace("/api/", "/api/v2/"): item for path, item in paths}
    for item in whole["paths"].values():
        for post in item.values():
            post["responses"]["200"] = post["responses"].pop("2XX")
    # A condition is compared as it is written.
    assert [one for one in found(SPEC, restyle(whole)) if one[0] != "condition"] == []


def test_a_server_with_a_path_does_not_differ_from_paths_that_begin_with_it(
    whole: dict[str, Any],
) -> None:
    whole["servers"] = [{"url": "https://rest.ecall.ch/api/v2"}]
    paths = whole["paths"].items()
    whole["paths"] = {path.removeprefix("/api"): item for path, item in paths}
    assert found(SPEC, whole) == []


def test_a_schema_that_leads_to_itself_is_compared() -> None:
    children = {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    node = {"type": "object", "properties": {"children": children}}
    tree = operation({"$ref": "#/components/schemas/Tree"}, "response", schemas={"Tree": node})
    inline = operation(node, "response", schemas={"Tree": node})
    assert found(tree, inline) == found(inline, tree) == []


@pytest.mark.long
def test_variants_by_inheritance_do_not_differ_from_variants_by_one_of(
    whole: dict[str, Any],
) -> None:
    """Generators for .NET write a base class whose discriminator names its descendants."""
    schemas = whole["components"]["schemas"]
    content = schemas["Content"]
    content |= {"type": "object", "properties": {"type": TEXT}, "required": ["type"]}
    for member in content.pop("oneOf"):
        name = member["$ref"].rpartition("/")[2]
        own = schemas[name]
        del own["properties"]["type"]
        schemas[name] = {"allOf": [{"$ref": "#/components/schemas/Content"}, own]}
    assert found(SPEC, whole) == []
    mapping = content["discriminator"]["mapping"]
    mapping["Photo"] = mapping.pop("Image")
    kinds = {(kind, ours, theirs) for kind, _, ours, theirs in found(SPEC, whole)}
    assert ("variant-missing-ours", None, "Photo") in kinds
    assert ("variant-missing-theirs", "Image", None) in kinds


PATH, MEDIA = "/api/media/{mediaId}", "#/paths/~1api~1media~1{mediaId}"


@pytest.mark.long
def test_a_path_that_only_we_have_is_named_once(whole: dict[str, Any]) -> None:
    del whole["paths"][PATH]
    assert found(SPEC, whole) == [("path-missing-theirs", MEDIA, "/api/media/{}", None)]


def test_a_new_version_of_a_path_is_compared_and_an_old_one_is_not(whole: dict[str, Any]) -> None:
    item = whole["paths"].pop(PATH)
    whole["paths"] |= {
        f"/api/v1/{PATH[5:]}": {"get": {"responses": {}}},
        f"/api/v2/{PATH[5:]}": item,
    }
    assert found(SPEC, whole) == []


def test_the_response_of_a_success_is_compared_whatever_its_status(whole: dict[str, Any]) -> None:
    responses = whole["paths"]["/api/media"]["post"]["responses"]
    responses["201"] = {"content": {"application/json": {"schema": TEXT}}}
    del responses["2XX"]
    where = "#/paths/~1api~1media/post/responses/201/content/application~1json/schema/type"
    assert ("type", where, "object", "string") in found(SPEC, whole)


@pytest.mark.long
def test_a_signature_of_callbacks_would_be_seen(whole: dict[str, Any]) -> None:
    whole["webhooks"]["receivedMessage"]["post"]["security"] = [{"BasicAuth": []}]
    where = "#/webhooks/receivedMessage/post/security"
    assert found(SPEC, whole) == [("security", where, [], "http basic")]


def test_a_reference_that_leads_nowhere_is_named_and_nothing_below_it_differs() -> None:
    lost = operation({"$ref": "#/components/schemas/Lost"}, "response")
    facts = read_facts(lost)
    assert compare(read_facts(operation(prop(TEXT), "response")), facts) == []
    assert list(facts.document.unresolved) == ["#/components/schemas/Lost"]


def test_documents_of_the_same_meaning_have_json_that_differs() -> None:
    """The table of schemas that are the same would prove nothing if they were equal already."""
    assert all(
        json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True) for one, other in SAME
    )
