"""What the sandbox remembers: messages and how far they have come, lists, files.

A message follows a plan, a row of states with the time after which each is reached. The next step of every message
lies in a queue by due time, and `advance` takes the steps that are due. It runs before every read, so that an answer is
right by the clock even where the timer lags.
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

from ecall_facade._json import JSON, spell
from ecall_facade.numbers import mask
from ecall_facade.sandbox._recorded import KEPT, KEPT_BYTES, RecordedRequest

if TYPE_CHECKING:
    from ecall_facade.sandbox._clock import Now

T = TypeVar("T")
State: TypeAlias = Literal[
    "Pending", "Scheduled", "Sent", "Delivered", "Undelivered", "Failed", "Unknown"
]
Address: TypeAlias = tuple[str, str]  # its type, itself

KEPT_FOR = timedelta(days=7)
"""How long the status of a message can be queried (documented)."""
JOURNAL = 10_000
"""How many changes somebody who follows may lag behind."""
MAX_INBOUND = 1_000


class Notify(NamedTuple):
    """Who is told of which events."""

    addresses: tuple[Address, ...] = ()
    event: str = "All"


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
    """A message inside the sandbox; small, as there are many."""

    id: str
    channel: str
    sender: str = attrs.field(repr=False)
    recipient: str = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)  # JSON as it came; parsed again only where somebody looks
    accepted_at: datetime
    request_id: str
    list_id: str | None
    plan: tuple[Step, ...] = attrs.field(repr=False)
    notify: Notify = attrs.field(repr=False)
    done: int = 0  # the place in the plan

    @property
    def step(self) -> Step:
        return self.plan[self.done]


@attrs.frozen
class Inbound:
    """A message that went to the user's program. `answer` is its status and the beginning of its body, or a reason."""

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
    """A message as it was when `Sandbox.messages` was read; it changes no more."""

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
    def of(cls, record: Record, done: int) -> Message:
        """Give the record as a message that has come so far in its plan."""
        r, (_, state, error) = record, record.plan[done]
        steps = r.plan[: done + 1]
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
        """All states that it has had and since when, the present one last."""
        return tuple(StateChange(step.state, self.accepted_at + step.after) for step in self._steps)

    @property
    def raw(self) -> dict[str, JSON]:
        """The JSON of the request as it came; of a list, this message's part of it."""
        return cast("dict[str, JSON]", json.loads(self._body))

    @property
    def content(self) -> dict[str, JSON]:
        """What the message says, with its names in the spelling of the documentation."""
        return copy.deepcopy(_content(self._body))

    @property
    def text(self) -> str | None:
        """The text, where it is one."""
        text = self.content.get("text")
        return text if isinstance(text, str) else None


@lru_cache(64)
def _content(body: bytes) -> dict[str, JSON]:
    """Give the content in a request. All messages of a broadcast have one body, which is read once for all of them."""
    return cast("dict[str, dict[str, JSON]]", spell(json.loads(body)))["content"]


