"""A job: many messages that are sent once each, and what became of them."""

from __future__ import annotations

import csv
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import anyio
import anyio.to_thread
import attrs
from sqlalchemy import bindparam, text

from ecall_facade.bulk._couriers import TaskCourier, ThreadCourier
from ecall_facade.bulk._rows import Row, count_states, iterate_rows
from ecall_facade.bulk._runs import recover
from ecall_facade.bulk._schema import STATES, State
from ecall_facade.bulk._sending import SendingLoop, SendOptions
from ecall_facade.bulk._tracking import delivery_counts, track_deliveries
from ecall_facade.bulk._turn import ClaimProtocol, Span
from ecall_facade.errors import InvalidConfiguration, UsageError

if TYPE_CHECKING:
    from ecall_facade import AsyncECall, ECall
    from ecall_facade.bulk._database import Database

MAX_CONCURRENCY = 100
"""As many requests as one client has under way at a time."""
_TICK = 0.1
"""Seconds between two looks of the caller at what its sender does."""
_LARGEST_SET = 500

Defer: TypeAlias = Callable[[int, int], object]
"""Puts a chunk into a queue: called with the job's id and the chunk's number."""


@runtime_checkable
class Delayable(Protocol):
    """A task of Celery, as far as it is needed here."""

    def delay(self, job_id: int, chunk: int, /) -> object:
        """Put a chunk into the queue."""
        ...


@attrs.frozen
class SendProgress:
    """How far a job has come.

    Attributes:
        counts: Rows of the job by state, as all senders together have brought them.
        total: Rows of the job.
        accepted: Rows that this call has had accepted.
        rejected: Rows that this call has had rejected.
        unknown: Rows whose outcome this call did not learn.
        paused_for: Seconds for which the job pauses, if it does.
    """

    counts: Mapping[State, int]
    total: int
    accepted: int
    rejected: int
    unknown: int
    paused_for: float


@attrs.frozen
class SendReport:
    """What a call has brought.

    Attributes:
        counts: Rows of the job by state, as all senders together have brought them.
        accepted: Rows that this call has had accepted.
        rejected: Rows that this call has had rejected.
        unknown: Rows whose outcome this call did not learn.
        stopped: Why the job was stopped with rows pending, or None.
        retry_in: Seconds after which a chunk is to be sent again, as the job pauses; else None.
    """

    counts: Mapping[State, int]
    accepted: int
    rejected: int
    unknown: int
    stopped: str | None = None
    retry_in: float | None = None


@attrs.frozen
class JobFacts:
    """What the ledger knows of a job that does not change."""

    id: int
    name: str
    row_count: int
    region: str
    chunk_size: int


