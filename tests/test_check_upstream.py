"""`scripts/check_upstream`: it finds every difference between the spec and the vendor's pages, and invents none.

The pages in tests/upstream are invented for these tests; nothing in them is the vendor's.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from _upstream import fetch, pages  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.compare import compare  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.documents import Document  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.findings import KINDS  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.fragments import Joined, join  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.propose import Proposals  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.report import as_text  # pyright: ignore[reportMissingImports]  # noqa: E402
from _upstream.yaml_text import load  # pyright: ignore[reportMissingImports]  # noqa: E402

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "scripts" / "check_upstream"
PLANTED = ROOT / "tests" / "upstream"
TEXT = (ROOT / "spec" / "ecall.yaml").read_text(encoding="utf-8")
SPEC: dict[str, Any] = load(TEXT)
LOADER = SourceFileLoader("check_upstream", str(SCRIPT))
MODULE: Any = ModuleType(LOADER.name)
MODULE.__file__ = str(SCRIPT)
LOADER.exec_module(MODULE)

# All that was planted in tests/upstream: kind, place in the joined document, severity.
DIFFERENCES = {
    ("path-missing-ours", "/paths/~1api~1v2~1template", "differs"),
    (
        "path-missing-theirs",
        "/paths/~1api~1messagelist~1{messageListId}",
        "info",
    ),  # its page is the missing one
    ("path-case", "/paths/~1api~1v2~1MessageList", "info"),
    ("method-missing-ours", "/paths/~1api~1v2~1message~1{id}/delete", "differs"),
    ("method-missing-ours", "/paths/~1api~1v2~1media~1{mediaId}/head", "differs"),
    ("method-missing-theirs", "/paths/~1api~1v2~1media~1{mediaId}/get", "info"),
    ("webhook-missing-ours", "/webhooks/optOut", "differs"),
    ("webhook-missing-theirs", "/webhooks/statusNotification", "differs"),
    ("parameter-missing-ours", "/paths/~1api~1v2~1media/post/parameters/0", "breaking"),
    ("parameter-missing-theirs", "/paths/~1api~1v2~1media/post/parameters/-", "differs"),
    ("parameter-name", "/paths/~1api~1v2~1message~1{id}/get/parameters/0/name", "info"),
    ("parameter-required", "/components/parameters/ApiVersion/required", "breaking"),
    ("request-body-missing-ours", "/paths/~1api~1v2~1message~1{id}/get/requestBody", "breaking"),
    ("request-body-missing-theirs", "/paths/~1api~1v2~1media/post/requestBody", "breaking"),
    ("request-body-required", "/paths/~1api~1v2~1message/post/requestBody/required", "differs"),
    (
        "media-type-missing-ours",
        "/paths/~1api~1v2~1message/post/requestBody/content/text~1json",
        "differs",
    ),
    (
        "media-type-missing-ours",
        "/components/responses/Forbidden/content/application~1problem+json",
        "breaking",
    ),
    (
        "media-type-missing-theirs",
        "/components/responses/Forbidden/content/application~1json",
        "info",
    ),
    ("status-missing-ours", "/paths/~1api~1v2~1message/post/responses/409", "differs"),
    ("status-missing-theirs", "/paths/~1api~1v2~1message/post/responses/415", "info"),
    (
        "header-missing-ours",
        "/components/responses/TooManyRequests/headers/X-Rate-Limit",
        "differs",
    ),
    ("header-missing-theirs", "/components/responses/Unavailable/headers/Retry-After", "info"),
    ("header-required", "/components/headers/RequestId/required", "info"),
    ("schema-missing-ours", "/components/schemas/Contact", "differs"),
    ("schema-missing-theirs", "/components/schemas/MediaUploadResult", "info"),
    ("schema-name", "/components/schemas/MessageResponse", "info"),
    ("type", "/components/schemas/MessageResponse/properties/timestamp/type", "breaking"),
    ("type", "/components/schemas/TextOptions/properties/pageLimit/type", "differs"),
    ("nullable", "/components/schemas/Error/properties/errorCode", "breaking"),
    ("nullable", "/components/schemas/MessageRequest/properties/from", "differs"),
    ("nullable", "/components/schemas/MessageListResult/properties/messageListId", "info"),
    ("property-missing-ours", "/components/schemas/MessageRequest/properties/priority", "differs"),
    ("property-missing-ours", "/components/schemas/MessageResponse/properties/cost", "differs"),
    (
        "property-missing-ours",
        "/components/schemas/MessageListItem/properties/reference",
        "breaking",
    ),
    ("property-missing-theirs", "/components/schemas/ReceivedMessage/properties/channel", "info"),
    ("property-case", "/components/schemas/MessageListEntry/properties/messageID", "info"),
    ("property-case", "/components/schemas/ParameterError/properties/Parameter", "info"),
    ("required", "/components/schemas/TextContent/properties/options", "breaking"),
    ("required", "/components/schemas/ImageContent/properties/mediaId", "differs"),
    ("enum", "/components/schemas/ErrorCode/enum", "differs"),
    ("enum", "/components/schemas/DeliveryState/enum", "info"),
    ("enum", "/components/schemas/StickerContent/properties/type/enum", "differs"),
    ("enum-case", "/components/schemas/NotificationEvent/enum/0", "breaking"),
    ("enum-value-missing-ours", "/components/schemas/Channel/enum/3", "differs"),
    ("enum-value-missing-theirs", "/components/schemas/NotificationAddressType/enum/-", "breaking"),
    ("const", "/components/schemas/ToAddressNumber/properties/type/const", "breaking"),
    ("limit", "/components/schemas/MessageRequest/properties/from/minLength", "differs"),
    ("limit", "/components/schemas/Notification/properties/addresses/maxItems", "breaking"),
    ("limit", "/components/schemas/NotificationAddress/properties/address/maxLength", "differs"),
    ("limit", "/components/schemas/TextContent/properties/text/maxLength", "breaking"),
    ("pattern", "/components/schemas/MessageRequest/properties/to/pattern", "breaking"),
    (
        "format",
        "/components/schemas/MessageStatusResult/properties/timestamp/anyOf/0/format",
        "differs",
    ),
    ("default", "/components/schemas/Notification/properties/forEvent/default", "info"),
    ("items", "/components/schemas/ParameterError/properties/messages/items", "info"),
    ("additional-properties", "/components/schemas/MessageListResult/additionalProperties", "info"),
    ("variant-missing-ours", "/components/schemas/Content/oneOf/5", "differs"),
    ("variant-missing-theirs", "/components/schemas/Content/oneOf/-", "breaking"),
    ("discriminator", "/components/schemas/Content/discriminator/propertyName", "differs"),
    ("security", "/security", "breaking"),
    ("security-scheme-missing-ours", "/components/securitySchemes/BearerAuth", "differs"),
    ("security-scheme-missing-theirs", "/components/securitySchemes/BasicAuth", "breaking"),
    ("server-missing-ours", "/servers/0", "differs"),
    ("server-missing-theirs", "/servers/-", "breaking"),
}

# And what cannot be read: kind, place, page, the beginning of the message.
PROBLEMS = {
    ("missing-page", "", "message-list-status.md", "it is not in the folder"),
    ("unreadable-fragment", "", "templates.md", "line 109: Expecting property name"),
    ("unreadable-fragment", "", "webhooks.md", "line 157: /paths is not an object"),
    ("unreadable-fragment", "", "errors.md", "line 53: Expecting property name"),
    ("unreadable-fragment", "/components/schemas/ToAddressGroup", "addresses.md", "line 8: "),
    (
        "contradiction",
        "/components/schemas/ToAddressNumber",
        "addresses.md",
        "line 8: it differs from the one of ",
    ),
    (
        "unresolved-reference",
        "/components/schemas/Content/oneOf/3",
        "send-message.md",
        "#/components/schemas/VideoC",
    ),
}


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the script in this process, which is quicker."""
    output, errors = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, [str(SCRIPT), *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = MODULE.main()
    except SystemExit as error:  # of argparse
        code = int(error.code or 0)
    finally:
        sys.argv = before
    return code, output.getvalue(), errors.getvalue()


def run_alone(*arguments: str | Path, **environment: str) -> tuple[int, str, str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    result = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    return result.returncode, result.stdout, result.stderr


def published(value: Any, *, names: bool = False) -> Any:
    """Give the spec as a vendor would publish it: without extensions."""
    if isinstance(value, dict):
        return {
            key: published(item, names=key in {"properties", "headers", "mapping"} and not names)
            for key, item in value.items()
            if names or not key.startswith("x-")
        }
    return [published(item) for item in value] if isinstance(value, list) else value


def page(document: Any, name: str = "page.md") -> pages.Page:
    return pages.Page(name, f"# A page\n\n```json\n{json.dumps(document, indent=1)}\n```\n")


def found(*documents: Any, ours: dict[str, Any] = SPEC) -> list[tuple[str, str, Any, Any]]:
    """Compare the spec, or another document, with these."""
    joined = join([page(document, f"{number}.md") for number, document in enumerate(documents)])
    assert joined.problems == []
    theirs = Document(joined.data)
    findings = compare(Document(ours), theirs, incomplete=False)
    assert theirs.unresolved == {}
    return [(one.kind, one.where, one.ours, one.theirs) for one in findings.all()]


def with_schema(schema: Any, usage: str = "response") -> dict[str, Any]:
    """Give a document of one operation with one schema."""
    content = {"content": {"application/json": {"schema": schema}}}
    operation: dict[str, Any] = {"responses": {"200": content if usage == "response" else {}}}
    if usage == "request":
        operation["requestBody"] = content
    return {
        "openapi": "3.1.0",
        "paths": {"/api/x": {"post": operation}},
        "components": {"schemas": {}},
    }


def schema_kinds(ours: Any, theirs: Any, usage: str = "response") -> list[str]:
    return [kind for kind, *_ in found(with_schema(theirs, usage), ours=with_schema(ours, usage))]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """What the script says of the planted pages."""
    code, output, errors = run_alone("--from", PLANTED, "--json")
    assert (code, errors) == (1, "")
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


@pytest.fixture(scope="module")
def joined() -> Joined:
    """The planted pages."""
    return join(pages.from_folder(PLANTED).pages)


class TestPlanted:
    """A folder with differences of all kinds, broken fragments and a missing page."""

    def test_finds_all_and_invents_none(self, rows: list[dict[str, Any]]) -> None:
        reported = [
            (row["kind"], row["where"], row["severity"]) for row in rows if row["kind"] in KINDS
        ]
        assert len(reported) == len(set(reported)) == len(DIFFERENCES) > 60
        assert set(reported) == DIFFERENCES

    def test_has_one_of_each_kind(self) -> None:
        assert {kind for kind, _, _ in DIFFERENCES} == set(KINDS)

    def test_names_what_cannot_be_read(self, rows: list[dict[str, Any]]) -> None:
        reported = [row for row in rows if row["kind"] not in KINDS]
        assert len(reported) == len(PROBLEMS)
        for kind, where, name, beginning in PROBLEMS:
            (row,) = [
                row
                for row in reported
                if (row["kind"], row["where"], row["page"]) == (kind, where, name)
            ]
            assert row["theirs"].startswith(beginning)

    def test_each_row_has_what_a_program_needs(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            assert {*row} - {"correction"} == {
                "kind",
                "where",
                "ours",
                "theirs",
                "severity",
                "page",
            }
        by_place = {row["where"]: row for row in rows}
        row = by_place["/components/schemas/NotificationAddress/properties/address/maxLength"]
        assert (row["ours"], row["theirs"], row["page"]) == (99, 200, "send-message.md")
        joined = join(pages.from_folder(PLANTED).pages)
        document = Document(joined.data)
        for row in rows:
            if row["kind"] in KINDS and row["theirs"] is not None and row["kind"] != "nullable":
                assert document.at(row["where"]).value is not None, row["where"]

    def test_reads_well(self) -> None:
        code, output, _ = run("--from", PLANTED)
        assert code == 1
        assert (
            "BREAKING (19): what we send would be refused, or what we read would be lost" in output
        )
        assert (
            "  components > schemas > NotificationAddress > properties > address > maxLength\n"
            in output
        )
        assert "      the limit: ours 99, theirs 200  [send-message.md]\n" in output
        assert "COULD NOT BE READ (7), and is not compared:\n" in output
        assert "  message-list-status.md: missing page: it is not in the folder\n" in output
        assert output.endswith(
            f"{len(DIFFERENCES)} differences. Pages with fragments: 6, without: 1.\n"
        )

    def test_the_pages_say_that_they_are_invented(self) -> None:
        for file in PLANTED.iterdir():
            assert "Invented for the tests of this project." in file.read_text(
                encoding="utf-8-sig"
            ), file.name


TWO = (("a", "string"), ("b", "null"))


class TestNothing:
    """What is the same is never reported, however it is written."""

    def test_pages_made_of_the_spec_give_nothing(self, tmp_path: Path) -> None:
        whole = published(SPEC)
        (tmp_path / "llms.txt").write_text(
            "- [All](whole.md)\n- [Parts](parts.md)\n", encoding="utf-8"
        )
        (tmp_path / "whole.md").write_text(page(whole).text, encoding="utf-8")
        parts = [page({"paths": {path: item}}).text for path, item in whole["paths"].items()]
        (tmp_path / "parts.md").write_text("\n".join(parts), encoding="utf-8")
        assert run("--from", tmp_path, "--json") == (0, "[]\n", "")
        assert run("--from", tmp_path) == (
            0,
            "0 differences. Pages with fragments: 1, without: 0.\n",
            "",
        )

    def test_the_same_in_another_style_gives_nothing(self) -> None:
        whole = published(SPEC)

        def restyle(value: Any) -> Any:
            if isinstance(value, list):
                return [restyle(item) for item in value]
            if not isinstance(value, dict):
                return value
            made = {key: restyle(item) for key, item in reversed(value.items())}
            if isinstance(made.get("type"), list) and len(made["type"]) == 2:
                made |= {
                    "type": next(kind for kind in made["type"] if kind != "null"),
                    "nullable": True,
                }
            if isinstance(made.get("const"), str) and "default" in made:
                made["enum"] = [made.pop("const")]
                del made["default"]
            if set(made) == {"$ref"} and "/schemas/" in made["$ref"]:
                made = {"allOf": [made], "title": "wrapped"}
            if len(members := made.get("anyOf", [])) == 2 and {"type": "null"} in members:
                made["oneOf"] = made.pop("anyOf")
            return made

        whole["paths"] = {
            path.replace("/api/", "/api/v2/"): item for path, item in whole["paths"].items()
        }
        for item in whole["paths"].values():
            for operation in item.values():
                operation["responses"]["200"] = operation["responses"].pop("2XX")
        assert found(restyle(whole)) == []

    def test_headers_that_no_operation_of_the_pages_names_are_no_difference(self) -> None:
        whole = published(SPEC)
        for item in whole["paths"].values():
            for operation in item.values():
                operation["parameters"] = [
                    one for one in operation["parameters"] if one.get("in") == "path"
                ]
                for response in operation["responses"].values():
                    response.pop("headers", None)
        for response in whole["components"]["responses"].values():
            response.pop("headers", None)
        assert found(whole) == []

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
            ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
            ({"type": ["string", "null"]}, {"type": ["null", "string"], "title": "x", "example": "y"}),
            ({"type": ["string", "null"], "enum": ["a"]}, {"oneOf": [{"const": "a"}, {"const": None}]}),
            ({"type": "string", "enum": ["a", "b"]}, {"enum": ["b", "a"]}),
            ({"const": "a", "default": "a"}, {"type": "string", "enum": ["a"]}),
            ({"type": "string", "enum": ["a", "b"]}, {"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}),
            ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": ["integer", "string"]}),
            ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
            ({"type": "array", "items": {}}, {"type": "array"}),
            ({"type": "array", "items": {}}, {"items": True, "minItems": 0, "uniqueItems": False}),
            ({"type": "object", "additionalProperties": {}}, {"type": "object", "additionalProperties": True}),
            (
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "null"}}},
                {"required": ["a"], "allOf": [{"properties": {key: {"type": kind}}} for key, kind in TWO]},
            ),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("usage", ["request", "response"])
    def test_equal_schemas(self, ours: Any, theirs: Any, usage: str) -> None:
        assert schema_kinds(ours, theirs, usage) == schema_kinds(theirs, ours, usage) == []

    def test_schemas_that_lead_to_themselves(self) -> None:
        tree = with_schema({"$ref": "#/components/schemas/Tree"})
        children = {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
        tree["components"]["schemas"]["Tree"] = {
            "type": "object",
            "properties": {"children": children},
        }
        inline = copy.deepcopy(tree)
        node = inline["components"]["schemas"]["Tree"]
        inline["paths"]["/api/x"]["post"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ] = node
        assert found(tree, ours=inline) == found(inline, ours=tree) == []

    def test_a_base_that_names_its_descendants(self) -> None:
        """The way in which generators for .NET write `oneOf`: by inheritance, with a mapping."""
        whole = published(SPEC)
        schemas = whole["components"]["schemas"]
        content = schemas["Content"]
        content |= {
            "type": "object",
            "properties": {"type": {"type": "string"}},
            "required": ["type"],
        }
        for member in content.pop("oneOf"):
            name = member["$ref"].rpartition("/")[2]
            own = schemas[name]
            del own["properties"]["type"]
            schemas[name] = {"allOf": [{"$ref": "#/components/schemas/Content"}, own]}
        assert found(whole) == []
        content["discriminator"]["mapping"]["Photo"] = content["discriminator"]["mapping"].pop(
            "Image"
        )
        where = "/components/schemas/Content/discriminator/mapping/Photo"
        assert found(whole) == [("const", where, "Image", "Photo")]

    def test_a_server_with_a_path(self) -> None:
        whole = published(SPEC)
        whole["servers"] = [{"url": "https://rest.ecall.ch/api/v2"}]
        whole["paths"] = {path.removeprefix("/api"): item for path, item in whole["paths"].items()}
        assert found(whole) == []


class TestDifferences:
    """What the planted pages do not show."""

    @pytest.mark.parametrize(
        ("ours", "theirs", "kinds"),
        [
            ({"type": "string"}, {"type": "object", "properties": {"a": {}}}, ["type"]),
            (
                {"type": "string"},
                {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                ["variant-missing-ours"],
            ),
            (
                {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                {"anyOf": [{"type": ["string", "null"]}, {"type": "integer"}]},
                ["nullable"],
            ),
            (
                {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                {"type": "integer"},
                ["variant-missing-theirs"],
            ),
            ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "boolean"}, ["type"]),
            (
                {"enum": ["a", "b"]},
                {"enum": ["b", "c"]},
                ["enum-value-missing-theirs", "enum-value-missing-ours"],
            ),
            ({"enum": ["1"]}, {"enum": [1]}, ["type"]),
            ({"enum": [2, 1]}, {"enum": [1]}, ["enum-value-missing-theirs"]),
            (
                {"type": "object"},
                {"additionalProperties": {"type": "string"}},
                ["additional-properties"],
            ),
            ({"type": "array"}, {"type": "array", "items": {"type": "string"}}, ["items"]),
        ],
    )
    def test_schemas(self, ours: Any, theirs: Any, kinds: list[str]) -> None:
        assert sorted(schema_kinds(ours, theirs, "request")) == sorted(kinds)

    def test_how_much_a_limit_matters_depends_on_who_writes(self) -> None:
        def severity(ours: Any, theirs: Any, usage: str) -> str:
            joined = join([page(with_schema(theirs, usage))])
            (one,) = compare(
                Document(with_schema(ours, usage)), Document(joined.data), incomplete=False
            ).all()
            return str(one.severity)

        assert (
            severity(
                {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}, "request"
            )
            == "breaking"
        )
        assert (
            severity(
                {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 10}, "request"
            )
            == "differs"
        )
        assert (
            severity(
                {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}, "response"
            )
            == "info"
        )
        assert severity({"type": "string"}, {"type": ["string", "null"]}, "request") == "differs"
        assert severity({"type": "string"}, {"type": ["string", "null"]}, "response") == "breaking"

    def test_a_path_that_complete_pages_lack(self) -> None:
        whole = published(SPEC)
        del whole["paths"]["/api/media/{mediaId}"]
        assert found(whole) == [
            ("path-missing-theirs", "/paths/~1api~1media~1{mediaId}", "/api/media/{mediaId}", None)
        ]

    def test_a_signature_of_webhooks_would_be_seen(self) -> None:
        whole = published(SPEC)
        whole["webhooks"]["receivedMessage"]["post"]["security"] = [{"BasicAuth": []}]
        ours = json.loads(json.dumps(SPEC))
        assert found(whole, ours=ours) == [
            ("security", "/webhooks/receivedMessage/post/security", [], ["http basic"])
        ]  # fmt: skip


class TestReading:
    """Fences, fragments and indexes as they come."""

    @pytest.mark.parametrize(
        "text",
        [
            "```json\n%s\n```",
            "``` JSON\n%s\n```\n",
            "~~~~json title='x'\n%s\n~~~~",
            "````json\n%s\n````",
            "```\n%s\n```",
            "   ```json\n   %s\n   ```",
            "\ufeff```json\r\n%s\r\n```\r\n",
            "```json\n%s",
        ],
    )
    def test_fences(self, text: str) -> None:
        joined = join([pages.Page("a.md", text % '{"paths": {"/a": {"get": {}}}}')])
        assert (joined.problems, joined.data) == ([], {"paths": {"/a": {"get": {}}}})

    @pytest.mark.parametrize(
        "text",
        [
            "```yaml\n%s\n```",
            "````md\n```json\n%s\n```\n````",
            "`` ```json\n%s\n",
            '```json\n{"channel": ...}\n```',
            "```json\n[1, 2]\n```",
        ],
    )
    def test_what_is_no_fragment_is_no_problem(self, text: str) -> None:
        joined = join([pages.Page("a.md", text.replace("%s", '{"paths": {"/a": {"get": {}}}}'))])
        assert (joined.problems, joined.data, joined.without) == ([], {}, 1)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"paths": {"/a": ', "line 2: Expecting value"),
            ('{\n"paths": {},,}', "line 3: "),
            ('{\n  paths: {"/a": {}}}', "line 3: Expecting property name"),
            ("{'openapi': '3.1.0', 'paths': {}}", "line 2: Expecting property name"),
            ('[{"paths": {}}]', "line 2: it is not an object"),
            ('{"paths": []}', "line 2: /paths is not an object"),
            ('{"paths": {"/a": 7}}', "line 2: /paths//a is not an object"),
            ('{"paths": {"/a": {"get": []}}}', "line 2: /paths/~1a/get is not an object"),
            (
                '{"paths": {"/a": {"get": {"parameters": [{"in": "query"}]}}}}',
                "/parameters/0 has no name",
            ),
            (
                '{"paths": {"/a": {"parameters": 1, "get": {}}}}',
                "/paths/~1a/parameters is not a list",
            ),
            (
                '{"paths": {}, "components": {"schemas": []}}',
                "/components/schemas is not an object",
            ),
            (
                '{"components": {"schemas": {"A": {"type": "text"}}}}',
                "/A/type holds no type: 'text'",
            ),
            ('{"components": {"schemas": {"A": {"required": true}}}}', "/A/required is not a list"),
            (
                '{"components": {"schemas": {"A": {"maxLength": "9"}}}}',
                "/A/maxLength is not a number",
            ),
            ('{"components": {"schemas": {"A": {"maxLength": NaN}}}}', "line 2: NaN is no JSON"),
            ('{"paths": {"/\\ud800": {}}}', "line 2: 'utf-8' codec can't encode character"),
            ('{"paths": {}, "servers": [{"$ref": "#"}]}', "/servers/0 has no url"),
            ('{"paths": {"/a": {}, "/a": {"get": {}}}}', "the key '/a' is there twice"),
            ('{"components": ' + '{"a":' * 200 + "1" + "}" * 201, "it is nested too deeply"),
            ('{"components": ' + "[" * 100_000, "line 2: "),
        ],
    )
    def test_broken_fragments_are_named_and_left_out(self, text: str, message: str) -> None:
        good = page({"paths": {"/b": {"get": {}}}}, "good.md")
        joined = join([pages.Page("bad.md", f"```json\n{text}\n```"), good])
        (problem,) = joined.problems
        assert (problem.kind, problem.page) == ("unreadable-fragment", "bad.md")
        assert message in problem.message
        assert joined.data["paths"] == {"/b": {"get": {}}}

    def test_what_contradicts_is_left_out_and_the_rest_of_it_is_kept(self) -> None:
        one = {
            "schemas": {"A": {"type": "string", "description": "One."}, "B": {"enum": ["x", "y"]}}
        }
        two = {
            "schemas": {"A": {"type": "integer"}, "B": {"enum": ["y", "x"]}, "C": {"type": "null"}}
        }
        joined = join([page({"components": one}, "one.md"), page({"components": two}, "two.md")])
        assert [(problem.kind, problem.where, problem.page) for problem in joined.problems] == [
            ("contradiction", "/components/schemas/A", "two.md")
        ]
        assert joined.data["components"]["schemas"] == {**one["schemas"], "C": {"type": "null"}}

    def test_links(self, tmp_path: Path) -> None:
        index = (
            "[a](https://d.example/ref/a.md) [b](b \"t\") [c](<c.md#part>) https://d.example/d?x=1 [a](a.md)\n"
            "[x](https://other.example/x) [y](y.png) [z](mailto:z@d.example) [q](../..) [r](%2e%2e%5cr) [m](m.md)\n"
        )  # fmt: skip
        (tmp_path / "llms.txt").write_text(index, encoding="utf-8")
        for name in "abcd":
            (tmp_path / f"{name}.md").touch()
        reading = pages.from_folder(tmp_path)
        assert [one.name for one in reading.pages] == ["a.md", "b.md", "c.md", "d.md"]
        assert [*reading.missing] == ["m.md"]

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"\n<!DOCTYPE html><title>Sign in</title>", "it is HTML, not Markdown"),
            (b"\xef\xbb\xbf<html>", "it is HTML, not Markdown"),
            ("# Media".encode("utf-16"), "it is no text in UTF-8"),
        ],
    )
    def test_what_stands_in_for_a_page_is_a_missing_page(
        self, tmp_path: Path, content: bytes, why: str
    ) -> None:
        """Else what it should have held would count as missing."""
        (tmp_path / "llms.txt").write_text("[a](a.md) [b](b.md)", encoding="utf-8")
        (tmp_path / "a.md").write_text("one", encoding="utf-8")
        (tmp_path / "b.md").write_bytes(content)
        reading = pages.from_folder(tmp_path)
        assert ([one.name for one in reading.pages], reading.missing) == (["a.md"], {"b.md": why})

    def test_a_reference_to_a_whole_path_is_named(self) -> None:
        hook: dict[str, Any] = {"post": {"responses": {}}}
        document = {
            "webhooks": {"hook": {"$ref": "#/components/pathItems/Hook"}},
            "components": {"pathItems": hook},
        }
        (problem,) = join([page(document)]).problems
        assert (problem.kind, problem.where, problem.page) == (
            "unreadable-fragment",
            "/webhooks/hook",
            "page.md",
        )
        assert problem.message == "line 4: it is a reference to a whole path, which is not followed"


