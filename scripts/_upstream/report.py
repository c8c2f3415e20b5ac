"""All that was found, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .documents import tokens
from .findings import SEVERITIES, Finding
from .fragments import Joined, Problem
from .yaml_text import Edit

SPEC: Final = "spec/ecall.yaml"
_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def as_json(
    found: list[Finding], edits: list[list[Edit]], joined: Joined, problems: list[Problem]
) -> str:
    """Write one list of objects; those of what could not be read are among them."""
    rows: list[dict[str, Any]] = []
    for finding, changes in zip(found, edits, strict=True):
        row: dict[str, Any] = {
            key: getattr(finding, key) for key in ("kind", "where", "ours", "theirs", "severity")
        }
        row["page"] = joined.page_of(finding.where)
        if changes:
            row["correction"] = [
                {
                    "file": SPEC,
                    "at": edit.at,
                    "line": edit.first,
                    "replace": _replaced(edit),
                    "yaml": edit.text,
                }
                for edit in changes
            ]
        rows.append(row)
    for kind, where, page, message in problems:
        row = {
            "kind": kind,
            "where": where,
            "ours": None,
            "theirs": message,
            "severity": "info",
            "page": page,
        }
        rows.append(row)
    return json.dumps(rows, indent=2)


def as_text(
    found: list[Finding], edits: list[list[Edit]], joined: Joined, problems: list[Problem]
) -> str:
    """Write it for people: the differences by severity, what could not be read, the corrections."""
    text = "\n".join(_lines(found, edits, joined, problems))
    return _CONTROLS.sub("?", text)  # the pages shall not steer a terminal


def _lines(
    found: list[Finding], edits: list[list[Edit]], joined: Joined, problems: list[Problem]
) -> Iterator[str]:
    for severity, meaning in SEVERITIES.items():
        chosen = [finding for finding in found if finding.severity == severity]
        if chosen:
            yield f"{severity.upper()} ({len(chosen)}): {meaning}"
        for finding in chosen:
            page = joined.page_of(finding.where)
            yield f"  {_readable(finding.where)}"
            yield f"      {finding.sentence()}{f'  [{page}]' if page else ''}"
        yield from [""] * bool(chosen)
    if problems:
        yield f"COULD NOT BE READ ({len(problems)}), and is not compared:"
        for kind, where, page, message in problems:
            yield f"  {page}: {kind.replace('-', ' ')}{f' at {_readable(where)}' if where else ''}: {message}"
        yield ""
    corrections = sorted({edit for changes in edits for edit in changes}, key=Edit.order)
    if corrections:
        yield f"CORRECTIONS for {SPEC}, from what the pages say; paste from the last to the first, so that lines stay."
        yield ""
    for edit in corrections:
        yield f"{_place(edit)}  ({_readable(edit.at)})"
        yield edit.text
        yield ""
    count = f"{len(found)} differences" if len(found) != 1 else "1 difference"
    yield f"{count}. Pages with fragments: {len({*joined.pages.values()})}, without: {joined.without}."


def _place(edit: Edit) -> str:
    if edit.last < edit.first:
        return f"After line {edit.last}, insert:"
    lines = (
        f"line {edit.first}" if edit.first == edit.last else f"lines {edit.first} to {edit.last}"
    )
    return f"In place of {lines}:"


def _replaced(edit: Edit) -> list[int] | None:
    return [edit.first, edit.last] if edit.last >= edit.first else None


def _readable(where: str) -> str:
    return " > ".join(tokens(where)) or "the document"
