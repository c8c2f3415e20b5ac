"""Tests of `scripts/check_upstream`: it reads pages from a folder and from the web, and names every difference.

The pages in tests/upstream are invented for these tests; nothing in them is the vendor's.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _differences import KINDS, compare
from _facts import read_facts
from _openapi import load, look_up
from _upstream import fetch, pages
from _upstream.fragments import join

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "check_upstream"
PLANTED = ROOT / "tests" / "upstream"
SPEC: dict[str, Any] = load(ROOT / "spec" / "ecall.yaml")
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
    (
        "type",
        "/paths/~1api~1v2~1media/post/responses/200/content/application~1json/type",
        "differs",
    ),
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
    ("enum", "/components/schemas/StickerContent/properties/type/const", "differs"),
    ("enum-case", "/components/schemas/NotificationEvent/enum/0", "breaking"),
    ("enum-value-missing-ours", "/components/schemas/Channel/enum/3", "differs"),
    ("enum-value-missing-theirs", "/components/schemas/NotificationAddressType/enum/-", "breaking"),
    (
        "enum-value-missing-ours",
        "/components/schemas/ToAddressNumber/properties/type/const",
        "differs",
    ),
    (
        "enum-value-missing-theirs",
        "/components/schemas/ToAddressNumber/properties/type/const",
        "breaking",
    ),
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
    ("server-missing-theirs", "/servers/0", "breaking"),
}

# And what cannot be read: kind, place, page, the beginning of the message.
PROBLEMS = {
    ("missing-page", "", "message-list-status.md", "it is not in the folder"),
    ("unreadable-fragment", "", "templates.md", "line 109: Expecting property name"),
    ("unreadable-fragment", "/paths", "webhooks.md", "line 157: /paths: it cannot be read"),
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


def page(document: Any, name: str = "page.md") -> pages.Page:
    return pages.Page(name, f"# A page\n\n```json\n{json.dumps(document, indent=1)}\n```\n")


def write_pages(folder: Path, **texts: str) -> Path:
    """Write pages with an index that links each of them."""
    links = (f"- [{name}]({name}.md)" for name in texts)
    (folder / "llms.txt").write_text("\n".join(links), encoding="utf-8")
    for name, text in texts.items():
        if text:
            (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def whole() -> dict[str, Any]:
    """A copy of the spec."""
    return copy.deepcopy(SPEC)


# Pages with differences of all kinds, broken fragments and a missing page


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """What the script says of the planted pages."""
    code, output, errors = run_alone("--from", PLANTED, "--json")
    assert (code, errors) == (1, "")
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


def test_all_planted_differences_are_found_and_none_is_invented(rows: list[dict[str, Any]]) -> None:
    reported = [
        (row["kind"], row["where"], row["severity"]) for row in rows if row["kind"] in KINDS
    ]
    assert len(reported) == len(DIFFERENCES) > 60
    assert set(reported) == DIFFERENCES


def test_a_difference_of_each_kind_is_planted() -> None:
    # The pages do not repeat what is only in the spec: rules, conditions and schemas without a use.
    elsewhere = {
        "rule-missing-ours",
        "rule-missing-theirs",
        "condition",
        "schema-missing-theirs",
    }
    assert {kind for kind, _, _ in DIFFERENCES} == set(KINDS) - elsewhere


def test_what_cannot_be_read_is_named_with_its_page(rows: list[dict[str, Any]]) -> None:
    reported = [row for row in rows if row["kind"] not in KINDS]
    found = {(row["kind"], row["where"], row["page"]): row["theirs"] for row in reported}
    assert len(reported) == len(found) == len(PROBLEMS)
    for kind, where, name, beginning in PROBLEMS:
        assert found[kind, where, name].startswith(beginning)


def test_each_row_says_where_what_and_on_which_page(rows: list[dict[str, Any]]) -> None:
    document = join(pages.from_folder(PLANTED).pages).document
    for row in rows:
        assert {*row} == {"kind", "where", "ours", "theirs", "severity", "page"}
        if (
            row["kind"] in KINDS
            and row["theirs"] is not None
            and not isinstance(row["theirs"], bool)
        ):
            assert look_up(document, f"#{row['where']}") is not None, row["where"]
    by_place = {row["where"]: row for row in rows}
    row = by_place["/components/schemas/NotificationAddress/properties/address/maxLength"]
    assert (row["ours"], row["theirs"], row["page"]) == (99, 200, "send-message.md")


def test_the_report_for_people_reads_well() -> None:
    code, output, _ = run("--from", PLANTED)
    assert code == 1
    assert "BREAKING (19): what we send would be refused, or what we read would be lost" in output
    assert "  components/schemas/NotificationAddress/properties/address/maxLength\n" in output
    assert "      the limit: ours 99, theirs 200  [send-message.md]\n" in output
    assert "  DELETE /api/v2/message/{id}\n" in output
    assert "COULD NOT BE READ (7), and is not compared:\n" in output
    assert "  message-list-status.md: missing page: it is not in the folder\n" in output
    assert output.endswith(
        f"{len(DIFFERENCES)} differences. Pages with fragments: 6, without: 1.\n"
    )


def test_the_planted_pages_say_that_they_are_invented() -> None:
    for file in PLANTED.iterdir():
        text = file.read_text(encoding="utf-8-sig")
        assert "Invented for the tests of this project." in text, file.name


# Pages that do not differ


def test_pages_made_of_the_spec_do_not_differ(whole: dict[str, Any], tmp_path: Path) -> None:
    parts = [page({"paths": {path: item}}).text for path, item in whole["paths"].items()]
    write_pages(tmp_path, whole=page(whole).text, parts="\n".join(parts))
    assert run("--from", tmp_path, "--json") == (0, "[]\n", "")
    text = "0 differences. Pages with fragments: 1, without: 0.\n"
    assert run("--from", tmp_path) == (0, text, "")


def test_pages_may_be_silent_about_headers_servers_and_authentication(
    whole: dict[str, Any], tmp_path: Path
) -> None:
    del whole["servers"], whole["security"], whole["components"]["securitySchemes"]
    responses = [*whole["components"]["responses"].values()]
    for item in whole["paths"].values():
        for operation in item.values():
            given = operation["parameters"]
            operation["parameters"] = [one for one in given if one.get("in") == "path"]
            responses += operation["responses"].values()
    for response in responses:
        response.pop("headers", None)
    assert run("--from", write_pages(tmp_path, whole=page(whole).text), "--json")[1] == "[]\n"


# Fences, fragments and indexes


FRAGMENT = '{"paths": {"/a": {"get": {}}}}'


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
def test_a_fragment_is_found_in_any_fence_of_markdown(text: str) -> None:
    joined = join([pages.Page("a.md", text % FRAGMENT)])
    assert (joined.problems, joined.document) == ([], json.loads(FRAGMENT))


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
def test_a_block_that_is_not_a_fragment_is_not_a_problem(text: str) -> None:
    joined = join([pages.Page("a.md", text.replace("%s", FRAGMENT))])
    assert (joined.problems, joined.document, joined.without) == ([], {}, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"paths": {"/a": ', "line 2: Expecting value"),
        ('{\n"paths": {},,}', "line 3: "),
        ('{\n  paths: {"/a": {}}}', "line 3: Expecting property name"),
        ("{'openapi': '3.1.0', 'paths': {}}", "line 2: Expecting property name"),
        ('[{"paths": {}}]', "line 2: it is not an object"),
        ('{"paths": []}', "line 2: /paths: it cannot be read"),
        ('{"paths": {"/a": 7}}', "line 2: /paths/~1a: it cannot be read"),
        ('{"paths": {"/a": {"get": []}}}', "line 2: /paths/~1a/get: [] is not of type 'object'"),
        (
            '{"paths": {"/a": {"get": {"parameters": [{"in": "query"}]}}}}',
            "/get/parameters/0: 'name' is a required property",
        ),
        (
            '{"paths": {"/a": {"parameters": 1, "get": {}}}}',
            "/paths/~1a/parameters: 1 is not of type 'array'",
        ),
        (
            '{"paths": {}, "components": {"schemas": []}}',
            "/components/schemas: [] is not of type 'object'",
        ),
        (
            '{"components": {"schemas": {"A": {"type": "text"}}}}',
            "/A/type: 'text' is not",
        ),
        (
            '{"components": {"schemas": {"A": {"required": true}}}}',
            "/A/required: True is not of type 'array'",
        ),
        (
            '{"components": {"schemas": {"A": {"maxLength": "9"}}}}',
            "/A/maxLength: '9' is not of type 'number'",
        ),
        ('{"components": {"schemas": {"A": {"maxLength": NaN}}}}', "line 2: NaN is not JSON"),
        ('{"paths": {"/\\ud800": {}}}', "line 2: 'utf-8' codec can't encode character"),
        ('{"paths": {}, "servers": [{"$ref": "#"}]}', "/servers/0: 'url' is a required property"),
        ('{"paths": {"/a": {}, "/a": {"get": {}}}}', "the key '/a' is there twice"),
        ('{"components": ' + '{"a":' * 200 + "1" + "}" * 201, "it is nested too deeply"),
        ('{"components": ' + "[" * 100_000, "line 2: "),
    ],
)
def test_a_broken_fragment_is_named_and_left_out(text: str, message: str) -> None:
    good = page({"paths": {"/b": {"get": {}}}}, "good.md")
    joined = join([pages.Page("bad.md", f"```json\n{text}\n```"), good])
    (problem,) = joined.problems
    assert (problem.kind, problem.page) == ("unreadable-fragment", "bad.md")
    assert message in problem.message
    assert joined.document["paths"] == {"/b": {"get": {}}}


def test_a_part_that_contradicts_an_earlier_page_is_named_and_left_out() -> None:
    one = {"schemas": {"A": {"type": "string", "description": "One."}, "B": {"enum": ["x", "y"]}}}
    two = {"schemas": {"A": {"type": "integer"}, "B": {"enum": ["y", "x"]}, "C": {"type": "null"}}}
    joined = join([page({"components": one}, "one.md"), page({"components": two}, "two.md")])
    assert [(problem.kind, problem.where, problem.page) for problem in joined.problems] == [
        ("contradiction", "#/components/schemas/A", "two.md")
    ]
    assert joined.document["components"]["schemas"] == {**one["schemas"], "C": {"type": "null"}}


def test_an_index_is_followed_to_the_files_that_its_links_name(tmp_path: Path) -> None:
    index = (
        '[a](https://d.example/ref/a.md) [b](b "t") [c](<c.md#part>) https://d.example/d?x=1 [a](a.md)\n'
        "[x](https://other.example/x) [y](y.png) [z](mailto:z@d.example) [q](../..) [r](%2e%2e%5cr) [m](m.md)\n"
    )
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
        ("# Media".encode("utf-16"), "it is not text in UTF-8"),
    ],
)
def test_a_file_that_is_not_markdown_is_a_missing_page(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "llms.txt").write_text("[a](a.md) [b](b.md)", encoding="utf-8")
    (tmp_path / "a.md").write_text("one", encoding="utf-8")
    (tmp_path / "b.md").write_bytes(content)
    reading = pages.from_folder(tmp_path)
    assert ([one.name for one in reading.pages], reading.missing) == (["a.md"], {"b.md": why})


def test_a_reference_to_a_whole_path_is_named_and_left_out() -> None:
    hook: dict[str, Any] = {"post": {"responses": {}}}
    document = {
        "webhooks": {"hook": {"$ref": "#/components/pathItems/Hook"}},
        "components": {"pathItems": hook},
    }
    (problem,) = join([page(document)]).problems
    assert (problem.kind, problem.where, problem.page) == (
        "unreadable-fragment",
        "#/webhooks/hook",
        "page.md",
    )
    assert problem.message == "line 4: /webhooks/hook: it cannot be read"


# Exit codes


def test_the_exit_code_is_2_without_an_index(tmp_path: Path) -> None:
    code, output, errors = run("--from", tmp_path)
    assert (code, output) == (2, "")
    assert errors.startswith("Nothing could be compared: ")


def test_the_exit_code_is_2_without_a_fragment(tmp_path: Path) -> None:
    (tmp_path / "llms.txt").write_text("[a](a.md) [b](b.md)", encoding="utf-8")
    (tmp_path / "a.md").write_text('```json\n{"paths": {\n```', encoding="utf-8")
    code, output, errors = run("--from", tmp_path, "--json")
    assert (code, output) == (2, "")
    assert "1 pages were read, and no fragment" in errors
    assert "  b.md: it is not in the folder\n" in errors


def test_the_exit_code_is_2_if_nothing_differs_but_a_page_is_missing(
    whole: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "llms.txt").write_text("[a](a.md) [b](b.md)", encoding="utf-8")
    (tmp_path / "a.md").write_text(page(whole).text, encoding="utf-8")
    code, output, _ = run("--from", tmp_path)
    assert code == 2
    assert output.startswith("COULD NOT BE READ (1), and is not compared:\n  b.md: missing page: ")


def test_the_exit_code_does_not_depend_on_whether_anybody_reads_the_report() -> None:
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


def test_the_json_can_be_written_in_any_encoding(whole: dict[str, Any], tmp_path: Path) -> None:
    whole["components"]["schemas"]["Channel"]["enum"].append("Brüf \U0001f54a")
    (tmp_path / "llms.txt").write_text("[a](a.md)", encoding="utf-8")
    (tmp_path / "a.md").write_text(page(whole).text, encoding="utf-8")
    code, output, _ = run_alone("--from", tmp_path, "--json", PYTHONIOENCODING="ascii")
    assert (code, [row["theirs"] for row in json.loads(output)]) == (1, ["Brüf \U0001f54a"])


def test_the_exit_code_is_2_for_a_spec_or_an_option_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("a: [", encoding="utf-8")
    assert run("--from", PLANTED, "--spec", tmp_path / "spec.yaml")[0] == 2
    assert run("--what")[0] == 2


# Whatever the pages hold


def check(texts: list[str]) -> None:
    """Assert that pages give a report, whatever they hold."""
    joined = join([pages.Page(f"{number}.md", text) for number, text in enumerate(texts)])
    found = compare(read_facts(SPEC), read_facts(joined.document))
    assert MODULE.as_text(found, joined.problems, joined)


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


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=15)
@given(st.sampled_from(SOURCES), st.data())
def test_pages_with_parts_cut_out_or_replaced_are_reported(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(begin, min(len(text), begin + 200)))
        text = (
            text[:begin]
            + data.draw(st.one_of(st.just(""), VALUES, st.text(max_size=5)))
            + text[end:]
        )
    check([text, SOURCES[5]])


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=25)
@given(st.sampled_from(SOURCES), st.data())
def test_pages_with_other_values_are_reported(text: str, data: st.DataObject) -> None:
    """The JSON stays valid, so that it reaches the comparison."""
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
    check([text])


# Pages from the web


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


def read(site: Site, cache: Path, timeout: float = 10, **limits: int) -> pages.Reading:
    most = limits.pop("most", pages.MOST_PAGES)
    web = fetch.Web(f"{site.url}/llms.txt", cache, timeout, pause=0, **limits)
    try:
        return pages.from_web(web, f"{site.url}/llms.txt", most=most)
    finally:
        web.close()


def test_pages_are_read_from_the_web_without_credentials_cookies_or_a_proxy(
    whole: dict[str, Any], site: Site, tmp_path: Path
) -> None:
    site.files = {
        "/llms.txt": f"[a](/ref/a) [b]({site.url}/ref/b.md#x) [c](https://other.example/c.md) [d](/d.png)",
        "/ref/a.md": page(whole).text,
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


def test_a_page_that_has_not_changed_is_not_downloaded_again(site: Site, tmp_path: Path) -> None:
    site.files = {"/llms.txt": "[a](a.md) [b](b.md)", "/a.md": "one", "/b.md": "two"}
    first = read(site, tmp_path)
    site.files["/b.md"] = "three"
    second = read(site, tmp_path)
    assert [one.text for one in first.pages] == ["one", "two"]
    assert [one.text for one in second.pages] == ["one", "three"]
    assert [status for _, _, status in site.asked] == [200, 200, 200, 304, 304, 200]
    for file in tmp_path.iterdir():  # a cache that is damaged is no cache
        file.write_text("{", encoding="utf-8")
    assert read(site, tmp_path) == second
    assert [status for _, _, status in site.asked][6:] == [200, 200, 200]


def test_pages_are_read_if_the_cache_cannot_be_written(site: Site, tmp_path: Path) -> None:
    site.files = {"/llms.txt": "[a](a.md)", "/a.md": "one"}
    (tmp_path / "file").touch()
    assert [one.text for one in read(site, tmp_path / "file").pages] == ["one"]


def test_a_redirect_is_followed_on_the_same_site_only(site: Site, tmp_path: Path) -> None:
    site.files = {"/llms.txt": "[a](a.md) [b](b.md) [c](c.md) [d](d.md)", "/new.md": "moved"}
    site.answers = {
        "/a.md": (302, {"Location": "/new.md"}),
        "/b.md": (302, {"Location": "https://other.example/b.md"}),
        "/c.md": (302, {"Location": "/c.md"}),
        "/d.md": (302, {"Location": site.url.replace("//", "//somebody:secret@") + "/new.md"}),
    }
    reading = read(site, tmp_path)
    assert [one.text for one in reading.pages] == ["moved"]
    assert list(reading.missing.values()) == [
        "it leads to another site, which is not followed",
        "it redirects too often",
        "it leads to another site, which is not followed",
    ]
    assert not [
        headers for _, headers, _ in site.asked if {"authorization", "cookie"} & set(headers)
    ]


def test_a_start_page_instead_of_a_page_is_a_missing_page(site: Site, tmp_path: Path) -> None:
    site.files = {
        "/llms.txt": "[a](a.md) [b](b.md)",
        "/a.md": "one",
        "/b.md": "<!doctype html><title>Docs</title>",
    }
    reading = read(site, tmp_path)
    assert [one.text for one in reading.pages] == ["one"]
    assert reading.missing == {f"{site.url}/b.md": "it is HTML, not Markdown"}


def test_large_pages_many_pages_and_a_429_end_the_reading(site: Site, tmp_path: Path) -> None:
    site.files = {
        "/llms.txt": "[a](a.md) [b](b.md) [c](c.md)",
        "/a.md": "x" * 300,
        "/b.md": "b",
    }
    site.answers = {"/b.md": (429, {})}
    reading = read(site, tmp_path, largest=200)
    assert list(reading.missing.values()) == [
        "it is larger than 200 bytes",
        "HTTP 429",
        "not asked for: the site asks for fewer requests (HTTP 429)",
    ]
    few = read(site, tmp_path, largest=200, most=1)
    assert sum("more than 1 pages" in why for why in few.missing.values()) == 2


def test_the_time_limit_is_for_all_pages_together(site: Site, tmp_path: Path) -> None:
    site.files = {
        "/llms.txt": "[a](a.md) [s](slow.md) [b](b.md)",
        "/a.md": "a",
        "/slow.md": "s",
        "/b.md": "b",
    }
    site.delay = 0.8
    reading = read(site, tmp_path, timeout=0.4)
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
def test_an_address_that_is_not_https_or_holds_credentials_is_refused(
    tmp_path: Path, url: str, message: str
) -> None:
    code, output, errors = run("--index", url, "--cache", tmp_path)
    assert (code, output) == (2, "")
    assert message in errors
    assert "secret" not in errors


def test_the_exit_code_is_2_if_the_site_has_no_index_or_does_not_answer(
    site: Site, tmp_path: Path
) -> None:
    assert run("--index", f"{site.url}/llms.txt", "--cache", tmp_path)[0] == 2
    site.stop()
    assert run("--index", f"{site.url}/llms.txt", "--cache", tmp_path)[0] == 2