class TestExit:
    """0, 1, 2."""

    def test_2_where_there_is_no_index(self, tmp_path: Path) -> None:
        code, output, errors = run("--from", tmp_path)
        assert (code, output) == (2, "")
        assert errors.startswith("Nothing could be compared: ")

    def test_2_where_there_is_no_fragment(self, tmp_path: Path) -> None:
        (tmp_path / "llms.txt").write_text("[a](a.md) [b](b.md)", encoding="utf-8")
        (tmp_path / "a.md").write_text('```json\n{"paths": {\n```', encoding="utf-8")
        code, output, errors = run("--from", tmp_path, "--json")
        assert (code, output) == (2, "")
        assert "1 pages were read, and no fragment" in errors
        assert "  b.md: it is not in the folder\n" in errors

    def test_2_where_nothing_differs_but_not_all_was_read(self, tmp_path: Path) -> None:
        (tmp_path / "llms.txt").write_text("[a](a.md) [b](b.md)", encoding="utf-8")
        (tmp_path / "a.md").write_text(page(published(SPEC)).text, encoding="utf-8")
        code, output, _ = run("--from", tmp_path)
        assert code == 2
        assert output.startswith(
            "COULD NOT BE READ (1), and is not compared:\n  b.md: missing page: "
        )

    def test_the_same_where_nobody_reads_it(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            result = subprocess.run(
                [sys.executable, SCRIPT, "--from", PLANTED],
                stdout=writer,
                stderr=subprocess.PIPE,
                check=False,
            )
        finally:
            os.close(writer)
        assert (result.returncode, result.stderr) == (1, b"")

    def test_what_is_for_programs_is_json_in_any_encoding(self, tmp_path: Path) -> None:
        whole = published(SPEC)
        whole["components"]["schemas"]["Channel"]["enum"].append("Brüf \U0001f54a")
        (tmp_path / "llms.txt").write_text("[a](a.md)", encoding="utf-8")
        (tmp_path / "a.md").write_text(page(whole).text, encoding="utf-8")
        code, output, _ = run_alone("--from", tmp_path, "--json", PYTHONIOENCODING="ascii")
        assert (code, [row["theirs"] for row in json.loads(output)]) == (1, ["Brüf \U0001f54a"])

    def test_2_for_a_spec_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "spec.yaml").write_text("a: [", encoding="utf-8")
        assert run("--from", PLANTED, "--spec", tmp_path / "spec.yaml")[0] == 2
        assert run("--what")[0] == 2


