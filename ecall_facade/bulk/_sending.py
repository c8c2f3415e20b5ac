"""The loop of a sender: one thread that owns the ledger's connection, while others post.

The thread does nothing but turns: each writes down the results that are in and takes as many new rows
as there is room for, in one transaction. Whatever happens to the caller, it ends by itself, and only
when all that is under way has been recorded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

import attrs

from ecall_facade.bulk._claims import Claimed, Room
from ecall_facade.bulk._errors import LedgerError
from ecall_facade.bulk._outcome import Outcome, Verdict, outcome_of
from ecall_facade.bulk._pauses import PauseRequest
from ecall_facade.bulk._reports import JobStop
from ecall_facade.bulk._runs import Run, recover
from ecall_facade.bulk._turn import ClaimProtocol, Result, SenderLost, Turn
from ecall_facade.errors import ECallError

if TYPE_CHECKING:
    from ecall_facade.bulk._database import Database
    from ecall_facade.bulk._options import SendOptions
    from ecall_facade.bulk._reports import JobPause, StopCause

_log = logging.getLogger("ecall_facade.bulk")
_LOOK_AGAIN = 5.0
"""Seconds; in a long pause, the job is looked at this often, as a person may have stopped it."""
_CROWDED = 0.005
"""Seconds; a transaction of SQLite that waited for longer has met another sender."""
_POLITE = 0.01
"""Seconds; left to other senders on SQLite, whose waiting is not in order, so that none starves."""
_MOST_UNKNOWN = 100
"""Unknown outcomes one after the other, without any other in between, that stop a job."""


class Courier(Protocol):
    """Posts rows, and hands each result to `SendingLoop.put`."""

    def dispatch(self, rows: Sequence[Claimed]) -> None:
        """Post rows, each at its time, without waiting for them."""
        ...


@attrs.define
class Tally:
    """The counts of one call so far."""

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    pause: JobPause | None = None
    stopped: JobStop | None = None

    def add(self, results: Sequence[Result]) -> None:
        """Count results that were recorded."""
        for result in results:
            if result.state == "accepted":
                self.accepted += 1
            elif result.state == "rejected":
                self.rejected += 1
            elif result.state == "unknown":
                self.unknown += 1


class SendingLoop:
    """Takes rows of a job, has them posted, and records what became of them."""

    def __init__(self, database: Database, job_id: int, options: SendOptions) -> None:
        self._database = database
        self._protocol = ClaimProtocol(database, job_id, options.backoff)
        self._options = options
        self._courier: Courier | None = None
        self._results: SimpleQueue[Result | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._holds = 0  # results that pause or stop the job and are not recorded yet
        self._holds_lock = threading.Lock()
        self._unrecorded: list[Result] = []
        self._under_way = 0  # rows that were taken and not handed in
        self._unknown_in_a_row = 0
        self._ended_by: LedgerError | None = None
        self._warned_of = ""
        self._has_shortened_log = not database.is_sqlite
        self.done = threading.Event()
        self.tally = Tally()
        self.error: BaseException | None = None

    # Called by the caller and by the couriers

    def stop(self) -> None:
        """Take no more rows; what is under way is finished and recorded."""
        self._stopping.set()
        self._results.put(None)

    def fail(self, error: BaseException) -> None:
        """Stop, and raise an unexpected error of posting in the caller."""
        if self.error is None:
            self.error = error
        self.stop()

    def may_post(self, row: Claimed) -> bool:
        """Wait for a row's time; return False if it must not be posted any more."""
        delay = row.due - time.monotonic()
        if delay > 0 and self._stopping.wait(delay):
            return False
        return not self._stopping.is_set() and not self._holds

    def put(self, row: Claimed, outcome: Outcome, message_id: str | None = None) -> None:
        """Hand in what became of a row."""
        result = _result_of(row, outcome, message_id)
        if result.pause or result.stop:
            with self._holds_lock:
                self._holds += 1
        self._results.put(result)

    def put_back(self, row: Claimed) -> None:
        """Hand in a row that was not posted."""
        self._results.put(Result(row.run_id, row.position, "pending", was_posted=False))

    # Run by the thread

    def run(self, courier: Courier) -> None:
        """Send until nothing is left; never raises, `error` has what went wrong."""
        self._courier = courier
        try:
            recover(self._database)
            self._work()
            recover(self._database)
        except BaseException as error:  # noqa: BLE001  # for the caller, in its own thread
            if self.error is None or isinstance(error, LedgerError):
                self.error = error
        finally:
            self.done.set()

    def _work(self) -> None:
        run: Run | None = None
        lost_since: float | None = None
        try:
            while True:
                try:
                    if run is None:
                        run = Run(self._database)
                    turn = self._take_turn(run)
                    lost_since = None
                    self._has_shortened_log = not self._database.is_sqlite
                except (LedgerError, SenderLost) as error:
                    if run is not None:
                        run.abandon()
                        run = None
                    lost_since = lost_since or time.monotonic()
                    self._wait_for_database(error, lost_since)
                    continue
                if self._is_over(turn):
                    break
                self._wait_for_results(turn)
        except BaseException:
            if run is not None:
                run.abandon()
            raise
        try:
            run.finish()
        except LedgerError:  # all is recorded, and the next sender finds that this one is gone
            _log.info("A sender could not sign off", exc_info=False)
        if self._ended_by is not None:
            raise self._ended_by

    def _take_turn(self, run: Run) -> Turn:
        results = self._unrecorded
        room = Room(0, self._under_way)
        if not self._stopping.is_set():
            room = Room(self._options.concurrency - self._under_way, self._under_way)
        turn = Turn()
        begun = time.monotonic()
        try:
            with run.transaction() as connection:
                waited = time.monotonic() - begun
                turn = self._protocol.take_turn(
                    connection, run.id, results, room, self._options.span, self._options.rate
                )
                moment = time.monotonic()
        except LedgerError:
            # Whether it was committed is not known, so these are not posted. If they were taken,
            # the next transaction sets them back: they are this process's, and it knows.
            for row in turn.claimed:
                self._unrecorded.append(
                    Result(row.run_id, row.position, "pending", was_posted=False)
                )
            self._options.span.rewind()
            raise
        self._unrecorded = []
        self._count(results, turn)
        # They begin to be under way only now, as the transaction is durable.
        self._under_way += len(turn.claimed)
        if turn.claimed and self._courier is not None:
            self._courier.dispatch(
                [attrs.evolve(row, due=moment + row.delay) for row in turn.claimed]
                if self._options.rate
                else turn.claimed
            )
        if self._database.is_sqlite and waited > _CROWDED:
            self._stopping.wait(_POLITE)
        return turn

    def _count(self, results: Sequence[Result], turn: Turn) -> None:
        self.tally.add(results)
        self.tally.stopped = turn.stop or self.tally.stopped
        self.tally.pause = turn.pause
        held = sum(1 for result in results if result.pause or result.stop)
        if held:
            with self._holds_lock:
                self._holds -= held

    def _is_over(self, turn: Turn) -> bool:
        if self._under_way or self._unrecorded or not self._results.empty():
            return False
        if self._stopping.is_set() or turn.stop:
            return True
        if turn.pause:
            longest = self._options.longest_pause
            return longest is not None and turn.pause.seconds > longest
        return turn.is_exhausted

    def _wait_for_results(self, turn: Turn) -> None:
        """Wait until another turn makes sense: for a result, a slot, or the end of a pause."""
        until = time.monotonic() + min(turn.wait, _LOOK_AGAIN) if turn.wait else None
        if not turn.wait and not self._under_way:
            until = time.monotonic()
        self._collect(until)

    def _collect(self, until: float | None) -> None:
        """Take the results that are in; wait for one if there is none, at most until a moment."""
        try:
            seconds = None if until is None else max(until - time.monotonic(), 0.0)
            if not seconds and until is not None:
                self._take(self._results.get_nowait())
            else:
                self._take(self._results.get(timeout=seconds))
            while True:
                self._take(self._results.get_nowait())
        except Empty:
            pass

    def _take(self, result: Result | None) -> None:
        if result is None:
            return
        self._under_way -= 1
        if result.state == "unknown":
            self._unknown_in_a_row += 1
        elif result.was_posted:
            self._unknown_in_a_row = 0
        if self._unknown_in_a_row >= _MOST_UNKNOWN and not result.stop:
            reason = (
                f"The outcome of the last {_MOST_UNKNOWN} messages is unknown, one after the other."
                f" The last one: {result.reason}"
            )
            result = attrs.evolve(result, stop=JobStop("unknown outcomes", reason))
            with self._holds_lock:
                self._holds += 1
        self._unrecorded.append(result)

    def _wait_for_database(self, error: LedgerError | SenderLost, lost_since: float) -> None:
        """Wait a little for a database that went away; raise if it takes too long, or is no use.

        What is under way is collected meanwhile, so that it can be recorded later.
        """
        if isinstance(error, SenderLost):
            return
        lost_for = time.monotonic() - lost_since
        patience = self._options.patience if error.is_temporary else 5.0
        if self._stopping.is_set():
            patience = min(patience, 10.0)
        if not error.is_temporary:
            if not self._has_shortened_log:
                self._has_shortened_log = True
                with suppress(LedgerError):
                    self._database.shorten_log()
                    return  # it may have been what fills the disk
            self._stopping.set()  # no use in taking more
            self._ended_by = error
        is_pointless = self._stopping.is_set() and not self._unrecorded
        if (lost_for > patience or is_pointless) and not self._under_way:
            count = sum(1 for result in self._unrecorded if result.was_posted)
            raise _final_error(error, count)
        if self._warned_of != error.explanation:
            self._warned_of = error.explanation
            _log.warning("%s Trying again for up to %.0f s.", error.explanation, patience)
        until = time.monotonic() + min(0.1 + lost_for / 4, 5.0)
        while time.monotonic() < until:
            self._collect(until)


