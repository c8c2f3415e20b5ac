"""Tell the addresses of a message's `notification` what has become of it, and post inbound messages.

Only `Url` and `UrlPost` are called, and of these only the ones on this machine or on hosts that were named: a callback
URL that somebody copied from production must not be called by a simulation.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Literal

import attrs
import httpx

from ecall_facade._settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._store import Address, Record, State, Step, Store

TICK = 0.05  # seconds
TIMEOUT = 5.0  # seconds, in all
CONCURRENT = 10

# Which states an event stands for is inferred from its name.
_STATES: dict[str, frozenset[State]] = {
    "SuccessOnly": frozenset({"Delivered"}),
    "FinalOnly": frozenset({"Delivered", "Undelivered", "Failed"}),
    "ErrorOnly": frozenset({"Undelivered", "Failed"}),
}


@attrs.frozen
class Notification:
    """One attempt to tell one address of one change.

    `outcome` is "answered" (see `status_code`), "failed" (no answer; `reason` says why), "skipped" (a host that is
    neither this machine nor named in `callback_hosts`) or "recorded" (e-mail and SMS, which a sandbox sends to nobody).
    """

    message_id: str
    type: str
    address: str = attrs.field(repr=False)
    state: State
    at: datetime
    outcome: Literal["answered", "failed", "skipped", "recorded"]
    status_code: int | None = None
    reason: str | None = None


class Callbacks:
    """Takes changes in the server's event loop; tells those of one message one after the other, others side by side."""

    def __init__(self, hosts: frozenset[str], write_time: Callable[[datetime], str], limit: int) -> None:
        self._hosts = hosts
        self._write_time = write_time
        self._attempts: deque[Notification] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[tuple[Record, Step]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(CONCURRENT)
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def run(self, store: Store) -> None:
        """Follow the store until cancelled."""
        self._places = asyncio.Semaphore(CONCURRENT)  # belongs to one event loop
        try:
            while True:
                left = store.advance()
                for record, step in store.take_changes():
                    self._notify(record, step)
                # Not longer than a tick: a new message may be due earlier, and a test may have turned the clock.
                await asyncio.sleep(TICK if left is None else min(max(left, TICK / 10), TICK))
        finally:
            await self._close()

    def snapshot(self) -> list[Notification]:
        with self._lock:
            return list(self._attempts)

    def post(self, target: str, body: Mapping[str, JSON]) -> int:
        """Post to a receiver, from any thread; give the status of its answer."""
        try:
            url = httpx.URL(target)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("The URL for inbound messages must be http://… or https://…")
        if reason := self._reason_against(url):
            raise ValueError(reason)
        request = _request("POST", url, json=body)
        try:
            # Loading certificates that plain HTTP has no use for would take longer than all the rest.
            with httpx.HTTPTransport(verify=url.scheme == "https", trust_env=False) as transport:
                response = transport.handle_request(request)
                response.close()
        except httpx.TransportError as error:
            raise ConnectionError(
                f"The receiver did not answer: {type(error).__name__}: {error}".rstrip(": ")
            ) from None
        return response.status_code

    def _reason_against(self, url: httpx.URL) -> str | None:
        if is_loopback_host(url.host) or url.host.lower() in self._hosts:
            return None
        return f"{url.host} is not this machine; name it in callback_hosts if it may be called"

    def _notify(self, record: Record, step: Step) -> None:
        if step.state not in _STATES.get(record.notify.event, {step.state}):
            return
        if record.id in self._waiting:  # its task goes on with this one
            self._waiting[record.id].append((record, step))
            return
        self._waiting[record.id] = deque([(record, step)])
        task = asyncio.create_task(self._work_off(record.id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._waiting.clear()
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _work_off(self, message_id: str) -> None:
        waiting = self._waiting[message_id]
        while waiting:
            record, step = waiting.popleft()
            for address in record.notify.addresses:
                async with self._places:
                    attempt = await self._tell(record, step, address)
                with self._lock:
                    self._attempts.append(attempt)
        del self._waiting[message_id]

    async def _tell(self, record: Record, step: Step, address: Address) -> Notification:
        kind, target = address
        at = record.accepted_at + step.after
        attempt = Notification(record.id, kind, target, step.state, at, "recorded")
        if kind not in {"Url", "UrlPost"}:
            return attempt
        body: dict[str, JSON] = {
            "messageId": record.id,
            "state": step.state,
            "to": record.recipient,
            "timestamp": self._write_time(at),
        }
        try:
            url = httpx.URL(target)
            if reason := self._reason_against(url):
                return attrs.evolve(attempt, outcome="skipped", reason=reason)
            if kind == "Url":
                query = {name: str(value) for name, value in body.items()}
                request = _request("GET", url.copy_merge_params(query))
            else:
                if step.error is not None:
                    body["error"] = step.error
                request = _request("POST", url, json=body)
            status_code = await asyncio.wait_for(self._call(request), TIMEOUT)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, the sandbox goes on
            return attrs.evolve(attempt, outcome="failed", reason=f"{type(error).__name__}: {error}".rstrip(": "))
        return attrs.evolve(attempt, outcome="answered", status_code=status_code)

    async def _call(self, request: httpx.Request) -> int:
        # A bare transport: no proxies, no redirects, no cookies, no log lines with the URL.
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(trust_env=False)
        response = await self._transport.handle_async_request(request)
        await response.aclose()
        return response.status_code


def _request(method: str, url: httpx.URL, json: Mapping[str, JSON] | None = None) -> httpx.Request:
    """Make a request for a bare transport. A name and password in the URL are sent as Basic credentials (inferred)."""
    request = httpx.Request(method, url, json=json, extensions={"timeout": httpx.Timeout(TIMEOUT).as_dict()})
    return next(httpx.BasicAuth(url.username, url.password).auth_flow(request)) if url.userinfo else request