def test_needs_the_core_and_a_yaml_library_only() -> None:
    names = (
        "attrs",
        "dateutil",
        "ecall_client",
        "ecall_facade",
        "jsonschema",
        "openapi_python_client",
        "pytest",
    )
    program = (
        f"import sys, runpy; sys.argv[1:] = ['--from', {str(PLANTED)!r}]; "
        f"sys.modules.update(dict.fromkeys({names!r})); sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "finally: print(sorted({name.partition('.')[0] for name, module in sys.modules.items() if module and "
        "'site-packages' in str(getattr(module, '__file__', ''))}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False
    )
    used = set(json.loads(result.stdout.splitlines()[-1].replace("'", '"')))
    assert "differences. Pages with fragments" in result.stdout
    brought = {
        "anyio",
        "certifi",
        "click",
        "exceptiongroup",
        "h11",
        "h2",
        "httpcore",
        "idna",
        "rich",
        "sniffio",
    }
    assert used - brought - {name for name in used if name.startswith(("_", "markdown", "pygments", "mdurl"))} <= {
        "coverage", "httpx", "yaml", "typing_extensions", "brotli", "zstandard", "socksio"
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------


def edits_of(
    joined: Joined, wanted: Callable[[Any], bool] = lambda one: True
) -> tuple[list[Any], list[list[Any]]]:
    findings = compare(Document(SPEC), Document(joined.data), incomplete=bool(joined.problems))
    chosen = [one for one in findings.all() if wanted(one)]
    proposals = Proposals(findings, TEXT, lambda where: f"{joined.page_of(where)}, 2026-01-15")
    return chosen, proposals.edits(chosen)


def paste(text: str, edits: list[list[Any]]) -> str:
    """Do what the report says, from the last line to the first."""
    lines = text.splitlines()
    unique = {edit for changes in edits for edit in changes}
    for edit in sorted(unique, key=lambda edit: edit.order(), reverse=True):
        lines[edit.first - 1 : edit.last] = edit.text.splitlines()
    return "\n".join(lines) + "\n"


class TestCorrections:
    """The text that would correct the spec."""

    def test_a_new_property_in_the_words_of_the_report(self) -> None:
        code, output, _ = run("--from", PLANTED)
        assert code == 1
        at = TEXT.splitlines().index(
            "      # `to` and `toList` exclude each other, and one of them has to be there."
        )
        head = f"After line {at}, insert:  (components > schemas > MessageRequest > properties > priority)\n"
        assert head in output
        text = output.partition(head)[2].partition("\n\n")[0]
        assert text.splitlines()[:3] == [
            "        priority:",
            '          $ref: "#/components/schemas/MessageRequestPriority"',
            "          description: How urgent the message is.",
        ]
        assert text.splitlines()[3].startswith(
            '          x-evidence: {level: documented, source: "send-message.md, 20'
        )  # fmt: skip

    def test_pasted_all_together_they_are_a_spec_with_evidence_everywhere(
        self, joined: Joined
    ) -> None:
        chosen, edits = edits_of(joined)
        spec = load(paste(TEXT, edits))
        properties = spec["components"]["schemas"]["MessageResult"]["properties"]
        assert properties["cost"] == {
            "type": ["number", "null"],
            "description": "What it costs, in Swiss francs.",
            "x-evidence": {"level": "documented", "source": "send-message.md, 2026-01-15"},
        }
        for name, schema in spec["components"]["schemas"].items():
            assert set(schema["x-evidence"]) == {"level", "source"}, name
            for key, inner in schema.get("properties", {}).items():
                assert set(inner["x-evidence"]) == {"level", "source"}, (name, key)
            if "enum" in schema:
                assert len(schema["enum"]) == len(schema["x-enum-varnames"])
        # Then only that differs which pages cannot correct: what they lack, and names.
        theirs = Document(joined.data)
        left = compare(Document(spec), theirs, incomplete=True).all()
        assert not [one.kind for one in left if one.kind.endswith("-missing-ours")]
        assert {one.kind for one in left} <= {
            *(kind for kind in KINDS if kind.endswith("-missing-theirs")),
            *(
                "path-case",
                "property-case",
                "parameter-name",
                "schema-name",
                "security",
                "discriminator",
                "items",
            ),
            *("enum", "limit"),
        }
        assert {one.where for one in left if one.kind in {"enum", "limit"}} == {
            "/components/schemas/DeliveryState/enum",
            "/components/schemas/StickerContent/properties/type/enum",
            "/components/schemas/MessageRequest/properties/from/minLength",
        }
        assert not [
            one
            for one, changes in zip(chosen, edits, strict=True)
            if one.kind.endswith("-ours") and not changes
        ]

    def test_comments_and_all_other_lines_stay(self, joined: Joined) -> None:
        _, edits = edits_of(joined, lambda one: one.kind == "property-missing-ours")
        before, after = TEXT.splitlines(), paste(TEXT, edits).splitlines()
        assert [line for line in before if line.lstrip().startswith("#")] == [
            line for line in after if line.lstrip().startswith("#")
        ]
        gone = [line.split(":")[0].strip() for line in before if line not in after]
        assert gone == [
            "x-evidence"
        ]  # of the schema that has a further required property, and the same list as others

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": ["string", "null"], "enum": ["Low", "High", None]},
            {"type": ["string", "null"], "enum": ["Low", None]},
            {"type": ["object", "null"], "properties": {"a": {"type": "string"}}},
            {"type": "array", "items": {"type": ["string", "null"], "enum": ["Low", "High", None]}},
            {"allOf": [{"$ref": "#/components/schemas/Channel"}], "nullable": True},
            {"type": ["array", "null"]},
            {"$ref": "#/components/schemas/New"},
        ],
    )
    def test_a_new_property_is_taken_over_with_its_null(self, schema: dict[str, Any]) -> None:
        whole = published(SPEC)
        for name in ("MessageRequest", "MessageResult"):
            whole["components"]["schemas"][name]["properties"]["priority"] = schema
        if "$ref" in schema:
            whole["components"]["schemas"]["New"] = {
                "type": ["string", "null"],
                "enum": ["Low", "High", None],
            }
        _, edits = edits_of(join([page(whole)]))
        left = [where for _, where, *_ in found(whole, ours=load(paste(TEXT, edits)))]
        assert left == (
            ["/components/schemas/New"] if "$ref" in schema else []
        )  # as null is where it is used

    def test_an_array_without_items_is_one_that_the_generator_takes(self) -> None:
        whole = published(SPEC)
        whole["components"]["schemas"]["MessageResult"]["properties"]["notes"] = {"type": "array"}
        _, edits = edits_of(join([page(whole)]))
        spec = load(paste(TEXT, edits))
        assert spec["components"]["schemas"]["MessageResult"]["properties"]["notes"]["items"] == {}
        assert found(whole, ours=spec) == []

    def test_another_type_in_one_place_leaves_what_the_others_use_alone(self) -> None:
        whole = published(SPEC)
        schemas = whole["components"]["schemas"]
        schemas["MessageRequest"]["properties"]["channel"] = {"type": "integer"}
        schemas["MessageListEntry"]["properties"]["error"] = {
            "anyOf": [{"type": "string"}, {"type": "null"}]
        }
        answers = whole["paths"]["/api/messagelist"]["post"]["responses"]["2XX"]["content"][
            "application/json"
        ]
        answers["schema"] = {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": "string"}}},
        }
        _, edits = edits_of(join([page(whole)]))
        spec = load(paste(TEXT, edits))
        for name in ("Channel", "Error", "MessageListResult"):
            assert spec["components"]["schemas"][name] == SPEC["components"]["schemas"][name]
        assert {*spec["components"]["schemas"]} - {*schemas} == {"PostApiMessagelistResult2XXItem"}
        assert found(whole, ours=spec) == []

    def test_another_type_under_another_name_is_for_all_that_use_it(self) -> None:
        text = json.dumps(published(SPEC)).replace(
            "#/components/schemas/ErrorCode", "#/components/schemas/Fault"
        )
        whole = json.loads(text)
        del whole["components"]["schemas"]["ErrorCode"]
        whole["components"]["schemas"]["Fault"] = {"type": "integer"}
        _, edits = edits_of(join([page(whole)]))
        assert load(paste(TEXT, edits))["components"]["schemas"]["ErrorCode"]["type"] == "integer"

    @pytest.mark.slow
    def test_a_new_field_pasted_in_and_regenerated_gives_a_client_that_has_it(
        self, joined: Joined, tmp_path: Path
    ) -> None:
        pytest.importorskip("openapi_python_client")
        for name in ("spec", "scripts", "docs"):
            shutil.copytree(
                ROOT / name,
                tmp_path / name,
                ignore=shutil.ignore_patterns("node_modules", "__pycache__"),
            )
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, tmp_path)
        # All of them but a media type that the generator does not know, and a channel without rules.
        _, edits = edits_of(joined, lambda one: one.theirs not in ("text/json", "Email", ["Email"]))
        (tmp_path / "spec" / "ecall.yaml").write_text(paste(TEXT, edits), encoding="utf-8")
        made = subprocess.run(
            [sys.executable, tmp_path / "scripts" / "regenerate"],
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
        )
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("Wrote generated/ecall_client, docs/evidence.md, README.md\n")
        program = (
            "from ecall_client.models import *\n"
            "import ecall_client\n"
            "place = LocationContent(latitude=1.0, longitude=2.0)\n"
            "item = MessageListItem(channel=Channel.SMS, from_='ACME', reference='r', content=place)\n"
            "text = TextContent(text='Hello', options=TextOptions(page_limit=1))\n"
            "high = MessageRequestPriority.HIGH\n"
            "request = MessageRequest(channel=Channel.SMS, from_='ACME', content=text, priority=high)\n"
            "print(ecall_client.__file__)\n"
            "print(request.to_dict()['priority'], item.to_dict()['reference'], item.to_dict()['content'])\n"
            "print(MessageResult.from_dict({'messageId': 'm', 'cost': 0.08}).cost)\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "generated")},
            capture_output=True, encoding="utf-8", cwd=tmp_path,
        )  # fmt: skip
        assert result.stderr == ""
        file, *rest = result.stdout.splitlines()
        assert Path(file).is_relative_to(tmp_path)
        assert rest == ["High r {'type': 'Location', 'latitude': 1.0, 'longitude': 2.0}", "0.08"]


SOURCES = [file.read_text(encoding="utf-8") for file in sorted(PLANTED.glob("*.md"))]
VALUES = st.sampled_from(
    [
        "null",
        "true",
        "7",
        "-1.5",
        '""',
        '"x"',
        "[]",
        "{}",
        "[null]",
        '{"$ref": "#/paths"}',
        '{"$ref": "#"}',
        '"\\ud800"',
    ]
)


class TestAnything:
    """Whatever the pages hold, it is reported and nothing else happens."""

    @staticmethod
    def check(texts: list[str]) -> None:
        joined = join([pages.Page(f"{number}.md", text) for number, text in enumerate(texts)])
        findings = compare(Document(SPEC), Document(joined.data), incomplete=bool(joined.problems))
        found = findings.all()
        edits = Proposals(findings, TEXT, joined.page_of).edits(found)
        assert as_text(found, edits, joined, joined.problems)
        load(paste(TEXT, edits).encode("utf-8", "replace").decode())

    @settings(
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=15
    )
    @given(st.sampled_from(SOURCES), st.data())
    def test_pages_with_parts_cut_out_or_replaced(self, text: str, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, 3))):
            begin = data.draw(st.integers(0, len(text)))
            end = data.draw(st.integers(begin, min(len(text), begin + 200)))
            text = (
                text[:begin]
                + data.draw(st.one_of(st.just(""), VALUES, st.text(max_size=5)))
                + text[end:]
            )
        self.check([text, SOURCES[5]])

    @settings(
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=25
    )
    @given(st.sampled_from(SOURCES), st.data())
    def test_pages_with_other_values(self, text: str, data: st.DataObject) -> None:
        """The JSON stays whole, so that what follows the reading gets to see it."""
        for block in [one.text for one in pages.blocks(text)]:
            try:
                document = json.loads(block)
            except ValueError:
                continue
            for _ in range(data.draw(st.integers(1, 4))):
                node: Any = document
                while isinstance(node, (dict, list)) and node:
                    keys = sorted(node) if isinstance(node, dict) else range(len(node))
                    key: Any = data.draw(st.sampled_from(list(keys)))
                    if data.draw(st.integers(0, 4)) == 0 or not isinstance(node[key], (dict, list)):
                        node[key] = json.loads(data.draw(VALUES))
                        break
                    node = node[key]
            text = text.replace(block, json.dumps(document))
        self.check([text])


