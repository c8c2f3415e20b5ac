"""Deduplication: a key is claimed while its event is handled, and kept if that succeeds."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ecall_facade.errors import InvalidConfiguration
from ecall_facade.webhooks import InProgress, Seen, SeenKeys, handle_once
from ecall_facade.webhooks._deduplication import Claim

KEY = "status:m-1:Delivered"


class DatabaseSeen:
    """A deduplicator as users with several processes write it; it has no base class."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, done INTEGER NOT NULL)")

    def claim(self, key: str) -> Claim:
        with self._open() as database:
            if database.execute("INSERT OR IGNORE INTO seen VALUES (?, 0)", (key,)).rowcount:
                return "new"
            (done,) = database.execute("SELECT done FROM seen WHERE key = ?", (key,)).fetchone()
            return "done" if done else "in progress"

    def succeed(self, key: str) -> None:
        with self._open() as database:
            database.execute("UPDATE seen SET done = 1 WHERE key = ?", (key,))

    def fail(self, key: str) -> None:
        with self._open() as database:
            database.execute("DELETE FROM seen WHERE key = ? AND NOT done", (key,))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA synchronous = OFF")
            with database:
                database.execute("BEGIN IMMEDIATE")
                yield database


@pytest.fixture(params=["SeenKeys", "sqlite"])
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Seen:
    return SeenKeys() if request.param == "SeenKeys" else DatabaseSeen(tmp_path / "seen.db")


def test_an_event_is_new_only_once(seen: Seen) -> None:
    with handle_once(seen, KEY) as is_new:
        assert is_new
    for _ in range(3):
        with handle_once(seen, KEY) as is_new:
            assert not is_new
    with handle_once(seen, f"{KEY}x") as is_new:
        assert is_new


def test_an_event_is_in_progress_while_it_is_handled(seen: Seen) -> None:
    with handle_once(seen, KEY):
        for _ in range(3):
            with (
                pytest.raises(InProgress, match="The same event is being handled"),
                handle_once(seen, KEY),
            ):
                pytest.fail("was handled")
        assert seen.claim(KEY) == "in progress"
    assert seen.claim(KEY) == "done"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(), KeyboardInterrupt(), SystemExit(), asyncio.CancelledError(), GeneratorExit(), StopIteration(),
        InProgress(), ExceptionGroup("x", [ValueError()]),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_any_exception_of_a_handler_releases_the_key(seen: Seen, error: BaseException) -> None:
    for _ in range(2):
        with pytest.raises(type(error)), handle_once(seen, KEY):
            raise error
    with handle_once(seen, KEY) as is_new:
        assert is_new
    with pytest.raises(type(error)), handle_once(seen, KEY):
        raise error
    assert seen.claim(KEY) == "done"  # an exception at a repetition forgets nothing


def test_a_cancelled_task_and_a_closed_generator_release_the_key(seen: Seen) -> None:
    async def handle_async() -> None:
        with handle_once(seen, KEY):
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(handle_async())
        await asyncio.sleep(0)
        assert seen.claim(KEY) == "in progress"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def handle() -> Generator[None, None, None]:
        with handle_once(seen, KEY):
            yield

    asyncio.run(main())
    generator = handle()
    next(generator)
    assert seen.claim(KEY) == "in progress"
    generator.close()
    assert seen.claim(KEY) == "new"


def test_a_key_that_was_never_claimed_can_be_released(seen: Seen) -> None:
    seen.fail(KEY)
    assert seen.claim(KEY) == "new"
    seen.succeed(KEY)
    seen.fail(KEY)
    assert seen.claim(KEY) == "done"


def test_fifty_threads_handle_one_event_once(seen: Seen) -> None:
    start = threading.Barrier(50)
    outcomes: Counter[str] = Counter()

    def deliver(number: int) -> None:
        start.wait()
        try:
            with handle_once(seen, KEY) as is_new:
                if is_new:
                    time.sleep(0.05)
                outcomes["new" if is_new else "done"] += 1
        except InProgress:
            outcomes["in progress"] += 1

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(deliver, range(50)))
    assert outcomes["new"] == 1
    assert outcomes.total() == 50


def test_fifty_threads_never_run_two_handlers_of_one_event_even_if_they_fail() -> None:
    seen = SeenKeys()
    start = threading.Barrier(50)
    tries: Counter[str] = Counter()
    running: Counter[str] = Counter()

    def deliver(number: int) -> None:
        start.wait()
        for key in ("a", "b", "c"):
            is_done = False
            while not is_done:
                with contextlib.suppress(InProgress, OSError), handle_once(seen, key) as is_new:
                    if is_new:
                        running[key] += 1
                        assert running[key] == 1
                        tries[key] += 1
                        time.sleep(0)
                        running[key] -= 1
                        if tries[key] < 10:
                            raise OSError
                    is_done = True
                time.sleep(0.001)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(deliver, range(50)))
    finally:
        sys.setswitchinterval(interval)
    assert tries == {"a": 10, "b": 10, "c": 10}


@pytest.mark.parametrize(("seen", "keep"), [(SeenKeys(keep=100), 100), (SeenKeys(), 10_000)])
def test_the_deduplicator_keeps_the_newest_keys(seen: SeenKeys, keep: int) -> None:
    for number in range(keep + 1):
        seen.claim(str(number))
        seen.succeed(str(number))
    assert [seen.claim(key) for key in ("0", "1", str(keep))] == ["new", "done", "done"]


def test_a_key_that_is_asked_for_again_is_kept_longer() -> None:
    seen = SeenKeys(keep=3)
    for key in ("a", "b", "c", "a", "d"):
        with handle_once(seen, key):
            pass
    assert [seen.claim(key) for key in ("a", "b", "c", "d")] == ["done", "new", "done", "done"]


def test_keys_in_progress_are_not_dropped() -> None:
    seen = SeenKeys(keep=1)
    assert seen.claim(KEY) == "new"
    for number in range(10):
        with handle_once(seen, f"k-{number}"):
            pass
    assert seen.claim(KEY) == "in progress"


@pytest.mark.parametrize("wrong", [0, -1])
def test_the_number_of_keys_to_keep_must_be_positive(wrong: int) -> None:
    with pytest.raises(InvalidConfiguration, match="keep must be a positive number of keys"):
        SeenKeys(keep=wrong)


def test_an_error_of_the_deduplicator_is_raised() -> None:
    class Broken(SeenKeys):
        def claim(self, key: str) -> Claim:
            raise OSError("the database is gone")

    with pytest.raises(OSError, match="gone"), handle_once(Broken(), KEY):
        pytest.fail("was handled")


class Model(RuleBasedStateMachine):
    """Calls in any order, compared with a model that forgets nothing."""

    keys = st.sampled_from("abc")

    def __init__(self) -> None:
        super().__init__()
        self.seen = SeenKeys()
        self.state: dict[str, Claim] = {}

    @rule(key=keys)
    def claim(self, key: str) -> None:
        assert self.seen.claim(key) == self.state.get(key, "new")
        self.state.setdefault(key, "in progress")

    @rule(key=keys)
    def succeed(self, key: str) -> None:
        if self.state.get(key) == "in progress":
            self.seen.succeed(key)
            self.state[key] = "done"

    @rule(key=keys)
    def fail(self, key: str) -> None:
        if self.state.get(key) == "in progress":
            self.seen.fail(key)
            del self.state[key]


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
