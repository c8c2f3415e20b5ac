"""The plan of a command that sends: shown and asked about before anything is stored."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecall_facade.cli._bulk_file import Survey, quiet, refuse_problems, survey_file
from ecall_facade.cli._bulk_ledger import (
    count,
    describe_ledger,
    format_counts,
    is_missing,
    open_ledger,
)
from ecall_facade.cli._failures import Exit, Failure, usage_error
from ecall_facade.cli._output import write_note
from ecall_facade.text import measure

if TYPE_CHECKING:
    from ecall_facade import ECall
    from ecall_facade.bulk import Job, Ledger, Messages


@dataclass(frozen=True)
class Plan:
    """The messages to send, and the ledger that records them."""

    ledger: str
    is_new: bool
    pending: int
    pages: int
    lines: list[str]


def make_plan(
    url: str, name: str, messages: Messages, region: str, ecall: ECall
) -> tuple[Plan, Survey | None]:
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
    return Plan(url, True, survey.messages, survey.pages, lines), survey


def _plan_rest(
    ledger: Ledger, url: str, name: str, messages: Messages, region: str, ecall: ECall
) -> Plan:
    """Return what is left of a job that was begun."""
    job = _same_job(ledger, name, messages, region)
    ledger.recover()
    rest = Survey()
    for row in job.rows("pending"):
        rest.add(row.channel, measure(row.text or "") if row.channel == "sms" else None)
        if row.sender is None:
            rest.without_sender.add(row.channel)
    _check_senders(ecall, rest.without_sender)
    lines = [
        f"{messages.source}: continues job {name!r} in the ledger {describe_ledger(url)}",
        f"  So far: {format_counts(job.counts())}",
    ]
    if rest.messages:
        lines += [f"  To be sent: {line}" for line in rest.lines()]
    return Plan(url, False, rest.messages, rest.pages, lines)


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


def ask(pending: int, *, is_sure: bool) -> None:
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