# ---------------------------------------------------------------------------------------------------------------------


class Site:
    """A site on this machine that keeps what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}
        self.asked: list[tuple[str, dict[str, str], int]] = []
        self.delay = 0.0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        text = self.files.get(request.path, "")
        status, more = self.answers.get(
            request.path, (200 if request.path in self.files else 404, {})
        )
        tag = f'"{len(text)}"'
        if status == 200 and headers.get("if-none-match") == tag:
            status, text = 304, ""
        self.asked.append((request.path, headers, status))
        body = text.encode()
        time.sleep(self.delay if request.path == "/slow.md" else 0)
        request.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "ETag": tag,
            "Set-Cookie": "a=b",
            **more,
        }.items():
            request.send_header(name, value)
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(body)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.0)


@pytest.mark.usefixtures("quick")
class TestWeb:
    """Pages from the web."""

    @staticmethod
    def read(site: Site, cache: Path, timeout: float = 10) -> pages.Reading:
        web = fetch.Web(f"{site.url}/llms.txt", cache, timeout)
        try:
            return pages.from_web(web, f"{site.url}/llms.txt")
        finally:
            web.close()

    def test_the_whole_of_it(self, site: Site, tmp_path: Path) -> None:
        site.files = {
            "/llms.txt": f"[a](/ref/a) [b]({site.url}/ref/b.md#x) [c](https://other.example/c.md) [d](/d.png)",
            "/ref/a.md": page(published(SPEC)).text,
        }
        (tmp_path / ".netrc").write_text(
            "machine 127.0.0.1 login somebody password secret\n", encoding="utf-8"
        )
        nowhere = {
            "HTTP_PROXY": "http://127.0.0.1:9",
            "ALL_PROXY": "http://127.0.0.1:9",
            "NETRC": str(tmp_path / ".netrc"),
        }
        arguments = ("--index", f"{site.url}/llms.txt", "--cache", tmp_path / "cache")
        code, output, errors = run_alone(*arguments, HOME=str(tmp_path), **nowhere)
        assert (code, errors) == (2, "")
        assert f"  {site.url}/ref/b.md: missing page: HTTP 404\n" in output
        assert [path for path, _, _ in site.asked] == ["/llms.txt", "/ref/a.md", "/ref/b.md"]
        for _, headers, _ in site.asked:
            assert set(headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
            assert headers["user-agent"].startswith("ecall-facade-check-upstream/0.")

    def test_what_has_not_changed_is_not_fetched_again(self, site: Site, tmp_path: Path) -> None:
        site.files = {"/llms.txt": "[a](a.md) [b](b.md)", "/a.md": "one", "/b.md": "two"}
        first = self.read(site, tmp_path)
        site.files["/b.md"] = "three"
        second = self.read(site, tmp_path)
        assert [one.text for one in first.pages] == ["one", "two"]
        assert [one.text for one in second.pages] == ["one", "three"]
        assert [status for _, _, status in site.asked] == [200, 200, 200, 304, 304, 200]
        for file in tmp_path.iterdir():  # a cache that is damaged is no cache
            file.write_text("{", encoding="utf-8")
        assert self.read(site, tmp_path) == second
        assert [status for _, _, status in site.asked][6:] == [200, 200, 200]

    def test_a_cache_that_cannot_be_written_is_none(self, site: Site, tmp_path: Path) -> None:
        site.files = {"/llms.txt": "[a](a.md)", "/a.md": "one"}
        (tmp_path / "file").touch()
        assert [one.text for one in self.read(site, tmp_path / "file").pages] == ["one"]

    def test_redirects_stay_on_the_site(self, site: Site, tmp_path: Path) -> None:
        site.files = {"/llms.txt": "[a](a.md) [b](b.md) [c](c.md) [d](d.md)", "/new.md": "moved"}
        site.answers = {
            "/a.md": (302, {"Location": "/new.md"}),
            "/b.md": (302, {"Location": "https://other.example/b.md"}),
            "/c.md": (302, {"Location": "/c.md"}),
            "/d.md": (302, {"Location": site.url.replace("//", "//somebody:secret@") + "/new.md"}),
        }
        reading = self.read(site, tmp_path)
        assert [one.text for one in reading.pages] == ["moved"]
        assert list(reading.missing.values()) == [
            "it leads to another site, which is not followed",
            "it redirects too often",
            "it leads to another site, which is not followed",
        ]
        assert not [
            headers for _, headers, _ in site.asked if {"authorization", "cookie"} & set(headers)
        ]

    def test_a_start_page_in_place_of_a_page_is_a_missing_page(
        self, site: Site, tmp_path: Path
    ) -> None:
        site.files = {
            "/llms.txt": "[a](a.md) [b](b.md)",
            "/a.md": "one",
            "/b.md": "<!doctype html><title>Docs</title>",
        }
        reading = self.read(site, tmp_path)
        assert [one.text for one in reading.pages] == ["one"]
        assert reading.missing == {f"{site.url}/b.md": "it is HTML, not Markdown"}

    def test_limits(self, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        site.files = {
            "/llms.txt": "[a](a.md) [b](b.md) [c](c.md)",
            "/a.md": "x" * 300,
            "/b.md": "b",
        }
        monkeypatch.setattr(fetch, "LARGEST", 200)
        site.answers = {"/b.md": (429, {})}
        reading = self.read(site, tmp_path)
        assert list(reading.missing.values()) == [
            "it is larger than 200 bytes",
            "HTTP 429",
            "not asked for: the site asks for fewer requests (HTTP 429)",
        ]
        monkeypatch.setattr(pages, "MOST_PAGES", 1)
        assert (
            len(
                [
                    why
                    for why in self.read(site, tmp_path).missing.values()
                    if "more than 1 pages" in why
                ]
            )
            == 2
        )

    def test_the_time_limit_is_for_all_together(self, site: Site, tmp_path: Path) -> None:
        site.files = {
            "/llms.txt": "[a](a.md) [s](slow.md) [b](b.md)",
            "/a.md": "a",
            "/slow.md": "s",
            "/b.md": "b",
        }
        site.delay = 0.8
        reading = self.read(site, tmp_path, timeout=0.4)
        assert [one.text for one in reading.pages] == ["a"]
        assert list(reading.missing) == [f"{site.url}/slow.md", f"{site.url}/b.md"]
        assert reading.missing[f"{site.url}/b.md"].endswith("the time limit was reached")

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("http://docs.example/llms.txt", "only https is read"),
            (
                "https://somebody:secret@docs.example/llms.txt",
                "a user name or password in it is refused",
            ),
            ("ftp://docs.example/llms.txt", "only https is read"),
            ("https:///llms.txt", "it names no host"),
            ("https://docs.example:x/llms.txt", "no address"),
        ],
    )
    def test_addresses_that_are_refused(self, tmp_path: Path, url: str, message: str) -> None:
        code, output, errors = run("--index", url, "--cache", tmp_path)
        assert (code, output) == (2, "")
        assert message in errors
        assert "secret" not in errors

    def test_an_index_that_is_not_there(self, site: Site, tmp_path: Path) -> None:
        assert run("--index", f"{site.url}/llms.txt", "--cache", tmp_path)[0] == 2
        site.stop()
        assert run("--index", f"{site.url}/llms.txt", "--cache", tmp_path)[0] == 2
        site.stop = lambda: None  # type: ignore[method-assign]
