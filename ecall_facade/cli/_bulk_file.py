"""The file of a bulk job: how it is named on the command line, and what is in it."""

from __future__ import annotations

import hashlib
import re
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecall_facade._settings import ChannelName
from ecall_facade.cli._bulk_ledger import check_extra, count
from ecall_facade.cli._failures import Exit, Failure, usage_error
from ecall_facade.cli._text import TextFile, not_stdin, read_text
from ecall_facade.numbers import mask, mask_numbers_in

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ecall_facade._json import JSON
    from ecall_facade.bulk import CheckedMessage, Message, Messages, RowProblem
    from ecall_facade.text import Measurement

_MOST_NAMED = 20
_FIRST_EXAMPLES = 2
_KEYWORD = re.compile(r"\b(text|sheet|encoding|delimiter|channel|sender)=")
_CHANNEL_NAMES = {"sms": "SMS", "whatsapp": "WhatsApp", "rcs": "RCS"}

File = Annotated[Path, Parameter(help="The file with the recipients.", validator=not_stdin)]


@Parameter(name="*")
@dataclass(frozen=True)
class FileOptions:
    """How a file is read."""

    text: Annotated[
        str | None,
        Parameter(help='The text, with columns of the file in braces: "Hello {name}".'),
    ] = None
    text_file: TextFile = None
    channel: Annotated[
        ChannelName, Parameter(help="The channel of rows that name none; default sms.")
    ] = "sms"
    sender: Annotated[str | None, Parameter(help="The sender of rows that name none.")] = None
    region: Annotated[
        str, Parameter(help="Country of numbers that do not name theirs; default CH.")
    ] = "CH"
    column: Annotated[
        list[str] | None,
        Parameter(help="A column that is called otherwise, as in to=Mobile; may be repeated."),
    ] = None
    sheet: Annotated[
        str | None, Parameter(help="Name of the sheet; default the first that is not hidden.")
    ] = None
    encoding: Annotated[
        str | None, Parameter(help="Encoding of a text file, if it is not found rightly.")
    ] = None
    delimiter: Annotated[
        str | None, Parameter(help="Character between values, if it is not found rightly.")
    ] = None


FILE_DEFAULTS = FileOptions()


def open_file(file: Path, options: FileOptions) -> Messages:
    """Return the messages of a file, which is opened when they are iterated."""
    check_extra()
    from ecall_facade.bulk import InvalidMessages, read_messages

    text = options.text
    if options.text is not None or options.text_file is not None:
        text = read_text(options.text, options.text_file)
    try:
        return read_messages(
            file,
            text=text,
            channel=options.channel,
            sender=options.sender,
            columns=_read_columns(options.column or []),
            sheet=options.sheet,
            encoding=options.encoding,
            delimiter=options.delimiter,
        )
    except InvalidMessages as error:
        raise usage_error(_to_options(str(error))) from None