class Job:
    """Messages that are sent once each, whatever happens in between; made by `ledger.job`."""

    def __init__(self, database: Database, facts: JobFacts) -> None:
        self._database = database
        self._facts = facts

    def __repr__(self) -> str:
        return f"<Job {self.id}, {len(self)} messages>"

    def __len__(self) -> int:
        return self._facts.row_count

    @property
    def id(self) -> int:
        """The job's number in its ledger, which a queue takes."""
        return self._facts.id

    @property
    def name(self) -> str:
        """The name by which the job is known again."""
        return self._facts.name

    @property
    def chunk_size(self) -> int:
        """Messages in a chunk, of which `enqueue` makes one task each."""
        return self._facts.chunk_size

    def counts(self) -> dict[State, int]:
        """Return how many messages are in each state.

        Raises:
            LedgerError: The database cannot be used.
        """
        with self._database.read() as connection:
            return count_states(connection, self.id)

    def deliveries(self) -> dict[str, int]:
        """Return how many accepted messages are in each delivery state; "" for those without one.

        Raises:
            LedgerError: The database cannot be used.
        """
        return delivery_counts(self._database, self.id)

    def rows(self, state: State | Iterable[State] | None = None) -> Iterator[Row]:
        """Iterate over the messages in order.

        Args:
            state: Only those in this state, or in one of these.

        Raises:
            UsageError: There is no such state.
            LedgerError: The database cannot be used.
        """
        return iterate_rows(self._database, self.id, _read_states(state))

    def send(
        self,
        client: ECall,
        *,
        concurrency: int = 20,
        rate: float | None = None,
        on_progress: Callable[[SendProgress], object] | None = None,
    ) -> SendReport:
        """Send what is pending, each message at most once, and return when nothing is left to do.

        Several calls may send one job at once, in this process and in others.
        An exception in this thread, such as a `KeyboardInterrupt`, ends the sending: messages under
        way are finished and recorded, then it is raised.

        Args:
            client: Sends the messages, one request each, without retries of its own.
            concurrency: The most messages under way, 1 to 100; so many may be `unknown` after a kill.
            rate: Messages in a second, together with all senders of the ledger that give a rate.
            on_progress: Called in this thread about ten times a second.

        Raises:
            UsageError: An argument cannot be used.
            LedgerError: The database cannot be used; nothing is sent that it has not recorded.
        """
        _check_client(client, is_async=False)
        options = make_options(concurrency, rate)
        self._allow()
        return self.send_by(client, options, on_progress)

    def send_by(
        self,
        client: ECall,
        options: SendOptions,
        on_progress: Callable[[SendProgress], object] | None = None,
    ) -> SendReport:
        """Send as `send` does, by options that are checked already."""
        loop = SendingLoop(self._database, self.id, options)
        courier = ThreadCourier(client, loop, options.concurrency)
        thread = threading.Thread(target=loop.run, args=(courier,), name="ecall-ledger")
        watch = _Watch(self, loop, on_progress)
        try:
            thread.start()
            while not loop.done.wait(_TICK):
                watch.look()
        except BaseException:
            loop.stop()
            if thread.is_alive():
                thread.join()
            raise
        finally:
            courier.close()
        return self._report(loop, options)

    async def send_async(
        self,
        client: AsyncECall,
        *,
        concurrency: int = 20,
        rate: float | None = None,
        on_progress: Callable[[SendProgress], object] | None = None,
    ) -> SendReport:
        """Send as `send` does, from a task of an event loop.

        If the task is cancelled, messages under way are finished and recorded before it ends.
        """
        _check_client(client, is_async=True)
        options = make_options(concurrency, rate)
        await anyio.to_thread.run_sync(self._allow)
        loop = SendingLoop(self._database, self.id, options)
        watch = _Watch(self, loop, on_progress)
        finished = anyio.Event()

        async def work() -> None:
            # A task of its own: what cancels the caller does not reach it.
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as posting:
                    courier = TaskCourier(client, loop, posting)
                    await anyio.to_thread.run_sync(
                        loop.run, courier, limiter=anyio.CapacityLimiter(1)
                    )
                finished.set()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            try:
                while not finished.is_set():
                    with anyio.move_on_after(_TICK):
                        await finished.wait()
                    watch.look()
            except BaseException:
                loop.stop()
                raise
        return await anyio.to_thread.run_sync(self._report, loop, options)

    def track(
        self,
        client: ECall,
        *,
        timeout: float | None = None,
        concurrency: int = 10,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> dict[str, int]:
        """Ask for the delivery states of accepted messages until they are final, or seven days old.

        Args:
            client: Asks the service.
            timeout: Seconds after which to end in any case; 0 asks once for each message.
            concurrency: The most requests at a time, 1 to 100.
            on_progress: Called with how many states are final, and of how many messages.

        Returns:
            How many accepted messages are in each delivery state; "" for those without one.

        Raises:
            UsageError: An argument cannot be used.
            APIError: The service refuses the account.
            LedgerError: The database cannot be used.
        """
        _check_client(client, is_async=False)
        check_concurrency(concurrency)
        if timeout is not None and not 0 <= timeout < 1e7:
            raise InvalidConfiguration("timeout must be a number of seconds, or None")
        recover(self._database)
        return track_deliveries(self._database, self.id, client, timeout, concurrency, on_progress)

    def resolve(
        self,
        to: Literal["pending", "accepted", "rejected"],
        *,
        rows: Iterable[int] | None = None,
        state: Literal["unknown", "rejected"] = "unknown",
    ) -> int:
        """Decide what becomes of messages whose outcome is unknown, or that were rejected.

        Args:
            to: "pending" has them sent again; "accepted" says that they arrived, and "rejected"
                that they did not and are not to be sent.
            rows: Positions of the rows; None for all in the state.
            state: Which messages are decided about.

        Returns:
            How many messages were in the state, and are not any longer.

        Raises:
            UsageError: An argument cannot be used, or the text was forgotten.
            LedgerError: The database cannot be used.
        """
        if to not in ("pending", "accepted", "rejected"):
            raise UsageError("resolve takes 'pending' (send again), 'accepted' or 'rejected'")
        if state not in ("unknown", "rejected"):
            raise UsageError("Only messages that are 'unknown' or 'rejected' can be resolved")
        recover(self._database)
        positions = None if rows is None else sorted(set(rows))
        with self._database.write() as connection:
            is_forgotten = connection.execute(
                text("SELECT is_forgotten FROM ecall_job WHERE id = :job"), {"job": self.id}
            ).scalar_one()
            if is_forgotten and to == "pending":
                raise UsageError("The job's numbers and texts were forgotten: it cannot be sent")
            changes = {
                "to": to,
                "state": state,
                "job": self.id,
                "reason": None if to == "pending" else f"resolved as {to} by a person",
            }
            every = (
                "UPDATE ecall_message SET state = :to, run_id = NULL, reason = :reason,"
                " recorded_at = {now} WHERE job_id = :job AND state = :state"
            )
            if positions is None:
                return connection.execute(self._database.sql(every), changes).rowcount
            some = self._database.sql(every + " AND position IN :positions").bindparams(
                bindparam("positions", expanding=True)
            )
            count = 0
            for begin in range(0, len(positions), _LARGEST_SET):
                part = positions[begin : begin + _LARGEST_SET]
                count += connection.execute(some, {**changes, "positions": part}).rowcount
            return count

    def export(self, to: str | os.PathLike[str] | IO[str]) -> int:
        """Write all messages with their states as CSV, without the texts.

        Args:
            to: A path, whose file is made for its owner only, or an open text file.

        Returns:
            How many messages were written.

        Raises:
            LedgerError: The database cannot be used.
            OSError: The file cannot be written.
        """
        if isinstance(to, (str, os.PathLike)):
            path = Path(to)
            # The mark at the beginning lets Excel read umlauts.
            with open(path, "w", encoding="utf-8-sig", newline="", opener=_open_for_owner) as file:
                return self._export(file)
        return self._export(to)

    def enqueue(self, defer: Defer | Delayable) -> int:
        """Put each chunk that has pending messages into a queue; as often as one likes.

        A chunk that is queued or even sent twice sends nothing twice.

        Args:
            defer: A task of Celery, or a function that takes the job's id and a chunk's number.

        Returns:
            How many chunks were queued.

        Raises:
            LedgerError: The database cannot be used.
        """
        put = defer.delay if isinstance(defer, Delayable) else defer
        self._allow()
        recover(self._database)
        with self._database.read() as connection:
            chunks = connection.execute(
                text(
                    "SELECT DISTINCT position / :size AS chunk FROM ecall_message"
                    " WHERE job_id = :job AND state = 'pending' ORDER BY chunk"
                ),
                {"size": self.chunk_size, "job": self.id},
            ).scalars()
            numbers = list(chunks)
        for number in numbers:
            put(self.id, int(number))
        return len(numbers)

    def span_of(self, chunk: int) -> Span:
        """Return the rows of a chunk."""
        first = chunk * self.chunk_size
        return Span(first, first + self.chunk_size)

    def _allow(self) -> None:
        """Let the job go on: a person asks for it."""
        with self._database.write() as connection:
            ClaimProtocol(self._database, self.id).allow(connection)

    def _report(self, loop: SendingLoop, options: SendOptions) -> SendReport:
        if loop.error is not None:
            raise loop.error
        tally = loop.tally
        is_paused = options.longest_pause is not None and tally.paused_for > options.longest_pause
        return SendReport(
            counts=self.counts(),
            accepted=tally.accepted,
            rejected=tally.rejected,
            unknown=tally.unknown,
            stopped=tally.stopped,
            retry_in=tally.paused_for if is_paused and not tally.stopped else None,
        )

    def _export(self, file: IO[str]) -> int:
        writer = csv.writer(file)
        writer.writerow(
            ["line", "to", "channel", "sender", "reference", "state", "message_id", "reason",
             "delivery"]
        )  # fmt: skip
        count = 0
        for row in self.rows():
            writer.writerow(
                [
                    row.line if row.line is not None else row.position + 1,
                    row.to,
                    row.channel,
                    _for_spreadsheet(row.sender),
                    _for_spreadsheet(row.reference),
                    row.state,
                    _for_spreadsheet(row.message_id),
                    _for_spreadsheet(row.reason),
                    row.delivery.value if row.delivery else None,
                ]
            )
            count += 1
        return count


class _Watch:
    """Tells the caller how far its job has come; counting a large one is not done at every look."""

    def __init__(
        self, job: Job, loop: SendingLoop, on_progress: Callable[[SendProgress], object] | None
    ) -> None:
        self._job = job
        self._loop = loop
        self._tell = on_progress
        self._counts: dict[State, int] = {}
        self._next_count = 0.0

    def look(self) -> None:
        if self._tell is None:
            return
        now = time.monotonic()
        if now >= self._next_count:
            self._counts = self._job.counts()
            self._next_count = time.monotonic() + 20 * (time.monotonic() - now)
        tally = self._loop.tally
        self._tell(
            SendProgress(
                counts=dict(self._counts),
                total=len(self._job),
                accepted=tally.accepted,
                rejected=tally.rejected,
                unknown=tally.unknown,
                paused_for=tally.paused_for,
            )
        )


def make_options(concurrency: int, rate: float | None) -> SendOptions:
    """Return the options of a call that sends.

    Raises:
        InvalidConfiguration: One of them cannot work.
    """
    check_concurrency(concurrency)
    is_number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
    if rate is not None and not (is_number and 0 < rate < 1e6):
        raise InvalidConfiguration("rate must be a positive number of messages in a second")
    return SendOptions(concurrency=concurrency, rate=rate)


def check_concurrency(concurrency: object) -> None:
    """Refuse a concurrency that cannot work."""
    if type(concurrency) is not int or not 1 <= concurrency <= MAX_CONCURRENCY:
        raise InvalidConfiguration(f"concurrency must be a whole number, 1 to {MAX_CONCURRENCY}")


def _check_client(client: object, *, is_async: bool) -> None:
    from ecall_facade import AsyncECall, ECall

    if isinstance(client, AsyncECall) and not is_async:
        raise UsageError("The client is an AsyncECall: use await job.send_async(…), or an ECall")
    if not isinstance(client, AsyncECall if is_async else ECall):
        raise UsageError(f"The client must be an {'AsyncECall' if is_async else 'ECall'}")


def _read_states(state: State | Iterable[State] | None) -> tuple[State, ...]:
    if state is None:
        return STATES
    chosen = (state,) if isinstance(state, str) else tuple(state)
    if not chosen or set(chosen) - set(STATES):
        raise UsageError(f"state must be one of {', '.join(STATES)}")
    return chosen


def _for_spreadsheet(value: str | None) -> str | None:
    """Return a value that a spreadsheet does not take for a formula."""
    return f"'{value}" if value and value[0] in "=+-@\t\r" else value


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
