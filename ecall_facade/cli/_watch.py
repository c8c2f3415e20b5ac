"""Follow messages until their state is final, and format a status for people and programs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ecall_facade import DeliveryState, ECallError
from ecall_facade._wait import Wait
from ecall_facade.cli._failures import Exit
from ecall_facade.numbers import mask_numbers_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecall_facade import ECall, MessageStatus
    from ecall_facade._json import JSON
    from ecall_facade.cli._output import Line

_BAD = {DeliveryState.FAILED, DeliveryState.UNDELIVERED}


def watch(
    ecall: ECall, message_ids: Sequence[str], timeout: float
) -> Iterator[tuple[str, MessageStatus | ECallError]]:
    """Yield each change of each message as it happens, until all are final.

    An error ends the watch of its message. As in `messages.wait`, the interval between requests grows, and
    transient errors are absorbed.
    """
    waits = {message_id: Wait(message_id, timeout, "final") for message_id in message_ids}
    due = dict.fromkeys(waits, 0.0)
    known: dict[str, tuple[DeliveryState, bool]] = {}
    while due:
        message_id = min(due, key=lambda each: due[each])
        time.sleep(max(0.0, due[message_id] - time.monotonic()))
        wait = waits[message_id]
        seen = _look(ecall, message_id, wait.deadline - time.monotonic())
        if not isinstance(seen, ECallError) and known.get(message_id) != (
            seen.state,
            seen.is_final,
        ):
            known[message_id] = (seen.state, seen.is_final)
            yield message_id, seen
        try:
            is_over = wait.done(seen) is not None
        except ECallError as error:
            yield message_id, error
            is_over = True
        due[message_id] = time.monotonic() + wait.pause
        if is_over:
            del due[message_id]


def _look(ecall: ECall, message_id: str, left: float) -> MessageStatus | ECallError:
    left = max(left, 0.05)
    try:
        return ecall.with_options(
            retry=False, timeout=(min(left, 5), min(left, 30))
        ).messages.status(message_id)
    except ECallError as error:
        return error


def to_json(status: MessageStatus) -> dict[str, JSON]:
    """Return a status as JSON for programs."""
    problem = status.error
    return {
        "message_id": status.message_id,
        "state": str(status.state),
        "is_final": status.is_final,
        "updated_at": status.updated_at.isoformat() if status.updated_at else None,
        "error": {"code": problem.code, "message": mask_numbers_in(problem.message or "")}
        if problem
        else None,
        "request_id": status.request_id,
    }


def format_line(status: MessageStatus) -> Line:
    """Return a status as a line for people, in their local time."""
    at = f"{status.updated_at.astimezone():%Y-%m-%d %H:%M:%S}" if status.updated_at else ""
    words = [status.error.code, mask_numbers_in(status.error.message or "")] if status.error else []
    style = (
        "red"
        if status.state in _BAD
        else "green"
        if status.state is DeliveryState.DELIVERED
        else "yellow"
    )
    rest = "  ".join(word for word in (at, *words) if word)
    return (status.message_id, "  ", (f"{status.state}", style), f"  {rest}" if rest else "")


def exit_code(status: MessageStatus) -> Exit:
    """Return the exit code for the state in which a message was last seen."""
    return Exit.UNDELIVERED if status.state in _BAD else Exit.DONE
