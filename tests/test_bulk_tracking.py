"""Tracking over real sockets: whom it asks, when it ends, and what it writes down."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from _bulk import CountingService
from _servers import Exchange, Response, Server, reply

from ecall_facade import AsyncECall, AuthenticationError, ECall, InvalidConfiguration, UsageError
from ecall_facade.bulk import Job, Ledger, Message

WAYS = ["sync", "asyncio", "trio"]


class Tracker:
    """Tracks jobs in one of the three ways."""

    def __init__(self, way: str) -> None:
        self._way = way
        self.told: list[tuple[int, int]] = []
        self.told_in: set[str] = set()

    def track(
        self, job: Job, url: str, timeout: float | None = None, concurrency: int = 10
    ) -> dict[str, int]:
        if self._way == "sync":
            with ECall("u", "p", base_url=url) as ecall:
                return job.track(
                    ecall, timeout=timeout, concurrency=concurrency, on_progress=self._tell
                )

        async def main() -> dict[str, int]:
            async with AsyncECall("u", "p", base_url=url) as ecall:
                return await job.track_async(
                    ecall, timeout=timeout, concurrency=concurrency, on_progress=self._tell
                )

        return anyio.run(main, backend=self._way)

    def _tell(self, final: int, total: int) -> None:
        self.told.append((final, total))
        self.told_in.add(threading.current_thread().name)


@pytest.fixture(params=WAYS)
def tracker(request: pytest.FixtureRequest) -> Tracker:
    return Tracker(request.param)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def sent_job(ledger: Ledger, count: int) -> Job:
    """Return a job whose messages were accepted as `id-0`, `id-1` and so on."""
    texts = [Message(f"+4179{number:07d}", f"message {number}") for number in range(count)]
    job = ledger.job("a", texts)
    with (
        CountingService(latency=0) as service,
        ECall("u", "p", base_url=service.url, sender="ACME") as ecall,
    ):
        assert job.send(ecall, concurrency=10).accepted == count
    return job


def by_id(response_to: Callable[[str], bytes]) -> tuple[Response, Counter[str]]:
    """Return what answers each read by its message id, and counts them."""
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def respond(exchange: Exchange) -> None:
        message_id = exchange.request.path.rsplit("/", 1)[-1]
        with lock:
            asked[message_id] += 1
        exchange.send(response_to(message_id))

    return respond, asked


def state(message_id: str, name: str) -> bytes:
    return reply(200, {"messageId": message_id, "state": name})


def test_each_message_is_asked_about_until_its_state_is_final(
    ledger: Ledger, tracker: Tracker
) -> None:
    job = sent_job(ledger, 3)

    def response_to(message_id: str) -> bytes:
        is_early = message_id == "id-1" and asked[message_id] == 1
        return state(message_id, "Sent" if is_early else "Delivered")

    respond, asked = by_id(response_to)
    with Server(respond, keeps=True) as server:
        assert tracker.track(job, server.url, timeout=0) == {"Delivered": 2, "Sent": 1}
        assert tracker.track(job, server.url) == {"Delivered": 3}
        assert tracker.track(job, server.url) == {"Delivered": 3}
    assert asked == {"id-0": 1, "id-1": 2, "id-2": 1}
    assert tracker.told == [(2, 3), (3, 3)]
    assert tracker.told_in == {threading.main_thread().name}


@pytest.mark.long
def test_a_timeout_of_zero_asks_once_about_each_of_many(ledger: Ledger, tracker: Tracker) -> None:
    job = sent_job(ledger, 450)  # more than are read from the ledger at a time
    respond, asked = by_id(lambda message_id: state(message_id, "Sent"))
    with Server(respond, keeps=True) as server:
        assert tracker.track(job, server.url, timeout=0, concurrency=20) == {"Sent": 450}
    assert len(asked) == asked.total() == 450


@pytest.mark.long
def test_tracking_ends_at_its_timeout(ledger: Ledger, tracker: Tracker) -> None:
    job = sent_job(ledger, 2)
    respond, asked = by_id(lambda message_id: state(message_id, "Sent"))
    begun = time.monotonic()
    with Server(respond, keeps=True) as server:
        assert tracker.track(job, server.url, timeout=3) == {"Sent": 2}
    assert time.monotonic() - begun < 3.5
    assert asked.total() == 4


@pytest.mark.parametrize(
    ("response", "known"),
    [
        (reply(404, {"errorCode": "IDDoesNotExist"}), {"": 1}),  # it may only be too new
        (reply(429, {}, retry_after="0"), {"": 1}),
        (reply(503, {}), {"": 1}),
        (reply(200, b"<html>"), {"": 1}),
    ],
    ids=["404", "429", "503", "unreadable"],
)
def test_a_passing_error_leaves_the_state_open(
    ledger: Ledger, tracker: Tracker, response: bytes, known: dict[str, int]
) -> None:
    job = sent_job(ledger, 1)
    with Server(response, keeps=True) as server:
        assert tracker.track(job, server.url, timeout=0) == known


def test_a_refused_account_ends_the_tracking_and_what_was_known_is_kept(
    ledger: Ledger, tracker: Tracker
) -> None:
    job = sent_job(ledger, 3)
    respond, _ = by_id(
        lambda message_id: (
            reply(401, {}) if message_id == "id-1" else state(message_id, "Delivered")
        )
    )
    with Server(respond, keeps=True) as server, pytest.raises(AuthenticationError):
        tracker.track(job, server.url)
    assert job.deliveries() == {"Delivered": 2, "": 1}


@pytest.mark.long
def test_no_more_requests_are_under_way_than_were_allowed(ledger: Ledger, tracker: Tracker) -> None:
    job = sent_job(ledger, 30)
    lock = threading.Lock()
    now, most = [0], [0]

    def respond(exchange: Exchange) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        exchange.send(state(exchange.request.path.rsplit("/", 1)[-1], "Delivered"))

    with Server(respond, keeps=True) as server:
        assert tracker.track(job, server.url, concurrency=3) == {"Delivered": 30}
    assert 1 < most[0] <= 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_tracking_keeps_what_it_knows(ledger: Ledger, backend: str) -> None:
    job = sent_job(ledger, 40)
    numbers = itertools.count(1)
    are_both_waiting, is_cancelled = threading.Event(), threading.Event()
    asked = Counter[str]()

    def respond(exchange: Exchange) -> None:
        number = next(numbers)
        if number > 6 and not is_cancelled.is_set():
            if number == 8:
                are_both_waiting.set()
            exchange.wait_for_end()
            return
        message_id = exchange.request.path.rsplit("/", 1)[-1]
        asked[message_id] += 1
        exchange.send(state(message_id, "Delivered"))

    async def main() -> None:
        async with (
            AsyncECall("u", "p", base_url=server.url) as ecall,
            anyio.create_task_group() as group,
        ):
            group.start_soon(partial(job.track_async, ecall, concurrency=2))
            await anyio.to_thread.run_sync(are_both_waiting.wait, 30)
            group.cancel_scope.cancel()

    with Server(respond) as server:
        anyio.run(main, backend=backend)
        is_cancelled.set()
        assert job.deliveries() == {"Delivered": 6, "": 34}
        with ECall("u", "p", base_url=server.url) as ecall:
            assert job.track(ecall, timeout=0) == {"Delivered": 40}
    assert len(asked) == asked.total() == 40  # no state that was known was asked for again


@pytest.mark.parametrize("timeout", [-1, float("nan"), 1e8])
def test_a_timeout_that_cannot_work_is_refused(
    ledger: Ledger, tracker: Tracker, timeout: float
) -> None:
    job = ledger.job("a", [Message("+41791234567", "x")])
    with pytest.raises(InvalidConfiguration):
        tracker.track(job, "http://127.0.0.1:9", timeout=timeout)


def test_a_client_of_the_other_kind_is_refused(ledger: Ledger) -> None:
    job = ledger.job("a", [Message("+41791234567", "x")])
    with pytest.raises(UsageError, match="track_async"):
        job.track(AsyncECall("u", "p"))  # type: ignore[arg-type]

    async def main() -> None:
        with ECall("u", "p") as ecall:
            await job.track_async(ecall)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="must be an AsyncECall"):
        anyio.run(main)
