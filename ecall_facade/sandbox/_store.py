"""What the sandbox keeps in memory: messages and their states, lists, files, recorded requests.

A message follows a timeline: states, and the time after which each is reached. The next step of every message is in a
queue ordered by time, and `advance` takes the steps that are due. It runs before every read, so that a response is
right by the clock even if the timer is late.
"""

from __future__ import annotations

import copy
import heapq
import json
import os
import shutil
import tempfile
import threading
import time
import uuid
import weakref
from collections import OrderedDict, deque
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, TypeAlias, TypeVar, cast

import attrs

from ecall_client.models import DeliveryState, NotificationEvent
from ecall_client.tables import MessageRequestSpec, TextContentSpec
from ecall_facade._json import JSON, normalize_names
from ecall_facade.numbers import mask
from ecall_facade.sandbox._recorded import KEPT, KEPT_BYTES, RecordedRequest

if TYPE_CHECKING:
    from ecall_facade.sandbox._clock import Now

T = TypeVar("T")
State: TypeAlias = DeliveryState
Address: TypeAlias = tuple[str, str]  # its type, itself

KEPT_FOR = timedelta(days=7)
"""How long the status of a message can be queried (documented)."""
JOURNAL = 10_000
"""How many changes a page may be behind before it has to load everything again."""
MAX_INBOUND = 1_000


class NotificationSettings(NamedTuple):
    """The addresses of a message's `notification`, and the event that filters the reports to them."""

    addresses: tuple[Address, ...] = ()
    event: str = NotificationEvent.ALL.value


class Step(NamedTuple):
    """A state, and how long after acceptance it is reached."""

    after: timedelta
    state: State
    error: dict[str, JSON] | None = None


class StateChange(NamedTuple):
    """A state that a message has reached, and when."""

    state: State
    at: datetime


@attrs.define(eq=False)
class Record:
    """A message inside the sandbox. It is small, as there are many."""

    id: str
    channel: str
    sender: str = attrs.field(repr=False)
    recipient: str = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)  # JSON as it came, parsed only when it is read
    accepted_at: datetime
    request_id: str
    list_id: str | None
    timeline: tuple[Step, ...] = attrs.field(repr=False)
    notification: NotificationSettings = attrs.field(repr=False)
    done: int = 0  # index of the last step in the timeline that was taken

    @property
    def step(self) -> Step:
        return self.timeline[self.done]


@attrs.frozen
class Inbound:
    """An inbound message to the user's program.

    Attributes:
        id: Its id.
        json: What is posted.
        at: When it was first posted.
        url: Where it is posted to.
        status: The status code of the response.
        body: The beginning of the body of the response.
        reason: Why there is no response.
        is_over: Whether there is a response, or a reason for none.
    """

    id: str
    json: dict[str, JSON] = attrs.field(repr=False)
    at: datetime
    url: str = attrs.field(repr=False)
    status: int | None = None
    body: str = attrs.field(default="", repr=False)
    reason: str | None = None
    is_over: bool = False


@attrs.frozen
class Message:
    """A message as it was when it was read from the sandbox. It does not change afterwards.

    Attributes:
        id: The `messageId`.
        channel: `Sms`, `Whatsapp` or `Rcs`.
        sender: The sender as it came.
        recipient: The recipient as it came.
        state: Its state.
        error: Why it failed, or None.
        accepted_at: When it was accepted, by the sandbox's clock.
        request_id: The id of the request that it came with.
        list_id: The id of its list, or None.
    """

    id: str
    channel: str
    sender: str
    recipient: str = attrs.field(repr=mask)
    state: State
    error: dict[str, JSON] | None
    accepted_at: datetime
    request_id: str
    list_id: str | None
    _steps: tuple[Step, ...] = attrs.field(repr=False)
    _body: bytes = attrs.field(repr=False)

    @classmethod
    def from_record(cls, record: Record, done: int) -> Message:
        """Return the message as it is after that step of its timeline."""
        r, (_, state, error) = record, record.timeline[done]
        steps = r.timeline[: done + 1]
        return cls(
            r.id,
            r.channel,
            r.sender,
            r.recipient,
            state,
            error,
            r.accepted_at,
            r.request_id,
            r.list_id,
            steps,
            r.body,
        )

    @property
    def history(self) -> tuple[StateChange, ...]:
        """All states that it has had, and when each was reached; the current one is last."""
        return tuple(StateChange(step.state, self.accepted_at + step.after) for step in self._steps)

    @property
    def raw(self) -> dict[str, JSON]:
        """The JSON of the request as it came; for a list, the part of this message."""
        return cast("dict[str, JSON]", json.loads(self._body))

    @property
    def content(self) -> dict[str, JSON]:
        """The content of the message, with its names in the spelling of the documentation."""
        return copy.deepcopy(_content(self._body))

    @property
    def text(self) -> str | None:
        """The text, or None if it has none."""
        text = self.content.get(TextContentSpec.text)
        return text if isinstance(text, str) else None


