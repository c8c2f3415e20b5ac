"""Every scenario, replayed from its cassette to both clients; and what cassettes have to be."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import _cassettes as cassettes
import pytest
import vcr as vcrpy
from _clients import NUMBER, PASSWORD, TEXT, TOKEN, USERNAME
from _scenarios import PICTURE, SCENARIOS, WAYS, Scenario, Scene, id_of
from vcr.errors import CannotOverwriteExistingCassetteException

from ecall_client.tables import OPERATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from _clients import OpenClient

pytestmark = pytest.mark.again

KEPT = sorted(cassettes.FOLDER.glob("*.yaml"))
SEND = next(scenario for scenario in SCENARIOS if scenario.name == "send-v2-path")
MEDIA = next(scenario for scenario in SCENARIOS if scenario.name == "media-v2-path")

every_scenario = pytest.mark.parametrize(
    "scenario", [pytest.param(one, id=one.name) for one in SCENARIOS]
)
every_cassette = pytest.mark.parametrize(
    "text", [pytest.param(path.read_text("utf-8"), id=path.stem) for path in KEPT]
)


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """A server that answers nothing; its `accept` fails where nobody has tried to connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def _cassette(scenario: Scenario) -> Any:
    player = vcrpy.VCR()
    cassettes.configure(player)
    return player.use_cassette(str(cassettes.path_of(scenario)), **cassettes.settings())


# Replays


@pytest.mark.usefixtures("pauses")
@every_scenario
def test_the_client_does_what_it_did_when_it_was_recorded(
    scenario: Scenario, open_client: OpenClient
) -> None:
    with _cassette(scenario) as cassette:
        scenario.play(Scene(open_client(cassettes.SERVICE, **scenario.options)))
    assert cassette.all_played


