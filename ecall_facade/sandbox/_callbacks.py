"""Delivery reports to the addresses in a message's `notification`: when each is made, and what became of it."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

import attrs
import httpx

from ecall_client.models import NotificationAddressType, NotificationEvent
from ecall_client.tables import StatusNotificationSpec
from ecall_facade.sandbox._clock import write_time
from ecall_facade.sandbox._magic import find_magic_recipient
from ecall_facade.sandbox._messages import State
from ecall_facade.sandbox._receivers import SUCCESS, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._messages import Address, Record, Step
    from ecall_facade.sandbox._receivers import Receivers
    from ecall_facade.sandbox._store import Store

    ReportKey = tuple[str, str, str, State]
    """Message, type of the address, address, state: the same in every attempt."""

TICK = 0.05  # seconds between two looks at what is due
MAX_CALLS = 10  # at the same time

# Which states an event stands for is inferred from its name.
_STATES: dict[str, frozenset[State]] = {
    NotificationEvent.SUCCESS_ONLY: frozenset({State.DELIVERED}),
    NotificationEvent.FINAL_ONLY: frozenset({State.DELIVERED, State.UNDELIVERED, State.FAILED}),
    NotificationEvent.ERROR_ONLY: frozenset({State.UNDELIVERED, State.FAILED}),
}
_AT_ONCE = (0.0,)
_URL = NotificationAddressType.URL.value
_URL_POST = NotificationAddressType.URL_POST.value


@attrs.frozen
class Notification:
    """One attempt to report one change of state to one address."""

    message_id: str
    """The id of the message."""
    type: str
    """The type of the address: `Email`, `Sms`, `Url` or `UrlPost`."""
    address: str = attrs.field(repr=False)
    """The address itself."""
    state: State
    """The state that the message has reached."""
    at: datetime
    """When the message reached it, which may be long before the attempt."""
    outcome: Literal["answered", "failed", "skipped", "recorded"]
    """`answered` (see `status_code`), `failed` (no response; see `reason`), `skipped` (a host that
    is neither this machine nor named in `callback_hosts`) or `recorded` (e-mail and SMS, which a
    sandbox never sends).
    """
    status_code: int | None = None
    """The status code of the receiver's response."""
    reason: str | None = None
    """Why there is no response."""

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver answered 200, which the service requires (documented)."""
        return self.status_code == SUCCESS


class _Report(NamedTuple):
    """One change of state, and one address that it is reported to."""

    record: Record
    step: Step
    address: Address

    @property
    def at(self) -> datetime:
        return self.record.accepted_at + self.step.after

    @property
    def key(self) -> ReportKey:
        return self.record.id, *self.address, self.step.state


class _Attempt(NamedTuple):
    """An attempt to make a report that is due."""

    report: _Report
    """The report."""
    number: int
    """Which attempt it is, counted from 0."""
    generation: int
    """The generation of the store when the message changed."""


class _Due(NamedTuple):
    """A step that is due at a time of the sandbox's clock. `number` keeps the order of what is due at once."""

    at: datetime
    number: int
    generation: int
    act: Callable[[], None]


