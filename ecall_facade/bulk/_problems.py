"""The problems of the rows of a file, all in one error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ecall_facade.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_NAMED = 20


@attrs.frozen
class RowProblem:
    """Why a row, or a whole file, cannot be used."""

    source: str | None
    """Name of the file, or None for messages that did not come from one."""
    line: int | None
    """Line or row in the file, from 1; None where the whole file is meant."""
    reason: str
    """The reason and the remedy, without numbers or texts from the file."""

    def __str__(self) -> str:
        """Return the problem in one line, as in `people.csv, line 5: to is empty`."""
        place = [self.source or "", f"line {self.line}" if self.line is not None else ""]
        named = ", ".join(part for part in place if part)
        return f"{named}: {self.reason}" if named else self.reason


class InvalidMessages(UsageError):
    """Some messages cannot be used, so none was accepted.

    `problems` has every problem that was found; the error message names the first twenty.
    """

    def __init__(self, problems: Iterable[RowProblem]) -> None:
        self.problems: tuple[RowProblem, ...] = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_MOST_NAMED]]
        count = len(self.problems)
        if count > _MOST_NAMED:
            lines.append(f"and {count - _MOST_NAMED} more")
        if count == 1:
            super().__init__(lines[0])
        else:
            super().__init__(f"{count} problems, nothing was accepted:\n  " + "\n  ".join(lines))
