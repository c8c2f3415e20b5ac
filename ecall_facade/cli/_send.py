"""`ecall send`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade import ECallError, InvalidNumber
from ecall_facade._settings import ChannelName
from ecall_facade.cli._output import Exit, Failure, Output, failure_of, report, usage, write_json
from ecall_facade.cli._progress import progress
from ecall_facade.cli._session import DEFAULTS, Options, open_client
from ecall_facade.cli._text import NOTES, Text, TextFile, not_stdin, read_text
from ecall_facade.cli._watch import exit_of, facts_of, line_of, watch
from ecall_facade.numbers import RawAddress, mask, normalize

if TYPE_CHECKING:
    from ecall_facade import ECall, SentMessage
    from ecall_facade._json import JSON

app = App(
    name="send",
    usage="Usage: ecall send [OPTIONS] TO [TEXT]",
    help_epilogue=f"""\
{NOTES}
The sender is --sender, or ECALL_SENDER, ECALL_SENDER_WHATSAPP, ECALL_SENDER_RCS.

Only after exit codes 2, 3 and 4 is it certain that nobody was texted: repeat it after no other.

Examples:
  ecall send "079 123 45 67" "Your code is 481 516" --sender ACME
  ecall send "+41 78 765 43 21" --text-file reminder.txt --page-limit 2
  echo "Water is off until 14:00" | ecall send "079 123 45 67" - --wait
  ecall send "079 123 45 67" --channel whatsapp --file photo.jpg
  ecall send 4321 "Status" --raw
  ecall send "079 123 45 67" "See you at 8" --sandbox --json
""",
)


@app.default
def send(
    to: Annotated[str, Parameter(help="Number of the recipient, as people write it.")],
    text: Text = None,
    /,
    *,
    text_file: TextFile = None,
    file: Annotated[
        Path | None,
        Parameter(help="Send this file instead of a text; not by SMS.", validator=not_stdin),
    ] = None,
    content_type: Annotated[
        str | None, Parameter(help="Kind of the file, where its name does not tell.")
    ] = None,
    channel: Annotated[ChannelName, Parameter(help="How it is sent; default sms.")] = "sms",
    sender: Annotated[str | None, Parameter(help="Who it is from.")] = None,
    page_limit: Annotated[
        int | None, Parameter(help="Most pages that an SMS may have, 1 to 10.")
    ] = None,
    region: Annotated[
        str, Parameter(help="Country of numbers that do not name theirs; default CH.")
    ] = "CH",
    raw: Annotated[
        bool, Parameter(help="TO is a short code or a pager's address, sent as it is.")
    ] = False,
    wait: Annotated[bool, Parameter(help="Follow it until it is delivered or has failed.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds to follow it for; default 60.")] = 60,
    options: Options = DEFAULTS,
) -> Exit:
    """Send one message to one recipient."""
    if wait and not 0 < timeout < 1e9:
        raise usage("--timeout is a positive number of seconds")
    if channel != "sms" and page_limit is not None:
        raise usage("--page-limit is for SMS")
    if file is not None and (text is not None or text_file is not None or channel == "sms"):
        raise usage("A file goes by WhatsApp or RCS, and without a text")
    words = "" if file is not None else read_text(text, text_file)
    with open_client(options, region) as ecall:
        address = RawAddress(to) if raw else to
        try:
            recipient = mask(normalize(address, region))
        except InvalidNumber as error:
            error.add_note(
                "On the command line that is --raw"
            )  # a RawAddress, which the error names
            raise
        try:
            if file is not None:
                sent = _send_file(ecall, channel, address, file, content_type, sender)
            elif channel == "sms":
                sent = ecall.sms.send(address, words, sender=sender, page_limit=page_limit)
            else:
                sent = getattr(ecall, channel).send(address, words, sender=sender)
        except KeyboardInterrupt:
            raise _interrupted() from None
        except ECallError as error:
            raise failure_of(error, is_send=True) or error from None
        facts = _facts_of(sent, channel, recipient, options)
        try:
            if not wait or not options.json:
                pages = (
                    ""
                    if sent.pages is None
                    else f", {sent.pages} page{'s' if sent.pages > 1 else ''}"
                )
                Output(options.json).show(
                    facts, f"Accepted for {recipient}{pages}: message {sent.message_id}"
                )
            return (
                _follow(ecall, sent.message_id, timeout, facts, options.json) if wait else Exit.DONE
            )
        except OSError as error:
            words = f"The message was accepted as {sent.message_id}, which cannot be written: {error.strerror}"
            raise Failure(
                Exit.FAILED, type(error).__name__, words, may_have_been_sent=True
            ) from None


def _send_file(
    ecall: ECall,
    channel: ChannelName,
    to: str | RawAddress,
    file: Path,
    content_type: str | None,
    sender: str | None,
) -> SentMessage:
    chat = ecall.whatsapp if channel == "whatsapp" else ecall.rcs
    with progress(file.name) as on_progress:
        return chat.send_file(
            to, file, content_type=content_type, sender=sender, on_progress=on_progress
        )


def _interrupted() -> Failure:
    words = "Interrupted while it was being sent; it may have gone out: do not repeat it blindly"
    return Failure(Exit.UNKNOWN, "Interrupted", words, may_have_been_sent=True)


def _facts_of(
    sent: SentMessage, channel: ChannelName, recipient: str, options: Options
) -> dict[str, JSON]:
    return {
        "message_id": sent.message_id,
        "channel": channel,
        "recipient": recipient,
        "pages": sent.pages,
        "sent_at": sent.sent_at.isoformat() if sent.sent_at else None,
        "request_id": sent.request_id,
        "simulated": options.sandbox,
    }


def _follow(
    ecall: ECall, message_id: str, timeout: float, facts: dict[str, JSON], as_json: bool
) -> Exit:
    """Follow a message that was accepted. Its id is said whatever happens, to programs with how it ended."""
    code = Exit.DONE
    failure: Failure | None = None
    try:
        for _, seen in watch(ecall, [message_id], timeout):
            if isinstance(seen, ECallError):
                raise seen
            facts |= {
                "state": str(seen.state),
                "is_final": seen.is_final,
                "error": facts_of(seen)["error"],
            }
            code = exit_of(seen)
            if not as_json:
                Output(as_json).show({}, line_of(seen))
    except KeyboardInterrupt:
        words = "Interrupted; the message was accepted before"
        failure = Failure(Exit.INTERRUPTED, "Interrupted", words, may_have_been_sent=True)
    except ECallError as error:
        failure = failure_of(error)
    if as_json:
        write_json({**facts, "error": failure.facts} if failure else facts)
    elif failure:
        report(failure, as_json=False)
    return failure.code if failure else code