class Callbacks:
    """Calls receivers, and remembers every attempt.

    Reports of one message are made one after the other, those of different messages at the same time. All methods but
    `run` may be called from any thread.

    Args:
        store: The messages.
        receivers: Makes the calls.
        limit: How many attempts are remembered.
        always: A URL that every change is reported to.
        retries: Seconds of the sandbox's time before each further attempt, if a receiver does not answer 200.
    """

    def __init__(
        self,
        store: Store,
        receivers: Receivers,
        limit: int,
        always: str | None = None,
        retries: Sequence[float] = (),
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._always: tuple[Address, ...] = () if always is None else ((_URL_POST, always),)
        self._retries = tuple(retries)
        self._limit = limit
        self._attempts: deque[Notification] = deque(maxlen=limit)
        self._called: dict[ReportKey, _Report] = {}  # in the order of the first calls
        self._due: list[_Due] = []
        self._scheduled = 0
        self._lock = threading.Lock()
        self._queues: dict[str, deque[_Attempt]] = {}  # by message
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_CALLS)

    async def run(self) -> None:
        """Make the callbacks that are due, until cancelled."""
        self._slots = asyncio.Semaphore(MAX_CALLS)  # belongs to one event loop
        try:
            while True:
                left = self._store.advance()
                generation, changes = self._store.take_changes()
                for record, step in changes:
                    self._notify(record, step, generation)
                self._act_on_due()
                # Not longer than a tick: a new message may be due earlier, and a test may have advanced the clock.
                pause = TICK if left is None else min(max(left, TICK / 10), TICK)
                await asyncio.sleep(pause)
        finally:
            await self._close()

    def snapshot(self) -> list[Notification]:
        """Return all attempts, oldest first."""
        with self._lock:
            return list(self._attempts)

    def clear(self) -> None:
        """Forget all attempts, and all that were to come."""
        with self._lock:
            self._attempts.clear()
            self._called.clear()
            self._due.clear()

    def retry(self, number: int, generation: int, act: Callable[[], None]) -> None:
        """Schedule what follows a failed attempt, if the retry policy has another one.

        Args:
            number: Which attempt failed, counted from 0.
            generation: The generation of the store when the attempt began.
            act: Called in the server's event loop; must not block.
        """
        if number < len(self._retries):
            at = self._store.clock() + timedelta(seconds=self._retries[number])
            self._schedule(at, generation, act)

    def redeliver(self, is_named: Callable[[ReportKey], bool]) -> list[int | None]:
        """Repeat each report that a URL was called with and that is named, in the order of the first calls.

        Returns:
            The status codes of the responses; None for a receiver that did not answer.
        """
        with self._lock:
            reports = [report for key, report in self._called.items() if is_named(key)]
        statuses: list[int | None] = []
        for report in reports:
            generation = self._store.generation
            request = self._request_of(report)
            if isinstance(request, Notification):
                continue
            outcome = self._call_now(report, request)
            self._remember(outcome, generation)
            statuses.append(outcome.status_code)
        return statuses

    def _notify(self, record: Record, step: Step, generation: int) -> None:
        """Schedule the reports of a change."""
        addresses = self._always
        if step.state in _STATES.get(record.notification.event, {step.state}):
            addresses += record.notification.addresses
        magic = find_magic_recipient(record.recipient)
        delays = magic.report_delays.get(step.state, _AT_ONCE) if magic else _AT_ONCE
        for delay in delays:
            for address in addresses:
                report = _Report(record, step, address)
                due = report.at + timedelta(seconds=delay)
                self._schedule(
                    due, generation, self._enqueue_later(_Attempt(report, 0, generation))
                )

    def _schedule(self, at: datetime, generation: int, act: Callable[[], None]) -> None:
        with self._lock:
            self._scheduled += 1
            heapq.heappush(self._due, _Due(at, self._scheduled, generation, act))

    def _act_on_due(self) -> None:
        now = self._store.clock()
        while True:
            with self._lock:
                if not self._due or self._due[0].at > now:
                    return
                due = heapq.heappop(self._due)
            if due.generation == self._store.generation:
                due.act()

    def _enqueue_later(self, attempt: _Attempt) -> Callable[[], None]:
        return lambda: self._enqueue(attempt)

    def _enqueue(self, attempt: _Attempt) -> None:
        message_id = attempt.report.record.id
        if message_id in self._queues:  # its task takes it from there
            self._queues[message_id].append(attempt)
            return
        self._queues[message_id] = deque([attempt])
        task = asyncio.create_task(self._work_off_queue(message_id))
        self._tasks.add(task)  # the event loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)

    async def _work_off_queue(self, message_id: str) -> None:
        queue = self._queues[message_id]
        while queue:
            attempt = queue.popleft()
            report, number, generation = attempt
            async with self._slots:
                if self._store.generation != generation:  # it was cleared
                    continue
                outcome = await self._make_report(report, generation)
            self._remember(outcome, generation)
            if outcome.outcome in {"answered", "failed"} and not outcome.is_accepted:
                following = attempt._replace(number=number + 1)
                self.retry(number, generation, self._enqueue_later(following))
        del self._queues[message_id]

    def _remember(self, outcome: Notification, generation: int) -> None:
        with self._lock:
            if self._store.generation == generation:
                self._attempts.append(outcome)

    async def _make_report(self, report: _Report, generation: int) -> Notification:
        request = self._request_of(report)
        if isinstance(request, Notification):
            return request
        # Before the call: a test that has just received a report may ask for it to be repeated.
        with self._lock:
            if self._store.generation == generation:
                self._called.setdefault(report.key, report)
            if len(self._called) > self._limit:
                del self._called[next(iter(self._called))]
        try:
            status_code = await self._receivers.call_async(request)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, the sandbox goes on
            return _notification(report, "failed", reason=describe(error))
        return _notification(report, "answered", status_code)

    def _call_now(self, report: _Report, request: httpx.Request) -> Notification:
        try:
            status_code, _ = self._receivers.call(request)
        except Exception as error:  # noqa: BLE001 - as above
            return _notification(report, "failed", reason=describe(error))
        return _notification(report, "answered", status_code)

    def _request_of(self, report: _Report) -> httpx.Request | Notification:
        """Return the request of a report, or what becomes of a report that is none."""
        kind, target = report.address
        if kind not in {_URL, _URL_POST}:
            return _notification(report, "recorded")
        body: dict[str, JSON] = {
            StatusNotificationSpec.message_id: report.record.id,
            StatusNotificationSpec.state: report.step.state,
            StatusNotificationSpec.to: report.record.recipient,
            StatusNotificationSpec.timestamp: write_time(report.at),
        }
        try:
            url = httpx.URL(target)
            if reason := self._receivers.reason_against(url):
                return _notification(report, "skipped", reason=reason)
            if kind == _URL:
                query = {name: str(value) for name, value in body.items()}
                return self._receivers.make_request("GET", url.copy_merge_params(query))
            if report.step.error is not None:
                body[StatusNotificationSpec.error] = report.step.error
            return self._receivers.make_request("POST", url, json=body)
        except Exception as error:  # noqa: BLE001 - httpx may find that it is no URL in many ways
            return _notification(report, "failed", reason=describe(error))

    async def _close(self) -> None:
        """Abandon the calls that are under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._queues.clear()
        await self._receivers.aclose()


def _notification(
    report: _Report,
    outcome: Literal["answered", "failed", "skipped", "recorded"],
    status_code: int | None = None,
    reason: str | None = None,
) -> Notification:
    kind, address = report.address
    return Notification(
        message_id=report.record.id,
        type=kind,
        address=address,
        state=report.step.state,
        at=report.at,
        outcome=outcome,
        status_code=status_code,
        reason=reason,
    )
