"""Which events have been handled already, so that one that is delivered again is not handled again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, Protocol, TypeAlias

from ecall_facade.errors import InvalidConfiguration

Claim: TypeAlias = Literal["new", "done", "busy"]


class Seen(Protocol):
    """Remembers keys; make your own over a database or cache where several processes receive callbacks."""

    def claim(self, key: str) -> Claim:
        """Take a key for handling: "new"; or tell that it is "done" already, or "busy" in another handler."""
        ...

    def succeed(self, key: str) -> None:
        """Record that the handler of a claimed key is done."""
        ...

    def fail(self, key: str) -> None:
        """Let go of a claimed key, so that the next delivery is handled."""
        ...


class Busy(Exception):
    """The same event is being handled at this moment; answer 503, so that it is delivered again."""


class SeenKeys:
    """Remembers the last keys of this process, 10,000 by default; for threads and tasks alike.

    Raises `InvalidConfiguration`.
    """

    def __init__(self, keep: int = 10_000) -> None:
        if keep < 1:
            raise InvalidConfiguration("keep is a positive number of keys")
        self._keep = keep
        self._done: OrderedDict[str, None] = OrderedDict()
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, key: str) -> Claim:
        """Take a key for handling, or tell why not."""
        with self._lock:
            if key in self._done:
                self._done.move_to_end(key)
                return "done"
            if key in self._busy:
                return "busy"
            self._busy.add(key)
            return "new"

    def succeed(self, key: str) -> None:
        """Record that a key has been handled."""
        with self._lock:
            self._busy.discard(key)
            self._done[key] = None
            while len(self._done) > self._keep:
                self._done.popitem(last=False)

    def fail(self, key: str) -> None:
        """Let go of a key whose handler failed."""
        with self._lock:
            self._busy.discard(key)


@contextmanager
def once(seen: Seen, key: str) -> Generator[bool, None, None]:
    """Claim an event's key while a block handles it, and record it when the block is done.

        with once(seen, event.key) as is_new:
            if is_new:
                ...

    `is_new` is False where it has been handled before. An exception in the block lets go of the key, so that the next
    delivery is handled. Raises `Busy` where another handler has the key at this moment.
    """
    claim = seen.claim(key)
    if claim == "busy":
        raise Busy("The same event is being handled")
    if claim == "done":
        yield False
        return
    try:
        yield True
    except BaseException:
        seen.fail(key)
        raise
    seen.succeed(key)
