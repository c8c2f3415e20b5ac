"""Check messages before they are stored: recipient, text, sender and reference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from ecall_facade._characters import UNPAIRED_SURROGATE
from ecall_facade._phone_numbers import UnusableNumber, read_recipient
from ecall_facade._settings import SENDER_NAMES
from ecall_facade.bulk._message import Message
from ecall_facade.bulk._problems import RowProblem
from ecall_facade.bulk._read import Messages
from ecall_facade.errors import UsageError
from ecall_facade.numbers import RawAddress, check_region, mask, normalize_sender
from ecall_facade.text import check_text

if TYPE_CHECKING:
    from ecall_facade.text import Measurement

_CHANNELS: dict[str, str] = {name: channel.value for channel, name in SENDER_NAMES.items()}
_LONGEST_REFERENCE = 1000


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
    recipient, size = "", None
    try:
        to = message.to
        recipient = to.value if isinstance(to, RawAddress) else read_recipient(to, region)
    except UnusableNumber as error:
        reasons.append(f"to cannot be a number: {error.reason}")
    if message.sender is not None:
        try:
            normalize_sender(message.sender, channel, region)
        except UsageError as error:
            reasons.append(f"sender cannot be sent: {error}")
    try:
        size = check_text(message.text, channel)
    except UsageError as error:
        reasons.append(f"text cannot be sent: {error}")
    else:
        if "\0" in message.text:
            reasons.append("text cannot be sent: it contains a NUL character")
    if message.reference is not None and (fault := _find_fault(message.reference)):
        reasons.append(f"reference cannot be sent: {fault}")
    if reasons:
        return "; ".join(reasons)
    return CheckedRow(recipient, size, _fingerprint(message.channel, recipient, message.text))


def _find_fault(reference: object) -> str:
    """Return why a reference cannot be stored, or the empty string."""
    if not isinstance(reference, str) or len(reference) > _LONGEST_REFERENCE:
        return f"it must be a str of at most {_LONGEST_REFERENCE} characters"
    if "\0" in reference or UNPAIRED_SURROGATE.search(reference):
        return "it contains a NUL character, or an unpaired surrogate"
    return ""


def _fingerprint(channel: str, recipient: str, words: str) -> bytes:
    parts = f"{channel}\0{recipient}\0{words}".encode()
    return hashlib.blake2b(parts, digest_size=16).digest()
