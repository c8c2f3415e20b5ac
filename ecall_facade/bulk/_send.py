"""One call that sends: a loop that takes rows, those who post them, and the caller that watches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread

from ecall_facade.bulk._couriers import TaskCourier, ThreadCourier
from ecall_facade.bulk._reports import SendProgress, SendReport
from ecall_facade.bulk._rows import count_states
from ecall_facade.bulk._sending import SendingLoop

if TYPE_CHECKING:
    from ecall_facade import AsyncECall, ECall
    from ecall_facade.bulk._database import Database
    from ecall_facade.bulk._options import SendOptions
    from ecall_facade.bulk._schema import State

_TICK = 0.1
"""Seconds between two looks of the caller at what its sender does."""

OnProgress: TypeAlias = Callable[[SendProgress], object]


def send_rows(
    database: Database,
    job_id: int,
    client: ECall,
    options: SendOptions,
    on_progress: OnProgress | None = None,
) -> SendReport:
    """Send what is pending, by threads; an exception in this thread ends the sending first."""
    loop = SendingLoop(database, job_id, options)
    courier = ThreadCourier(client, loop, options.concurrency)
    thread = threading.Thread(target=loop.run, args=(courier,), name="ecall-ledger")
    watch = _Watch(database, job_id, loop, on_progress)
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
    return _report(database, job_id, loop, options)


async def send_rows_async(
    database: Database,
    job_id: int,
    client: AsyncECall,
    options: SendOptions,
    on_progress: OnProgress | None = None,
) -> SendReport:
    """Send what is pending, by tasks; a cancellation ends the sending first."""
    loop = SendingLoop(database, job_id, options)
    watch = _Watch(database, job_id, loop, on_progress)
    finished = anyio.Event()

    async def work() -> None:
        # A task of its own: what cancels the caller does not reach it.
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as posting:
                courier = TaskCourier(client, loop, posting)
                await anyio.to_thread.run_sync(loop.run, courier, limiter=anyio.CapacityLimiter(1))
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
    return await anyio.to_thread.run_sync(_report, database, job_id, loop, options)


def _report(database: Database, job_id: int, loop: SendingLoop, options: SendOptions) -> SendReport:
    if loop.error is not None:
        raise loop.error
    tally = loop.tally
    pause = tally.pause
    longest = options.longest_pause
    is_left = pause is not None and longest is not None and pause.seconds > longest
    with database.read() as connection:
        counts = count_states(connection, job_id)
    return SendReport(
        counts=counts,
        accepted=tally.accepted,
        rejected=tally.rejected,
        unknown=tally.unknown,
        stopped=tally.stopped,
        pause=pause if is_left and not tally.stopped else None,
    )


class _Watch:
    """Reports progress to the caller; a large job is counted less often, as that takes long."""

    def __init__(
        self, database: Database, job_id: int, loop: SendingLoop, on_progress: OnProgress | None
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._loop = loop
        self._on_progress = on_progress
        self._counts: dict[State, int] = {}
        self._next_count = 0.0

    def look(self) -> None:
        """Report how far the job has come."""
        if self._on_progress is None:
            return
        now = time.monotonic()
        if now >= self._next_count:
            with self._database.read() as connection:
                self._counts = count_states(connection, self._job_id)
            self._next_count = time.monotonic() + 20 * (time.monotonic() - now)
        tally = self._loop.tally
        self._on_progress(
            SendProgress(
                counts=dict(self._counts),
                total=sum(self._counts.values()),
                accepted=tally.accepted,
                rejected=tally.rejected,
                unknown=tally.unknown,
                pause=tally.pause,
            )
        )
