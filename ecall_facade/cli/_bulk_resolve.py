"""`ecall bulk resolve`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, Parameter

from ecall_facade.cli._bulk_ledger import (
    AsJson,
    JobName,
    LedgerUrl,
    Yes,
    choose_job,
    count,
    counts_to_json,
    format_counts,
    open_ledger,
    row_number,
)
from ecall_facade.cli._failures import Exit, Failure, usage_error
from ecall_facade.cli._output import Output

if TYPE_CHECKING:
    from ecall_facade._json import JSON
    from ecall_facade.bulk import Job

Decision: TypeAlias = Literal["pending", "accepted", "rejected"]
Doubtful: TypeAlias = Literal["unknown", "rejected"]

app = App(
    name="resolve",
    usage="Usage: ecall bulk resolve --ledger URL --to STATE (--all | --row N) [OPTIONS]",
    help_epilogue="""\
Messages are "unknown" if their sender was killed, or if the connection broke before the service responded. Only a \
person can tell what became of them, by eCall's log or by asking the recipient:

  --to pending    it did not arrive: the next `ecall bulk send` sends it (asks first, unless --yes)
  --to accepted   it arrived
  --to rejected   it did not arrive, and is not to be sent

--state rejected decides about what the service rejected instead, such as after a number was unblocked.

Examples:
  ecall bulk resolve --ledger people.csv.ledger.db --row 2 --to accepted
  ecall bulk resolve --ledger people.csv.ledger.db --all --to pending --yes
""",
)


@app.default
def resolve(
    *,
    ledger: LedgerUrl,
    to: Annotated[Decision, Parameter(help="What they are from now on.")],
    row: Annotated[
        list[int] | None,
        Parameter(help="Row, as `ecall bulk show --state unknown` lists it; may be repeated."),
    ] = None,
    all_: Annotated[bool, Parameter(name="--all", help="All in the state.")] = False,
    state: Annotated[
        Doubtful, Parameter(help="Which messages are decided about; default unknown.")
    ] = "unknown",
    job: JobName = None,
    yes: Yes = False,
    json: AsJson = False,
) -> Exit:
    """Decide about messages whose outcome is unknown, or that were rejected."""
    if all_ == bool(row):
        raise usage_error("Say which messages are meant: --all, or one --row for each")
    if state == to:
        raise usage_error(f"They are {state} already")
    with open_ledger(ledger) as opened:
        opened.recover()
        chosen = choose_job(opened, job)
        positions = None if row is None else _positions(chosen, row, state)
        number = chosen.counts()[state] if positions is None else len(positions)
        if to == "pending" and number:
            _ask(number, state, is_sure=yes)
        changed = chosen.resolve(to, rows=positions, state=state)
        counts = chosen.counts()
    facts: dict[str, JSON] = {
        "job": chosen.name,
        "resolved": changed,
        "counts": counts_to_json(counts),
    }
    words = f"{count(changed, 'message')} now {to}; {chosen.name}: {format_counts(counts)}"
    Output(json).show(facts, words)
    return Exit.DONE


def _positions(job: Job, rows: list[int], state: Doubtful) -> list[int]:
    """Return the places of rows in the job, by the numbers that people know them by."""
    wanted = set(rows)
    found = {row_number(row): row.position for row in job.rows(state) if row_number(row) in wanted}
    if missing := sorted(wanted - found.keys()):
        raise usage_error(
            f"Not {state}, or not there: row {', '.join(map(str, missing))}. Nothing was changed;"
            f" `ecall bulk show --state {state}` lists them"
        )
    return sorted(found.values())


def _ask(number: int, state: Doubtful, *, is_sure: bool) -> None:
    if is_sure:
        return
    risk = ", and some may get it twice" if state == "unknown" else ""
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise usage_error(
            f"Nothing was changed: pass --yes, as this is not a terminal, to have"
            f" {count(number, 'message')} sent again{risk}"
        )
    sys.stderr.write(
        f"{count(number, 'message')} will be sent again by the next `ecall bulk send`{risk}."
        " Is that right? [y/N] "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise Failure(Exit.INTERRUPTED, "Interrupted", "Nothing was changed")
