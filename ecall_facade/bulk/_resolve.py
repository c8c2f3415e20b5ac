"""Decisions of a person about messages whose outcome is unknown, or that were rejected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from sqlalchemy import bindparam, text

from ecall_facade.errors import UsageError

if TYPE_CHECKING:
    from ecall_facade.bulk._database import Database

Decision: TypeAlias = Literal["pending", "accepted", "rejected"]
Undecided: TypeAlias = Literal["unknown", "rejected"]

_LARGEST_SET = 500
_RESOLVE = (
    "UPDATE ecall_message SET state = :to, run_id = NULL, reason = :reason,"
    " recorded_at = {now} WHERE job_id = :job AND state = :state"
)


def resolve_rows(
    database: Database, job_id: int, to: Decision, rows: Iterable[int] | None, state: Undecided
) -> int:
    """Move rows from one state to another; return how many."""
    if to not in ("pending", "accepted", "rejected"):
        raise UsageError("resolve takes 'pending' (send again), 'accepted' or 'rejected'")
    if state not in ("unknown", "rejected"):
        raise UsageError("Only messages that are 'unknown' or 'rejected' can be resolved")
    positions = None if rows is None else sorted(set(rows))
    changes = {
        "to": to,
        "state": state,
        "job": job_id,
        "reason": None if to == "pending" else f"resolved as {to} by a person",
    }
    with database.write() as connection:
        is_forgotten = connection.execute(
            text("SELECT is_forgotten FROM ecall_job WHERE id = :job"), {"job": job_id}
        ).scalar_one()
        if is_forgotten and to == "pending":
            raise UsageError("The job's numbers and texts were forgotten: it cannot be sent")
        if positions is None:
            return connection.execute(database.sql(_RESOLVE), changes).rowcount
        some = database.sql(_RESOLVE + " AND position IN :positions").bindparams(
            bindparam("positions", expanding=True)
        )
        count = 0
        for begin in range(0, len(positions), _LARGEST_SET):
            part = positions[begin : begin + _LARGEST_SET]
            count += connection.execute(some, {**changes, "positions": part}).rowcount
        return count
