"""Read phone numbers as people write them, and keep whole numbers out of logs and errors."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from ecall_facade._masking import mask, mask_numbers_in
from ecall_facade._recipients import describe_problems
from ecall_facade._regions import check_region
from ecall_facade._senders import normalize_sender
from ecall_facade.errors import InvalidNumber, NumberProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "RawAddress",
    "check_region",
    "mask",
    "mask_numbers_in",
    "normalize",
    "normalize_all",
    "normalize_sender",
]


@attrs.frozen
class RawAddress:
    """A recipient that is sent as it is, such as a short code or a pager's address.

    Raises:
        InvalidNumber: The value is something else.
    """

    value: str = attrs.field(repr=mask)
    """1 to 64 printable characters (64 is this library's limit)."""

    def __attrs_post_init__(self) -> None:
        text = str(self.value)
        if (
            text != self.value
            or not text.isprintable()
            or not 0 < len(text.strip()) == len(text) <= 64
        ):
            raise InvalidNumber(
                "A RawAddress must have 1 to 64 printable characters and no white space around them"
            )


def normalize(value: str | RawAddress, region: str = "CH") -> str:
    """Return a number in E.164, as in `+41791234567`, and a `RawAddress` as it is.

    Whether a number is assigned is not checked, unless it has neither + nor a leading 0.

    Args:
        value: A number as people in the region write it.
        region: Two letters of ISO 3166.

    Raises:
        InvalidNumber: It has letters or an extension, its length is not possible, a table has
            spoilt it, or it could be another number.
        InvalidConfiguration: There is no such region.
    """
    return normalize_all([value], region)[0][0]


def normalize_all(
    values: Iterable[str | RawAddress], region: str = "CH"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return each recipient once, in order, and those that were left out as they came again.

    Args:
        values: Recipients as `normalize` takes them.
        region: Two letters of ISO 3166.

    Raises:
        InvalidNumber: All recipients that cannot be used are in its `problems`, and the first
            twenty in its message.
        InvalidConfiguration: There is no such region.
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise InvalidNumber("Recipients must be a list; use send for a single one")
    from ecall_facade._phone_numbers import UnusableNumber, read_recipient

    region = check_region(region)
    numbers: list[str] = []
    problems: list[NumberProblem] = []
    for position, value in enumerate(values):
        try:
            if isinstance(value, RawAddress):
                numbers.append(value.value)
            else:
                numbers.append(read_recipient(value, region))
        except UnusableNumber as error:
            written = value if isinstance(value, str) else ""
            problems.append(NumberProblem(position, written, error.reason))
    if problems:
        raise describe_problems(problems, len(numbers) + len(problems))
    if not numbers:
        raise InvalidNumber("There are no recipients")
    once = tuple(dict.fromkeys(numbers))
    if len(once) == len(numbers):
        return once, ()
    return once, tuple((Counter(numbers) - Counter(once)).elements())
