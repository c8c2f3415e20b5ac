"""The sandbox's magic recipients, each through both clients: what a program gets, and what the sandbox did."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from _clients import OTHER_NUMBER, PASSWORD, TEXT, USERNAME, OpenClient
from starlette.responses import Response

from ecall_facade import ECall, RawAddress, errors
from ecall_facade.sandbox import Sandbox, _magic
from ecall_facade.sandbox._faults import FOREVER, Fault

pytestmark = pytest.mark.once

WAYS = ["send", "broadcast", "send_list"]


class Outcome(NamedTuple):
    """What a program that sends to a number gets.

    Attributes:
        error: The class of the error, or None.
        may: Its `may_have_been_sent`.
        may_of_many: The same of a broadcast or a list, if it is another.
        accepted: Whether the sandbox accepts the message.
        state: The last state of the message.
        status: The `status_code` of the error.
        retry_after: The `retry_after` of the error.
        timeout: The timeout of the client, in seconds.
    """

    error: type[errors.ECallError] | None = None
    may: bool = False
    may_of_many: bool | None = None
    accepted: bool = True
    state: str = "Delivered"
    status: int | None = None
    retry_after: float | None = None
    timeout: float = 10.0


FAILED = Outcome(state="Failed")
LOST = Outcome(errors.OutcomeUnknown, may=True)
LATE = LOST._replace(timeout=0.3)
UNREADABLE = Outcome(errors.UnreadableResponse, may=True, status=200)


def refused(error: type[errors.ECallError], status: int, **more: Any) -> Outcome:
    return Outcome(error, accepted=False, status=status, **more)


OUTCOMES = {
    "0001": Outcome(),
    "0002": Outcome(),
    "0003": Outcome(state="Sent"),
    "0004": Outcome(state="Undelivered"),
    "0005": Outcome(),
    **dict.fromkeys(("0006", "0007", "0008"), Outcome()),
    **dict.fromkeys(
        ("0071", "1000", "1001", "5111", "5112", "5155", "5502", "5504", "5506", "5509"), FAILED
    ),
    "0400": refused(errors.BadRequest, 400),
    "1180": refused(errors.BadRequest, 400),
    "0401": refused(errors.AuthenticationError, 401),
    "0403": refused(errors.PermissionDenied, 403, may_of_many=True),
    "0429": refused(errors.RateLimited, 429, may_of_many=True, retry_after=30.0),
    "0500": refused(errors.ServerError, 500, may=True),
    "0502": Outcome(errors.ServerError, may=True, status=502),
    "0503": Outcome(),
    "0901": LOST._replace(accepted=False),
    "0902": LOST,
    "0903": LATE,
    "0904": LATE,
    "0905": UNREADABLE,
    "0906": UNREADABLE,
    "0907": UNREADABLE,
    "0908": Outcome(),
    "0909": Outcome(state="SandboxTeleporting"),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(username=USERNAME, password=PASSWORD) as sandbox:
        sandbox.clock.freeze()
        yield sandbox


def number(digits: str) -> str:
    return f"+41 79 000 {digits[:2]} {digits[2:]}"


def send(ecall: ECall, way: str, to: Any) -> list[str | None]:
    """Send, in a broadcast or list beside an ordinary recipient; return the ids, that of `to` last."""
    if way == "send":
        return [ecall.sms.send(to, TEXT).message_id]
    if way == "broadcast":
        return [*ecall.sms.broadcast([OTHER_NUMBER, to], TEXT).message_ids]
    messages = [ecall.sms.compose(each, TEXT) for each in (OTHER_NUMBER, to)]
    return [entry.message_id for entry in ecall.messages.send_list(messages).entries]


def test_every_magic_recipient_is_tested() -> None:
    assert [
        recipient.removeprefix("+4179000") for recipient, _ in _magic.list_magic_recipients()
    ] == list(OUTCOMES)
    assert len({outcome for _, outcome in _magic.list_magic_recipients()}) == len(OUTCOMES)


# A broadcast and a list differ only in what an error says, and in what a 400 refuses.
CASES = [
    (digits, way)
    for digits, expected in OUTCOMES.items()
    for way in (WAYS if expected.error is not None or digits == "0503" else ["send"])
]


@pytest.mark.parametrize(("digits", "way"), CASES)
def test_a_magic_recipient_plays_its_outcome(
    sandbox: Sandbox, open_client: OpenClient, pauses: list[float], way: str, digits: str
) -> None:
    expected, count = OUTCOMES[digits], 1 if way == "send" else 2
    ecall = open_client(sandbox.url, timeout=expected.timeout)
    if digits in {"0400", "1180"} and way == "send_list":  # its valid messages are accepted
        assert [message_id is None for message_id in send(ecall, way, number(digits))] == [
            False,
            True,
        ]
        assert [message.recipient for message in sandbox.messages] == ["+41787654321"]
        return
    if expected.error is None:
        ids = send(ecall, way, number(digits))
        assert ids == [message.id for message in sandbox.messages]
        assert len(ids) == count
    else:
        with pytest.raises(expected.error) as caught:
            send(ecall, way, number(digits))
        assert type(caught.value) is expected.error
        may = (
            expected.may if way == "send" or expected.may_of_many is None else expected.may_of_many
        )
        assert caught.value.may_have_been_sent is may
        assert getattr(caught.value, "status_code", None) == expected.status
        assert getattr(caught.value, "retry_after", None) == expected.retry_after
        # Without a response there is no request id, and a proxy's response has none.
        assert bool(caught.value.request_id) is (expected.status not in {None, 502})
    assert pauses == ([1.0] if digits == "0503" else [])
    assert len(sandbox.messages) == (count if expected.accepted else 0)
    if not expected.accepted:
        return
    sandbox.clock.advance(minutes=5)
    message = sandbox.messages[-1]
    assert message.recipient == f"+4179000{digits}"
    assert message.state == expected.state
    status = ecall.messages.status(message.id)
    assert str(status.state) == expected.state
    assert status.is_final is (expected.state in {"Delivered", "Undelivered", "Failed"})
    if expected.state == "Failed":
        assert status.error is not None
        assert status.error.code == str(int(digits))
    if way != "send":
        assert sandbox.messages[0].state == "Delivered"  # the other one's


def test_a_magic_recipient_may_begin_with_plus_or_00(sandbox: Sandbox) -> None:
    for digits in OUTCOMES:
        expected = _magic.find_magic_recipient(f"+4179000{digits}")
        assert expected is not None
        assert _magic.find_magic_recipient(f"004179000{digits}") is expected
    with ECall(USERNAME, PASSWORD, base_url=sandbox.url, sender="ACME") as ecall:
        with pytest.raises(errors.PermissionDenied):
            ecall.sms.send(RawAddress("0041790000403"), TEXT)
        send(ecall, "send", RawAddress("0041790000003"))
    assert [message.recipient for message in sandbox.messages] == ["0041790000003"]


@pytest.mark.parametrize(
    "recipient",
    [
        "+41790000", "+417900004033", "+41791000403", "0790000403", "+49790000403", "+4179000O403", "0403",
    ],
)  # fmt: skip
def test_a_similar_number_is_no_magic_recipient(recipient: str) -> None:
    assert _magic.find_magic_recipient(recipient) is None


def test_the_magic_503_comes_every_second_time(sandbox: Sandbox, open_client: OpenClient) -> None:
    ecall = open_client(sandbox.url, retry=False)
    for round_ in range(2):
        with pytest.raises(errors.ServerError) as caught:
            send(ecall, "send", number("0503"))
        assert (caught.value.status_code, caught.value.retry_after) == (503, 1.0)
        assert caught.value.request_id
        assert len(sandbox.messages) == round_
        send(ecall, "send", number("0503"))
        assert len(sandbox.messages) == round_ + 1
    with pytest.raises(errors.ServerError):
        send(ecall, "send", number("0503"))
    sandbox.clear()
    with pytest.raises(errors.ServerError):
        send(ecall, "send", number("0503"))


def test_the_magic_503_comes_once_for_a_list_that_names_its_number_twice(
    sandbox: Sandbox, pauses: list[float]
) -> None:
    with ECall(USERNAME, PASSWORD, base_url=sandbox.url, sender="ACME") as ecall:
        twice = [
            ecall.sms.compose(RawAddress(form + "4179000" + "0503"), TEXT) for form in ("+", "00")
        ]
        assert len(ecall.messages.send_list(twice).accepted) == 2
    assert pauses == [1.0]


def test_a_planned_failure_comes_before_the_fault_of_the_first_magic_recipient(
    sandbox: Sandbox,
) -> None:
    with ECall(USERNAME, PASSWORD, base_url=sandbox.url, sender="ACME") as ecall:
        with pytest.raises(errors.PermissionDenied):
            ecall.sms.broadcast([number("0001"), number("0403"), number("0500")], TEXT)
        sandbox.fail_next(413)
        with pytest.raises(errors.TooLarge):
            ecall.sms.send(number("0403"), TEXT)
        with pytest.raises(errors.PermissionDenied):
            ecall.sms.send(number("0403"), TEXT)


def test_a_magic_recipient_has_its_states_on_the_way(
    sandbox: Sandbox, open_client: OpenClient
) -> None:
    ecall = open_client(sandbox.url)
    for digits, ways in {
        "0001": [(0.0, "Delivered")],
        "0002": [(0.0, "Pending"), (29.9, "Sent"), (0.1, "Delivered")],
        "0003": [(0.0, "Pending"), (1, "Sent"), (6 * 86400.0, "Sent")],
        "0005": [(0.0, "Scheduled"), (59.9, "Scheduled"), (0.1, "Pending"), (0.2, "Delivered")],
        "0071": [(0.0, "Pending"), (0.1, "Sent"), (0.1, "Failed")],
    }.items():
        (message_id,) = send(ecall, "send", number(digits))
        for seconds, state in ways:
            sandbox.clock.advance(seconds)
            assert str(ecall.messages.status(str(message_id)).state) == state, digits


def test_the_unknown_state_of_a_magic_recipient_is_kept_and_not_final(
    sandbox: Sandbox, open_client: OpenClient
) -> None:
    ecall = open_client(sandbox.url)
    (message_id,) = send(ecall, "send", number("0909"))
    status = ecall.messages.status(str(message_id))
    assert status.state.value == "SandboxTeleporting"
    assert not status.is_final
    with pytest.raises(errors.WaitTimeout) as caught:
        ecall.messages.wait(str(message_id), timeout=0.05)
    assert caught.value.status is not None
    assert (caught.value.status.state, caught.value.status.is_final) == (status.state, False)


def test_another_letter_case_and_unknown_fields_are_in_the_response_at_any_depth(
    sandbox: Sandbox,
) -> None:
    sms = {"channel": "Sms", "from": "ACME", "content": {"type": "Text", "text": TEXT}}
    with httpx.Client(base_url=sandbox.url, auth=(USERNAME, PASSWORD), trust_env=False) as client:
        responses = {
            digits: client.post(
                "/api/v2/messagelist", json={"messages": [{**sms, "to": f"+4179000{digits}"}]}
            ).json()
            for digits in ("0908", "0909")
        }
    assert responses["0908"].keys() == {"Messagelistid", "Messages"}
    assert responses["0908"]["Messages"] == [{"Messageid": sandbox.messages[0].id}]
    assert responses["0909"].keys() - {"messageListId", "messages"}


def test_the_magic_502_looks_like_that_of_a_proxy(sandbox: Sandbox) -> None:
    sms = {
        "channel": "Sms",
        "from": "ACME",
        "to": "+41790000502",
        "content": {"type": "Text", "text": TEXT},
    }
    response = httpx.post(
        f"{sandbox.url}/api/v2/message", json=sms, auth=(USERNAME, PASSWORD), trust_env=False
    )
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")
    assert response.text.startswith("<html>")
    assert "x-f24-request-id" not in response.headers
    assert response.headers["x-ecall-sandbox"].startswith("simulated")


class FakeConnection:
    """The connection of a response, which the client closes after some seconds."""

    def __init__(self, closed_after: float) -> None:
        self.parts: list[Any] = []
        self._closed_after = closed_after

    async def receive(self) -> Any:
        await asyncio.sleep(self._closed_after)
        return {"type": "http.disconnect"}

    async def send(self, part: Any) -> None:
        self.parts.append((asyncio.get_running_loop().time(), part))


@pytest.mark.parametrize(("delay", "closed_after", "parts"), [(0.05, 5.0, 2), (5.0, 0.01, 0)])
def test_a_slow_response_waits_and_is_not_sent_to_a_client_that_is_gone(
    delay: float, closed_after: float, parts: int
) -> None:
    async def respond() -> tuple[float, FakeConnection]:
        began, connection = asyncio.get_running_loop().time(), FakeConnection(closed_after)
        await Fault("slow", delay=delay).send(
            Response(b"{}"), {"type": "http"}, connection.receive, connection.send
        )
        return began, connection

    began, connection = asyncio.run(respond())
    assert len(connection.parts) == parts
    assert all(at - began >= delay - 0.01 for at, _ in connection.parts)


@pytest.mark.long
def test_a_client_that_waits_for_a_response_does_not_hold_up_stop(
    sandbox: Sandbox,
) -> None:
    caught: list[errors.ECallError] = []

    def wait() -> None:
        with ECall(USERNAME, PASSWORD, base_url=sandbox.url, sender="ACME") as ecall:
            try:
                send(ecall, "send", number("0904"))
            except errors.OutcomeUnknown as error:
                caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not sandbox.messages:
        time.sleep(0.005)
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 5
    thread.join()
    assert caught
    gc.collect()  # a task that was left would warn


def test_the_delays_of_magic_recipients_are_documented() -> None:
    delays = {
        recipient[-4:]: magic.fault.delay
        for recipient, _ in _magic.list_magic_recipients()
        if (magic := _magic.find_magic_recipient(recipient)) and magic.fault and magic.fault.delay
    }
    assert delays == {"0903": 3, "0904": FOREVER}
    assert "after 3 seconds" in dict(_magic.list_magic_recipients())["+41790000903"]
    assert FOREVER >= 60


def test_the_table_of_magic_recipients_in_the_docs_is_complete() -> None:
    text = (Path(__file__).parents[1] / "docs" / "reference" / "magic-recipients.md").read_text(
        "utf-8"
    )
    rows = re.findall(r"^\| *`?(\+41 79 000 \d\d \d\d)`? *\| *(.*?) *\|$", text, re.MULTILINE)
    assert [
        (recipient.replace(" ", ""), outcome) for recipient, outcome in rows
    ] == _magic.list_magic_recipients()
