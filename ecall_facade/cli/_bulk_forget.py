"""`ecall bulk forget`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from cyclopts import App, Parameter

from ecall_facade.cli._bulk_ledger import AsJson, LedgerUrl, count, open_ledger
from ecall_facade.cli._failures import Exit, usage_error
from ecall_facade.cli._output import write_json, write_line, write_note

_AGE = re.compile(r"(\d{1,5})\s*(h|d|w)", re.IGNORECASE)
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}

app = App(
    name="forget",
    usage="Usage: ecall bulk forget --ledger URL --older-than AGE [OPTIONS]",
    help_epilogue="""\
A job is finished if none of its messages is pending, sending or unknown. Its age is that of its last message. What \
was forgotten cannot be brought back; the job can still be shown and exported, without numbers and texts.

Examples:
  ecall bulk forget --ledger people.csv.ledger.db --older-than 30d
  ecall bulk forget --ledger people.csv.ledger.db --older-than 12h --json
""",
)


@app.default
def forget(
    *,
    ledger: LedgerUrl,
    older_than: Annotated[str, Parameter(help="Hours, days or weeks: 12h, 30d, 4w.")],
    json: AsJson = False,
) -> Exit:
    """Remove numbers and texts of finished jobs; states, counts and ids stay."""
    age = _read_age(older_than)
    with open_ledger(ledger) as opened:
        forgotten = opened.forget(older_than=age)
    if json:
        write_json({"forgotten": list(forgotten.jobs), "unfinished": list(forgotten.unfinished)})
        return Exit.DONE
    names = f": {', '.join(forgotten.jobs)}" if forgotten.jobs else ""
    write_line(f"Removed numbers and texts of {count(len(forgotten.jobs), 'job')}{names}")
    if forgotten.unfinished:
        write_note(
            "Kept, as some of their messages are pending or unknown:"
            f" {', '.join(forgotten.unfinished)}"
        )
    return Exit.DONE


def _read_age(given: str) -> timedelta:
    found = _AGE.fullmatch(given.strip())
    if found is None:
        raise usage_error(
            "--older-than is a whole number of hours, days or weeks, such as 12h, 30d or 4w"
        )
    return timedelta(**{_UNITS[found[2].lower()]: int(found[1])})
