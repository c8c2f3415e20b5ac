"""The tables of a ledger."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    text,
)

VERSION = 2
"""Of the schema; a ledger of another version is refused."""

State: TypeAlias = Literal["pending", "sending", "accepted", "rejected", "unknown", "duplicate"]
STATES: tuple[State, ...] = get_args(State)

metadata = MetaData()

ledger = Table(
    "ecall_ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("version", Integer, nullable=False),
    Column("next_slot", Float(53)),  # when a sender with a rate may post next; seconds since 1970
    Column("slot_seconds", Float(53)),  # between two slots, of the sender that took the last one
)
job = Table(
    "ecall_job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("region", Text, nullable=False),
    Column("chunk_size", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("paused_until", Float(53)),
    Column("pause_seconds", Float(53)),
    Column("pause_cause", Text),
    Column("pause_reason", Text),
    Column("pauses", Integer, nullable=False, server_default="0"),  # since a send was answered
    Column(
        "unreachable_since", Float(53)
    ),  # when the first of them began, if none was the service's wish
    Column("stop_cause", Text),
    Column("stop_reason", Text),
    Column("stop_status", Integer),
    Column(
        "base_url", Text
    ),  # of the service that its messages went to; "loopback" for this machine
    Column("is_forgotten", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
# One row for each run of a sender, or of a receiver that uses `ledger.seen`; never used again.
run = Table(
    "ecall_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lock_name", Text, nullable=False),
    Column("is_gone", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
message = Table(
    "ecall_message",
    metadata,
    Column("job_id", Integer, nullable=False),
    Column("position", Integer, nullable=False),  # in the job, from 0
    Column("line", Integer),
    Column("fingerprint", LargeBinary),  # of channel, recipient and text
    Column("recipient", Text),
    Column("is_raw", Boolean, nullable=False),  # a RawAddress, not a number
    Column("channel", Text, nullable=False),
    Column("text", Text),
    Column("sender", Text),
    Column("reference", Text),
    Column("state", Text, nullable=False),
    Column("run_id", Integer),
    Column("message_id", Text),
    Column("reason", Text),
    Column("recorded_at", Float(53)),
    PrimaryKeyConstraint("job_id", "position", name="ecall_message_pkey"),
)
_PENDING = text("state = 'pending'")
_SENDING = text("state = 'sending'")
Index(
    "ecall_message_pending",
    message.c.job_id,
    message.c.position,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(
    "ecall_message_sending",
    message.c.run_id,
    sqlite_where=_SENDING,
    postgresql_where=_SENDING,
)
# Apart from the messages: a report may come before the response to the send is recorded.
delivery = Table(
    "ecall_delivery",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("is_final", Boolean, nullable=False),
    Column("updated_at", Text),
    Column("error", Text),
    Column("recorded_at", Float(53), nullable=False),
)
# Keys of callbacks that a handler has, or has dealt with.
event = Table(
    "ecall_event",
    metadata,
    Column("key", Text, primary_key=True),
    Column("run_id", Integer),  # which handles it at this moment; NULL when that is done
    Column("recorded_at", Float(53), nullable=False),
)