def _read_columns(given: list[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in given:
        name, sign, column = pair.partition("=")
        if not sign or not name.strip() or not column.strip():
            raise usage_error("--column names a field and a column of the file, as in to=Mobile")
        if name.strip() in columns:
            raise usage_error(f"--column names {name.strip()} twice")
        columns[name.strip()] = column.strip()
    return columns


def _to_options(reason: str) -> str:
    """Return a reason that names arguments of the library with those of the command line."""
    return _KEYWORD.sub(r"--\1", reason)


@dataclass
class ChannelSurvey:
    """The messages of one channel; only an SMS has pages."""

    messages: int = 0
    pages: int = 0
    in_ucs2: int = 0


@dataclass
class Example:
    """A message as it would be sent, with masked numbers."""

    row: int
    channel: str
    to: str
    text: str
    pages: int | None

    def to_json(self) -> dict[str, JSON]:
        """Return the example for programs."""
        return {
            "row": self.row,
            "channel": self.channel,
            "to": self.to,
            "text": self.text,
            "pages": self.pages,
        }


@dataclass
class Survey:
    """The content of a file: how many messages, pages and duplicates, and everything that is wrong."""

    rows: int = 0
    duplicates: int = 0
    recipients: int = 0
    channels: dict[str, ChannelSurvey] = field(default_factory=dict)
    without_sender: set[str] = field(default_factory=set)
    problems: list[RowProblem] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    remarks: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        """Messages to be sent, without duplicates."""
        return sum(channel.messages for channel in self.channels.values())

    @property
    def pages(self) -> int:
        """Pages of all SMS."""
        return sum(channel.pages for channel in self.channels.values())

    def add(self, channel: str, size: Measurement | None) -> None:
        """Count a message that is to be sent; only an SMS has a size."""
        of_channel = self.channels.setdefault(channel, ChannelSurvey())
        of_channel.messages += 1
        if size is not None:
            of_channel.pages += size.pages
            of_channel.in_ucs2 += size.encoding == "UCS-2"

    def to_json(self) -> dict[str, JSON]:
        """Return the numbers for programs."""
        return {
            "messages": self.messages,
            "recipients": self.recipients,
            "duplicates": self.duplicates,
            "pages": self.pages,
            "channels": {
                name: {
                    "messages": channel.messages,
                    "pages": channel.pages if name == "sms" else None,
                }
                for name, channel in self.channels.items()
            },
        }

    def lines(self) -> list[str]:
        """Return the numbers for people."""
        lines: list[str] = []
        for name, channel in self.channels.items():
            words = f"{channel.messages:,} {_CHANNEL_NAMES[name]}"
            if name == "sms":
                words += f", {count(channel.pages, 'page')}"
            if channel.in_ucs2:
                words += f"; {channel.in_ucs2:,} with characters outside GSM-7, so 70 to a page"
            lines.append(words)
        if self.duplicates:
            lines.append(f"{count(self.duplicates, 'duplicate')} left out: same number and text")
        return lines


def survey_file(messages: Messages, region: str) -> Survey:
    """Read a file to its end, and check every message as the ledger will."""
    from ecall_facade.bulk import RowProblem, check_messages

    survey = Survey()
    recipients: set[str] = set()
    longest: CheckedMessage | None = None
    with quiet(), _waiting(f"Reading {messages.source}"):
        for found in check_messages(messages, region=region):
            if isinstance(found, RowProblem):
                survey.problems.append(found)
                survey.rows += found.line is not None
                continue
            survey.rows += 1
            if found.is_duplicate:
                survey.duplicates += 1
                continue
            recipients.add(found.recipient)
            if found.message.sender is None:
                survey.without_sender.add(found.message.channel)
            survey.add(found.message.channel, found.size)
            if len(survey.examples) < _FIRST_EXAMPLES:
                survey.examples.append(_make_example(found))
            elif longest is None or len(found.message.text) > len(longest.message.text):
                longest = found
    if longest is not None:
        survey.examples.append(_make_example(longest))
    survey.recipients = len(recipients)
    survey.remarks = messages.remarks
    return survey


def _make_example(found: CheckedMessage) -> Example:
    return Example(
        row=found.message.line or 0,
        channel=found.message.channel,
        to=mask(found.recipient),
        text=mask_numbers_in(found.message.text),
        pages=None if found.size is None else found.size.pages,
    )


def hash_file(file: Path) -> str:
    """Return a hash of a file, by which a change of it is noticed."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise usage_error(f"{file.name} cannot be read: {error.strerror}") from None


def unchanged(messages: Iterable[Message], file: Path, digest: str) -> Iterator[Message]:
    """Yield the messages of a file again, and refuse them if it is not the same file any more."""
    with quiet():
        yield from messages
    if hash_file(file) != digest:
        raise usage_error("The file was changed meanwhile: nothing was stored or sent, start again")


@contextmanager
def quiet() -> Generator[None, None, None]:
    """Keep the remarks of a file from being warnings; they are said as remarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def _waiting(words: str) -> Generator[None, None, None]:
    """Show on a terminal that something is being done."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(words)):
        yield


def problem_lines(problems: list[RowProblem]) -> list[str]:
    """Return each problem on a line of its own."""
    return [_to_options(str(problem)) for problem in problems]


def problems_to_json(problems: list[RowProblem]) -> list[JSON]:
    """Return problems for programs."""
    return [
        {"source": each.source, "line": each.line, "reason": _to_options(each.reason)}
        for each in problems
    ]


def refuse_problems(survey: Survey, tell: Callable[[str], object]) -> None:
    """Refuse a file with problems, and name the first ones."""
    if not survey.problems:
        return
    lines = problem_lines(survey.problems)
    for line in lines[:_MOST_NAMED]:
        tell(line)
    more = len(lines) - _MOST_NAMED
    rest = f", the first {_MOST_NAMED} are named; `ecall bulk check` names all" if more > 0 else ""
    raise Failure(
        Exit.USAGE,
        "InvalidMessages",
        f"{count(len(lines), 'problem')}{rest}. Nothing was sent: correct the file and start again",
        details={"problems": problems_to_json(survey.problems)},
    )
