"""The evidence: each part of the spec says how well it is known, none claims too much, and the pages show it."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import _evidence
import _evidence_page
import _openapi

ROOT = Path(__file__).parents[2]
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "spec" / "ecall.yaml").read_text(encoding="utf-8"))


def holders(node: Any, pointer: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each part of the spec that has `x-evidence`, with its place; knows nothing of OpenAPI."""
    if isinstance(node, dict):
        if "x-evidence" in node:
            yield pointer, node
        for key, value in node.items():
            yield from holders(value, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from holders(value, f"{pointer}/{place}")


HOLDERS = dict(holders(SPEC))

# What may be claimed

SCHEMAS = "#/components/schemas"
OPTIONAL = "#/paths/~1api~1media/post/requestBody"


def schema_and_properties(schema: str, *names: str) -> list[str]:
    """Return the places of a schema and of some of its properties."""
    return [f"{SCHEMAS}/{schema}", *properties(schema, *names)]


def properties(schema: str, *names: str) -> list[str]:
    return [f"{SCHEMAS}/{schema}/properties/{name}" for name in names]


def conditions(schema: str) -> list[str]:
    both = [f"{SCHEMAS}/{schema}/not/anyOf/0/properties/{name}" for name in ("to", "toList")]
    return [
        *both,
        f"{SCHEMAS}/{schema}/if/properties/channel",
        f"{SCHEMAS}/{schema}/else/if/properties/channel",
        f"{SCHEMAS}/{schema}/else/else/if/properties/channel",
    ]


def rules(channel: str, *names: str) -> list[str]:
    rule = f"#/components/x-channel-rules/{channel}"
    return [rule, *(f"{rule}/properties/{name}" for name in names)]


# All that the vendor is known to document, by what the documentation says. Nothing is added here without a page of the
# vendor's that says so.
DOCUMENTED = {
    "the address, Basic, the header for the version and its values, x-f24-request-id": [
        "#/servers/0",
        "#/components/securitySchemes/BasicAuth",
        "#/components/parameters/ApiVersion",
        "#/components/headers/RequestId",
        *schema_and_properties("ApiVersion"),
    ],
    "POST /api/message and GET /api/message/{messageId}; of lists and media the paths are not known": [
        "#/paths/~1api~1message/post",
        "#/paths/~1api~1message~1{messageId}/get",
        "#/paths/~1api~1message~1{messageId}/get/parameters/0",
    ],
    "that there are inbound messages (ReceivedMessage) and status notifications, to be answered with 200": [
        "#/webhooks/receivedMessage/post",
        "#/webhooks/receivedMessage/post/responses/200",
        "#/webhooks/statusNotification/post",
        "#/webhooks/statusNotification/post/responses/200",
        *schema_and_properties("ReceivedMessage"),
    ],
    "one error shape for every 4xx and 5xx": [
        "#/components/responses/OtherError",
        *schema_and_properties("Error", "errorCode", "errorMessage", "errorDetails"),
        *schema_and_properties("ErrorCode"),
    ],
    "MessageRequest, the channels, and that `to` and `toList` exclude each other": [
        *schema_and_properties(
            "MessageRequest", "channel", "from", "to", "toList", "content", "notification"
        ),
        *schema_and_properties("Channel"),
        *conditions("MessageRequest"),
    ],
    "ToAddressNumber: its name": schema_and_properties("ToAddressNumber"),
    "MessageListRequest: messages like a MessageRequest without notification, and one notification": [
        *schema_and_properties("MessageListRequest", "messages", "notification"),
        *schema_and_properties("MessageListItem", "channel", "from", "to", "toList", "content"),
        *conditions("MessageListItem"),
    ],
    "the answer to a list: messageListId and, for each message, messageId or error; no name of the array": [
        *schema_and_properties("MessageListResult", "messageListId"),
        *schema_and_properties("MessageListEntry", "messageId", "error"),
    ],
    "the answer to toList: messageIdList": properties("MessageResult", "messageIdList"),
    "contents: told apart by type; mediaId of two kinds, options.pageLimit, a type Sticker": [
        *schema_and_properties("Content"),
        *schema_and_properties("ImageContent", "mediaId"),
        *schema_and_properties("DocumentContent", "mediaId"),
        *schema_and_properties("TextOptions", "pageLimit"),
        *schema_and_properties("StickerContent", "type"),
        *properties("TextContent", "options"),
    ],
    "Notification: addresses": schema_and_properties("Notification", "addresses"),
    "MediaUploadResult": schema_and_properties("MediaUploadResult", "mediaId"),
    "the limits of senders and texts; no sticker on WhatsApp": [
        *rules("Sms", "from", "content", "content/properties/text"),
        *rules("Whatsapp", "content", "content/properties/text", "content/properties/type"),
        *rules("Rcs", "content", "content/properties/text"),
    ],
}

# All that was seen in code that others run against the service.
OBSERVED = {
    "the request that eight clients send, and that they take any 2xx as an answer to it": [
        *schema_and_properties("TextContent", "type", "text"),
        "#/paths/~1api~1message/post/responses/2XX",
    ],
    "messageId in the answer to it": schema_and_properties("MessageResult", "messageId"),
    "notifications, in one client": [
        *properties("Notification", "forEvent"),
        *schema_and_properties("NotificationAddress", "type", "address"),
        *schema_and_properties("NotificationAddressType"),
        *schema_and_properties("NotificationEvent"),
    ],
    "the inside of errorDetails, in one client": [
        *schema_and_properties("ErrorDetails", "errors"),
        *schema_and_properties("ParameterError", "parameter", "messages"),
    ],
    "400 for a sender that is not approved, in one client": ["#/components/responses/BadRequest"],
}

BEST = {place: "observed" for places in OBSERVED.values() for place in places}
BEST |= {place: "documented" for places in DOCUMENTED.values() for place in places}
RANKS = ["inferred", "observed", "documented"]


# Of these the documentation is known to have the name; that they are required or limited is our own addition.
ADDED_TO = [
    *properties("ImageContent", "mediaId"),
    *properties("DocumentContent", "mediaId"),
    *properties("TextOptions", "pageLimit"),
    *properties("MessageListRequest", "messages"),
]


class TestClaims:
    def test_no_part_of_the_spec_claims_more_than_is_known(self) -> None:
        facts = _evidence.read_facts(SPEC).values()
        too_strong = [
            f"{fact.pointer} is {fact.level}, and may be {BEST.get(fact.pointer, 'inferred')}"
            for fact in facts
            if RANKS.index(fact.level) > RANKS.index(BEST.get(fact.pointer, "inferred"))
        ]
        assert too_strong == []

    @pytest.mark.parametrize("place", ADDED_TO)
    def test_evidence_names_what_was_inferred_beside_what_is_known(self, place: str) -> None:
        assert "inferred" in HOLDERS[place]["x-evidence"]["source"]

    def test_each_claim_that_may_be_made_is_about_one_part_of_the_spec(self) -> None:
        assert [place for place in BEST if place not in HOLDERS] == []
        both = [place for places in [*DOCUMENTED.values(), *OBSERVED.values()] for place in places]
        assert len(both) == len(set(both))


class TestFacts:
    """Every part of the spec that needs evidence has it."""

    def test_the_facts_are_all_parts_of_the_spec_that_have_evidence(self) -> None:
        assert set(_evidence.read_facts(SPEC)) == set(HOLDERS)
        assert len(HOLDERS) > 150

    @pytest.mark.parametrize("gone", ["all of it", "its level", "its source"])
    def test_evidence_that_is_removed_is_noticed(self, gone: str) -> None:
        spec = copy.deepcopy(SPEC)
        for pointer, node in holders(spec):
            kept = node["x-evidence"]
            if gone == "all of it":
                del node["x-evidence"]
            else:
                node["x-evidence"] = {
                    name: value for name, value in kept.items() if name not in gone
                }
            if (pointer, gone) != (OPTIONAL, "all of it"):
                with pytest.raises(
                    _evidence.Lacking, match=f"(?m)^{re.escape(_openapi.place_of(pointer))}: "
                ):
                    _evidence.read_facts(spec)
            node["x-evidence"] = kept
        assert _evidence.read_facts(spec) == _evidence.read_facts(SPEC)

    @pytest.mark.parametrize(
        "evidence",
        [
            *[
                None,
                "documented",
                {},
                {"level": "certain", "source": "me"},
                {"level": [], "source": "me"},
            ],
            *[{"level": "inferred", "source": " "}, {"level": "inferred", "source": None}],
            {"level": "inferred", "source": "a name", "note": "more"},
        ],
    )
    def test_evidence_of_another_shape_is_refused(self, evidence: object) -> None:
        spec = copy.deepcopy(SPEC)
        spec["components"]["schemas"]["Error"]["properties"]["errorCode"]["x-evidence"] = evidence
        with pytest.raises(
            _evidence.Lacking,
            match=r"^components/schemas/Error/properties/errorCode: x-evidence of another shape; give it a level",
        ):
            _evidence.read_facts(spec)

    @pytest.mark.parametrize(
        ("place", "name", "part"),
        [
            ("components/schemas", "New", {"type": "string"}),
            ("components/schemas/Error/properties", "new", {"type": "string"}),
            (
                "components/schemas/Error/properties",
                "new",
                {"$ref": "#/components/schemas/Channel"},
            ),
            ("components/schemas/Error/properties", "new", True),
            ("components/schemas/Error/properties", "examples", {"type": "string"}),
            ("components/schemas/Error", "patternProperties", {"^x": {}}),
            ("components/schemas/Error", "additionalProperties", {"properties": {"new": {}}}),
            ("components/schemas/Error", "allOf", [{"properties": {"new": {}}}]),
            ("components/schemas/Error", "$defs", {"New": {}}),
            (
                "components/schemas/Error/properties/errorCode",
                "items",
                {"anyOf": [{"properties": {"new": {}}}]},
            ),
            ("components/schemas/Error", "not", {"properties": {"new": {}}}),
            ("components/x-channel-rules", "Fax", {}),
            ("components", "x-other-rules", {"New": {}}),
            ("components/parameters", "New", {"name": "new", "in": "query"}),
            ("components/headers", "New", {"schema": {"type": "string"}}),
            ("components/responses", "New", {"description": "New."}),
            ("components/securitySchemes", "New", {"type": "http", "scheme": "bearer"}),
            ("components", "pathItems", {"new": {"get": {}}}),
            ("paths", "/api/new", {"get": {"responses": {}}}),
            ("paths", "/api/new", {"parameters": [{"name": "new", "in": "query"}]}),
            ("paths", "/api/new", {"servers": [{"url": "https://example.ch"}]}),
            ("paths/~1api~1message", "delete", {}),
            ("paths/~1api~1message/post/responses", "201", {"description": "New."}),
            (
                "paths/~1api~1message/post/responses",
                201,
                {"$ref": "#/components/responses/Missing"},
            ),
            ("paths/~1api~1message/post/responses", "201", {"$ref": "other.yaml#/New"}),
            ("paths/~1api~1message/post/responses", "201", {"$ref": "#/tags/0"}),
            (
                "paths/~1api~1message/post/responses/2XX/headers",
                "x-new",
                {"schema": {"type": "string"}},
            ),
            ("paths/~1api~1message/post", "callbacks", {"new": {"{$url}": {"post": {}}}}),
            ("paths/~1api~1message/post", "servers", [{"url": "https://example.ch"}]),
            (
                "paths/~1api~1media/post/requestBody/content",
                "text/csv",
                {"schema": {"properties": {"new": {}}}},
            ),
            ("webhooks", "new", {"post": {}}),
            ("servers", 1, {"url": "https://example.ch"}),
        ],
    )
    def test_a_new_part_of_the_spec_without_evidence_is_noticed(
        self, place: str, name: str | int, part: object
    ) -> None:
        spec = copy.deepcopy(SPEC)
        holder = _openapi.look_up(spec, f"#/{place}")
        holder.append(part) if isinstance(holder, list) else holder.update({name: part})
        with pytest.raises(_evidence.Lacking, match="; give it a level") as raised:
            _evidence.read_facts(spec)
        assert str(name).lower() in str(raised.value).lower()  # a method is named as in HTTP

    def test_example_data_needs_no_evidence(self) -> None:
        spec = copy.deepcopy(SPEC)
        spec["components"]["schemas"]["Error"] |= {
            "examples": [{"properties": {"a": {}}}],
            "default": {"servers": [{}]},
            "const": {"properties": {"a": {}}},
        }
        assert set(_evidence.read_facts(spec)) == set(HOLDERS)


class TestPage:
    PAGE = _evidence_page.Page(SPEC)
    TEXT = PAGE.text()

    def test_the_evidence_page_shows_every_fact(self) -> None:
        assert self.PAGE.rest == {}
        for fact in self.PAGE.facts.values():
            assert _evidence_page.escape_cell(fact.source) in self.TEXT
        for name, schema in SPEC["components"]["schemas"].items():
            section = self.TEXT.split(f"\n### {name}\n")[1].split("\n##")[0]
            for field, node in schema.get("properties", {}).items():
                (row,) = [
                    line for line in section.splitlines() if line.startswith(f"| `{field}` |")
                ]
                assert row.endswith(
                    f"| {node['x-evidence']['level']} | {node['x-evidence']['source']} |"
                )
                assert ("| yes |" in row) == (field in schema.get("required", []))
        for path, methods in SPEC["paths"].items():
            for method, operation in methods.items():
                heading = f"### {operation['operationId']}: {method.upper()} {path}"
                section = self.TEXT.split(f"\n{heading}\n")[1].split("\n##")[0]
                assert f"**{operation['x-evidence']['level']}**" in section
                assert all(
                    re.search(rf"^\| (.*, )?{status}[ ,]", section, re.MULTILINE)
                    for status in operation["responses"]
                )

    def test_the_totals_of_the_evidence_page_are_right(self) -> None:
        levels = Counter(node["x-evidence"]["level"] for node in HOLDERS.values())
        real = [
            node["x-evidence"]["level"]
            for pointer, node in HOLDERS.items()
            if re.fullmatch(r"#/components/schemas/\w+/properties/\w+", pointer)
        ]
        for name, counted in (("**all**", levels), ("properties", Counter(real))):
            number = counted.total()
            cells = [
                f"{counted[level]} ({100 * counted[level] / number:.0f} %)"
                for level in reversed(RANKS)
            ]
            assert f"| {name} | {' | '.join(cells)} | {number} |\n" in self.TEXT
        assert "| properties | " in _evidence_page.summary(self.PAGE.facts)

    def test_the_evidence_page_explains_the_levels(self) -> None:
        for level in RANKS:
            assert f"- **{level}**: " in self.TEXT

    def test_the_tables_of_the_evidence_page_have_as_many_cells_in_each_row(self) -> None:
        for block in self.TEXT.split("\n\n"):
            rows = [line for line in block.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1, block

    def test_the_evidence_page_shows_what_is_nested_and_what_is_new(self) -> None:
        evidence = {"level": "inferred", "source": "a | b"}
        spec = copy.deepcopy(SPEC)
        spec["components"]["schemas"]["Error"]["properties"]["errorCode"]["properties"] = {
            "inner": {"type": "array", "items": {"const": 1}, "x-evidence": evidence}
        }
        spec["paths"]["/api/media"]["parameters"] = [
            {"name": "page", "in": "query", "x-evidence": evidence}
        ]
        spec["tags"][0]["x-evidence"] = evidence
        text = _evidence_page.Page(spec).text()
        for row in (
            "`errorCode.inner` | array of `1` |",
            "query parameter | `page`:",
            "other `Message`",
        ):
            assert re.search(
                rf"^\| {re.escape(row)} .*\| inferred \| a \\\| b \|$", text, re.MULTILINE
            ), row
