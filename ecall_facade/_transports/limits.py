"""One limit for all phases of a request: its extension `deadline`."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import httpx

from ecall_facade import _clock

_GRACE = 0.05
"""Seconds by which httpx's own limits come first: at a timeout it closes a connection that is being
made, and after a cancellation it leaves that to the garbage collection."""


def limit_async(request: httpx.Request) -> AbstractContextManager[object]:
    """Return a context that cancels what runs in it at the request's deadline.

    Raises:
        TimeoutError: At the deadline.
    """
    deadline: float | None = request.extensions.get("deadline")
    if deadline is None:
        return contextlib.nullcontext()
    import anyio  # late: only `wait` needs it

    return anyio.fail_after(max(deadline - _clock.monotonic(), 0.001) + _GRACE)


def limit(_: httpx.Request) -> AbstractContextManager[object]:
    """Return a context that does nothing: in sync code `DeadlineTransport` keeps the deadline."""
    return contextlib.nullcontext()