def test_a_request_that_was_not_recorded_reaches_nobody(
    open_client: OpenClient, nobody: socket.socket
) -> None:
    """A request that is in no cassette is refused by the cassette, before the network."""
    ecall = open_client(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    calls: list[Callable[[], object]] = [
        lambda: ecall.sms.send(NUMBER, TEXT),
        lambda: ecall.messages.status("m-1"),
    ]
    for call in calls:
        with _cassette(SEND), pytest.raises(CannotOverwriteExistingCassetteException):
            call()
    with pytest.raises(BlockingIOError):
        nobody.accept()


# Matching


@pytest.mark.parametrize(
    ("scenario", "change", "call"),
    [
        pytest.param(SEND, {}, lambda ecall: ecall.sms.send(NUMBER, TEXT), id="nothing"),
        pytest.param(
            MEDIA,
            {},
            lambda ecall: ecall.media.upload(PICTURE, content_type="image/png"),
            id="nothing in a file",
        ),
        pytest.param(SEND, {}, lambda ecall: ecall.sms.send(NUMBER, f"{TEXT}!"), id="text"),
        pytest.param(
            SEND, {}, lambda ecall: ecall.sms.send("+41 79 123 45 68", TEXT), id="recipient"
        ),
        pytest.param(
            SEND, {}, lambda ecall: ecall.sms.send(NUMBER, TEXT, sender="ACME 2"), id="sender"
        ),
        pytest.param(
            SEND,
            {},
            lambda ecall: ecall.sms.send(NUMBER, TEXT, extra={"more": 1}),
            id="one field more",
        ),
        pytest.param(SEND, {}, lambda ecall: ecall.messages.status("m-1"), id="method and path"),
        pytest.param(
            SEND,
            WAYS["v1-path"],
            lambda ecall: ecall.sms.send(NUMBER, TEXT),
            id="version in the path",
        ),
        pytest.param(
            MEDIA,
            WAYS["v2-header"],
            lambda ecall: ecall.media.upload(PICTURE, content_type="image/png"),
            id="version in the header",
        ),
        pytest.param(
            MEDIA,
            {},
            lambda ecall: ecall.media.upload(PICTURE[:-1] + b"\0", content_type="image/png"),
            id="one byte of a file",
        ),
        pytest.param(
            MEDIA,
            {},
            lambda ecall: ecall.media.upload(PICTURE[:-1], content_type="image/png"),
            id="one byte less in a file",
        ),
        pytest.param(
            MEDIA,
            {},
            lambda ecall: ecall.request("GET", f"/api/media/{id_of('media')}?a=1"),
            id="query",
        ),
    ],
)
def test_only_the_same_request_finds_its_response(
    scenario: Scenario,
    change: dict[str, str],
    call: Callable[[Any], object],
    open_client: OpenClient,
    request: Any,
) -> None:
    ecall = open_client(cassettes.SERVICE, **{**scenario.options, **change})
    with _cassette(scenario) as cassette:
        if "nothing" in request.node.name:
            call(ecall)
            assert cassette.play_count == 1
            return
        with pytest.raises(CannotOverwriteExistingCassetteException):
            call(ecall)
    assert cassette.play_count == 0


def test_a_recorded_response_is_played_once(open_client: OpenClient) -> None:
    ecall = open_client(cassettes.SERVICE, **SEND.options)
    with _cassette(SEND) as cassette:
        ecall.sms.send(NUMBER, TEXT)
        with pytest.raises(CannotOverwriteExistingCassetteException):
            ecall.sms.send(NUMBER, TEXT)
    assert cassette.play_count == 1


# What cassettes have to be


def test_each_scenario_has_a_cassette_and_each_cassette_a_scenario() -> None:
    assert [path.name for path in KEPT] == sorted(f"{scenario.name}.yaml" for scenario in SCENARIOS)
    assert {path.name for path in cassettes.FOLDER.iterdir()} == {path.name for path in KEPT}


def test_recording_again_changes_nothing() -> None:
    """The cassettes are what the sandbox says today."""
    recorded = cassettes.record_all()
    differing = [path.name for path, text in recorded.items() if path.read_text("utf-8") != text]
    assert differing == [], "run scripts/record_cassettes, and look at the difference"


@pytest.mark.parametrize("top", ["recorded_from: service", "recorded_from: 'service'  # by Anna"])
def test_what_the_service_said_is_not_recorded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str
) -> None:
    for name in (SEND.name, "live-lists"):
        (tmp_path / f"{name}.yaml").write_text(f"{top}\nversion: 1\n", "utf-8")
    (tmp_path / f"{MEDIA.name}.yaml").write_text("recorded_from: sandbox\nversion: 1\n", "utf-8")
    monkeypatch.setattr(cassettes, "FOLDER", tmp_path)
    monkeypatch.setattr(cassettes, "SCENARIOS", [SEND, MEDIA])
    assert list(cassettes.record_all()) == [tmp_path / f"{MEDIA.name}.yaml"]
    assert list(cassettes.replaceable()) == [tmp_path / f"{MEDIA.name}.yaml"]
    with pytest.raises(cassettes.Unfit, match=f"from the real service.*{SEND.name}"):
        cassettes.record_all([SEND.name, MEDIA.name])


@every_cassette
def test_a_cassette_says_where_it_comes_from_and_holds_no_secret(text: str) -> None:
    assert cassettes.problems(text) == []


def _interactions() -> Iterator[tuple[str, str, int]]:
    """Yield operation, way to state the version, and status of each recorded request."""
    for path in KEPT:
        for interaction in cassettes.load(path.read_text("utf-8"))["interactions"]:
            request = interaction["request"]
            assert request["uri"].startswith(f"{cassettes.SERVICE}/api/")
            parts = request["uri"].removeprefix(f"{cassettes.SERVICE}/api/").split("/")
            version = parts.pop(0) if parts[0].startswith("v") else ""
            stated = request["headers"].get("x-api-version", [""])[0]
            assert bool(version) != bool(stated), "each request states one version, in one way"
            way = f"{version}-path" if version else f"v{stated}-header"
            if operation := _operation(request["method"], parts):
                yield operation, way, interaction["response"]["status"]["code"]


