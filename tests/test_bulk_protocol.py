"""The claim protocol, turn by turn, on both databases: no process, no socket, no clock but the database's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from ecall_facade.bulk import Job, JobPause, JobStop, Ledger, Message
from ecall_facade.bulk._claims import Claimer, Claims, Room, Span
from ecall_facade.bulk._database import Database
from ecall_facade.bulk._pauses import PauseRequest
from ecall_facade.bulk._runs import Run, recover
from ecall_facade.bulk._turn import ClaimProtocol, Result, SenderLost, Turn


class Bench:
    """A ledger with one job, and runs that take turns on it."""

    def __init__(self, url: str, count: int = 10) -> None:
        self.ledger = Ledger(url)
        self.job: Job = self.ledger.job(
            "job", [Message(f"+4179{number:07d}", f"text {number}") for number in range(count)]
        )
        self.database = Database(url)
        self.protocol = ClaimProtocol(self.database, self.job.id)
        self._runs: list[Run] = []

    def close(self) -> None:
        for run in self._runs:
            run.abandon()
        self.database.close()
        self.ledger.close()

    def run(self) -> Run:
        run = Run(self.database)
        self._runs.append(run)
        return run

    def turn(
        self,
        run: Run,
        *results: Result,
        limit: int = 3,
        under_way: int = 0,
        span: Span | None = None,
        rate: float | None = None,
    ) -> Turn:
        with run.transaction() as connection:
            return self.protocol.take_turn(
                connection, run.id, results, Room(limit, under_way), span or Span(0), rate
            )

    def claim_slots(self, run: Run, rate: float, now: float) -> Claims:
        """Take rows as at a moment of the database's clock."""
        claimer = Claimer(self.database, self.job.id, run.id)
        with run.transaction() as connection:
            return claimer.claim_slots(connection, 9, Span(0), rate, now)

    def states(self) -> str:
        """Give the first letters of all states, in order."""
        return "".join(row.state[0] for row in self.job.rows())

    def execute(self, statement: str) -> None:
        with self.database.write() as connection:
            connection.execute(self.database.sql(statement))


@pytest.fixture
def bench(ledger_url: str) -> Iterator[Bench]:
    bench = Bench(ledger_url)
    yield bench
    bench.close()


def accepted(run: Run, position: int) -> Result:
    return Result(run.id, position, "accepted", f"id-{position}")


def paused(run: Run, position: int, retry_after: float | None, *, down: bool = False) -> Result:
    return Result(run.id, position, "pending", pause=PauseRequest(retry_after, down, "why"))


def positions(turn: Turn) -> list[int]:
    return [row.position for row in turn.claimed]


