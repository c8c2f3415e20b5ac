"""`ecall broadcast`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade import ECallError
from ecall_facade._settings import ChannelName
from ecall_facade.cli._failures import Exit, Failure, to_failure, usage_error
from ecall_facade.cli._output import Output
from ecall_facade.cli._session import DEFAULTS, Options, open_client
from ecall_facade.cli._text import STDIN, TextFile, not_stdin, read_text
from ecall_facade.errors import InvalidNumber
from ecall_facade.numbers import RawAddress, mask, normalize, normalize_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecall_facade import ECall, SentBroadcast
    from ecall_facade._json import JSON

_NUMBER = re.compile(r"""["']?[+(]?\d[\d ()./-]*["']?""")
_MOST_NAMED = 20

app = App(
    name="broadcast",
    usage="Usage: ecall broadcast [OPTIONS] TO...",
    help_epilogue="""\
All recipients get the same text, in one request: it is accepted or refused as a whole. The same number is sent to \
once. For lists that must survive an interruption, and for a text of their own for each, there is `ecall bulk`.

The text is --text, or comes from --text-file, or from stdin where neither is given and stdin is no terminal.

--to-file names a file with one number on each line, or one with a header and a column "to" (CSV, Excel). Empty lines \
are skipped.

Only after exit codes 2, 3 and 4 is it certain that nobody was texted: repeat it after no other.

Examples:
  ecall broadcast "079 123 45 67" "+41 78 765 43 21" --text "Water is off"
  ecall broadcast --to-file numbers.txt --text-file notice.txt
  echo "Water is off" | ecall broadcast --to-file people.csv --sandbox
""",
)


@app.default
def broadcast(
    *to: Annotated[str, Parameter(help="Numbers of the recipients, as people write them.")],
    to_file: Annotated[
        Path | None, Parameter(help="File with the recipients.", validator=not_stdin)
    ] = None,
    text: Annotated[str | None, Parameter(help='The text, or "-" for stdin.')] = None,
    text_file: TextFile = None,
    channel: Annotated[ChannelName, Parameter(help="How it is sent; default sms.")] = "sms",
    sender: Annotated[str | None, Parameter(help="Who it is from.")] = None,
    page_limit: Annotated[
        int | None, Parameter(help="Most pages that an SMS may have, 1 to 10.")
    ] = None,
    region: Annotated[
        str, Parameter(help="Country of numbers that do not name theirs; default CH.")
    ] = "CH",
    raw: Annotated[
        bool, Parameter(help="Recipients are short codes or pagers, sent as they are.")
    ] = False,
    options: Options = DEFAULTS,
) -> Exit:
    """Send one text to many recipients."""
    if channel != "sms" and page_limit is not None:
        raise usage_error("--page-limit is for SMS")
    if STDIN in to:
        raise usage_error(
            "Recipients are arguments or come from --to-file; only the text comes from stdin"
        )
    recipients = _check(
        [*((number, None) for number in to), *_read_recipients(to_file)],
        to_file.name if to_file else "",
        region,
        is_raw=raw,
    )
    words = read_text(text, text_file)
    with open_client(options, region) as ecall:
        try:
            sent = _send(ecall, channel, recipients, words, sender, page_limit)
        except KeyboardInterrupt:
            message = "Interrupted while it was being sent; it may have gone out: do not repeat it blindly"
            raise Failure(Exit.UNKNOWN, "Interrupted", message, may_have_been_sent=True) from None
        except ECallError as error:
            raise to_failure(error, is_send=True) or error from None
        try:
            Output(options.json).show(_to_json(sent, channel, options), _format(sent))
        except OSError as error:
            message = f"The message was accepted, which cannot be written: {error.strerror}"
            raise Failure(
                Exit.FAILED, type(error).__name__, message, may_have_been_sent=True
            ) from None
    return Exit.DONE


def _read_recipients(file: Path | None) -> list[tuple[str | RawAddress, int | None]]:
    """Read the recipients of a file with their lines."""
    if file is None:
        return []
    from ecall_facade.bulk import InvalidMessages, read_messages

    lines = _read_plain_list(file)
    if lines is not None:
        return lines
    try:
        return [(row.to, row.line) for row in read_messages(file, text="-")]
    except InvalidMessages as error:
        raise usage_error(str(error)) from None


def _read_plain_list(file: Path) -> list[tuple[str | RawAddress, int | None]] | None:
    """Read a file with one number on each line; None where its first line is none."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise usage_error(f"{file.name or file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        return None
    filled: list[tuple[str | RawAddress, int | None]] = [
        (line.strip().strip("\"'"), number) for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not filled:
        raise usage_error(f"{file.name} has no recipients")
    first = next(line.strip() for line in lines if line.strip())
    return filled if _NUMBER.fullmatch(first) else None


def _check(
    given: Sequence[tuple[str | RawAddress, int | None]],
    source: str,
    region: str,
    *,
    is_raw: bool,
) -> list[str | RawAddress]:
    """Check all recipients, and name each bad one with its line."""
    if not given:
        raise usage_error("There are no recipients: give them as arguments, or with --to-file")
    problems: list[str] = []
    recipients: list[str | RawAddress] = []
    for position, (number, line) in enumerate(given, 1):
        place = f"argument {position}" if line is None else f"{source}, line {line}"
        try:
            if is_raw:
                recipients.append(RawAddress(str(number)))
                continue
            normalize(number, region)
            recipients.append(number)
        except InvalidNumber as error:
            reason = error.problems[0].reason if error.problems else str(error)
            problems.append(f"{place} ({mask(str(number))}): {reason}")
    if problems:
        more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        raise Failure(
            Exit.USAGE,
            "InvalidNumber",
            f"{len(problems)} of {len(given)} recipients cannot be used: "
            f"{'; '.join(problems[:_MOST_NAMED])}{more}",
        )
    normalize_all(recipients, region)
    return recipients


def _send(
    ecall: ECall,
    channel: ChannelName,
    recipients: Sequence[str | RawAddress],
    words: str,
    sender: str | None,
    page_limit: int | None,
) -> SentBroadcast:
    if channel == "sms":
        return ecall.sms.broadcast(recipients, words, sender=sender, page_limit=page_limit)
    chat = ecall.whatsapp if channel == "whatsapp" else ecall.rcs
    return chat.broadcast(recipients, words, sender=sender)


def _to_json(sent: SentBroadcast, channel: ChannelName, options: Options) -> dict[str, JSON]:
    return {
        "message_ids": list(sent.message_ids),
        "channel": channel,
        "recipients": [mask(number) for number in sent.recipients],
        "duplicates": len(sent.duplicates),
        "sent_at": sent.sent_at.isoformat() if sent.sent_at else None,
        "request_id": sent.request_id,
        "simulated": options.sandbox,
    }


def _format(sent: SentBroadcast) -> str:
    count, duplicates = len(sent.recipients), len(sent.duplicates)
    recipients = f"{count} recipient{'s' if count > 1 else ''}"
    left_out = (
        f", {duplicates} duplicate{'s' if duplicates > 1 else ''} left out" if duplicates else ""
    )
    ids = ", ".join(sent.message_ids[:3])
    more = f" and {len(sent.message_ids) - 3} more" if len(sent.message_ids) > 3 else ""
    return f"Accepted for {recipients}{left_out}: messages {ids}{more}"