def _operation(method: str, parts: list[str]) -> str | None:
    for operation in OPERATIONS.values():
        known = operation.path.removeprefix("/api/").split("/")
        if (operation.method, known[0], len(known)) == (method, parts[0], len(parts)):
            return operation.name
    return None


def test_every_operation_and_way_and_status_was_recorded() -> None:
    recorded = set(_interactions())
    successes = {(operation, way) for operation, way, status in recorded if status == 200}
    assert {operation for operation, _ in successes} == set(OPERATIONS)
    assert {way for _, way in successes} == set(WAYS)
    assert {operation for operation, _, status in recorded if status >= 400} == set(OPERATIONS)
    statuses = {200, 400, 401, 403, 404, 413, 429, 500, 502, 503}
    assert statuses <= {status for _, _, status in recorded}


# The checks find faults


def _doctored(old: str, new: str) -> str:
    text = cassettes.path_of(SEND).read_text("utf-8")
    assert old in text
    return text.replace(old, new, 1)


NAMED = "recorded_from: sandbox\n"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param(NAMED, "", "its origin is None", id="no origin"),
        pytest.param(
            NAMED,
            "recorded_from: the real thing\n",
            "its origin is 'the real thing'",
            id="unknown origin",
        ),
        pytest.param(
            NAMED, "recorded_from: [sandbox]\n", "its origin is", id="origin of another type"
        ),
        pytest.param(
            NAMED,
            "recorded_from: service\n",
            "at its top what it is",
            id="the wrong words for the origin",
        ),
        pytest.param(
            NAMED, f"version: 1\n{NAMED}", "at its top what it is", id="origin not at the top"
        ),
        pytest.param(
            "x-ecall-sandbox",
            "x-other",
            "does not go with its origin",
            id="an answer of somebody else",
        ),
        pytest.param(
            f"{NAMED}what_this_is: {cassettes.ORIGINS['sandbox']}",
            f"recorded_from: service\nwhat_this_is: {cassettes.ORIGINS['service']}",
            "does not go with its origin",
            id="the sandbox's answer passed off as the service's",
        ),
    ],
)
def test_a_cassette_of_unclear_origin_is_refused(old: str, new: str, problem: str) -> None:
    text = _doctored(old, new)
    assert problem in "; ".join(cassettes.problems(text))
    with pytest.raises(cassettes.Unfit, match=r"origin|what it is"):
        cassettes.Serializer().deserialize(text)


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        pytest.param("Authorization", "Authorization", id="a header with credentials"),
        pytest.param(TOKEN, "credentials", id="the credentials in base64"),
        pytest.param(PASSWORD, "the password", id="the password"),
        pytest.param(USERNAME, "the username", id="the username"),
        pytest.param("http://127.0.0.1:8080", "this machine", id="an address of this machine"),
        pytest.param("Call 079 555 12 12", "the number 0795551212", id="a number with spaces"),
        pytest.param("+41795551212", "the number 41795551212", id="an international number"),
        pytest.param("0041795551212", "the number 41795551212", id="a number with 00"),
        pytest.param("!!binary MDc5NTU1MTIxMg==", "the number 0795551212", id="a number in a file"),
        pytest.param(f"!!binary {TOKEN}", "the password", id="credentials in a file"),
    ],
)
def test_a_secret_or_a_number_that_is_not_invented_is_found(new: str, problem: str) -> None:
    text = _doctored("uri: ", f"note: {new}\n    uri: ")
    assert any(problem in found for found in cassettes.problems(text))


def test_tests_write_no_cassettes() -> None:
    with pytest.raises(cassettes.Unfit):
        cassettes.Serializer().serialize({"interactions": []})


def test_a_cassette_that_is_no_scenario_is_not_recorded() -> None:
    with pytest.raises(cassettes.Unfit, match="no scenario no-such"):
        cassettes.record_all(["no-such"])
