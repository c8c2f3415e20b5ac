"""The sandbox's clock: what happens when it is advanced, and that `clear` forgets everything but the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from _sandbox import SMS, RunningSandbox, notification

from ecall_facade.sandbox import Clock

pytestmark = pytest.mark.once

OpenSandbox: TypeAlias = Callable[..., RunningSandbox]
BEGIN = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def test_the_sandbox_clock_runs_by_itself() -> None:
    clock = Clock()
    before = clock()
    assert before.tzinfo is UTC
    assert abs(datetime.now(UTC) - before) < timedelta(seconds=5)
    time.sleep(0.01)
    assert clock() - before >= timedelta(seconds=0.01)


@pytest.mark.parametrize(
    ("arguments", "options", "seconds"),
    [
        ((), {}, 0.0),
        ((1.5,), {}, 1.5),
        ((timedelta(days=1),), {}, 86400.0),
        ((), {"seconds": 1, "minutes": 2, "hours": 3}, 10_921.0),
        ((timedelta(seconds=1),), {"seconds": 0.5}, 1.5),
        ((60,), {"seconds": -30}, 30.0),
    ],
)
def test_the_sandbox_clock_can_be_advanced(
    arguments: Any, options: dict[str, float], seconds: float
) -> None:
    clock = Clock(lambda: BEGIN)
    clock.advance(*arguments, **options)
    clock.advance(*arguments, **options)
    assert (clock() - BEGIN).total_seconds() == 2 * seconds


@pytest.mark.parametrize("step", [-0.001, timedelta(microseconds=-1)])
def test_the_sandbox_clock_cannot_be_moved_back(step: float | timedelta) -> None:
    clock = Clock(lambda: BEGIN)
    with pytest.raises(ValueError, match="only be moved forward"):
        clock.advance(step)
    assert clock() == BEGIN


def test_a_frozen_clock_moves_only_when_it_is_advanced() -> None:
    times = [BEGIN, BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=9)]
    clock = Clock(lambda: times.pop(0))
    clock.advance(hours=1)
    clock.freeze()
    clock.freeze()
    assert clock() == clock() == BEGIN + timedelta(hours=1)
    clock.advance(minutes=1)
    assert clock() == BEGIN + timedelta(hours=1, minutes=1)
    assert len(times) == 2


def test_the_repr_of_a_clock_shows_its_time() -> None:
    clock = Clock(lambda: BEGIN)
    assert repr(clock) == "<Clock 2026-01-15T09:30:00.000+00:00>"
    clock.freeze()
    assert repr(clock) == "<Clock 2026-01-15T09:30:00.000+00:00, frozen>"


def test_states_follow_the_clock(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(sent_after=60, delivered_after=3600, clock=lambda: BEGIN)
    message_id = running.send().json()["messageId"]
    for step, state in (
        (59, "Pending"), (1, "Sent"), (3539, "Sent"), (1, "Delivered"), (1e5, "Delivered"),
    ):  # fmt: skip
        running.sandbox.clock.advance(step)
        assert running.sandbox.messages[0].state == state
        assert running.status(message_id)["state"] == state
    assert running.status(message_id)["timestamp"] == "2026-01-15T10:30:00.000Z"
    history = running.sandbox.messages[0].history
    changes = [(change.state, (change.at - BEGIN).total_seconds()) for change in history]
    assert changes == [("Pending", 0), ("Sent", 60), ("Delivered", 3600)]


def test_messages_keep_their_state_while_the_clock_is_frozen(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(sent_after=0.01, delivered_after=0.02)
    running.sandbox.clock.freeze()
    running.send()
    time.sleep(0.08)
    states = [running.sandbox.messages[0].state]
    running.sandbox.clock.advance(seconds=0.01)
    states.append(running.sandbox.messages[0].state)
    assert states == ["Pending", "Sent"]


def test_responses_have_the_date_of_the_clock(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(clock=lambda: BEGIN)
    running.sandbox.clock.advance(hours=1)
    response = running.send()
    assert response.headers["date"] == "Thu, 15 Jan 2026 10:30:00 GMT"
    assert response.json()["timestamp"] == "2026-01-15T10:30:00.000Z"


def test_a_status_can_be_queried_for_seven_days(running: RunningSandbox) -> None:
    running.sandbox.clock.freeze()
    message_id = running.send().json()["messageId"]
    list_id = running.send_list(SMS)["messageListId"]
    paths = [f"/api/v2/message/{message_id}", f"/api/v2/messagelist/{list_id}"]
    running.sandbox.clock.advance(timedelta(days=7))
    assert [running.api.get(path).status_code for path in paths] == [200, 200]
    running.sandbox.clock.advance(timedelta(milliseconds=1))
    responses = [running.api.get(path) for path in paths]
    assert [response.status_code for response in responses] == [404, 404]
    assert all("seven days" in response.json()["errorMessage"] for response in responses)
    assert running.sandbox.messages[0].state == "Delivered"


def test_clear_forgets_everything_but_the_time(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(clock=lambda: BEGIN)
    sandbox = running.sandbox
    asked = notification(("Email", "anna@example.ch"))
    message_id = running.send(notification=asked).json()["messageId"]
    list_id = running.send_list(SMS)["messageListId"]
    media_id = running.upload(b"GIF89a")
    sandbox.clock.advance(1)
    running.wait_for_notifications(2)
    sandbox.fail_next(500, times=3)
    sandbox.clear()
    assert (sandbox.messages, sandbox.notifications) == ([], [])
    for path in (f"message/{message_id}", f"messagelist/{list_id}", f"media/{media_id}"):
        assert running.api.get(f"/api/{path}").status_code == 404
    with pytest.raises(KeyError):
        sandbox.media(media_id)
    assert sandbox.clock() == BEGIN + timedelta(seconds=1)
    assert running.send().json()["messageId"] != message_id
    assert len(sandbox.messages) == 1


def test_clear_forgets_changes_that_were_not_reported_yet(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(sent_after=0, delivered_after=1)
    running.sandbox.clock.freeze()
    running.send(notification=notification(("Email", "anna@example.ch")))
    running.sandbox.clock.advance(1)
    running.sandbox.clear()
    running.wait_for_notifications(0)


def test_clear_may_be_called_while_requests_are_handled(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(sent_after=0, delivered_after=0.001)
    is_done = threading.Event()

    def clear() -> None:
        while not is_done.is_set():
            running.sandbox.fail_next(429)
            running.sandbox.clear()

    thread = threading.Thread(target=clear)
    thread.start()
    try:
        statuses = {running.send().status_code for _ in range(40)}
    finally:
        is_done.set()
        thread.join()
    assert statuses <= {200, 429}
