"""`ecall bulk send`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import App, Parameter
from cyclopts.validators import Number

from ecall_facade.cli import _signals
from ecall_facade.cli._bulk_file import (
    FILE_DEFAULTS,
    File,
    FileOptions,
    hash_file,
    open_file,
    unchanged,
)
from ecall_facade.cli._bulk_ledger import (
    Yes,
    check_extra,
    command_line,
    count,
    counts_to_json,
    describe_ledger,
    format_counts,
    open_ledger,
)
from ecall_facade.cli._bulk_plan import Plan, ask, make_plan
from ecall_facade.cli._bulk_progress import sending_progress
from ecall_facade.cli._failures import Exit, Failure, to_failure, usage_error
from ecall_facade.cli._logs import log_on_stderr
from ecall_facade.cli._output import write_failure, write_json, write_line, write_note
from ecall_facade.cli._session import DEFAULTS, Options, open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecall_facade import ECall
    from ecall_facade._json import JSON
    from ecall_facade.bulk import Job, JobStop, SendProgress, State, StopCause

_LOOK_AGAIN = 0.5
"""Seconds between two looks at rows that another command is sending."""
_SIMULATED = " (sandbox)"
_STOP_CODES: dict[StopCause, Exit] = {
    "refused": Exit.REJECTED,
    "unreachable": Exit.NOT_SENT,
    "usage": Exit.USAGE,
    "unknown outcomes": Exit.FAILED,
}
"""Exit codes of a job that stopped before this command texted anybody."""

app = App(
    name="send",
    usage="Usage: ecall bulk send [OPTIONS] FILE",
    help_epilogue="""\
First it shows how many recipients, pages and duplicates there are, and asks. A program has to pass --yes.

What becomes of each message is recorded in the ledger, before and after it is sent. Interrupted with Ctrl-C or \
SIGTERM, it finishes the messages that are under way. However it ended, the same line continues, and texts nobody \
twice. Messages of which nobody knows whether they arrived are "unknown", and are not sent again; see `ecall bulk \
show --state unknown` and `ecall bulk resolve`.

If the service asks for a pause, the job pauses and goes on by itself. If it refuses the account or the sender, or \
cannot be reached for --give-up-after seconds, the job stops, and what was not sent stays pending.

A job belongs to the service that it was begun with: another ECALL_BASE_URL is refused, unless --other-base-url says \
that it is the same service at another address.

The ledger holds numbers and texts, and is readable for you only. It is FILE.ledger.db beside the file unless --ledger \
says otherwise. Several jobs may share a ledger. With --sandbox the job is another one, NAME (sandbox), so that a \
rehearsal is never taken for the real thing.

Exit codes: 0 all were accepted; 5 the outcome of some is unknown; 6 some were rejected; 130 interrupted; 3 and 4 \
stopped before this command texted anybody; 1 stopped later, or the ledger cannot be used; 2 usage error.

Examples:
  ecall bulk send people.csv --text "Hello {name}, see you tomorrow" --yes
  ecall bulk send people.csv --text-file reminder.txt --job reminders --yes
  ecall bulk send people.csv --text "Hello {name}" --sandbox --yes --json