def _final_error(error: LedgerError, unrecorded: int) -> LedgerError:
    words = error.explanation
    if unrecorded:
        words += (
            f" The results of {unrecorded} messages could not be recorded: their rows will be"
            " unknown."
        )
    return LedgerError(
        words,
        is_temporary=error.is_temporary,
        unrecorded=unrecorded,
        may_have_been_sent=bool(unrecorded),
    )


def _result_of(row: Claimed, outcome: Outcome, message_id: str | None) -> Result:
    verdict, reason = outcome.verdict, outcome.reason
    if verdict is Verdict.ACCEPTED:
        return Result(row.run_id, row.position, "accepted", message_id)
    if verdict is Verdict.REJECTED:
        return Result(row.run_id, row.position, "rejected", reason=reason)
    if verdict is Verdict.UNKNOWN:
        return Result(row.run_id, row.position, "unknown", reason=reason)
    if verdict is Verdict.STOP:
        cause: StopCause = "usage" if outcome.status_code is None else "refused"
        stop = JobStop(cause, reason or "", outcome.status_code)
        return Result(row.run_id, row.position, "pending", stop=stop)
    pause = PauseRequest(outcome.retry_after, outcome.is_unreachable, reason or "")
    return Result(row.run_id, row.position, "pending", pause=pause)


def outcome_of_exception(error: BaseException) -> Outcome:
    """Return what any exception of a send means; of one that nobody foresaw, nothing is known."""
    if isinstance(error, ECallError):
        return outcome_of(error)
    return Outcome(Verdict.UNKNOWN, f"unexpected error ({type(error).__name__})")
