"""A job: many messages that are sent once each, and what became of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import anyio.to_thread
import attrs
from sqlalchemy import text

from ecall_facade._settings import Account
from ecall_facade.bulk._export import export_rows
from ecall_facade.bulk._options import (
    GIVE_UP_AFTER,
    check_concurrency,
    check_timeout,
    make_options,
)
from ecall_facade.bulk._origin import begin_at, check_origin, get_origin, origin_of, set_origin
from ecall_facade.bulk._resolve import resolve_rows
from ecall_facade.bulk._rows import Row, count_states, iterate_rows
from ecall_facade.bulk._runs import recover
from ecall_facade.bulk._schema import STATES, State
from ecall_facade.bulk._send import send_rows, send_rows_async
from ecall_facade.bulk._tracking import (
    Tracking,
    count_deliveries,
    track_deliveries,
    track_deliveries_async,
)
from ecall_facade.bulk._turn import ClaimProtocol
from ecall_facade.errors import UsageError

if TYPE_CHECKING:
    from ecall_facade import AsyncECall, ECall
    from ecall_facade.bulk._database import Database
    from ecall_facade.bulk._reports import SendProgress, SendReport
    from ecall_facade.bulk._resolve import Decision, Undecided

Defer: TypeAlias = Callable[[int, int], object]
"""Puts a chunk into a queue: called with the job's id and the chunk's number."""


@runtime_checkable
class Delayable(Protocol):
    """A task of Celery, as far as it is needed here."""

    def delay(self, job_id: int, chunk: int, /) -> object:
        """Put a chunk into the queue."""
        ...


@attrs.frozen
class JobFacts:
    """The facts about a job that do not change."""

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
        return count_deliveries(self._database, self.id)

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
        give_up_after: float = GIVE_UP_AFTER,
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
            give_up_after: Seconds without any connection to the service after which the job stops.
            on_progress: Called in this thread about ten times a second.

        Returns:
            What this call has brought; `stopped` says why messages are left pending.

        Raises:
            UsageError: An argument cannot be used, or the client is for another service than the
                one that took messages of the job before.
            LedgerError: The database cannot be used; nothing is sent that it has not recorded.
        """
        _check_client(client, is_async=False)
        options = make_options(concurrency, rate, give_up_after)
        self._begin(client)
        return send_rows(self._database, self.id, client, options, on_progress)

    async def send_async(
        self,
        client: AsyncECall,
        *,
        concurrency: int = 20,
        rate: float | None = None,
        give_up_after: float = GIVE_UP_AFTER,
        on_progress: Callable[[SendProgress], object] | None = None,
    ) -> SendReport:
        """Send as `send` does, from a task of an event loop.

        If the task is cancelled, messages under way are finished and recorded before it ends.
        """
        _check_client(client, is_async=True)
        options = make_options(concurrency, rate, give_up_after)
        await anyio.to_thread.run_sync(self._begin, client)
        return await send_rows_async(self._database, self.id, client, options, on_progress)

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
            UsageError: An argument cannot be used, or the client is for another service than the
                one that took the messages.
            APIError: The service refuses the account.
            LedgerError: The database cannot be used.
        """
        _check_client(client, is_async=False)
        check_concurrency(concurrency)
        check_timeout(timeout)
        tracking = self._begin_tracking(client, timeout)
        return track_deliveries(tracking, client, concurrency, on_progress)

    async def track_async(
        self,
        client: AsyncECall,
        *,
        timeout: float | None = None,
        concurrency: int = 10,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> dict[str, int]:
        """Ask as `track` does, from a task of an event loop.

        If the task is cancelled, what is known by then is recorded before it ends.
        """
        _check_client(client, is_async=True)
        check_concurrency(concurrency)
        check_timeout(timeout)
        tracking = await anyio.to_thread.run_sync(self._begin_tracking, client, timeout)
        return await track_deliveries_async(tracking, client, concurrency, on_progress)

    def resolve(
        self,
        to: Decision,
        *,
        rows: Iterable[int] | None = None,
        state: Undecided = "unknown",
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
        recover(self._database)
        return resolve_rows(self._database, self.id, to, rows, state)

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
        return export_rows(self.rows(), to)

    def enqueue(self, defer: Defer | Delayable) -> int:
        """Put each chunk that has pending messages into a queue.

        It may be called again at any time: a chunk that is queued twice sends nothing twice.

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

    @property
    def base_url(self) -> str | None:
        """The service that the job was first sent by, "loopback" for one on this machine, or None.

        Raises:
            LedgerError: The database cannot be used.
        """
        return get_origin(self._database, self.id)

    def set_base_url(self, base_url: str) -> None:
        """Say that the service has another address now; `send` and `track` refuse another one.

        Only a person can know that it is the same service, which has the messages that were sent.

        Args:
            base_url: As the client has it, such as `https://rest.ecall.ch`.

        Raises:
            InvalidConfiguration: It is no URL of a service.
            LedgerError: The database cannot be used.
        """
        account = Account.from_arguments("-", "-", base_url)
        set_origin(self._database, self.id, origin_of(account.base_url))

    def _begin(self, client: ECall | AsyncECall) -> None:
        """Let the job go on, as a person asks for it, with the service that it was begun with."""
        begin_at(self._database, self.id, client)
        self._allow()

    def _allow(self) -> None:
        with self._database.write() as connection:
            ClaimProtocol(self._database, self.id).pauses.allow(connection)

    def _begin_tracking(self, client: ECall | AsyncECall, timeout: float | None) -> Tracking:
        check_origin(self._database, self.id, client)
        recover(self._database)
        return Tracking(self._database, self.id, timeout)


def _check_client(client: object, *, is_async: bool) -> None:
    from ecall_facade import AsyncECall, ECall

    if isinstance(client, AsyncECall) and not is_async:
        raise UsageError(
            "The client is an AsyncECall: await job.send_async(…) or job.track_async(…)"
        )
    if not isinstance(client, AsyncECall if is_async else ECall):
        raise UsageError(f"The client must be an {'AsyncECall' if is_async else 'ECall'}")


def _read_states(state: State | Iterable[State] | None) -> tuple[State, ...]:
    if state is None:
        return STATES
    chosen = (state,) if isinstance(state, str) else tuple(state)
    if not chosen or set(chosen) - set(STATES):
        raise UsageError(f"state must be one of {', '.join(STATES)}")
    return chosen
