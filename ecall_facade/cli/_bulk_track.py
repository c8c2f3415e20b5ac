"""`ecall bulk track`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade import DeliveryState
from ecall_facade.cli._bulk_ledger import (
    JobName,
    LedgerUrl,
    choose_job,
    counts_to_json,
    format_counts,
    open_ledger,
)
from ecall_facade.cli._bulk_progress import tracking_progress
from ecall_facade.cli._failures import Exit, usage_error
from ecall_facade.cli._output import Output
from ecall_facade.cli._session import DEFAULTS, Options, open_client

if TYPE_CHECKING:
    from ecall_facade._json import JSON

_BAD = (DeliveryState.FAILED, DeliveryState.UNDELIVERED)
_NOT_KNOWN = "not known yet"

app = App(
    name="track",
    usage="Usage: ecall bulk track --ledger URL [OPTIONS]",
    help_epilogue="""\
Asks for the delivery states of accepted messages until all are final, or seven days old, when the service forgets \
them. Every answer is recorded at once: interrupted and started again, it asks only for those that are not final. \
--timeout 0 asks once for each. With `ecall listen --ledger` the service reports them by itself.

The exit code is 6 if a message failed or was not delivered, and 0 otherwise.

Examples:
  ecall bulk track --ledger people.csv.ledger.db
  ecall bulk track --ledger people.csv.ledger.db --timeout 0 --json
""",
)


@app.default
def track(
    *,
    ledger: LedgerUrl,
    job: JobName = None,
    timeout: Annotated[
        float | None, Parameter(help="Seconds after which to end in any case; default none.")
    ] = None,
    concurrency: Annotated[
        int, Parameter(help="Most requests at a time, 1 to 100; default 10.")
    ] = 10,
    options: Options = DEFAULTS,
) -> Exit:
    """Ask for the delivery states of what was accepted."""
    if options.sandbox:
        raise usage_error(
            "An embedded sandbox ends with its command, and knows nothing of an earlier one: start"
            " `ecall sandbox`, set ECALL_BASE_URL to it, and leave --sandbox away"
        )
    with open_ledger(ledger) as opened:
        chosen = choose_job(opened, job)
        with open_client(options) as ecall, tracking_progress() as show:
            found = chosen.track(ecall, timeout=timeout, concurrency=concurrency, on_progress=show)
    deliveries = {name or _NOT_KNOWN: number for name, number in found.items()}
    known = {name: number for name, number in found.items() if name}
    facts: dict[str, JSON] = {"job": chosen.name, "deliveries": counts_to_json(known)}
    Output(options.json).show(facts, f"{chosen.name}: {format_counts(deliveries)}")
    is_bad = any(found.get(str(state.value)) for state in _BAD)
    return Exit.UNDELIVERED if is_bad else Exit.DONE
