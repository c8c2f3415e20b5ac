"""`ecall send`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade import ECallError, InvalidNumber
from ecall_facade._settings import ChannelName
from ecall_facade.cli._failures import Exit, Failure, to_failure, usage_error
from ecall_facade.cli._output import Output, write_failure, write_json, write_line
from ecall_facade.cli._progress import progress
from ecall_facade.cli._session import DEFAULTS, Options, open_client
from ecall_facade.cli._text import NOTES, Text, TextFile, not_stdin, read_text
from ecall_facade.cli._watch import exit_code, format_line, to_json, watch
from ecall_facade.numbers import RawAddress, mask, normalize

if TYPE_CHECKING:
    from ecall_facade import ECall, SentMessage
    from ecall_facade._json import JSON

app = App(
    name="send",
    usage="Usage: ecall send [OPTIONS] TO [TEXT]",
    help_epilogue=f"""\
{NOTES}
Without --sender, the sender comes from ECALL_SENDER, ECALL_SENDER_WHATSAPP or ECALL_SENDER_RCS, depending on the \
channel.

Only exit codes 2, 3 and 4 mean that nobody was texted. Do not repeat the command after any other exit code.

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
    to: Annotated[
        str, Parameter(help="Phone number of the recipient; spaces and a leading 0 are fine.")
    ],
    text: Text = None,
    /,
    *,
    text_file: TextFile = None,
    file: Annotated[
        Path | None,
        Parameter(
            help="Send this file instead of a text; not possible by SMS.", validator=not_stdin
        ),
    ] = None,
    content_type: Annotated[
        str | None, Parameter(help="Media type of the file, if it cannot be guessed from its name.")
    ] = None,
    channel: Annotated[ChannelName, Parameter(help="Channel to send by; default sms.")] = "sms",
    sender: Annotated[str | None, Parameter(help="Sender of the message.")] = None,
    page_limit: Annotated[
        int | None, Parameter(help="Maximum number of pages of an SMS, 1 to 10.")
    ] = None,
    region: Annotated[
        str, Parameter(help="Country of numbers without a country code; default CH.")
    ] = "CH",
    raw: Annotated[
        bool, Parameter(help="TO is a short code or a pager address, and is sent unchanged.")
    ] = False,
    wait: Annotated[
        bool, Parameter(help="Wait until the message is delivered or has failed.")
    ] = False,
    timeout: Annotated[float, Parameter(help="Seconds to wait with --wait; default 60.")] = 60,
    options: Options = DEFAULTS,
) -> Exit:
    """Send one message to one recipient."""
    if wait and not 0 < timeout < 1e9:
        raise usage_error("--timeout must be a positive number of seconds")
    if channel != "sms" and page_limit is not None:
        raise usage_error("--page-limit is possible for SMS only")
    if file is not None and (text is not None or text_file is not None or channel == "sms"):
        raise usage_error(
            "--file needs --channel whatsapp or rcs, and cannot be combined with a text"
        )
    words = "" if file is not None else read_text(text, text_file)
    with open_client(options, region) as ecall:
        address = RawAddress(to) if raw else to
        recipient = _mask_recipient(address, region)
        try:
            if file is not None:
                sent = _send_file(ecall, channel, address, file, content_type, sender)
            elif channel == "sms":
                sent = ecall.sms.send(address, words, sender=sender, page_limit=page_limit)
            elif channel == "whatsapp":
                sent = ecall.whatsapp.send(address, words, sender=sender)
            else:
                sent = ecall.rcs.send(address, words, sender=sender)
        except KeyboardInterrupt:
            raise Failure(
                Exit.UNKNOWN,
                "Interrupted",
                "Interrupted while sending; the message may have been sent, so do not repeat it blindly",
                may_have_been_sent=True,
            ) from None
        except ECallError as error:
            raise to_failure(error, is_send=True) or error from None
        data = _sent_to_json(sent, channel, recipient, options)
        try:
            if not wait or not options.json:
                Output(options.json).show(data, _format_sent(sent, recipient))
            if not wait:
                return Exit.DONE
            return _follow(ecall, sent.message_id, timeout, data, options.json)
        except OSError as error:
            raise Failure(
                Exit.FAILED,
                type(error).__name__,
                f"The message was accepted as {sent.message_id}, but this cannot be written: {error.strerror}",
                may_have_been_sent=True,
            ) from None


def _mask_recipient(address: str | RawAddress, region: str) -> str:
    try:
        return mask(normalize(address, region))
    except InvalidNumber as error:
        error.add_note("On the command line, use --raw")  # the error itself suggests a RawAddress
        raise


def _send_file(
    ecall: ECall,
    channel: ChannelName,
    to: str | RawAddress,
    file: Path,
    content_type: str | None,
    sender: str | None,
) -> SentMessage:
    messenger = ecall.whatsapp if channel == "whatsapp" else ecall.rcs
    with progress(file.name) as on_progress:
        return messenger.send_file(
            to, file, content_type=content_type, sender=sender, on_progress=on_progress
        )


def _sent_to_json(
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


def _format_sent(sent: SentMessage, recipient: str) -> str:
    pages = ""
    if sent.pages is not None:
        pages = f", {sent.pages} page{'s' if sent.pages > 1 else ''}"
    return f"Accepted for {recipient}{pages}: message {sent.message_id}"


def _follow(
    ecall: ECall, message_id: str, timeout: float, data: dict[str, JSON], as_json: bool
) -> Exit:
    """Follow an accepted message and return the exit code of its last state.

    People get a line for each change. Programs get one object at the end, with the id of the message
    even if following it fails.
    """
    code = Exit.DONE
    failure: Failure | None = None
    try:
        for _, seen in watch(ecall, [message_id], timeout):
            if isinstance(seen, ECallError):
                raise seen
            data |= {
                "state": str(seen.state),
                "is_final": seen.is_final,
                "error": to_json(seen)["error"],
            }
            code = exit_code(seen)
            if not as_json:
                write_line(format_line(seen))
    except KeyboardInterrupt:
        failure = Failure(
            Exit.INTERRUPTED,
            "Interrupted",
            "Interrupted while waiting; the message was accepted",
            may_have_been_sent=True,
        )
    except ECallError as error:
        failure = to_failure(error)
    if as_json:
        write_json({**data, "error": failure.data} if failure else data)
    elif failure:
        write_failure(failure, as_json=False)
    return failure.code if failure else code