def test_rows_are_claimed_in_order_and_never_twice(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    assert positions(bench.turn(first)) == [0, 1, 2]
    assert positions(bench.turn(second)) == [3, 4, 5]
    assert positions(bench.turn(first, limit=9)) == [6, 7, 8, 9]
    assert bench.turn(second).is_exhausted
    assert bench.states() == "s" * 10


def test_a_turn_records_results_and_claims_at_once(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    rejected = Result(run.id, 1, "rejected", reason="bad")
    assert positions(bench.turn(run, accepted(run, 0), rejected, limit=1)) == [3]
    assert bench.states() == "arsspppppp"
    rows = list(bench.job.rows())
    assert (rows[0].message_id, rows[1].reason) == ("id-0", "bad")


def test_a_claim_that_is_rolled_back_leaves_the_rows_pending(bench: Bench) -> None:
    run = bench.run()

    def fail() -> None:
        with run.transaction() as connection:
            bench.protocol.take_turn(connection, run.id, [], Room(3, 0), Span(0), None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert bench.states() == "p" * 10


def test_a_chunk_takes_no_rows_of_another(bench: Bench) -> None:
    run = bench.run()
    assert positions(bench.turn(run, limit=9, span=Span(4, 6))) == [4, 5]
    assert bench.turn(run, limit=9, span=Span(4, 6)).is_exhausted


def test_a_row_that_is_pending_again_behind_the_cursor_is_found(bench: Bench) -> None:
    run = bench.run()
    span = Span(0)
    bench.turn(run, limit=9, span=span)
    not_posted = Result(run.id, 2, "pending", was_posted=False)
    assert positions(bench.turn(run, not_posted, limit=5, span=span)) == [9]
    assert positions(bench.turn(run, limit=5, span=span)) == [2]


def test_rows_of_a_dead_sender_become_unknown_and_are_not_claimed(bench: Bench) -> None:
    dead, living = bench.run(), bench.run()
    bench.turn(dead)
    bench.turn(living)
    dead.abandon()  # its lock is released, as by death
    assert recover(bench.database) == 3
    assert bench.states() == "uuussspppp"
    assert positions(bench.turn(living, limit=9)) == [6, 7, 8, 9]
    reasons = {row.reason for row in bench.job.rows("unknown")}
    assert len(reasons) == 1
    assert str(reasons.pop()).startswith("sender gone")


def test_a_living_sender_is_left_alone(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    assert recover(bench.database) == 0
    assert bench.states() == "sssppppppp"


def test_a_late_result_of_the_claimer_overwrites_unknown(bench: Bench) -> None:
    run, other = bench.run(), bench.run()
    bench.turn(run)
    run.abandon()
    recover(bench.database)
    bench.turn(other, accepted(run, 0), limit=0)
    assert bench.states() == "auuppppppp"


def test_a_late_result_does_not_touch_a_row_that_a_person_has_resolved(bench: Bench) -> None:
    run, other = bench.run(), bench.run()
    bench.turn(run)
    run.abandon()
    assert bench.job.resolve("pending", rows=[0]) == 1
    bench.turn(other, accepted(run, 0), limit=0)
    assert bench.states() == "puuppppppp"


def test_no_result_changes_a_row_of_another_run_or_one_that_is_final(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    bench.turn(first, limit=1)
    bench.turn(first, accepted(first, 0), limit=0)
    bench.turn(second, limit=1)
    late = Result(first.id, 0, "unknown", reason="no answer")
    foreign = Result(first.id, 1, "accepted", "id-1")
    bench.turn(first, late, foreign, limit=0)
    assert bench.states() == "asp" + "p" * 7


def test_a_sender_that_was_declared_dead_takes_no_more_rows(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    bench.execute("UPDATE ecall_run SET is_gone = true")
    with pytest.raises(SenderLost):
        bench.turn(run)
    assert bench.states() == "sssppppppp"


def test_a_finished_sender_leaves_nothing_under_way(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    run.finish()
    assert bench.states() == "uuuppppppp"
    assert recover(bench.database) == 0


@pytest.mark.parametrize("asked", [30.0, 3.5])
def test_a_pause_that_the_service_asks_for_holds_all_senders(bench: Bench, asked: float) -> None:
    first, second = bench.run(), bench.run()
    bench.turn(first)
    turn = bench.turn(first, paused(first, 0, asked))
    assert turn.pause == JobPause("busy", asked, "why")
    assert turn.wait == asked
    assert not turn.claimed
    other = bench.turn(second)
    assert other.pause is not None
    assert (other.pause.cause, other.pause.reason) == ("busy", "why")
    assert asked - 1 < other.wait <= asked
    assert bench.states() == "pssppppppp"


def test_a_shorter_pause_does_not_end_a_longer_one(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    bench.turn(run, paused(run, 0, 60))
    assert bench.turn(run, paused(run, 1, 2)).wait > 55


def test_pauses_grow_until_a_send_is_answered(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    waits: list[float] = []
    for position in (0, 1, 2):
        waits.append(bench.turn(run, paused(run, position, None)).wait)
        bench.execute("UPDATE ecall_job SET paused_until = 0")
    assert waits == [1, 2, 4]
    # One row finds out whether it is over, whatever the room is.
    assert positions(bench.turn(run, limit=9)) == [0]
    assert not bench.turn(run, limit=9, under_way=1).claimed
    assert positions(bench.turn(run, accepted(run, 0), limit=2)) == [1, 2]
    bench.turn(run, paused(run, 1, None))
    assert bench.turn(run).wait <= 1


def test_rows_that_were_under_way_do_not_make_a_pause_longer(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run)
    bench.turn(run, paused(run, 0, None))
    assert bench.turn(run, paused(run, 1, None), paused(run, 2, None)).wait <= 1


def test_five_minutes_without_any_connection_stop_the_job(bench: Bench) -> None:
    run = bench.run()
    bench.turn(run, limit=1)
    turn = bench.turn(run, paused(run, 0, None, down=True))
    assert turn.pause == JobPause("unreachable", 1, "why")
    assert turn.stop is None
    for seconds, stop in ((290, None), (301, JobStop("unreachable", "why"))):
        bench.execute(
            f"UPDATE ecall_job SET paused_until = 0, unreachable_since = {{now}} - {seconds}"
        )
        bench.turn(run, limit=1)
        assert bench.turn(run, paused(run, 0, None, down=True)).stop == stop
    assert bench.states() == "p" * 10


@pytest.mark.parametrize(
    "in_between",
    [lambda run: accepted(run, 0), lambda run: paused(run, 0, 1)],
    ids=["an accepted message", "a refusal"],
)
def test_a_response_in_between_begins_the_five_minutes_again(
    bench: Bench, in_between: Callable[[Run], Result]
) -> None:
    run = bench.run()
    bench.turn(run, limit=1)
    bench.turn(run, paused(run, 0, None, down=True))
    bench.execute("UPDATE ecall_job SET paused_until = 0, unreachable_since = {now} - 301")
    bench.turn(run, limit=1)
    bench.turn(run, in_between(run), limit=0)
    bench.execute("UPDATE ecall_job SET paused_until = 0")
    (position,) = positions(bench.turn(run, limit=1))
    assert bench.turn(run, paused(run, position, None, down=True)).stop is None


def test_a_service_that_only_asks_for_pauses_never_stops_the_job(bench: Bench) -> None:
    run = bench.run()
    for _ in range(6):
        bench.execute("UPDATE ecall_job SET paused_until = 0")
        bench.turn(run, limit=1)
        assert bench.turn(run, paused(run, 0, None)).stop is None


def test_a_clock_that_was_set_back_does_not_prolong_a_pause(bench: Bench) -> None:
    run = bench.run()
    bench.execute("UPDATE ecall_job SET paused_until = {now} + 3600, pause_seconds = 2")
    assert bench.turn(run).wait == 2
    assert bench.turn(run).wait <= 2


def test_a_stopped_job_hands_out_no_rows_until_a_person_asks(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    bench.turn(first)
    refused = JobStop("refused", "The service answered 401", 401)
    stop = Result(first.id, 0, "pending", stop=refused)
    assert bench.turn(first, stop).stop == refused
    assert bench.turn(second).stop == refused
    assert not bench.turn(second).claimed
    with bench.database.write() as connection:
        bench.protocol.pauses.allow(connection)
    assert positions(bench.turn(second, limit=1)) == [0]


def test_a_rate_hands_out_slots_over_all_senders(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    claims = bench.claim_slots(first, rate=25, now=1000.0)
    # As far as 0.1 s ahead, at 25 in a second.
    assert [row.position for row in claims.rows] == [0, 1, 2]
    assert [row.delay for row in claims.rows] == pytest.approx([0, 0.04, 0.08])
    other = bench.claim_slots(second, rate=25, now=1000.0)
    assert not other.rows
    assert other.wait == pytest.approx(0.07)
    later = bench.claim_slots(second, rate=25, now=1000.0 + other.wait)
    assert [row.position for row in later.rows] == [3, 4]
    assert [row.delay for row in later.rows] == pytest.approx([0.05, 0.09])
    # A sender that gives no rate has no part in it.
    assert positions(bench.turn(second, limit=2)) == [5, 6]


def test_a_clock_that_was_set_back_does_not_block_a_rate(bench: Bench) -> None:
    run = bench.run()
    bench.execute("UPDATE ecall_ledger SET next_slot = {now} + 3600, slot_seconds = 0.1")
    turn = bench.turn(run, rate=10)
    assert turn.claimed or turn.wait < 0.2


def test_a_slow_rate_is_no_clock_that_was_set_back(bench: Bench) -> None:
    run = bench.run()
    assert len(bench.turn(run, rate=0.1).claimed) == 1
    assert not bench.turn(run, rate=0.1).claimed
    assert 9 < bench.turn(run, rate=0.1).wait < 10


def test_a_lost_connection_is_never_replaced_silently(bench: Bench) -> None:
    if bench.database.is_sqlite:
        pytest.skip("a file has no connection that a server can end")
    run = bench.run()
    bench.turn(run)
    bench.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    for _ in range(3):
        with pytest.raises(Exception, match=r"reached|lost|error"):
            bench.turn(run)
    assert recover(bench.database) == 3


def test_one_transaction_writes_durably(bench: Bench) -> None:
    run = bench.run()
    with run.transaction() as connection:
        if bench.database.is_sqlite:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
