"""Blocking calls of an async client: files are read and written in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Call a function that blocks, such as one that reads a disk, without holding up the event loop."""
    from anyio.to_thread import run_sync  # late, as a sync program does not need it

    return await run_sync(function)
