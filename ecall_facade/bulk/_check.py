"""Check messages before they are stored: recipient, text, sender and reference."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import attrs

from ecall_facade._settings import SENDER_NAMES
from ecall_facade.bulk._message import Message
from ecall_facade.bulk._problems import RowProblem
from ecall_facade.bulk._read import Messages
from ecall_facade.errors import InvalidNumber, UsageError
from ecall_facade.numbers import check_region, mask, normalize, normalize_sender
from ecall_facade.text import check_text

if TYPE_CHECKING:
    from ecall_facade.text import Measurement

_CHANNELS: dict[str, str] = {name: channel.value for channel, name in SENDER_NAMES.items()}
_LONGEST_REFERENCE = 1000
P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class CheckedMessage:
    """A message that can be sent."""

    message: Message
    """The message as it was read."""
    recipient: str = attrs.field(repr=mask)
    """Its recipient in E.164, or as the `RawAddress` has it."""
    size: Measurement | None
    """The size of an SMS; None for another channel."""
    is_duplicate: bool
    """Whether an earlier message has the same channel, recipient and text; a job skips this one."""


def check_messages(
    messages: Iterable[Message], *, region: str = "CH"
) -> Iterator[CheckedMessage | RowProblem]:
    """Check messages as `ledger.job` does, without a ledger; yield each one, or the problem it has.

    It keeps a hash of each message in memory, to find duplicates.

    Args:
        messages: What `read_messages` returns, whose problems come in their places; or others.
        region: How numbers without a country are read; two letters of ISO 3166.

    Raises:
        InvalidConfiguration: There is no such region.
    """
    return _check_all(messages, check_region(region))


def _check_all(messages: Iterable[Message], region: str) -> Iterator[CheckedMessage | RowProblem]:
    known: set[bytes] = set()
    found = messages.rows() if isinstance(messages, Messages) else messages
    for number, message in enumerate(found, 1):
        if isinstance(message, RowProblem):
            yield message
            continue
        row = check_message(message, region)
        if isinstance(row, str):
            line = message.line if message.line is not None else number
            yield RowProblem(message.source, line, row)
            continue
        yield CheckedMessage(message, row.recipient, row.size, row.fingerprint in known)
        known.add(row.fingerprint)


@attrs.frozen
class CheckedRow:
    """The result of checking a message, for the row that it becomes."""

    recipient: str = attrs.field(repr=mask)
    size: Measurement | None
    fingerprint: bytes


def check_message(message: Message, region: str) -> CheckedRow | str:
    """Return what was found out about a message, or all the reasons why it cannot be sent."""
    channel = _CHANNELS.get(message.channel)
    if channel is None:
        return f"channel is none of {', '.join(_CHANNELS)}"
    reasons: list[str] = []
    recipient = _try(reasons, "to", normalize, message.to, region)
    if message.sender is not None:
        _try(reasons, "sender", normalize_sender, message.sender, channel, region)
    size = _try(reasons, "text", _check_words, message.text, channel)
    if message.reference is not None:
        _try(reasons, "reference", _check_reference, message.reference)
    if reasons or recipient is None:
        return "; ".join(reasons)
    return CheckedRow(recipient, size, _fingerprint(message.channel, recipient, message.text))


def _try(
    reasons: list[str], field: str, check: Callable[P, T], *arguments: P.args, **named: P.kwargs
) -> T | None:
    """Return what a check returns, or None and add the reason why the field cannot be used."""
    try:
        return check(*arguments, **named)
    except InvalidNumber as error:
        reason = error.problems[0].reason if error.problems else str(error)
        reasons.append(f"{field} cannot be a number: {reason}")
    except UsageError as error:
        reasons.append(f"{field} cannot be sent: {error}")
    return None


def _check_words(words: object, channel: str) -> Measurement | None:
    size = check_text(words, channel)
    if isinstance(words, str) and "\0" in words:
        raise UsageError("it contains a NUL character")
    return size


def _check_reference(reference: object) -> None:
    if not isinstance(reference, str) or len(reference) > _LONGEST_REFERENCE:
        raise UsageError(f"it must be a str of at most {_LONGEST_REFERENCE} characters")
    if "\0" in reference or any("\ud800" <= sign <= "\udfff" for sign in reference):
        raise UsageError("it contains a NUL character, or an unpaired surrogate")


def _fingerprint(channel: str, recipient: str, words: str) -> bytes:
    parts = f"{channel}\0{recipient}\0{words}".encode()
    return hashlib.blake2b(parts, digest_size=16).digest()
