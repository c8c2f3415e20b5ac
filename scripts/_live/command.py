"""The command: arguments, environment, exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from _output import show
from ecall_facade import ECallError, UsageError
from ecall_facade._settings import Account
from ecall_facade._transports.connections import open_pool
from ecall_facade.numbers import normalize, normalize_sender

from . import report, scrub
from .book import Book
from .walk import Stopped, Walk
from .watch import Watch

ALL_WELL, CONTRADICTED, NOT_CHECKED = 0, 1, 2


def main(arguments: Sequence[str], description: str) -> int:
    """Check the service; give the exit code."""
    given = _parser(description).parse_args(arguments)
    try:
        return _check(given)
    except ECallError as error:  # of the settings; those of requests are what is looked at
        print(f"Nothing was checked: {error.explanation}", file=sys.stderr)
        return NOT_CHECKED


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/live_check",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # one SMS takes the whole word
    )
    parser.add_argument(
        "--send-one-sms-to", metavar="NUMBER", help="allow one SMS, to this number; it costs credit"
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=60.0,
        help="how long to follow the SMS (default: 60)",
    )
    parser.add_argument(
        "--record", metavar="FOLDER", type=Path, help="write scrubbed cassettes into this folder"
    )
    parser.add_argument("--json", action="store_true", help="write JSON for programs")
    return parser


def _check(given: argparse.Namespace) -> int:
    account = Account.from_arguments(None, None, None)  # which refuses http, but for this machine
    number = None if given.send_one_sms_to is None else normalize(given.send_one_sms_to)
    if not 0 < given.wait < 86_400:
        raise UsageError("--wait is a number of seconds, at most a day")
    if given.record:
        try:
            given.record.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{given.record} cannot be a folder: {error.strerror}") from None
    watch, book = Watch(open_pool(account), 0 if number is None else 1), Book()
    walk = Walk(account, watch, book, given.wait)
    try:
        if number is not None:
            walk.check_send(number)
        walk.without_sends()
        if number is not None:
            walk.one_send(number)
    except Stopped as reason:
        book.trouble(str(reason))
    finally:
        walk.close()
    written: list[str] = []
    try:
        written = _record(given.record, watch, account, number) if given.record else []
    except OSError as error:  # what was seen is shown all the same
        book.trouble(f"The cassettes could not be written: {error.strerror}")
    verdicts = {finding.verdict for finding in book.findings()}
    code = (
        CONTRADICTED if "contradicted" in verdicts else NOT_CHECKED if book.troubles else ALL_WELL
    )
    show(
        report.as_json(book, watch.sent, written, code)
        if given.json
        else report.as_text(book, watch.sent, written)
    )
    return code


def _record(folder: Path, watch: Watch, account: Account, number: str | None) -> list[str]:
    sender = os.environ.get("ECALL_SENDER", "")
    private = scrub.Private(
        username=os.environ.get("ECALL_USERNAME", ""),
        password=os.environ.get("ECALL_PASSWORD", ""),
        number=number or "",
        sender=normalize_sender(sender, "Sms", "CH") if number is not None else sender,
    )
    host = urlsplit(account.base_url).hostname or ""
    texts = scrub.cassettes(watch.exchanges, private, scrub.origin_of(watch.exchanges, host))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return sorted(texts)
