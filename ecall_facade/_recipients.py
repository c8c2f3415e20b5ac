"""Describes the recipients of a call that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecall_facade._masking import mask
from ecall_facade.errors import InvalidNumber

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecall_facade.errors import NumberProblem

_NAMED_IN_THE_MESSAGE = 20


def describe_problems(problems: Sequence[NumberProblem], total: int) -> InvalidNumber:
    """Return one error for all recipients that cannot be used, of `total` in the call."""
    named = "; ".join(
        f"{mask(problem.value)} (position {problem.position}): {problem.reason}"
        for problem in problems[:_NAMED_IN_THE_MESSAGE]
    )
    remedy = "A foreign number needs + and its country code, a short code is a RawAddress"
    return InvalidNumber(
        f"{len(problems)} of {total} recipients cannot be used: {named}. {remedy}", problems
    )
