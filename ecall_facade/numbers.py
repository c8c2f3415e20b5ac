"""Read phone numbers as people write them, and keep whole numbers out of logs and errors."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from ecall_client.models.channel import Channel
from ecall_facade.errors import InvalidConfiguration, InvalidNumber, InvalidSender, NumberProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

# Spaces and dashes of all widths, dots, slashes, parentheses, and invisible marks that come along from address books;
# no line breaks, as what they part are two things.
_GAP = r"[ \t.\-/()\xa0\xad\u1680\u2000-\u2015\u202a-\u202f\u205f-\u2069\u2212\u3000\ufeff\uff08\uff09\uff0d-\uff0f]"
_GAPS = re.compile(f"{_GAP}+")
_NUMBER = re.compile(r"[+\uff0b]?\d+")
# UUIDs, hexadecimal identifiers and times come first, to be left alone. The group is what may be a number.
_IN_TEXT = re.compile(
    r"(?i)\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=\d*[a-f])(?!\w*\d{9})[0-9a-f]{16,}"
    r"|(?:20\d\d-[01]\d-[0-3]\d|[0-3]\d\.[01]\d\.20\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)?Z?)\b(?![.-]?\d)"
    rf"|([+\uff0b]?\d(?:{_GAP}{{0,3}}\d){{6,}})"
)


def mask(value: str) -> str:
    """Hide most of a number, as in `+41…67`; of a short one at most two digits are left, of anything else nothing."""
    digits = _GAPS.sub("", value).strip()
    if len(digits) < 5 or not _NUMBER.fullmatch(digits):
        return "…"
    return f"{digits[:3] if len(digits) > 8 else ''}…{digits[-2:]}"


def mask_numbers_in(text: str) -> str:
    """Mask what may be a number in a text: seven digits or more that are neither an identifier nor a time."""
    return _IN_TEXT.sub(lambda found: mask(found[1]) if found[1] else found[0], text)


@attrs.frozen
class RawAddress:
    """A recipient that is sent as it is: a short code, a pager's address. At most 64 characters (a limit of ours)."""

    value: str = attrs.field(repr=mask)

    def __attrs_post_init__(self) -> None:
        text = str(self.value)
        if (
            text != self.value
            or not text.isprintable()
            or not 0 < len(text.strip()) == len(text) <= 64
        ):
            raise InvalidNumber(
                "A RawAddress is 1 to 64 printable characters without white space around them"
            )


def check_region(region: str) -> str:
    """Give the region, two letters of ISO 3166, in capitals; `InvalidConfiguration` where there is no such country."""
    if region == "CH":  # the default needs no look-up, which would load phonenumbers (30 ms)
        return region
    import phonenumbers

    if str(region).upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidConfiguration("region must be a country's two letters, such as CH or DE")
    return region.upper()


def _read(value: object, region: str) -> tuple[str, str]:
    """Give the number and no reason, or no number and the reason why there is none."""
    import phonenumbers

    if isinstance(value, RawAddress):
        return value.value, ""
    if not isinstance(value, str):
        return (
            "",
            f"it is of type {type(value).__name__}, not str; several recipients go to broadcast",
        )
    digits = _GAPS.sub("", value).strip().removeprefix("tel:")
    if not _NUMBER.fullmatch(digits):
        return (
            "",
            "it has letters, an extension or other signs that no number has"
            if digits
            else "it is empty",
        )
    if digits.startswith(
        "00"
    ):  # a form of the service's own (documented), so not only where people dial 00
        digits = f"+{digits[2:]}"
    home = None if digits[0] == "+" else region
    try:
        number = phonenumbers.parse(digits, home)
    except phonenumbers.NumberParseException as error:
        return "", {0: "no country has its code", 4: "it is too long"}.get(
            error.error_type, "it is too short"
        )
    if wrong := phonenumbers.is_possible_number_with_reason(number):
        what = {2: "too short", 3: "too long", 4: "without area code"}.get(
            wrong, "of a length that is not in use"
        )
        return "", f"it is {what} for {home or 'its country'}"
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # phonenumbers leaves the trunk 0 of 079 123 45 6 in, as the length is then right. (Where numbers may begin with 0,
    # as in Italy, there is no trunk prefix.) Nor is a number right of which a second reading takes more digits off.
    country = phonenumbers.region_code_for_country_code(number.country_code or 0)
    trunk_is_in = number.italian_leading_zero and phonenumbers.ndd_prefix_for_region(
        country, strip_non_digits=True
    )
    if trunk_is_in or (country != "CH" and e164 != digits and phonenumbers.parse(e164) != number):
        return "", "it has a digit too few or too many"
    return e164, ""


