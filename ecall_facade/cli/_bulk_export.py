"""`ecall bulk export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ecall_facade.cli._bulk_ledger import (
    AsJson,
    JobName,
    LedgerUrl,
    choose_job,
    count,
    open_ledger,
)
from ecall_facade.cli._failures import Exit, usage_error
from ecall_facade.cli._output import Output
from ecall_facade.cli._text import not_stdin

app = App(
    name="export",
    usage="Usage: ecall bulk export FILE.csv --ledger URL [OPTIONS]",
    help_epilogue="""\
The file has a row for each message: line, to, channel, sender, reference, state, message_id, reason, delivery. It has \
whole numbers, no texts, and is readable for you only. It is UTF-8 with a byte order mark, so that Excel shows umlauts.

Examples:
  ecall bulk export report.csv --ledger people.csv.ledger.db
  ecall bulk export report.csv --ledger people.csv.ledger.db --force --json
""",
)


@app.default
def export(
    file: Annotated[Path, Parameter(help="The file to be written.", validator=not_stdin)],
    /,
    *,
    ledger: LedgerUrl,
    job: JobName = None,
    force: Annotated[bool, Parameter(help="Replace what is there.")] = False,
    json: AsJson = False,
) -> Exit:
    """Write all messages with their states to a CSV file, without the texts."""
    if file.is_dir():
        raise usage_error(f"{file.name or file} is a folder: name the file in it")
    if file.exists() and not force:
        raise usage_error(f"{file.name} is there already: --force replaces it")
    if not file.parent.is_dir():
        raise usage_error(f"There is no folder {file.parent}")
    with open_ledger(ledger) as opened:
        chosen = choose_job(opened, job)
        rows = chosen.export(file)
    Output(json).show(
        {"job": chosen.name, "file": str(file), "rows": rows},
        f"Wrote {count(rows, 'message')} of {chosen.name} to {file.name}",
    )
    return Exit.DONE
