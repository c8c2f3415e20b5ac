"""The memory of the sandbox: messages and their states, lists, files, recorded requests.

A message follows a timeline: states, and the time after which each is reached. The next step of every message is in a
queue ordered by time, and `advance` takes the steps that are due. It runs before every read, so that a response is
right by the clock even if the timer is late.
"""

from __future__ import annotations

import heapq
import threading
import time
import uuid
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

from ecall_facade.sandbox._bounded import Bounded
from ecall_facade.sandbox._media import MediaFiles
from ecall_facade.sandbox._messages import Inbound, Message, Record, Step
from ecall_facade.sandbox._recorded import RecordedRequest

if TYPE_CHECKING:
    from ecall_facade.sandbox._clock import Now
    from ecall_facade.sandbox._limits import Limits

KEPT_FOR = timedelta(days=7)
"""How long the status of a message can be queried (documented)."""

Entry: TypeAlias = Message | RecordedRequest | Inbound
"""An entry that a key of the journal stands for."""


class Store:
    """Everything that is kept, behind one lock. All methods may be called from any thread.

    Args:
        clock: Returns the time.
        timeline: The states of messages that no magic recipient gives others.
        seed: Makes ids counted instead of random.
        max_messages: How many messages are kept.
        max_media: How many files are kept.
        limits: The other bounds of the sandbox.
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
        limits: Limits,
        follow_all: bool = False,
    ) -> None:
        self.clock = clock
        self.timeline = timeline
        self.media = MediaFiles(max_media)
        self.limits = {"messages": max_messages, "media": max_media, "requests": limits.requests}
        self._max_messages = max_messages
        self._max_requests = limits.requests
        self._max_request_bytes = limits.request_bytes
        self._follow_all = follow_all
        self._seed = seed
        self._counters = dict.fromkeys(("message", "list", "media", "request", "inbound"), 0)
        self._lock = threading.Lock()
        self._messages: Bounded[Record] = Bounded(max_messages)
        self._lists: OrderedDict[str, tuple[datetime, tuple[str, ...]]] = OrderedDict()
        self._listed = 0  # how many ids the lists hold
        self._queue: list[tuple[datetime, int, Record]] = []
        self._queued = 0
        self._changes: deque[tuple[Record, Step]] = deque()  # those that are to be reported
        self._requests: OrderedDict[str, RecordedRequest] = OrderedDict()
        self._request_bytes = 0
        self._inbound: Bounded[Inbound] = Bounded(limits.inbound)
        # The number of changes that a page has to show; the journal has the last of them. It begins at a number that
        # an earlier sandbox at this address has not reached, so that a page of that one loads everything again.
        self._version = time.time_ns() // 1_000_000
        self._journal: deque[str] = deque(maxlen=limits.journal)
        self._cleared_at = self._version

    def new_id(self, kind: Literal["message", "list", "media", "request", "inbound"]) -> str:
        """Return a new id: random, or counted by kind with a seed, so that recordings are reproducible."""
        if self._seed is None:
            return str(uuid.uuid4())
        with self._lock:
            self._counters[kind] += 1
            kind_number = list(self._counters).index(kind) + 1
            number = self._counters[kind]
        return f"{self._seed & 0xFFFFFFFF:08x}-{kind_number:04x}-4c6e-9d3a-{number:012x}"

    def add(self, records: list[Record]) -> None:
        """Add messages."""
        with self._lock:
            for record in records:
                self._messages.put(record.id, record)
                self._note(f"message:{record.id}")
                self._push(record)
            # When the queue is this long, most of its entries are of messages that were dropped.
            if len(self._queue) > 2 * self._max_messages + 1_000:
                self._queue = [entry for entry in self._queue if entry[2].id in self._messages]
                heapq.heapify(self._queue)

    def _push(self, record: Record) -> None:
        if record.done + 1 < len(record.timeline):
            self._queued += 1  # decides between two that are due at once
            due = record.accepted_at + record.timeline[record.done + 1].after
            heapq.heappush(self._queue, (due, self._queued, record))

    def advance(self) -> float | None:
        """Take all steps that are due.

        Returns:
            The seconds until the next one, or None if there is none.
        """
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
        """Add a request, for the page."""
        with self._lock:
            self._requests[recorded.request_id] = recorded
            self._request_bytes += recorded.weight
            while (
                len(self._requests) > self._max_requests
                or self._request_bytes > self._max_request_bytes
            ):
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
        """Return what has changed since a version.

        Returns:
            The current version, and the keys of what has changed; None if the journal does not reach back that far.
        """
        with self._lock:
            self._advance()
            behind = self._version - version
            if version < self._cleared_at or not 0 <= behind <= len(self._journal):
                return self._version, None
            newest = list(islice(reversed(self._journal), behind))
            return self._version, list(dict.fromkeys(reversed(newest)))

    def get(self, key: str) -> Entry | None:
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

    def newest_of_all(self, count: int) -> tuple[int, list[Entry]]:
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
            self.media.clear()
            self._messages.clear()
            self._inbound.clear()
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
            if record is None or self.clock() - record.accepted_at > KEPT_FOR:
                return None
            return record

    def add_list(self, list_id: str, message_ids: tuple[str, ...]) -> None:
        """Add a list of messages; older lists are dropped with theirs."""
        with self._lock:
            self._lists[list_id] = (self.clock(), message_ids)
            self._listed += len(message_ids)
            limit = self._max_messages
            while len(self._lists) > limit or (self._listed > limit and len(self._lists) > 1):
                _, (_, dropped_ids) = self._lists.popitem(last=False)
                self._listed -= len(dropped_ids)

    def list_status(self, list_id: str) -> list[Record] | None:
        """Return the messages of a list whose status can still be queried."""
        with self._lock:
            self._advance()
            created_at, message_ids = self._lists.get(list_id, (None, ()))
            if created_at is None or self.clock() - created_at > KEPT_FOR:
                return None
            return [
                record for message_id in message_ids if (record := self._messages.get(message_id))
            ]

    def snapshot(self) -> list[Message]:
        """Return all messages as they are now, oldest first."""
        with self._lock:
            self._advance()
            records = [(record, record.done) for record in self._messages.values()]
        return [Message.from_record(record, done) for record, done in records]

    def newest(self, channel: str) -> Record | None:
        """Return the newest message of a channel."""
        with self._lock:
            for record in reversed(self._messages.values()):
                if record.channel == channel:
                    return record
            return None

    def __len__(self) -> int:
        return len(self._messages)

    def has_media(self, media_id: str) -> bool:
        return media_id in self.media
