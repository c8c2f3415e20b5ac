"""Each event is handled once: a key is taken while its handler runs, and kept only when that is done."""

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


class InDatabase:
    """What users with several processes make themselves; it inherits from nothing of ours."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, done INTEGER NOT NULL)"
            )

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
    return SeenKeys() if request.param == "SeenKeys" else InDatabase(tmp_path / "seen.db")


def test_the_first_time_is_new_and_others_are_not(seen: Seen) -> None:
    with handle_once(seen, KEY) as is_new:
        assert is_new
    for _ in range(3):
        with handle_once(seen, KEY) as is_new:
            assert not is_new
    with handle_once(seen, KEY + "x") as is_new:
        assert is_new


def test_a_key_is_taken_while_its_handler_runs(seen: Seen) -> None:
    with handle_once(seen, KEY) as is_new:
        assert is_new
        for _ in range(3):
            with pytest.raises(InProgress), handle_once(seen, KEY):
                pytest.fail("was let in")
        assert seen.claim(KEY) == "in progress"
    assert seen.claim(KEY) == "done"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(), KeyboardInterrupt(), SystemExit(), asyncio.CancelledError(), GeneratorExit(), StopIteration(),
        InProgress(), ExceptionGroup("x", [ValueError()]),
    ],
)  # fmt: skip
def test_whatever_a_handler_raises_lets_go_of_the_key(seen: Seen, error: BaseException) -> None:
    for _ in range(2):
        with pytest.raises(type(error)), handle_once(seen, KEY):
            raise error
    with handle_once(seen, KEY) as is_new:
        assert is_new
    assert seen.claim(KEY) == "done"


def test_an_exception_at_a_repeat_forgets_nothing(seen: Seen) -> None:
    with handle_once(seen, KEY):
        pass
    with pytest.raises(ValueError, match="x"), handle_once(seen, KEY):
        raise ValueError("x")
    assert seen.claim(KEY) == "done"


def test_a_task_that_is_cancelled_lets_go_of_the_key(seen: Seen) -> None:
    async def handle(started: asyncio.Event) -> None:
        with handle_once(seen, KEY):
            started.set()
            await asyncio.sleep(60)

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(handle(started))
        await started.wait()
        with pytest.raises(InProgress), handle_once(seen, KEY):
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen.claim(KEY) == "new"


def test_a_block_that_is_left_early_is_done(seen: Seen) -> None:
    def handle() -> str:
        with handle_once(seen, KEY):
            return "left"

    assert handle() == "left"
    assert seen.claim(KEY) == "done"


def test_a_generator_that_is_thrown_away_lets_go_of_the_key(seen: Seen) -> None:
    def handle() -> Generator[None, None, None]:
        with handle_once(seen, KEY):
            yield

    generator = handle()
    next(generator)
    generator.close()
    assert seen.claim(KEY) == "new"


def test_fifty_threads_on_one_key(seen: Seen) -> None:
    start = threading.Barrier(50)
    handled: list[int] = []
    outcomes: Counter[str] = Counter()

    def deliver(number: int) -> None:
        start.wait()
        try:
            with handle_once(seen, KEY) as is_new:
                if is_new:
                    handled.append(number)
                    time.sleep(0.05)
                outcomes["new" if is_new else "done"] += 1
        except InProgress:
            outcomes["in progress"] += 1

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(deliver, range(50)))
    assert len(handled) == outcomes["new"] == 1
    assert outcomes.total() == 50


def test_fifty_threads_that_try_until_it_is_done_and_whose_handler_often_fails() -> None:
    seen = SeenKeys()
    start = threading.Barrier(50)
    tries: Counter[str] = Counter()
    running: Counter[str] = Counter()
    done: list[str] = []

    def deliver(number: int) -> None:
        start.wait()
        for key in ("a", "b", "c"):
            while True:
                with contextlib.suppress(InProgress, OSError), handle_once(seen, key) as is_new:
                    if not is_new:
                        break
                    running[key] += 1
                    assert running[key] == 1  # never two handlers of one event at once
                    tries[key] += 1
                    time.sleep(0)
                    running[key] -= 1
                    if tries[key] < 10:
                        raise OSError
                    done.append(key)
                    break
                time.sleep(0.001)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(deliver, range(50)))
    finally:
        sys.setswitchinterval(interval)
    assert sorted(done) == ["a", "b", "c"]
    assert set(tries.values()) == {10}


def test_what_is_remembered_is_bounded() -> None:
    seen = SeenKeys(keep=100)
    for number in range(1000):
        with handle_once(seen, f"k-{number}"):
            pass
        assert len(seen._done) <= 100
        assert not seen._in_progress
    assert seen.claim("k-999") == "done"
    assert seen.claim("k-900") == "done"
    assert seen.claim("k-899") == "new"


def test_what_is_asked_for_is_remembered_longest() -> None:
    seen = SeenKeys(keep=3)
    for key in ("a", "b", "c", "a", "d"):
        with handle_once(seen, key):
            pass
    assert [seen.claim(key) for key in ("a", "b", "c", "d")] == ["done", "new", "done", "done"]


def test_keys_that_are_taken_are_not_forgotten() -> None:
    seen = SeenKeys(keep=1)
    assert seen.claim(KEY) == "new"
    for number in range(10):
        with handle_once(seen, f"k-{number}"):
            pass
    assert seen.claim(KEY) == "in progress"


def test_how_many_are_remembered_by_default() -> None:
    seen = SeenKeys()
    for number in range(10_001):
        seen.claim(str(number))
        seen.succeed(str(number))
    assert [seen.claim(key) for key in ("0", "1", "10000")] == ["new", "done", "done"]


@pytest.mark.parametrize("wrong", [0, -1])
def test_nothing_cannot_be_remembered(wrong: int) -> None:
    with pytest.raises(InvalidConfiguration, match="keep must be a positive number of keys"):
        SeenKeys(keep=wrong)


def test_what_was_never_claimed_can_be_let_go(seen: Seen) -> None:
    seen.fail(KEY)
    assert seen.claim(KEY) == "new"
    seen.succeed(KEY)
    seen.fail(KEY)
    assert seen.claim(KEY) == "done"


def test_in_progress_says_what_happened() -> None:
    seen = SeenKeys()
    with (
        handle_once(seen, KEY),
        pytest.raises(InProgress, match="The same event is being handled"),
        handle_once(seen, KEY),
    ):
        pass


def test_an_error_of_the_memory_itself_is_not_hidden() -> None:
    class Broken(SeenKeys):
        def claim(self, key: str) -> Claim:
            raise OSError("the database is gone")

    with pytest.raises(OSError, match="gone"), handle_once(Broken(), KEY):
        pytest.fail("was let in")


class Model(RuleBasedStateMachine):
    """Any order of calls, beside a model that forgets nothing."""

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
