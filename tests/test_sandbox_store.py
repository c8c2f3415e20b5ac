"""What the sandbox keeps at most: messages, lists, requests and changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecall_facade.sandbox._limits import Limits
from ecall_facade.sandbox._messages import NotificationSettings, Record, State, Step
from ecall_facade.sandbox._recorded import RecordedRequest
from ecall_facade.sandbox._store import Store

pytestmark = pytest.mark.once

NOON = datetime(2026, 1, 15, 11, 0, tzinfo=UTC)


def make_store(clock: Callable[[], datetime] = lambda: NOON, **limits: Any) -> Store:
    timeline = (Step(timedelta(), State.PENDING), Step(timedelta(seconds=1), State.DELIVERED))
    return Store(
        clock=clock, timeline=timeline, seed=1, max_messages=10, max_media=1, limits=Limits(**limits)
    )  # fmt: skip


def make_record(store: Store) -> Record:
    return Record(
        id=store.new_id("message"), channel="Sms", sender="ACME", recipient="+41791234567", body=b"{}",
        accepted_at=store.clock(), request_id="r", list_id=None, timeline=store.timeline,
        notification=NotificationSettings(),
    )  # fmt: skip


def make_request(number: int, size: int) -> RecordedRequest:
    return RecordedRequest(
        request_id=str(number), at=NOON, method="POST", path="/", headers=(), body=b"x" * size, is_cut=False,
        status=200, response_headers=(), response_body=b"", note=None, refused=(),
    )  # fmt: skip


def kept_requests(store: Store) -> list[str]:
    _, entries = store.newest_of_all(100)
    return [entry.request_id for entry in entries if isinstance(entry, RecordedRequest)]


def test_recorded_requests_are_limited_in_number_and_bytes() -> None:
    store = make_store(requests=3, request_bytes=10_000)
    for number in range(5):
        store.add_request(make_request(number, 10))
    assert kept_requests(store) == ["2", "3", "4"]
    for number in range(5, 15):
        store.add_request(make_request(number, 4_000))
        assert 1 <= len(kept_requests(store)) <= 3
    assert kept_requests(store) == ["13", "14"]
    store.add_request(make_request(15, 20_000))
    assert kept_requests(store) == []
    store.add_request(make_request(16, 9_000))
    assert kept_requests(store) == ["16"]


def test_lists_are_dropped_with_their_messages() -> None:
    store = make_store()
    for number in range(5):
        store.add_list(str(number), tuple(f"{number}-{place}" for place in range(4)))
    forgotten = [store.list_status(str(number)) is None for number in range(5)]
    assert forgotten == [True, True, True, False, False]
    store.add_list("long", ("m",) * 20)
    assert store.list_status("long") == []
    assert store.list_status("4") is None


def test_steps_of_dropped_messages_are_removed_from_the_queue() -> None:
    now = [NOON]
    store = make_store(lambda: now[0])
    for number in range(1_021):
        record = make_record(store)
        record.accepted_at += timedelta(seconds=number * 37 % 1_000)
        store.add([record])
    assert len(store._queue) == 10
    now[0] += timedelta(seconds=500)
    for message in store.snapshot():
        is_due = message.accepted_at + timedelta(seconds=1) <= now[0]
        assert message.state == ("Delivered" if is_due else "Pending")
    assert len({message.state for message in store.snapshot()}) == 2


def test_changes_are_told_once_each_until_the_journal_is_too_short() -> None:
    store = make_store(journal=3)
    version, _ = store.changes_since(0)
    records = [make_record(store) for _ in range(2)]
    store.add(records)
    store.add(records[:1])
    keys = [f"message:{records[1].id}", f"message:{records[0].id}"]
    assert store.changes_since(version) == (version + 3, [f"message:{records[0].id}", keys[0]])
    assert store.changes_since(version + 1) == (version + 3, keys)
    assert store.changes_since(version + 3) == (version + 3, [])
    assert store.changes_since(version + 4) == (version + 3, None)
    store.add(records[:1])
    assert store.changes_since(version) == (version + 4, None)
    store.clear()
    assert store.changes_since(version + 4) == (version + 5, None)
    assert store.newest_of_all(10)[1] == []
