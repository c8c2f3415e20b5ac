"""Blocking calls of an async client, such as reading and writing files, in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Return the result of a function that may block, without blocking the event loop."""
    from anyio.to_thread import run_sync  # late, as a sync program does not need it

    return await run_sync(function)
