"""Tell the addresses of a message's `notification` what has become of it, and post inbound messages.

Only `Url` and `UrlPost` are called, and of these only the ones on this machine or on hosts that were named: a callback
URL that somebody copied from production must not be called by a simulation.
"""

from __future__ import annotations

import asyncio
import threading
import time
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

    Told = tuple[Record, Step, tuple[Address, ...], int]  # the last one is the era of the store

TICK = 0.05  # seconds
TIMEOUT = 5.0  # seconds, in all
CONCURRENT = 10
EXCERPT = 2_000  # bytes of a receiver's answer that are kept

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

    def __init__(
        self,
        hosts: frozenset[str],
        write_time: Callable[[datetime], str],
        limit: int,
        always: str | None = None,
    ) -> None:
        self._hosts = hosts
        self._always: tuple[Address, ...] = () if always is None else (("UrlPost", always),)
        self._write_time = write_time
        self._attempts: deque[Notification] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Told]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(CONCURRENT)
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def run(self, store: Store) -> None:
        """Follow the store until cancelled."""
        self._places = asyncio.Semaphore(CONCURRENT)  # belongs to one event loop
        try:
            while True:
                left = store.advance()
                era, changes = store.take_changes()
                for record, step in changes:
                    self._notify(store, record, step, era)
                # Not longer than a tick: a new message may be due earlier, and a test may have turned the clock.
                await asyncio.sleep(TICK if left is None else min(max(left, TICK / 10), TICK))
        finally:
            await self._close()

    def snapshot(self) -> list[Notification]:
        with self._lock:
            return list(self._attempts)

    def clear(self) -> None:
        with self._lock:
            self._attempts.clear()

    def check(self, target: str) -> httpx.URL:
        """Read a URL that may be called, or raise `ValueError`."""
        try:
            url = httpx.URL(target)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("The URL of a receiver must be http://… or https://…")
        if (
            url.port is not None and not 0 < url.port < 65536
        ):  # the system would take a larger one for another port
            raise ValueError("The URL of a receiver must have a port from 1 to 65535")
        if reason := self._reason_against(url):
            raise ValueError(reason)
        return url

    def post(self, target: str, body: Mapping[str, JSON]) -> tuple[int, str]:
        """Post to a receiver, from any thread; give the status of its answer and the beginning of its body."""
        url = self.check(target)
        request = _request("POST", url, json=body)
        try:
            # Loading certificates that plain HTTP has no use for would take longer than all the rest.
            with httpx.HTTPTransport(verify=url.scheme == "https", trust_env=False) as transport:
                response = transport.handle_request(request)
                begun = _beginning(response)
                response.close()
        except httpx.TransportError as error:
            raise ConnectionError(
                f"The receiver did not answer: {type(error).__name__}: {error}".rstrip(": ")
            ) from None
        return response.status_code, begun

    def _reason_against(self, url: httpx.URL) -> str | None:
        if is_loopback_host(url.host) or url.host.lower() in self._hosts:
            return None
        return f"{url.host} is not this machine; name it in callback_hosts if it may be called"

    def _notify(self, store: Store, record: Record, step: Step, era: int) -> None:
        addresses = self._always
        if step.state in _STATES.get(record.notify.event, {step.state}):
            addresses += record.notify.addresses
        if not addresses:
            return
        if record.id in self._waiting:  # its task goes on with this one
            self._waiting[record.id].append((record, step, addresses, era))
            return
        self._waiting[record.id] = deque([(record, step, addresses, era)])
        task = asyncio.create_task(self._work_off(store, record.id))
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

    async def _work_off(self, store: Store, message_id: str) -> None:
        waiting = self._waiting[message_id]
        while waiting:
            record, step, addresses, era = waiting.popleft()
            for address in addresses:
                async with self._places:
                    attempt = await self._tell(record, step, address) if store.era == era else None
                with self._lock:
                    if attempt is not None and store.era == era:  # else it was cleared
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
            return attrs.evolve(
                attempt, outcome="failed", reason=f"{type(error).__name__}: {error}".rstrip(": ")
            )
        return attrs.evolve(attempt, outcome="answered", status_code=status_code)

    async def _call(self, request: httpx.Request) -> int:
        # A bare transport: no proxies, no redirects, no cookies, no log lines with the URL.
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(trust_env=False)
        response = await self._transport.handle_async_request(request)
        await response.aclose()
        return response.status_code


def _beginning(response: httpx.Response) -> str:
    """Read the beginning of an answer, as far as it comes in time; one in a broken encoding has none."""
    body, end = b"", time.monotonic() + TIMEOUT
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) >= EXCERPT or time.monotonic() > end:
                break
    except httpx.DecodingError:
        return ""
    return body[:EXCERPT].decode(errors="replace")


def _request(method: str, url: httpx.URL, json: Mapping[str, JSON] | None = None) -> httpx.Request:
    """Make a request for a bare transport. A name and password in the URL are sent as Basic credentials (inferred)."""
    request = httpx.Request(
        method, url, json=json, extensions={"timeout": httpx.Timeout(TIMEOUT).as_dict()}
    )
    return (
        next(httpx.BasicAuth(url.username, url.password).auth_flow(request))
        if url.userinfo
        else request
    )
