"""Tables of cases: each rule is tried in one way, and each other way with one rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest


def one_way_each(ways: Mapping[str, Any], cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return all cases with the first of the ways, and the first case with each of the others.

    The ways share their code, so that all pairs of them and the cases would show nothing more.

    Args:
        ways: By name, which the ids of the tests begin with.
        cases: Tuples of arguments.
    """
    first, *others = ways
    pairs = [(first, case) for case in cases] + [(way, cases[0]) for way in others]
    return [
        pytest.param(ways[way], *case, id="-".join([way, *map(_id_of, case)])[:100])
        for way, case in pairs
    ]


def _id_of(value: object) -> str:
    """Return an id that is the same in each process, as pytest-xdist needs it."""
    if isinstance(value, type):
        return value.__name__
    return str(value) if isinstance(value, (str, int)) else type(value).__name__