@lru_cache(64)
def _content(body: bytes) -> dict[str, JSON]:
    """Return the content in a request. It is cached, as all messages of a broadcast have the same body."""
    message = cast("dict[str, dict[str, JSON]]", normalize_names(json.loads(body)))
    return message[MessageRequestSpec.content]


class _Bounded(OrderedDict[str, T]):
    """The newest entries, up to a maximum."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.dropped = 0

    def put(self, key: str, value: T) -> T | None:
        """Add an entry, and return the one that was dropped for it."""
        self[key] = value
        if len(self) <= self._limit:
            return None
        self.dropped += 1
        return self.popitem(last=False)[1]


class Store:
    """Everything that is kept, behind one lock. All methods may be called from any thread.

    Args:
        clock: Returns the time.
        timeline: The states of messages that no magic recipient gives others.
        seed: Makes ids counted instead of random.
        max_messages: How many messages are kept.
        max_media: How many files are kept.
        follow_all: Whether all changes are to be reported, and not only those of messages with a notification.
    """

    def __init__(
        self,
        *,
        clock: Now,
        timeline: tuple[Step, ...],
        seed: int | None,
        max_messages: int,
        max_media: int,
        follow_all: bool = False,
    ) -> None:
        self.clock = clock
        self.timeline = timeline
        self.limits = {"messages": max_messages, "media": max_media, "requests": KEPT}
        self._follow_all = follow_all
        self._seed = seed
        self._counters = dict.fromkeys(("message", "list", "media", "request", "inbound"), 0)
        self._lock = threading.Lock()
        self._messages: _Bounded[Record] = _Bounded(max_messages)
        self._lists: OrderedDict[str, tuple[datetime, tuple[str, ...]]] = OrderedDict()
        self._listed = 0  # how many ids the lists hold
        self._media: _Bounded[Path] = _Bounded(max_media)
        self._folder: Path | None = None
        self._queue: list[tuple[datetime, int, Record]] = []
        self._queued = 0
        self._changes: deque[tuple[Record, Step]] = deque()  # those that are to be reported
        self._requests: OrderedDict[str, RecordedRequest] = OrderedDict()
        self._request_bytes = 0  # their bytes
        self._inbound: _Bounded[Inbound] = _Bounded(MAX_INBOUND)
        # Counts the changes that a page has to show; the journal has the last of them. It begins at a number that an
        # earlier sandbox at this address has not reached, so that a page of that one loads everything again.
        self._version = time.time_ns() // 1_000_000
        self._journal: deque[str] = deque(maxlen=JOURNAL)
        self._cleared_at = self._version

    def new_id(self, kind: Literal["message", "list", "media", "request", "inbound"]) -> str:
        """Return a new id: random, or counted by kind with a seed, so that recordings are reproducible."""
        if self._seed is None:
            return str(uuid.uuid4())
        with self._lock:
            self._counters[kind] += 1
            place = list(self._counters).index(kind) + 1
            return (
                f"{self._seed & 0xFFFFFFFF:08x}-{place:04x}-4c6e-9d3a-{self._counters[kind]:012x}"
            )

    def add(self, records: list[Record]) -> None:
        with self._lock:
            for record in records:
                self._messages.put(record.id, record)
                self._note(f"message:{record.id}")
                self._push(record)
            if (
                len(self._queue) > 2 * self.limits["messages"] + 1_000
            ):  # most of them are messages that were dropped
                self._queue = [entry for entry in self._queue if entry[2].id in self._messages]
                heapq.heapify(self._queue)

    def _push(self, record: Record) -> None:
        if record.done + 1 < len(record.timeline):
            self._queued += 1  # decides between two that are due at once
            due = record.accepted_at + record.timeline[record.done + 1].after
            heapq.heappush(self._queue, (due, self._queued, record))

    def advance(self) -> float | None:
        """Take all steps that are due, and return the seconds until the next one, or None if there is none."""
        with self._lock:
            return self._advance()

    def _advance(self) -> float | None:
        now = self.clock()
        while self._queue and self._queue[0][0] <= now:
            _, _, record = heapq.heappop(self._queue)
            record.done += 1
            self._note(f"message:{record.id}")
            if self._follow_all or record.notification.addresses:
                self._changes.append((record, record.step))
            self._push(record)
        return (self._queue[0][0] - now).total_seconds() if self._queue else None

    def _note(self, key: str) -> None:
        self._version += 1
        self._journal.append(key)

    def add_request(self, recorded: RecordedRequest) -> None:
        with self._lock:
            self._requests[recorded.request_id] = recorded
            self._request_bytes += recorded.weight
            while len(self._requests) > KEPT or self._request_bytes > KEPT_BYTES:
                self._request_bytes -= self._requests.popitem(last=False)[1].weight
            if recorded.refused:
                self._note(f"request:{recorded.request_id}")

    def put_inbound(self, inbound: Inbound) -> None:
        """Add an inbound message, or the response to one, unless it was cleared in between."""
        with self._lock:
            if inbound.is_over and inbound.id not in self._inbound:
                return
            self._inbound.put(inbound.id, inbound)
            self._note(f"inbound:{inbound.id}")

    def changes_since(self, version: int) -> tuple[int, list[str] | None]:
        """Return the current version, and the keys that changed since `version`; None if the journal is too short."""
        with self._lock:
            self._advance()
            behind = self._version - version
            if version < self._cleared_at or not 0 <= behind <= len(self._journal):
                return self._version, None
            newest = list(islice(reversed(self._journal), behind))
            return self._version, list(dict.fromkeys(reversed(newest)))

    def get(self, key: str) -> Message | RecordedRequest | Inbound | None:
        """Return the entry with a key of the journal, as it is now."""
        kind, _, name = key.partition(":")
        with self._lock:
            self._advance()
            if kind == "request":
                return self._requests.get(name)
            if kind == "inbound":
                return self._inbound.get(name)
            record = self._messages.get(name)
            return Message.from_record(record, record.done) if record else None

    def newest_of_all(self, count: int) -> tuple[int, list[Message | RecordedRequest | Inbound]]:
        """Return the current version, and the newest entries of each kind."""
        with self._lock:
            self._advance()
            newest = list(islice(reversed(self._messages.values()), count))
            requests, inbound = list(self._requests.values()), list(self._inbound.values())
            return self._version, [
                *(Message.from_record(r, r.done) for r in reversed(newest)),
                *requests,
                *inbound,
            ]

    def inbound_messages(self) -> list[Inbound]:
        """Return what was posted to the user's program, oldest first."""
        with self._lock:
            return list(self._inbound.values())

    @property
    def dropped(self) -> int:
        """How many messages were dropped for newer ones."""
        return self._messages.dropped

    def clear(self) -> None:
        """Forget everything but the time."""
        with self._lock:
            for path in self._media.values():
                path.unlink(missing_ok=True)
            for kept in (self._messages, self._media, self._inbound):
                kept.clear()
                kept.dropped = 0
            self._lists.clear()
            self._requests.clear()
            self._listed = self._request_bytes = 0
            self._queue.clear()
            self._changes.clear()
            self._version += 1
            self._cleared_at = self._version
            self._journal.clear()

    @property
    def generation(self) -> int:
        """A number that changes with every `clear`."""
        return self._cleared_at

    def take_changes(self) -> tuple[int, list[tuple[Record, Step]]]:
        """Return the generation, and the changes since the last call that are to be reported, in order."""
        with self._lock:
            changes = list(self._changes)
            self._changes.clear()
            return self._cleared_at, changes

    def status(self, message_id: str) -> Record | None:
        """Return a message whose status can still be queried."""
        with self._lock:
            self._advance()
            record = self._messages.get(message_id)
            return record if record and self.clock() - record.accepted_at <= KEPT_FOR else None

    def add_list(self, list_id: str, message_ids: tuple[str, ...]) -> None:
        with self._lock:
            self._lists[list_id] = (self.clock(), message_ids)
            self._listed += len(message_ids)
            limit = self.limits["messages"]
            while len(self._lists) > limit or (self._listed > limit and len(self._lists) > 1):
                self._listed -= len(self._lists.popitem(last=False)[1][1])

    def list_status(self, list_id: str) -> list[Record] | None:
        with self._lock:
            self._advance()
            created_at, message_ids = self._lists.get(list_id, (None, ()))
            if created_at is None or self.clock() - created_at > KEPT_FOR:
                return None
            return [
                record for message_id in message_ids if (record := self._messages.get(message_id))
            ]

    def snapshot(self) -> list[Message]:
        with self._lock:
            self._advance()
            records = [(record, record.done) for record in self._messages.values()]
        return [Message.from_record(record, done) for record, done in records]

    def newest(self, channel: str) -> Record | None:
        """Return the newest message of a channel."""
        with self._lock:
            return next(
                (
                    record
                    for record in reversed(self._messages.values())
                    if record.channel == channel
                ),
                None,
            )

    def __len__(self) -> int:
        return len(self._messages)

    @contextmanager
    def write_media(self, media_id: str) -> Generator[BinaryIO]:
        """Open a new file. It is stored when the block ends without an exception, and removed otherwise."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="ecall-sandbox-"))
                weakref.finalize(self, _remove, self._folder, os.getpid())
            path = self._folder / media_id
        try:
            with path.open("wb") as file:
                yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            dropped = self._media.put(media_id, path)
            if dropped is not None:
                dropped.unlink(missing_ok=True)

    def has_media(self, media_id: str) -> bool:
        return media_id in self._media

    def media_path(self, media_id: str) -> Path | None:
        with self._lock:
            return self._media.get(media_id)

    def open_media(self, media_id: str) -> BinaryIO | None:
        with self._lock:
            path = self._media.get(media_id)
            return path.open("rb") if path else None


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not when a forked process ends
        shutil.rmtree(folder, ignore_errors=True)
