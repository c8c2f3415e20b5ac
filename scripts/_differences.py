"""The differences between two OpenAPI documents, and how much each matters to a client made of the first one.

`scripts/check_upstream` compares the spec with the vendor's pages, `scripts/check_changes` the spec of the last release
with the present one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from _facts import Fact, Facts, Key
from _openapi import unescaped

Severity: TypeAlias = Literal["breaking", "differs", "info"]
SEVERITIES: Final[dict[Severity, str]] = {
    "breaking": "what we send would be refused, or what we read would be lost",
    "differs": "the spec is wrong or incomplete there, and things work nevertheless",
    "info": "spelling, or something that is ours only and was never documented",
}
PARTS: Final = {
    "path": "path",
    "method": "method",
    "webhook": "webhook",
    "parameter": "parameter",
    "request-body": "request body",
    "media-type": "media type",
    "status": "status",
    "header": "header",
    "schema": "schema",
    "property": "property",
    "enum-value": "value",
    "variant": "variant",
    "security-scheme": "way to authenticate",
    "server": "server",
    "rule": "rule",
}
"""What a document has or has not, with the name that a person reads."""
SPELLINGS: Final = {
    "path": "path-case",
    "property": "property-case",
    "enum-value": "enum-case",
}
"""Parts whose letters may differ, and the kind of that difference."""
VALUES: Final = {
    "required": "whether the property is required",
    "parameter-required": "whether the parameter is required",
    "request-body-required": "whether the body is required",
    "header-required": "whether the header is required",
    "type": "the type",
    "nullable": "whether it may be null",
    "enum": "the only values",
    "limit": "the limit",
    "pattern": "the pattern",
    "format": "the format",
    "default": "the default",
    "condition": "the condition",
    "items": "the items",
    "parameter-name": "the name of the parameter",
    "additional-properties": "further properties",
    "discriminator": "the property that tells the variants apart",
    "schema-name": "the name of the schema",
    "security": "how to authenticate",
}
"""Facts with a value, with the words that a person reads."""
SAID_BY_BOTH: Final = {"schema-name", "parameter-name", "discriminator", "security", "nullable"}
"""Facts that are compared only if both documents state them."""
SIZES: Final = {"int32", "int64", "float", "double", None}
"""Formats that change nothing on the wire."""
KINDS: Final = {
    **{f"{kind}-missing-ours": f"only theirs has the {words} {{theirs}}" for kind, words in PARTS.items()},
    **{f"{kind}-missing-theirs": f"only ours has the {words} {{ours}}" for kind, words in PARTS.items()},
    **dict.fromkeys(SPELLINGS.values(), "the spelling: ours {ours}, theirs {theirs}"),
    **{kind: f"{words}: ours {{ours}}, theirs {{theirs}}" for kind, words in VALUES.items()},
}  # fmt: skip
"""Each kind of difference with its sentence."""


@dataclass
class Difference:
    """One difference; `ours` or `theirs` is None for what that document does not say."""

    kind: str
    where: str
    """The place in their document where it is, or would be."""
    ours: Any
    theirs: Any
    severity: Severity
    key: Key
    our_place: str
    """The place in our document, if it is there."""

    def sentence(self) -> str:
        return KINDS[self.kind].format(ours=self.ours, theirs=self.theirs)


def compare(ours: Facts, theirs: Facts) -> list[Difference]:
    """Return all differences, each once however many operations share it, the worst first."""
    found: dict[tuple[str, str, str], Difference] = {}
    ranks = list(SEVERITIES)
    for one in _Comparison(ours, theirs).differences():
        same = (one.kind, one.where, repr((one.ours, one.theirs)))
        if same not in found or ranks.index(one.severity) < ranks.index(found[same].severity):
            found[same] = one
    return sorted(found.values(), key=lambda one: (ranks.index(one.severity), one.where, one.kind))


class _Comparison:
    def __init__(self, ours: Facts, theirs: Facts) -> None:
        self.ours, self.theirs = ours, theirs

    def differences(self) -> Iterator[Difference]:
        for key in {**self.theirs.table, **self.ours.table}:
            mine, other = self.ours.table.get(key), self.theirs.table.get(key)
            if mine and other:
                yield from self._both(key, mine, other)
            elif mine and self._is_missing(key, mine, self.ours, self.theirs):
                yield self._missing_theirs(key, mine)
            elif other and self._is_missing(key, other, self.theirs, self.ours):
                yield self._missing_ours(key, other)

    def _both(self, key: Key, mine: Fact, other: Fact) -> Iterator[Difference]:
        kind = SPELLINGS.get(mine.kind, mine.kind if mine.kind in VALUES else "")
        if kind == "type":
            # Where they share a variant, those that only one has are named instead.
            is_same = bool({*mine.value} & {*other.value}) or self._is_unknown(key)
        else:
            is_same = type(mine.value) is type(other.value) and mine.value == other.value
        if kind and kind != "enum" and not is_same:
            yield Difference(
                kind, other.pointer, _shown(mine.value), _shown(other.value),
                self._severity(kind, key, mine, other), key, mine.pointer,
            )  # fmt: skip

    def _missing_theirs(self, key: Key, mine: Fact) -> Difference:
        kind = mine.kind if mine.kind in VALUES else f"{mine.kind}-missing-theirs"
        severity = self._severity(kind, key, mine, None)
        where = self._would_be(key, mine)
        return Difference(kind, where, _shown(mine.value), None, severity, key, mine.pointer)

    def _missing_ours(self, key: Key, other: Fact) -> Difference:
        kind = other.kind if other.kind in VALUES else f"{other.kind}-missing-ours"
        severity = self._severity(kind, key, None, other)
        return Difference(kind, other.pointer, None, _shown(other.value), severity, key, "")

    def _is_missing(self, key: Key, fact: Fact, one: Facts, another: Facts) -> bool:
        """Return whether a fact that only one document states is a difference of its own."""
        around = _around(key, one)
        if around and around not in another.table:
            return False  # something around it is missing, which is reported
        if fact.kind in SAID_BY_BOTH or fact.kind not in {*PARTS, *VALUES}:
            return False
        if any(key[:length] in another.unknown for length in range(1, len(key) + 1)):
            return False
        if fact.kind in {"condition", "rule"} and another is self.theirs:
            return False  # one condition fewer forbids nothing
        if fact.kind == "status":
            return not any(_covers(key, other) for other in _siblings(key, another))
        if fact.kind == "variant":
            types = (*key[:-1], "type")
            mine, other = self.ours.table.get(types), self.theirs.table.get(types)
            is_union = bool(mine and other and {*mine.value} & {*other.value})
            return is_union and types not in another.unknown
        return True

    def _is_unknown(self, types: Key) -> bool:
        """Return whether one of the variants leads nowhere, so that it may be any."""
        return types in self.ours.unknown | self.theirs.unknown

    def _would_be(self, key: Key, mine: Fact) -> str:
        """Return where their document would have what it lacks."""
        around = _around(key, self.ours)
        if not around:
            return mine.pointer
        ours, theirs = self.ours.table[around].pointer, self.theirs.table[around].pointer
        if mine.kind == "parameter":
            return f"{theirs}/parameters/-"
        if mine.kind == "variant":
            return f"{self.theirs.table[(*key[:-1], 'type')].pointer}/oneOf/-"
        if mine.kind == "enum-value":
            return theirs if theirs.endswith("/const") else f"{theirs}/-"
        if mine.pointer.startswith(f"{ours}/"):
            return theirs + mine.pointer.removeprefix(ours)
        if found := re.match("#/components/schemas/([^/]+)(/.*)", mine.pointer):
            named = self.theirs.table.get(("schema", unescaped(found[1]).lower()))
            if named:
                return named.pointer + found[2]
        name = mine.pointer.rpartition("/")[2]
        return f"{theirs}/properties/{name}" if mine.kind == "property" else f"{theirs}/{name}"

    # How much a difference matters

    def _severity(self, kind: str, key: Key, mine: Fact | None, other: Fact | None) -> Severity:
        is_written = (mine or other or _NOTHING).side == "request"
        if kind in {"limit", "pattern"}:
            return self._severity_of_limit(key, mine, other, is_written=is_written)
        if kind == "format":
            values = {fact.value if fact else None for fact in (mine, other)}
            return "info" if values <= SIZES else "differs"
        if kind == "media-type-missing-ours":
            shared = {*_siblings(key, self.theirs)} & {*_siblings(key, self.ours)}
            return "differs" if shared else "breaking"
        if kind == "type" and mine and other:
            fits = (["integer"], ["number"]) if is_written else (["number"], ["integer"])
            return "differs" if (mine.value, other.value) == fits else "breaking"
        needed = self.theirs.table.get((*key, "required"))
        is_true = bool(other and other.value)
        if kind in {"parameter-missing-ours", "property-missing-ours"}:
            is_true = bool(needed and needed.value)
        rule = _RULES.get((kind, is_true)) or _RULES.get((kind, None))
        if rule is not None and (mine is None or other is not None or kind.endswith("-theirs")):
            return rule[0 if is_written else 1] or self._severity_of_lacking(mine)
        return self._severity_of_lacking(mine) if mine and not other else "differs"

    def _severity_of_limit(
        self, key: Key, mine: Fact | None, other: Fact | None, *, is_written: bool
    ) -> Severity:
        if mine and not other:
            return self._severity_of_lacking(mine)
        if not is_written:
            return "info"
        if not mine or not other or not key[-1].endswith(("Length", "Items", "Properties", "imum")):
            return "breaking"
        is_upper = key[-1].startswith(("max", "exclusiveMax"))
        is_tighter = other.value < mine.value if is_upper else other.value > mine.value
        return "breaking" if is_tighter else "differs"

    def _severity_of_lacking(self, mine: Fact | None) -> Severity:
        """Return how much it is that their document lacks something of ours."""
        level = self.ours.document.evidence_level(mine.pointer) if mine else ""
        return "differs" if level == "documented" else "info"


_NOTHING: Final = Fact("", None, "", "request")
_RULES: Final[dict[tuple[str, bool | None], tuple[Severity | None, Severity | None]]] = {
    # The kind, and for some what theirs says; then where we write the value and where we read it. None is as much as
    # our evidence weighs. What is not here is that if only ours has it, and "differs" otherwise.
    ("path-missing-theirs", None): ("breaking", "breaking"),
    ("server-missing-theirs", None): ("breaking", "breaking"),
    ("security-scheme-missing-theirs", None): ("breaking", "breaking"),
    ("security", None): ("breaking", "breaking"),
    ("request-body-missing-ours", None): ("breaking", "breaking"),
    ("request-body-missing-theirs", None): ("breaking", "breaking"),
    ("request-body-required", True): ("breaking", "differs"),
    ("request-body-required", False): ("differs", "differs"),
    ("media-type-missing-theirs", None): ("breaking", None),
    ("parameter-missing-ours", True): ("breaking", "breaking"),
    ("parameter-required", True): ("breaking", "breaking"),
    ("parameter-required", False): ("differs", "differs"),
    ("header-required", None): ("info", "info"),
    ("property-missing-ours", True): ("breaking", "differs"),
    ("required", True): ("breaking", "info"),
    ("required", False): ("differs", "breaking"),
    ("nullable", True): ("differs", "breaking"),
    ("nullable", False): ("breaking", "info"),
    ("enum", None): ("breaking", "differs"),
    ("enum-case", None): ("breaking", "breaking"),
    ("enum-value-missing-theirs", None): ("breaking", "info"),
    ("variant-missing-theirs", None): ("breaking", "info"),
    ("default", None): ("info", "info"),
    ("additional-properties", None): ("info", "info"),
    ("schema-name", None): ("info", "info"),
    ("path-case", None): ("info", "info"),
    ("parameter-name", None): ("info", "info"),
    ("property-case", None): ("info", "info"),
}


def _around(key: Key, facts: Facts) -> Key:
    """Return the key of the part that a fact belongs to; an empty one for a part of the document itself."""
    for length in range(len(key) - 1, 0, -1):
        fact = facts.table.get(key[:length])
        if fact is not None:
            return key[:length]
    return ()


def _siblings(key: Key, facts: Facts) -> Iterator[Key]:
    return (each for each in facts.table if len(each) == len(key) and each[:-1] == key[:-1])


def _covers(key: Key, other: Key) -> bool:
    """Return whether one of two statuses is a range that the other is in, such as 2XX and 200."""
    one, another = key[-1], other[-1]
    return "XX" in (one[1:], another[1:]) and one[0] == another[0]


def _shown(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    return value
