"""The file of a bulk job: how it is named on the command line, and what is in it."""

from __future__ import annotations

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
from ecall_facade.numbers import check_region, mask, mask_numbers_in

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from ecall_facade._json import JSON
    from ecall_facade.bulk import Message, Messages, RowProblem

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

    check_region(options.region)
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
    """What goes out by one channel; only an SMS has pages."""

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
    """What is in a file: how many messages, pages and duplicates, and everything that is wrong."""

    rows: int = 0
    duplicates: int = 0
    recipients: int = 0
    channels: dict[str, ChannelSurvey] = field(default_factory=dict)
    without_sender: set[str] = field(default_factory=set)
    problems: list[RowProblem] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    digest: str = ""

    @property
    def messages(self) -> int:
        """Messages to be sent, without duplicates."""
        return sum(channel.messages for channel in self.channels.values())

    @property
    def pages(self) -> int:
        """Pages of all SMS."""
        return sum(channel.pages for channel in self.channels.values())

    def add(self, channel: str, text: str) -> int | None:
        """Count a message that is to be sent; return the pages of an SMS."""
        from ecall_facade.text import measure

        of_channel = self.channels.setdefault(channel, ChannelSurvey())
        of_channel.messages += 1
        if channel != "sms":
            return None
        size = measure(text)
        of_channel.pages += size.pages
        of_channel.in_ucs2 += size.encoding == "UCS-2"
        return size.pages

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
    from ecall_facade.bulk import RowProblem
    from ecall_facade.bulk._load import Digest, check_message

    survey = Survey()
    digest = Digest()
    known: set[object] = set()
    recipients: set[object] = set()
    longest: Example | None = None
    with quiet(), _waiting(f"Reading {messages.source}"):
        for found in messages.rows():
            if isinstance(found, RowProblem):
                survey.problems.append(found)
                survey.rows += found.line is not None
                continue
            survey.rows += 1
            digest.add(found)
            reasons: list[str] = []
            row = check_message(found, region, reasons)
            if row is None:
                problem = RowProblem(found.source, found.line, "; ".join(reasons))
                survey.problems.append(problem)
                continue
            if row["fingerprint"] in known:
                survey.duplicates += 1
                continue
            known.add(row["fingerprint"])
            recipients.add(row["recipient"])
            if found.sender is None:
                survey.without_sender.add(found.channel)
            pages = survey.add(found.channel, found.text)
            if len(survey.examples) < _FIRST_EXAMPLES:
                survey.examples.append(_example(found, str(row["recipient"]), pages))
            elif longest is None or len(found.text) > len(longest.text):
                longest = _example(found, str(row["recipient"]), pages)
    if longest is not None:
        survey.examples.append(longest)
    survey.recipients = len(recipients)
    survey.remarks = messages.remarks
    survey.digest = digest.hexdigest()
    return survey


def _example(message: Message, recipient: str, pages: int | None) -> Example:
    text = mask_numbers_in(message.text)
    return Example(message.line or 0, message.channel, mask(recipient), text, pages)


def unchanged(messages: Iterable[Message], survey: Survey) -> Iterator[Message]:
    """Yield the messages of a file again, and refuse them if they are others than before."""
    from ecall_facade.bulk._load import Digest

    digest = Digest()
    with quiet():
        for message in messages:
            digest.add(message)
            yield message
    if digest.hexdigest() != survey.digest:
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