class _Bounded(OrderedDict[str, T]):
    """The last entries, so many as there is room for."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self.dropped = 0

    def put(self, key: str, value: T) -> T | None:
        """Add an entry; give the one that had to go."""
        self[key] = value
        if len(self) <= self._room:
            return None
        self.dropped += 1
        return self.popitem(last=False)[1]


class Store:
    """Everything that is remembered, behind one lock; the methods may be called from any thread."""

    def __init__(
        self,
        *,
        clock: Now,
        plan: tuple[Step, ...],
        seed: int | None,
        max_messages: int,
        max_media: int,
        follow_all: bool = False,
    ) -> None:
        self.clock = clock
        self.plan = plan
        self.limits = {"messages": max_messages, "media": max_media, "requests": KEPT}
        self._follow_all = follow_all
        self._seed = seed
        self._counters = dict.fromkeys(("message", "list", "media", "request", "inbound"), 0)
        self._lock = threading.Lock()
        self._messages: _Bounded[Record] = _Bounded(max_messages)
        self._lists: OrderedDict[str, tuple[datetime, tuple[str, ...]]] = OrderedDict()
        self._listed = 0  # how many ids the lists have
        self._media: _Bounded[Path] = _Bounded(max_media)
        self._folder: Path | None = None
        self._queue: list[tuple[datetime, int, Record]] = []
        self._queued = 0
        self._changes: deque[tuple[Record, Step]] = deque()  # those that somebody is to be told of
        self._requests: OrderedDict[str, RecordedRequest] = OrderedDict()
        self._request_bytes = 0  # their bytes
        self._inbound: _Bounded[Inbound] = _Bounded(MAX_INBOUND)
        # Counts what is to be seen by somebody who follows; the journal has the last of it. It begins at a number that
        # an earlier sandbox at this address has not reached, so that whoever followed that one begins anew.
        self._version = time.time_ns() // 1_000_000
        self._journal: deque[str] = deque(maxlen=JOURNAL)
        self._cleared_at = self._version

    def new_id(self, kind: Literal["message", "list", "media", "request", "inbound"]) -> str:
        """Give a new id: random, or counted by kind where there is a seed, so that a recording stays the same."""
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
            ):  # most of it are messages that were dropped
                self._queue = [entry for entry in self._queue if entry[2].id in self._messages]
                heapq.heapify(self._queue)

    def _push(self, record: Record) -> None:
        if record.done + 1 < len(record.plan):
            self._queued += 1  # decides between two that are due at once
            due = record.accepted_at + record.plan[record.done + 1].after
            heapq.heappush(self._queue, (due, self._queued, record))

    def advance(self) -> float | None:
        """Take all steps that are due; tell how many seconds are left to the next, None where there is none."""
        with self._lock:
            return self._advance()

    def _advance(self) -> float | None:
        now = self.clock()
        while self._queue and self._queue[0][0] <= now:
            _, _, record = heapq.heappop(self._queue)
            record.done += 1
            self._note(f"message:{record.id}")
            if self._follow_all or record.notify.addresses:
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
        """Add an inbound message, or the answer to one; of one that was cleared in between nobody wants to know."""
        with self._lock:
            if inbound.is_over and inbound.id not in self._inbound:
                return
            self._inbound.put(inbound.id, inbound)
            self._note(f"inbound:{inbound.id}")

    def changes_since(self, version: int) -> tuple[int, list[str] | None]:
        """Give the present version, and what has changed since the given one; None where that is not known any more."""
        with self._lock:
            self._advance()
            behind = self._version - version
            if version < self._cleared_at or not 0 <= behind <= len(self._journal):
                return self._version, None
            newest = list(islice(reversed(self._journal), behind))
            return self._version, list(dict.fromkeys(reversed(newest)))

    def get(self, key: str) -> Message | RecordedRequest | Inbound | None:
        """Give what a key of the journal stands for, as it is now."""
        kind, _, name = key.partition(":")
        with self._lock:
            self._advance()
            if kind == "request":
                return self._requests.get(name)
            if kind == "inbound":
                return self._inbound.get(name)
            record = self._messages.get(name)
            return Message.of(record, record.done) if record else None

    def newest_of_all(self, count: int) -> tuple[int, list[Message | RecordedRequest | Inbound]]:
        """Give the version, and the newest entries of each kind."""
        with self._lock:
            self._advance()
            newest = list(islice(reversed(self._messages.values()), count))
            requests, inbound = list(self._requests.values()), list(self._inbound.values())
            return self._version, [
                *(Message.of(r, r.done) for r in reversed(newest)),
                *requests,
                *inbound,
            ]

    def inbound_messages(self) -> list[Inbound]:
        """Return what was posted to the user's program, oldest first."""
        with self._lock:
            return list(self._inbound.values())

    @property
    def dropped(self) -> int:
        """How many messages had to go for newer ones."""
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
    def era(self) -> int:
        """Tell since when nothing was cleared."""
        return self._cleared_at

    def take_changes(self) -> tuple[int, list[tuple[Record, Step]]]:
        """Give the changes that somebody is to be told of since the last call, in order, and their era."""
        with self._lock:
            changes = list(self._changes)
            self._changes.clear()
            return self._cleared_at, changes

    def status(self, message_id: str) -> Record | None:
        """Give a message whose status can still be queried."""
        with self._lock:
            self._advance()
            record = self._messages.get(message_id)
            return record if record and self.clock() - record.accepted_at <= KEPT_FOR else None

    def add_list(self, list_id: str, message_ids: tuple[str, ...]) -> None:
        with self._lock:
            self._lists[list_id] = (self.clock(), message_ids)
            self._listed += len(message_ids)
            room = self.limits["messages"]
            while len(self._lists) > room or (self._listed > room and len(self._lists) > 1):
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
        return [Message.of(record, done) for record, done in records]

    def newest(self, channel: str) -> Record | None:
        """Give the last message of a channel."""
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
        """Open a new file; it counts as stored when the block ends well, else it is gone."""
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
    if os.getpid() == owner:  # not at the end of a fork
        shutil.rmtree(folder, ignore_errors=True)
