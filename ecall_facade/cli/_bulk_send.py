"""`ecall bulk send`."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade.cli import _signals
from ecall_facade.cli._bulk_file import (
    FILE_DEFAULTS,
    File,
    FileOptions,
    Survey,
    open_file,
    quiet,
    refuse_problems,
    survey_file,
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
    is_missing,
    open_ledger,
)
from ecall_facade.cli._bulk_progress import sending_progress
from ecall_facade.cli._failures import Exit, Failure, to_failure, usage_error
from ecall_facade.cli._output import write_failure, write_json, write_line, write_note
from ecall_facade.cli._session import DEFAULTS, Options, open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from threading import Event

    from ecall_facade import ECall
    from ecall_facade._json import JSON
    from ecall_facade.bulk import Job, Ledger, Messages, SendProgress, SendReport
    from ecall_facade.bulk._schema import State

_LOOK_AGAIN = 0.5
"""Seconds between two looks at rows that another command is sending."""
_SIMULATED = " (sandbox)"
_UNREACHABLE = "No connection to the service"

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
cannot be reached for minutes, the job stops, and what was not sent stays pending.

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


@dataclass(frozen=True)
class _Plan:
    """What is to be sent, and where that is recorded."""

    ledger: str
    is_new: bool
    pending: int
    pages: int
    lines: list[str]


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
    concurrency: Annotated[
        int, Parameter(help="Most messages under way, 1 to 100; default 20.")
    ] = 20,
    rate: Annotated[
        float | None,
        Parameter(help="Most messages in a second, of all commands that give a rate."),
    ] = None,
    yes: Yes = False,
    options: Options = DEFAULTS,
) -> Exit:
    """Send the messages of a file, each at most once."""
    check_extra()
    from ecall_facade.bulk._job import make_options

    make_options(concurrency, rate)  # before anybody is asked
    messages = open_file(file, file_options)
    name = (job if job is not None else file.name) + (_SIMULATED if options.sandbox else "")
    url = ledger if ledger is not None else str(file.with_name(f"{file.name}.ledger.db"))
    tell: Callable[[str], object] = write_note if options.json else write_line
    if not file.is_file():
        raise usage_error(f"{file.name} is not there, or not a file")
    region = file_options.region
    with open_client(options, region) as ecall:
        plan, survey = _make_plan(url, name, messages, region, ecall)
        for line in plan.lines:
            tell(line)
        if plan.pending:
            _ask(plan.pending, is_sure=yes)
        rows = messages if survey is None else unchanged(messages, survey)
        with open_ledger(url, may_be_new=True) as opened:
            stored = opened.job(name, rows, region=region)
            return _run(stored, ecall, plan, concurrency, rate, options)


def _make_plan(
    url: str, name: str, messages: Messages, region: str, ecall: ECall
) -> tuple[_Plan, Survey | None]:
    """Return what is to be sent; nothing is stored yet, so that a person may still say no."""
    if not is_missing(url):
        with open_ledger(url) as ledger:
            if any(job.name == name for job in ledger.jobs()):
                return _plan_rest(ledger, url, name, messages, region, ecall), None
    survey = survey_file(messages, region)
    for words in survey.remarks:
        write_note(words)
    refuse_problems(survey, write_note)
    _check_senders(ecall, survey.without_sender)
    messages_to = f"{count(survey.messages, 'message')} to"
    lines = [
        f"{messages.source}: {messages_to} {count(survey.recipients, 'recipient')}",
        *(f"  {line}" for line in survey.lines()),
        f"  Job {name!r} in the ledger {describe_ledger(url)}",
    ]
    return _Plan(url, True, survey.messages, survey.pages, lines), survey


def _plan_rest(
    ledger: Ledger, url: str, name: str, messages: Messages, region: str, ecall: ECall
) -> _Plan:
    """Return what is left of a job that was begun."""
    job = _same_job(ledger, name, messages, region)
    ledger.recover()
    rest = Survey()
    for row in job.rows("pending"):
        rest.add(row.channel, row.text or "")
        if row.sender is None:
            rest.without_sender.add(row.channel)
    _check_senders(ecall, rest.without_sender)
    lines = [
        f"{messages.source}: continues job {name!r} in the ledger {describe_ledger(url)}",
        f"  So far: {format_counts(job.counts())}",
    ]
    if rest.messages:
        lines += [f"  To be sent: {line}" for line in rest.lines()]
    return _Plan(url, False, rest.messages, rest.pages, lines)


def _same_job(ledger: Ledger, name: str, messages: Messages, region: str) -> Job:
    """Return a job; refuse a file that is not the one of the job."""
    from ecall_facade.bulk import InvalidMessages
    from ecall_facade.errors import UsageError

    try:
        with quiet():
            return ledger.job(name, messages, region=region)
    except InvalidMessages:
        raise
    except UsageError as error:
        raise usage_error(
            f"{error}: with --job NAME. To go on with the old one, run the line that began it, with"
            " the file and the options as they were"
        ) from None


def _check_senders(ecall: ECall, channels: set[str]) -> None:
    """Refuse to begin if a channel has no sender: it would be found at the first message."""
    for name in sorted(channels):
        if name == "sms":
            ecall.sms.compose("+41790000000", "-")
        else:
            (ecall.whatsapp if name == "whatsapp" else ecall.rcs).compose("+41790000000", "-")


def _ask(pending: int, *, is_sure: bool) -> None:
    if is_sure:
        return
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise usage_error(
            f"Nothing was sent: pass --yes to send {count(pending, 'message')} without being asked,"
            " as this is not a terminal"
        )
    sys.stderr.write(f"Send {count(pending, 'message')} now? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise Failure(Exit.INTERRUPTED, "Interrupted", "Nothing was sent, and nothing was stored")


class _StopSending(Exception):
    """Ends the sending from within, when the command was told to stop."""


def _run(
    job: Job, ecall: ECall, plan: _Plan, concurrency: int, rate: float | None, options: Options
) -> Exit:
    from ecall_facade.bulk import LedgerError

    before = job.counts()
    try:
        with _warnings_as_remarks():
            stopped, texted = _send(job, ecall, concurrency, rate)
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
    failure_of_stop = None if stopped is None else _stop(stopped, counts, texted)
    return _tell(job, plan, counts, stopped, failure_of_stop, options)


def _send(job: Job, ecall: ECall, concurrency: int, rate: float | None) -> tuple[str | None, bool]:
    """Send until nothing is left; return why the job stopped, and whether anybody may be texted."""
    texted = False
    with _signals.stop_signals() as stopping, sending_progress(job.counts()) as show:

        def on_progress(progress: SendProgress) -> None:
            show(progress)
            if stopping.is_set():
                write_note("Stopping: messages under way are finished and recorded first")
                raise _StopSending

        while True:
            result: SendReport = job.send(
                ecall, concurrency=concurrency, rate=rate, on_progress=on_progress
            )
            texted = texted or bool(result.accepted or result.unknown)
            if result.stopped is not None:
                return result.stopped, texted
            # Others may be sending the same job; if they die, their rows are unknown.
            if not result.counts["sending"] and not result.counts["pending"]:
                return None, texted
            _wait(stopping)


def _wait(stopping: Event) -> None:
    if stopping.wait(_LOOK_AGAIN):
        raise _StopSending


@contextmanager
def _warnings_as_remarks() -> Generator[None, None, None]:
    """Say what the ledger logs, such as that its database went away."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            write_note(record.getMessage())

    logger = logging.getLogger("ecall_facade.bulk")
    handler = Handler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _interrupted(counts: Mapping[State, int], texted: bool) -> Failure:
    words = (
        f"Interrupted: {format_counts(counts)}. Nothing is under way; run the same line to continue"
    )
    if counts["sending"]:
        words = f"Interrupted: {format_counts(counts)}; another command goes on sending"
    return Failure(Exit.INTERRUPTED, "Interrupted", words, may_have_been_sent=texted)


def _stop(reason: str, counts: Mapping[State, int], texted: bool) -> Failure:
    code = Exit.FAILED
    if not texted:
        code = Exit.NOT_SENT if reason.startswith(_UNREACHABLE) else Exit.REJECTED
    words = (
        f"The job is stopped with {count(counts['pending'], 'message')} pending. The last reason:"
        f" {reason.rstrip('.')}. Correct the cause and run the same line: it continues"
    )
    return Failure(code, "JobStopped", words, may_have_been_sent=texted)


def _tell(
    job: Job,
    plan: _Plan,
    counts: Mapping[State, int],
    stopped: str | None,
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
            "stopped": stopped,
            "simulated": options.sandbox,
        }
        write_json({**facts, "error": failure.data} if failure else facts)
        return code
    if failure is None:
        write_line(f"{job.name}: {format_counts(counts)}")
    else:
        write_failure(failure, as_json=False)
    remarks: dict[State, str] = {
        "unknown": "may have arrived, and are not sent again",
        "rejected": "were refused by the service",
    }
    for state, words in remarks.items():
        if counts[state]:
            look = command_line("show", plan.ledger, job.name, "--state", state)
            write_note(f"{counts[state]:,} {words}; look at them with: {look}")
    return code
