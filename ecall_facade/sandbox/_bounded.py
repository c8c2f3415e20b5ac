"""A dictionary with a maximum size."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

T = TypeVar("T")


class Bounded(OrderedDict[str, T]):
    """The newest entries, up to a maximum.

    Attributes:
        dropped: How many entries were dropped for newer ones.
    """

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

    def clear(self) -> None:
        """Forget all entries, and how many were dropped."""
        super().clear()
        self.dropped = 0