def normalize(value: str | RawAddress, region: str = "CH") -> str:
    """Give a number in E.164, as in `+41791234567`, read as people in `region` write it, and a `RawAddress` as it is.

    `InvalidNumber` says why one is refused: it has letters or an extension, or a length that is not possible. Whether a
    number is assigned is not checked.
    """
    return normalize_all([value], region)[0][0]


def normalize_all(
    values: Iterable[str | RawAddress], region: str = "CH"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give each recipient once, in order, as `normalize` does, and those that were left out because they came again.

    One `InvalidNumber` has all that are refused in its `problems`, and the first twenty in its message.
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise InvalidNumber("Several recipients must be a list; for a single one there is send")
    region = check_region(region)
    read = [(value if isinstance(value, str) else "", *_read(value, region)) for value in values]
    problems = [
        NumberProblem(at, value, reason) for at, (value, _, reason) in enumerate(read) if reason
    ]
    if problems:
        named = "; ".join(
            f"{mask(bad.value)} (position {bad.position}): {bad.reason}" for bad in problems[:20]
        )
        remedy = "A foreign number needs + and its country code, a short code is a RawAddress"
        raise InvalidNumber(
            f"{len(problems)} of {len(read)} recipients cannot be used: {named}. {remedy}", problems
        )
    if not read:
        raise InvalidNumber("There are no recipients")
    numbers = [number for _, number, _ in read]
    once = tuple(dict.fromkeys(numbers))
    again = (
        () if len(once) == len(numbers) else tuple((Counter(numbers) - Counter(once)).elements())
    )
    return once, again


def normalize_sender(value: object, channel: str, region: str = "CH") -> str:
    """Give a sender as it goes on the wire; `InvalidSender` where it breaks the rules of its channel (documented).

    "Sms": a number, a short code, or at most 11 characters of ASCII; "Whatsapp": a number; others: an ID, as it is.
    Numbers become `0041…` (observed), of at most 16 digits. White space around a sender is dropped.
    """
    sender = value.strip() if isinstance(value, str) else ""
    if not sender:
        raise InvalidSender(f"The sender for {channel} is empty, or not a str")
    return _as_sender(sender, channel, region)


@lru_cache(32)  # most programs have one or two, and send by them again and again
def _as_sender(sender: str, channel: str, region: str) -> str:
    if channel not in {Channel.SMS, Channel.WHATSAPP}:
        return sender
    number, reason = _read(sender, check_region(region))
    may_be_short_code = channel == Channel.SMS and sender.isdigit() and len(sender) <= 6
    if 0 < len(number) < 16 and not may_be_short_code:
        return f"00{number[1:]}"
    if channel == Channel.WHATSAPP:
        raise InvalidSender(
            f"The sender for Whatsapp must be its registered number: {reason or 'it is too long'}"
        )
    plain = sender.isascii() and sender.isprintable() and sender[0] != "+"
    if plain and len(sender) <= (16 if sender.isdigit() else 11):
        return sender
    raise InvalidSender(
        "The sender of an SMS is a number of at most 16 digits, or at most 11 characters of ASCII"
    )
