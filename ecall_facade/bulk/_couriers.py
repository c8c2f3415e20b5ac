"""Couriers post rows: by threads with a sync client, by tasks with an async one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread

from ecall_facade.bulk._outcome import Outcome, Verdict
from ecall_facade.bulk._sending import SendingLoop, outcome_of_exception
from ecall_facade.errors import ECallError
from ecall_facade.numbers import RawAddress

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ecall_facade import AsyncECall, ECall
    from ecall_facade.bulk._claims import Claimed

_ACCEPTED = Outcome(Verdict.ACCEPTED)


class ThreadCourier:
    """Posts by a pool of threads."""

    def __init__(self, client: ECall, loop: SendingLoop, concurrency: int) -> None:
        # A client that retried would wait by itself and let nobody else pause.
        self._client = client.with_options(retry=False)
        self._loop = loop
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="ecall-send")

    def dispatch(self, rows: Sequence[Claimed]) -> None:
        """Post rows, each at its time, without waiting for them."""
        for row in rows:
            try:
                self._pool.submit(self._post, row)
            except RuntimeError as error:  # the interpreter shuts down, or can start no thread
                self._loop.put_back(row)
                self._loop.fail(error)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False)

    def _post(self, row: Claimed) -> None:
        if not self._loop.may_post(row):
            self._loop.put_back(row)
            return
        try:
            message_id = self._send(row)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the row gets its result
            self._loop.put(row, outcome_of_exception(error))
            if not isinstance(error, ECallError):
                self._loop.fail(error)
            return
        self._loop.put(row, _ACCEPTED, message_id)

    def _send(self, row: Claimed) -> str:
        to = recipient_of(row)
        if row.channel == "sms":
            return self._client.sms.send(to, row.text, sender=row.sender).message_id
        channel = self._client.whatsapp if row.channel == "whatsapp" else self._client.rcs
        return channel.send(to, row.text, sender=row.sender).message_id


class TaskCourier:
    """Posts by tasks of the event loop that the client is used in."""

    def __init__(self, client: AsyncECall, loop: SendingLoop, group: TaskGroup) -> None:
        self._client = client.with_options(retry=False)
        self._loop = loop
        self._group = group

    def dispatch(self, rows: Sequence[Claimed]) -> None:
        """Post rows, each at its time, without waiting for them; called from the loop's thread."""
        try:
            anyio.from_thread.run_sync(self._start, rows)
        except RuntimeError as error:  # the event loop has ended
            for row in rows:
                self._loop.put_back(row)
            self._loop.fail(error)

    def _start(self, rows: Sequence[Claimed]) -> None:
        for row in rows:
            self._group.start_soon(self._post, row)

    async def _post(self, row: Claimed) -> None:
        delay = row.due - time.monotonic()
        if delay > 0:
            await anyio.sleep(delay)
        if not self._loop.may_post(row):
            self._loop.put_back(row)
            return
        try:
            message_id = await self._send(row)
        except BaseException as error:
            self._loop.put(row, outcome_of_exception(error))
            if not isinstance(error, Exception):
                self._loop.stop()
                raise  # a cancellation, by an event loop that ends
            if not isinstance(error, ECallError):
                self._loop.fail(error)
            return
        self._loop.put(row, _ACCEPTED, message_id)

    async def _send(self, row: Claimed) -> str:
        to = recipient_of(row)
        if row.channel == "sms":
            return (await self._client.sms.send(to, row.text, sender=row.sender)).message_id
        channel = self._client.whatsapp if row.channel == "whatsapp" else self._client.rcs
        return (await channel.send(to, row.text, sender=row.sender)).message_id


def recipient_of(row: Claimed) -> str | RawAddress:
    """Return a row's recipient as `send` takes it."""
    return RawAddress(row.recipient) if row.is_raw else row.recipient
