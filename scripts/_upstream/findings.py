"""What differs, and how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .documents import Document, Place, ancestors

Severity = Literal["breaking", "differs", "info"]
Side = Literal["request", "response"]
"""What we write, or what we read; a severity depends on it."""
SEVERITIES: Final[dict[Severity, str]] = {
    "breaking": "what we send would be refused, or what we read would be lost",
    "differs": "the spec is wrong or incomplete there, and things work nevertheless",
    "info": "spelling, or something of ours that was never documented and that the pages do not name",
}

# A sentence for each kind; what is in braces is of the finding.
KINDS: Final = {
    "path-missing-ours": "the pages have this path, the spec has not",
    "path-missing-theirs": "the spec has this path, the pages have not",
    "path-case": "the letters of the path: ours {ours}, theirs {theirs}",
    "method-missing-ours": "the pages have this method, the spec has not",
    "method-missing-theirs": "the spec has this method, the pages have not",
    "webhook-missing-ours": "the pages have this webhook, the spec has not",
    "webhook-missing-theirs": "the spec has this webhook, the pages have not",
    "parameter-missing-ours": "the pages have the parameter {theirs}, the spec has not",
    "parameter-missing-theirs": "the spec has the parameter {ours}, the pages have not",
    "parameter-name": "the name of the parameter: ours {ours}, theirs {theirs}",
    "parameter-required": "whether the parameter is required: ours {ours}, theirs {theirs}",
    "request-body-missing-ours": "the pages have a body for the request, the spec has not",
    "request-body-missing-theirs": "the spec has a body for the request, the pages have not",
    "request-body-required": "whether the body is required: ours {ours}, theirs {theirs}",
    "media-type-missing-ours": "the pages have the media type {theirs}, the spec has not",
    "media-type-missing-theirs": "the spec has the media type {ours}, the pages have not",
    "status-missing-ours": "the pages have the status {theirs}, the spec has not",
    "status-missing-theirs": "the spec has the status {ours}, the pages have not",
    "header-missing-ours": "the pages have the header {theirs}, the spec has not",
    "header-missing-theirs": "the spec has the header {ours}, the pages have not",
    "header-required": "whether the header is required: ours {ours}, theirs {theirs}",
    "schema-missing-ours": "the pages have this schema, the spec has not",
    "schema-missing-theirs": "the spec has this schema, the pages have not",
    "schema-name": "the name of the schema: ours {ours}, theirs {theirs}",
    "type": "the type: ours {ours}, theirs {theirs}",
    "nullable": "whether it may be null: ours {ours}, theirs {theirs}",
    "property-missing-ours": "the pages have the property {theirs}, the spec has not",
    "property-missing-theirs": "the spec has the property {ours}, the pages have not",
    "property-case": "the letters of the property: ours {ours}, theirs {theirs}",
    "required": "whether the property is required: ours {ours}, theirs {theirs}",
    "enum": "the values: ours {ours}, theirs {theirs}",
    "enum-case": "the letters of the value: ours {ours}, theirs {theirs}",
    "enum-value-missing-ours": "the pages have the value {theirs}, the spec has not",
    "enum-value-missing-theirs": "the spec has the value {ours}, the pages have not",
    "const": "the only value: ours {ours}, theirs {theirs}",
    "limit": "the limit: ours {ours}, theirs {theirs}",
    "pattern": "the pattern: ours {ours}, theirs {theirs}",
    "format": "the format: ours {ours}, theirs {theirs}",
    "default": "the default: ours {ours}, theirs {theirs}",
    "items": "the items: ours {ours}, theirs {theirs}",
    "additional-properties": "further properties: ours {ours}, theirs {theirs}",
    "variant-missing-ours": "the pages have the variant {theirs}, the spec has not",
    "variant-missing-theirs": "the spec has the variant {ours}, the pages have not",
    "discriminator": "the property that tells the variants apart: ours {ours}, theirs {theirs}",
    "security-scheme-missing-ours": "the pages have this way to authenticate, the spec has not",
    "security-scheme-missing-theirs": "the spec has this way to authenticate, the pages have not",
    "security": "how to authenticate: ours {ours}, theirs {theirs}",
    "server-missing-ours": "the pages have the server {theirs}, the spec has not",
    "server-missing-theirs": "the spec has the server {ours}, the pages have not",
}


NOWHERE: Final = Place("", None)


@dataclass
class Finding:
    """One difference."""

    kind: str
    where: str
    """In the joined document: where it is, or would be."""
    ours: Any
    theirs: Any
    severity: Severity
    at: str = ""
    """In the spec: where it is, or what it would be in."""
    source: Place = NOWHERE
    """What the pages say."""

    def sentence(self) -> str:
        return KINDS[self.kind].format(ours=self.ours, theirs=self.theirs)


@dataclass
class Findings:
    """The differences so far, each once."""

    ours: Document
    theirs: Document
    incomplete: bool
    """Whether pages or fragments are missing, so that what they lack may well be there."""
    covered_ours: set[str] = field(default_factory=set)
    covered_theirs: set[str] = field(default_factory=set)
    """The named schemas that a difference has taken out of the comparison, so that it speaks for them."""
    names: dict[str, str] = field(default_factory=dict)
    """How we call a named schema of theirs."""
    _found: dict[tuple[str, str, str], Finding] = field(default_factory=dict)

    def add(
        self, finding: Finding, *, ours: Place | None = None, theirs: Place | None = None
    ) -> None:
        """Keep a difference; `ours` and `theirs` are compared no further because of it."""
        if ours is not None:
            self.covered_ours |= self.ours.uses(ours)
        if theirs is not None:
            self.covered_theirs |= self.theirs.uses(theirs)
            finding.source = theirs
        key = (finding.kind, finding.where, repr((finding.ours, finding.theirs)))
        before = self._found.get(key)
        ranks = list(SEVERITIES)
        if before is None or ranks.index(finding.severity) < ranks.index(before.severity):
            self._found[key] = finding

    def lacking(self, place: Place) -> Severity:
        """How much it is that the pages lack something of ours."""
        return "differs" if self.evidence(place.pointer) == "documented" else "info"

    def evidence(self, place: str) -> str:
        """How well this fact of ours is known."""
        for around in ancestors(place):
            value = self.ours.at(around).value
            if isinstance(value, dict) and "x-evidence" in value:
                return str(value["x-evidence"].get("level", ""))
        return "inferred"

    def all(self) -> list[Finding]:
        ranks = list(SEVERITIES)
        return sorted(
            self._found.values(), key=lambda one: (ranks.index(one.severity), one.where, one.kind)
        )
