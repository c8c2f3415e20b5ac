"""`ecall bulk show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, Parameter

from ecall_facade.cli._bulk_ledger import (
    STATE_STYLES,
    AsJson,
    JobName,
    LedgerUrl,
    choose_job,
    count,
    counts_to_json,
    open_ledger,
    row_number,
)
from ecall_facade.cli._failures import Exit
from ecall_facade.cli._output import write_json, write_line
from ecall_facade.numbers import mask

if TYPE_CHECKING:
    from ecall_facade._json import JSON
    from ecall_facade.bulk import Job, Row

StateName: TypeAlias = Literal["pending", "sending", "accepted", "rejected", "unknown", "duplicate"]

app = App(
    name="show",
    usage="Usage: ecall bulk show --ledger URL [OPTIONS]",
    help_epilogue="""\
Without --job it shows all jobs of the ledger. With --state it also lists the messages in this state, with masked \
numbers; "row" is the line in the file, and what `ecall bulk resolve --row` takes.

  pending     not sent yet
  sending     under way, by a command that is running
  accepted    the service has it
  rejected    the service refused it, for the reason that is named
  unknown     it may have arrived; it is not sent again unless you say so with `ecall bulk resolve`
  duplicate   the same number and text as an earlier row; not sent

Examples:
  ecall bulk show --ledger people.csv.ledger.db
  ecall bulk show --ledger people.csv.ledger.db --job people.csv --json
  ecall bulk show --ledger people.csv.ledger.db --state unknown
""",
)


@app.default
def show(
    *,
    ledger: LedgerUrl,
    job: JobName = None,
    state: Annotated[
        list[StateName] | None,
        Parameter(help="List the messages in this state; may be repeated."),
    ] = None,
    json: AsJson = False,
) -> Exit:
    """Show how many messages are in which state."""
    with open_ledger(ledger) as opened:
        jobs = opened.jobs() if job is None else [choose_job(opened, job)]
        if json:
            shown: list[JSON] = [_to_json(each, state) for each in jobs]
            only = shown[0] if job is not None else None
            write_json(only if isinstance(only, dict) else {"jobs": shown})
            return Exit.DONE
        if not jobs:
            write_line("The ledger has no jobs")
        for each in jobs:
            _print(each, state)
    return Exit.DONE


def _to_json(job: Job, states: list[StateName] | None) -> dict[str, JSON]:
    facts: dict[str, JSON] = {
        "job": job.name,
        "messages": len(job),
        "counts": counts_to_json(job.counts()),
        "deliveries": counts_to_json(_known(job.deliveries())),
    }
    if states:
        facts["rows"] = [_row_to_json(row) for row in job.rows(states)]
    return facts


def _known(deliveries: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in deliveries.items() if name}


def _row_to_json(row: Row) -> dict[str, JSON]:
    return {
        "row": row_number(row),
        "to": None if row.to is None else mask(row.to),
        "channel": row.channel,
        "reference": row.reference,
        "state": row.state,
        "message_id": row.message_id,
        "reason": row.reason,  # in which numbers are masked already
        "delivery": None if row.delivery is None else str(row.delivery),
    }


def _print(job: Job, states: list[StateName] | None) -> None:
    write_line(((job.name, "bold"), f": {count(len(job), 'message')}"))
    for state, number in job.counts().items():
        if number:
            write_line((f"  {number:>9,}  ", (state, STATE_STYLES[state])))
    deliveries = {name or "not known yet": number for name, number in job.deliveries().items()}
    if deliveries.keys() - {"not known yet"}:
        write_line("  of the accepted ones:")
        for name, number in sorted(deliveries.items()):
            write_line(f"  {number:>9,}  {name}")
    if not states:
        return
    for row in job.rows(states):
        words = [
            f"  row {row_number(row)}",
            mask(row.to) if row.to is not None else "forgotten",
            row.channel,
            f"message {row.message_id}" if row.message_id else "",
            str(row.delivery) if row.delivery else "",
            row.reason or "",
        ]
        write_line(
            (
                "  ".join(word for word in words[:3] if word),
                "  ",
                (row.state, STATE_STYLES[row.state]),
                "".join(f"  {word}" for word in words[3:] if word),
            )
        )
