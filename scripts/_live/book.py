"""The verdicts of a live check: what was seen for, and against, each fact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from . import spec

Verdict: TypeAlias = Literal["confirmed", "contradicted", "not seen"]

V2_PATH: Final = "the version is taken from the path: /api/v2/…"
V1_PATH: Final = "v1 is at /api/v1/…"
V2_TIMES: Final = "v2 writes times in UTC, as ISO 8601 with Z"
V1_TIMES: Final = "v1 writes times without an offset"
UTF_8: Final = "text is UTF-8"
GENERAL: Final = {
    V2_PATH: spec.Evidence("documented", "REST documentation, versions"),
    V1_PATH: spec.Evidence("inferred", "v2 is named so in the documentation"),
    V2_TIMES: spec.Evidence("documented", "REST documentation, versions"),
    V1_TIMES: spec.Evidence(
        "inferred", "the sibling interface reads a time without zone as Swiss time"
    ),
    UTF_8: spec.Evidence("documented", "REST documentation, general rules"),
}
"""Facts that the spec has in words only, at the place `_WORDS`."""
_WORDS: Final = "/info/description"


class Finding(NamedTuple):
    """One fact, and what became of it."""

    pointer: str
    title: str
    level: str
    source: str
    verdict: Verdict
    seen: list[str]


@dataclass
class _Notes:
    against: list[str] = field(default_factory=list)
    for_it: list[str] = field(default_factory=list)


class Book:
    """Takes what was seen; a fact that was contradicted once is contradicted."""

    def __init__(self) -> None:
        self._notes: dict[str, _Notes] = {}
        self.unlisted: dict[str, str] = {}
        """What the answers hold and the spec does not: where, and of what kind."""
        self.troubles: list[str] = []
        """Why something could not be checked."""

    def confirm(self, fact: str, seen: str) -> None:
        """Note that a fact, a pointer or one of `GENERAL`, holds."""
        _note(self._notes.setdefault(fact, _Notes()).for_it, seen)

    def contradict(self, fact: str, seen: str) -> None:
        """Note what was seen instead of a fact."""
        _note(self._notes.setdefault(fact, _Notes()).against, seen)

    def trouble(self, words: str) -> None:
        """Note that something could not be checked."""
        _note(self.troubles, words)

    def findings(self) -> list[Finding]:
        """Give all facts: those that were contradicted first, then the confirmed, then those that were not seen."""
        places = dict.fromkeys([*GENERAL, *spec.facts(), *self._notes])
        found = [self._finding(fact) for fact in places]
        order: tuple[Verdict, ...] = ("contradicted", "confirmed", "not seen")
        return sorted(found, key=lambda finding: order.index(finding.verdict))

    def _finding(self, fact: str) -> Finding:
        notes = self._notes.get(fact, _Notes())
        verdict: Verdict = (
            "contradicted" if notes.against else "confirmed" if notes.for_it else "not seen"
        )
        seen = notes.against or notes.for_it
        if fact in GENERAL:
            return Finding(_WORDS, fact, *GENERAL[fact], verdict, seen)
        return Finding(fact, spec.title(fact), *spec.evidence(fact), verdict, seen)


def _note(notes: list[str], words: str) -> None:
    if words and words not in notes:
        notes.append(words)
