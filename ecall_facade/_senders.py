"""Checks who a message is from, by the rules of its channel."""

from __future__ import annotations

import re
from functools import lru_cache

from ecall_client.models.channel import Channel
from ecall_facade._number_characters import GAPS
from ecall_facade._regions import check_region
from ecall_facade.errors import InvalidSender

_LONGEST_NUMBER = 16  # digits, documented
_LONGEST_NAME = 11  # characters, documented
_LONGEST_SHORT_CODE = 6  # digits; so few are a short code even where numbers may be as short
_LONGEST_SERVICE_CODE = 8  # digits; so few that are no number of the region go out as they are
# What has so many digits, and nothing else but gaps, is meant as a phone number.
_LOOKS_LIKE_A_NUMBER = re.compile(r"'?[+\uff0b]?\d{7,15}")


def normalize_sender(value: object, channel: str, region: str = "CH") -> str:
    """Return a sender as it goes out.

    White space around it is dropped. Numbers are read as recipients are, and become `0041…`
    (observed).

    Args:
        value: The sender. By SMS a number of at most 16 digits, a short code, or at most 11
            characters of ASCII (documented); by WhatsApp the registered number (documented);
            by another channel an ID, which is not changed.
        channel: One of `Channel`.
        region: The country in which numbers without a country code are read.

    Raises:
        InvalidSender: The sender breaks the rules of its channel.
        InvalidConfiguration: There is no such region.
    """
    sender = value.strip() if isinstance(value, str) else ""
    if not sender:
        raise InvalidSender(f"The sender for {channel} is empty, or not a str")
    return _check_sender(sender, channel, region)


@lru_cache(32)  # most programs have one or two, and send by them again and again
def _check_sender(sender: str, channel: str, region: str) -> str:
    if channel not in {Channel.SMS, Channel.WHATSAPP}:
        return sender
    number, reason, spoilt_by_a_table = _read_number(sender, check_region(region))
    is_short_code = (
        channel == Channel.SMS and sender.isdigit() and len(sender) <= _LONGEST_SHORT_CODE
    )
    if number and not is_short_code:
        return number
    if channel == Channel.WHATSAPP:
        raise InvalidSender(f"The sender for {channel} must be its registered number: {reason}")
    is_service_code = sender.isdigit() and len(sender) <= _LONGEST_SERVICE_CODE
    looks_like_a_number = _LOOKS_LIKE_A_NUMBER.fullmatch(GAPS.sub("", sender))
    if spoilt_by_a_table or (looks_like_a_number and not is_service_code):
        raise InvalidSender(
            f"The sender looks like a number and cannot be used: {reason}. "
            "A foreign number needs + and its country code"
        )
    is_plain = sender.isascii() and sender.isprintable() and sender[0] != "+"
    longest = _LONGEST_NUMBER if sender.isdigit() else _LONGEST_NAME
    if is_plain and len(sender) <= longest:
        return sender
    raise InvalidSender(
        "The sender of an SMS must be a number of at most 16 digits, or at most 11 ASCII characters"
    )


def _read_number(sender: str, region: str) -> tuple[str, str, bool]:
    """Return a number as it goes out; or the reason, and whether a table has spoilt it."""
    from ecall_facade._phone_numbers import SpoiltNumber, UnusableNumber, read_number

    try:
        number = f"00{read_number(sender, region)[1:]}"
    except UnusableNumber as error:
        return "", error.reason, isinstance(error, SpoiltNumber)
    if len(number) > _LONGEST_NUMBER:
        return "", "it is too long", False
    return number, "", False
