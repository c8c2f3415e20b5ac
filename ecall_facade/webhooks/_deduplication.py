"""Deduplication: an event that is delivered again is not handled again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, Protocol, TypeAlias

from ecall_facade.errors import InvalidConfiguration

Claim: TypeAlias = Literal["new", "done", "in progress"]


class Seen(Protocol):
    """A deduplicator: remembers the keys of events.

    Implement it over a database or cache if several processes receive callbacks.
    """

    def claim(self, key: str) -> Claim:
        """Claim a key for a handler.

        Returns:
            "new" if the key is now claimed, "done" if its event was handled before, "in progress" if another handler
            has claimed it.
        """
        ...

    def succeed(self, key: str) -> None:
        """Record that the event of a claimed key has been handled."""
        ...

    def fail(self, key: str) -> None:
        """Release a claimed key, so that the next delivery is handled."""
        ...


class InProgress(Exception):
    """Another handler is handling the same event; answer 503, so that it is delivered again."""


class SeenKeys:
    """A deduplicator in the memory of one process, for threads and tasks alike.

    Args:
        keep: How many keys of handled events are remembered.

    Raises:
        InvalidConfiguration: `keep` is not positive.
    """

    def __init__(self, keep: int = 10_000) -> None:
        if keep < 1:
            raise InvalidConfiguration("keep must be a positive number of keys")
        self._keep = keep
        self._done: OrderedDict[str, None] = OrderedDict()
        self._in_progress: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, key: str) -> Claim:
        """Claim a key for a handler; return "new", "done" or "in progress"."""
        with self._lock:
            if key in self._done:
                self._done.move_to_end(key)
                return "done"
            if key in self._in_progress:
                return "in progress"
            self._in_progress.add(key)
            return "new"

    def succeed(self, key: str) -> None:
        """Record that the event of a claimed key has been handled."""
        with self._lock:
            self._in_progress.discard(key)
            self._done[key] = None
            while len(self._done) > self._keep:
                self._done.popitem(last=False)

    def fail(self, key: str) -> None:
        """Release a claimed key, so that the next delivery is handled."""
        with self._lock:
            self._in_progress.discard(key)


@contextmanager
def handle_once(seen: Seen, key: str) -> Generator[bool, None, None]:
    """Claim an event's key while a block handles it, and record it when the block is done.

        with handle_once(seen, event.key) as is_new:
            if is_new:
                ...

    An exception in the block releases the key, so that the next delivery is handled.

    Args:
        seen: The deduplicator, such as `SeenKeys()`.
        key: The event's `key`.

    Yields:
        True if the event is new, False if it was handled before.

    Raises:
        InProgress: Another handler is handling the event.
    """
    claim = seen.claim(key)
    if claim == "done":
        yield False
        return
    if claim != "new":
        raise InProgress("The same event is being handled")
    try:
        yield True
    except BaseException:
        seen.fail(key)
        raise
    seen.succeed(key)
