"""Rows of a job, as people look at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
from sqlalchemy import bindparam, text

from ecall_client.models import DeliveryState
from ecall_facade._masking import masked_repr
from ecall_facade._parsing import read_state
from ecall_facade.bulk._schema import STATES, State

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database

_PAGE = 1000


@attrs.frozen
class Row:
    """One message of a job and what became of it."""

    position: int
    """Its place in the job, from 0; `job.resolve` takes it."""
    line: int | None
    """Its line in the file that it was read from, or None."""
    to: str | None = attrs.field(repr=masked_repr)
    """The recipient in E.164 or as the `RawAddress` had it; None once it is forgotten."""
    text: str | None = attrs.field(repr=False)
    """The text as it is sent; None once it is forgotten."""
    channel: str
    """The channel: "sms", "whatsapp" or "rcs"."""
    sender: str | None
    """Who it is from; None for the client's own sender."""
    reference: str | None = attrs.field(repr=False)
    """The caller's own name for it."""
    state: State
    """One of "pending", "sending", "accepted", "rejected", "unknown" and "duplicate"."""
    message_id: str | None
    """The service's id, if it was accepted."""
    reason: str | None
    """Why it was rejected, or is unknown."""
    delivery: DeliveryState | None
    """How far it has come, as `job.track` and `ledger.record` learned it; None before."""
    is_final: bool
    """Whether `delivery` will not change any more."""
    run_id: int | None = attrs.field(repr=False)
    """The run of a sender that took it last."""


def iterate_rows(database: Database, job_id: int, states: tuple[State, ...]) -> Iterator[Row]:
    """Yield rows in order, in pages, so that no transaction stays open meanwhile."""
    after = -1
    while True:
        with database.read() as connection:
            page = _read_page(connection, job_id, states, after)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].position


def _read_page(
    connection: Connection, job_id: int, states: tuple[State, ...], after: int
) -> list[Row]:
    found = connection.execute(
        text(
            "SELECT m.position, m.line, m.recipient, m.text, m.channel, m.sender, m.reference,"
            " m.state, m.message_id, m.reason, d.state AS delivery, d.is_final, m.run_id"
            " FROM ecall_message m LEFT JOIN ecall_delivery d ON d.message_id = m.message_id"
            " WHERE m.job_id = :job AND m.position > :after AND m.state IN :states"
            " ORDER BY m.position LIMIT :limit"
        ).bindparams(bindparam("states", expanding=True)),
        {"job": job_id, "after": after, "limit": _PAGE, "states": states},
    )
    return [
        Row(
            position=row.position,
            line=row.line,
            to=row.recipient,
            text=row.text,
            channel=row.channel,
            sender=row.sender,
            reference=row.reference,
            state=row.state,
            message_id=row.message_id,
            reason=row.reason,
            delivery=None if row.delivery is None else read_state(row.delivery)[0],
            is_final=bool(row.is_final),
            run_id=row.run_id,
        )
        for row in found
    ]


def count_states(connection: Connection, job_id: int) -> dict[State, int]:
    """Return how many rows of a job are in each state."""
    found = connection.execute(
        text(
            "SELECT state, count(*) AS rows FROM ecall_message WHERE job_id = :job GROUP BY state"
        ),
        {"job": job_id},
    )
    counted: dict[str, int] = {row.state: row.rows for row in found}
    return {state: counted.get(state, 0) for state in STATES}
