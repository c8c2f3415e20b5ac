"""Hides most of each phone number in what is shown or logged."""

from __future__ import annotations

import re

from ecall_facade._number_characters import DIGITS, GAP, GAPS

# UUIDs, hexadecimal identifiers and times come first, to be left alone.
# The group is what may be a number.
_IN_TEXT = re.compile(
    r"(?i)\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?!\w*\d{9})[0-9a-f]{16,}"
    r"|(?:20\d\d-[01]\d-[0-3]\d|[0-3]\d\.[01]\d\.20\d\d)"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)?Z?)\b(?![.-]?\d)"
    rf"|([+\uff0b]?\d(?:{GAP}{{0,3}}\d){{6,}})"
)


def mask(value: str) -> str:
    """Return a number with most of it hidden, as in `+41…67`.

    At most two digits are left of a short number, and nothing of anything else.
    """
    digits = GAPS.sub("", value).strip()
    if len(digits) < 5 or not DIGITS.fullmatch(digits):
        return "…"
    return f"{digits[:3] if len(digits) > 8 else ''}…{digits[-2:]}"


def masked_repr(value: str | None) -> str:
    """Return the repr of a number that there may be, with most of it hidden."""
    return "None" if value is None else repr(mask(value))


def mask_numbers_in(text: str) -> str:
    """Return a text with everything masked that may be a number.

    That is seven digits or more that are neither an identifier nor a time.
    """
    return _IN_TEXT.sub(lambda found: mask(found[1]) if found[1] else found[0], text)
