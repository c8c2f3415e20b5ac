"""The ledger and the job that a command of `ecall bulk` is about."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from ecall_facade.cli._failures import usage_error
from ecall_facade.cli._text import STDIN

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ecall_facade._json import JSON
    from ecall_facade.bulk import Job, Ledger, Row, State

LedgerUrl: TypeAlias = Annotated[
    str,
    Parameter(
        name="--ledger",
        help="The ledger: a file, sqlite:///FILE, or postgresql+psycopg://…; see `ecall bulk send`.",
    ),
]
JobName: TypeAlias = Annotated[
    str | None,
    Parameter(name="--job", help="Name of the job; not needed if the ledger has only one."),
]
Yes: TypeAlias = Annotated[bool, Parameter(help="Do not ask.")]
AsJson: TypeAlias = Annotated[
    bool, Parameter(name="--json", help="JSON instead of words; errors too, on stdout.")
]

STATE_STYLES = {
    "pending": "cyan",
    "sending": "cyan",
    "accepted": "green",
    "rejected": "red",
    "unknown": "yellow",
    "duplicate": "",
}


def check_extra() -> None:
    """Refuse to begin without the packages of the extra `bulk`."""
    try:
        for package in ("sqlalchemy", "filelock", "python_calamine"):
            import_module(package)
    except ModuleNotFoundError as error:
        raise usage_error(
            f'bulk needs more packages: pip install "ecall-facade[cli,bulk]" ({error.name} is missing)'
        ) from None


@contextmanager
def open_ledger(url: str, *, may_be_new: bool = False) -> Generator[Ledger, None, None]:
    """Open a ledger; one that is not there is only made if it may be new."""
    check_extra()
    from ecall_facade.bulk import Ledger

    if url == STDIN:
        raise usage_error("--ledger must be a file or a URL, as only a text can come from stdin")
    if not may_be_new and is_missing(url):
        raise usage_error(
            f"There is no ledger {describe_ledger(url)}: check --ledger and the current folder"
        )
    with Ledger(url) as ledger:
        yield ledger


def is_missing(url: str) -> bool:
    """Return whether a URL names a file that is not there yet."""
    path = _path_of(url)
    return path is not None and not path.exists()


def _path_of(url: str) -> Path | None:
    """Return the file of a ledger, or None if the URL names a server, or nothing that is known."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if "://" not in url:
        return Path(url) if url.strip() else None
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database
    return Path(parsed.database or "") if is_file else None


def describe_ledger(url: str) -> str:
    """Return a ledger's URL as it may be shown: without its password."""
    if "://" not in url:
        return url
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def choose_job(ledger: Ledger, name: str | None) -> Job:
    """Return the job of a name, or the only one that a ledger has."""
    jobs = ledger.jobs()
    names = ", ".join(repr(job.name) for job in jobs[:10])
    more = f" and {len(jobs) - 10} more" if len(jobs) > 10 else ""
    if not jobs:
        raise usage_error("The ledger has no jobs: `ecall bulk send` makes them")
    if name is None:
        if len(jobs) > 1:
            raise usage_error(f"The ledger has several jobs, name one with --job: {names}{more}")
        return jobs[0]
    for job in jobs:
        if job.name == name:
            return job
    raise usage_error(f"The ledger has no job {name!r}; it has {names}{more}")


def row_number(row: Row) -> int:
    """Return the number by which people know a row: its line in the file, else its place from 1."""
    return row.line if row.line is not None else row.position + 1


def counts_to_json(counts: Mapping[State, int] | Mapping[str, int]) -> dict[str, JSON]:
    """Return counts by state for programs."""
    return {str(state): number for state, number in counts.items()}


def format_counts(counts: Mapping[State, int] | Mapping[str, int]) -> str:
    """Return the counts that are not zero, as in `9,868 accepted, 2 rejected`."""
    words = [f"{count:,} {state}" for state, count in counts.items() if count]
    return ", ".join(words) or "no messages"


def command_line(command: str, ledger: str, job: str, *more: str) -> str:
    """Return a command that a person can copy, for what has to be done next."""
    words = ["ecall", "bulk", command, "--ledger", describe_ledger(ledger), "--job", job, *more]
    return shlex.join(words)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in `1 message` or `1,204 messages`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
