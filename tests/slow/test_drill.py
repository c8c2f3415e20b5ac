"""A correction of the spec is named by mypy, or works after scripts/regenerate alone, or is refused in one line."""

from __future__ import annotations

import re

import pytest
from _drill import ROOT, Project

SPEC = (ROOT / "spec" / "ecall.yaml").read_text(encoding="utf-8")


def schema(name: str) -> str:
    """Return the text of one schema of the spec."""
    found = re.search(rf"^    {name}:\n(?:      .*\n|\n)+", SPEC, re.MULTILINE)
    assert found is not None
    return found[0]


def in_schema(name: str, old: str, new: str) -> tuple[str, str]:
    """Return the change of a text in one schema."""
    before = schema(name)
    assert old in before
    return before, before.replace(old, new)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("drill"))


NEW_FIELD = """required: [channel, from, content, campaign]
      properties:
        campaign: {type: string, description: Why., x-evidence: {level: observed, source: a test}}
"""
NAMED = {
    "a request field is renamed": (
        [
            ("required: [channel, from, content]", "required: [channel, originator, content]"),
            ("        from:\n", "        originator:\n"),
        ],
        {"_messages.py", "webhooks/_events.py"},
    ),
    "a request has a new required field": (
        [("required: [channel, from, content]\n      properties:\n", NEW_FIELD)],
        {"_messages.py"},
    ),
    "the code of an error and the error of a callback are renamed": (
        [
            ("errorCode:", "code:"),
            in_schema("StatusNotification", "        error:\n", "        problem:\n"),
        ],
        {"_parsing.py", "webhooks/_events.py"},
    ),
    "an upload is answered without content": (
        [
            (
                SPEC[
                    (begin := SPEC.index("description: The file was stored.")) : SPEC.index(
                        '        "400"', begin
                    )
                ],
                "description: The file was stored.\n          x-evidence: {level: observed, source: a test}\n",
            )
        ],
        {"_files.py"},
    ),
}


@pytest.mark.parametrize("correction", NAMED)
def test_mypy_names_the_modules_of_the_facade_that_a_correction_breaks(
    project: Project, correction: str
) -> None:
    changes, files = NAMED[correction]
    project.correct(*changes)
    regeneration = project.regenerate()
    assert regeneration.refused == []
    named = {line.partition(":")[0].removeprefix("ecall_facade/") for line in regeneration.named}
    assert files <= named, regeneration.named


REFUSED = {
    "a channel without a rule": (
        ("enum: [Sms, Whatsapp, Rcs]", "enum: [Sms, Whatsapp, Rcs, Voice]"),
        ("x-enum-varnames: [SMS, WHATSAPP, RCS]", "x-enum-varnames: [SMS, WHATSAPP, RCS, VOICE]"),
        ["MessageRequest, channel Voice", "it has no rule", "add `if:"],
    ),
    "a wildcard media type": (
        ("application/octet-stream:\n            schema", '"*/*":\n            schema'),
        ("Stores a picture", "Stores a picture"),
        ["POST /api/media", "*/*", "name the media type"],
    ),
    "an operation without a name": (
        ("      operationId: getMedia\n", ""),
        ("Retrieve a file.", "Retrieve a file."),
        ["GET /api/media/{mediaId}", "no operationId", "add one"],
    ),
}


@pytest.mark.parametrize("correction", REFUSED)
def test_regenerate_refuses_a_correction_in_one_line_with_place_and_remedy(
    project: Project, correction: str
) -> None:
    first, second, words = REFUSED[correction]
    project.correct(first, second)
    (line,) = project.regenerate().refused
    for word in words:
        assert word in line


def test_corrected_spellings_limits_and_paths_work_after_regenerate_alone(
    project: Project,
) -> None:
    project.correct(
        ("Whatsapp", "WhatsApp"),
        ("maxLength: 4096", "maxLength: 1024"),
        ("maxLength: 1530", "maxLength: 459"),
        ("minimum: 1\n          maximum: 10", "minimum: 2\n          maximum: 6"),
        ("Sticker\n", "STICKER\n"),
        ("          Sticker: ", "          STICKER: "),
        ("{const: Sticker}", "{const: STICKER}"),
        ("/api/media", "/api/files"),
        ("enum: [Email, Sms, Url, UrlPost]", "enum: [Mail, Text, Get, Post]"),
    )
    regeneration = project.regenerate()
    assert regeneration.refused == []
    assert regeneration.named == []
    assert project.run(PROGRAM).splitlines() == [
        "InvalidText WhatsApp takes 1024",
        "InvalidText Sms takes 459",
        "InvalidText from 2 to 6",
        "InvalidMedia of type STICKER",
        "InvalidSender registered number",
        "WhatsApp 0041791234567",
        "['Post', 'Mail', 'Text']",
        "f-1 b'abc'",
        "BadRequest False",
        "sandbox 400 200 400",
    ]


PROGRAM = """
import io
import httpx
from ecall_facade.sandbox import Sandbox

def refused(words, call):
    try:
        call()
    except UsageError as error:
        print(type(error).__name__, words if words in str(error) else str(error))
    else:
        print("not refused:", words)

send = ecall.whatsapp.send
refused("WhatsApp takes 1024", lambda: send("0791234567", "x" * 1025))
refused("Sms takes 459", lambda: ecall.sms.send("0791234567", "x" * 460))
refused("from 2 to 6", lambda: ecall.sms.send("0791234567", "x", page_limit=1))
refused("of type STICKER", lambda: send("0791234567", StickerContent(media_id="m-1")))
refused("registered number", lambda: send("0791234567", "x", sender="ACME"))
assert not requests

answers["POST /api/v2/message"] = (200, {"messageId": "m-1"})
notify = ["https://shop.example/status", "me@shop.example", "0791234567"]
send("0791234567", "x" * 1024, notify=notify)
print(requests[-1].json["channel"], requests[-1].json["from"])
print([each["type"] for each in requests[-1].json["notification"]["addresses"]])

answers["POST /api/v2/files"] = (200, {"mediaId": "f-1"})
answers["GET /api/v2/files/f-1"] = (200, b"abc")
target = io.BytesIO()
media = ecall.media.upload(b"abc", content_type="image/png")
ecall.media.download(media.media_id, target)
print(media.media_id, target.getvalue())
answers["POST /api/v2/files"] = (400, {})
try:
    ecall.media.upload(b"abc", content_type="image/png")
except ECallError as error:
    print(type(error).__name__, error.may_have_been_sent)

with Sandbox(username="user", password="password") as sandbox:
    def status(text, sender="0041791234567"):
        message = {"channel": "WhatsApp", "from": sender, "to": "+41791234567",
                   "content": {"type": "Text", "text": text}}
        url = f"{sandbox.url}/api/v2/message"
        return httpx.post(url, auth=("user", "password"), json=message).status_code
    print("sandbox", status("x" * 1025), status("x" * 1024), status("x", "ACME"))
ecall.close()
server.shutdown()
server.server_close()
"""