""",
)


@Parameter(name="*")
@dataclass(frozen=True)
class SendOptions:
    """How fast messages are sent, when to give up, and by which service."""

    concurrency: Annotated[
        int,
        Parameter(
            help="Most messages under way, 1 to 100; default 20.",
            validator=Number(gte=1, lte=100),
        ),
    ] = 20
    rate: Annotated[
        float | None,
        Parameter(
            help="Most messages in a second, of all commands that give a rate.",
            validator=Number(gt=0, lt=1e6),
        ),
    ] = None
    give_up_after: Annotated[
        float,
        Parameter(
            help="Seconds without any connection after which the job stops; default 300.",
            validator=Number(gte=0, lt=1e7),
        ),
    ] = 300
    other_base_url: Annotated[
        bool,
        Parameter(
            help="The service has another address than when the job was begun; it is the same one.",
        ),
    ] = False


SEND_DEFAULTS = SendOptions()


@app.default
def send(
    file: File,
    /,
    *,
    file_options: FileOptions = FILE_DEFAULTS,
    ledger: Annotated[
        str | None,
        Parameter(
            help="The ledger: a file, sqlite:///FILE or postgresql+psycopg://…; default FILE.ledger.db."
        ),
    ] = None,
    job: Annotated[str | None, Parameter(help="Name of the job; default the file's.")] = None,
    how: SendOptions = SEND_DEFAULTS,
    yes: Yes = False,
    options: Options = DEFAULTS,
) -> Exit:
    """Send the messages of a file, each at most once."""
    check_extra()
    messages = open_file(file, file_options)
    name = _name_job(job if job is not None else file.name, options)
    url = ledger if ledger is not None else str(file.with_name(f"{file.name}.ledger.db"))
    tell: Callable[[str], object] = write_note if options.json else write_line
    if not file.is_file():
        raise usage_error(f"{file.name} does not exist, or is not a file")
    region = file_options.region
    with open_client(options, region) as ecall:
        digest = hash_file(file)
        plan, survey = make_plan(url, name, messages, region, ecall)
        for line in plan.lines:
            tell(line)
        if plan.pending:
            ask(plan.pending, is_sure=yes)
        rows = messages if survey is None else unchanged(messages, file, digest)
        with open_ledger(url, may_be_new=True) as opened:
            stored = opened.job(name, rows, region=region)
            if how.other_base_url:
                stored.set_base_url(ecall.base_url)
            return _run(stored, ecall, plan, how, options)


def _name_job(name: str, options: Options) -> str:
    from ecall_facade.bulk._ledger import check_job_name

    check_job_name(name)  # before anything is asked or stored
    return f"{name}{_SIMULATED}" if options.sandbox else name


class _StopSending(Exception):
    """Ends the sending from within, when the command was told to stop."""


def _run(job: Job, ecall: ECall, plan: Plan, how: SendOptions, options: Options) -> Exit:
    from ecall_facade.bulk import LedgerError

    before = job.counts()
    try:
        with log_on_stderr("ecall_facade.bulk", logging.WARNING):  # such as a lost database
            stopped, texted = _send(job, ecall, how)
        counts = job.counts()
    except LedgerError as error:
        failure = to_failure(error) or Failure(Exit.FAILED, "LedgerError", str(error))
        failure.data["may_have_been_sent"] = True
        raise failure from None
    except _StopSending:
        counts = job.counts()
        texted = any(counts[state] != before[state] for state in ("accepted", "unknown"))
        failure = _interrupted(counts, texted)
        return _tell(job, plan, counts, None, failure, options)
    failure_of_stop = None if stopped is None else failure_of(stopped, counts["pending"], texted)
    return _tell(job, plan, counts, stopped, failure_of_stop, options)


def _send(job: Job, ecall: ECall, how: SendOptions) -> tuple[JobStop | None, bool]:
    """Send until nothing is left; return why the job stopped, and whether anybody may be texted."""
    texted = False
    with _signals.stop_signals() as stopping, sending_progress(job.counts()) as show:

        def on_progress(progress: SendProgress) -> None:
            show(progress)
            if stopping.is_set():
                write_note("Stopping: messages under way are finished and recorded first")
                raise _StopSending

        while True:
            result = job.send(
                ecall,
                concurrency=how.concurrency,
                rate=how.rate,
                give_up_after=how.give_up_after,
                on_progress=on_progress,
            )
            texted = texted or bool(result.accepted or result.unknown)
            if result.stopped is not None:
                return result.stopped, texted
            # Others may be sending the same job; if they die, their rows are unknown.
            if not result.counts["sending"] and not result.counts["pending"]:
                return None, texted
            _wait(stopping)


def _wait(stopping: _signals.Stop) -> None:
    if stopping.wait(_LOOK_AGAIN):
        raise _StopSending


def _interrupted(counts: Mapping[State, int], texted: bool) -> Failure:
    words = (
        f"Interrupted: {format_counts(counts)}. Nothing is under way; run the same line to continue"
    )
    if counts["sending"]:
        words = f"Interrupted: {format_counts(counts)}; another command goes on sending"
    return Failure(Exit.INTERRUPTED, "Interrupted", words, may_have_been_sent=texted)


def failure_of(stop: JobStop, pending: int, texted: bool) -> Failure:
    """Return the failure for a job that stopped.

    Args:
        stop: Why it stopped.
        pending: How many messages were not sent.
        texted: Whether this command may have texted anybody before.
    """
    code = Exit.FAILED if texted else _STOP_CODES[stop.cause]
    words = (
        f"The job is stopped with {count(pending, 'message')} pending: {stop.reason.rstrip('.')}."
        " Correct the cause and run the same line: it continues"
    )
    return Failure(code, "JobStopped", words, may_have_been_sent=texted)


def _tell(
    job: Job,
    plan: Plan,
    counts: Mapping[State, int],
    stopped: JobStop | None,
    failure: Failure | None,
    options: Options,
) -> Exit:
    """Say how the job stands; return the exit code."""
    code = Exit.DONE
    if failure is not None:
        code = failure.code
    elif counts["unknown"]:
        code = Exit.UNKNOWN
    elif counts["rejected"]:
        code = Exit.UNDELIVERED
    if options.json:
        facts: dict[str, JSON] = {
            "job": job.name,
            "ledger": describe_ledger(plan.ledger),
            "counts": counts_to_json(counts),
            "pages": plan.pages,
            "is_new": plan.is_new,
            "stopped": None if stopped is None else attrs.asdict(stopped),
            "simulated": options.sandbox,
        }
        write_json({**facts, "error": failure.data} if failure else facts)
        return code
    if failure is None:
        write_line(f"{job.name}: {format_counts(counts)}")
    else:
        write_failure(failure, as_json=False)
    remarks: dict[State, str] = {
        "unknown": "may have arrived, not sent again",
        "rejected": "rejected by the service",
    }
    for state, words in remarks.items():
        if counts[state]:
            look = command_line("show", plan.ledger, job.name, "--state", state)
            write_note(f"{count(counts[state], 'message')} {words}; to see which: {look}")
    return code
