"""The verdicts for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .book import Book

_HEADINGS = {
    "contradicted": "CONTRADICTED: the service does otherwise",
    "confirmed": "CONFIRMED: the service does so",
    "not seen": "NOT SEEN: nothing was said about it",
}


def as_text(book: Book, sent: int, written: list[str]) -> str:
    """Write it for people."""
    return "\n".join(_lines(book, sent, written))


def _lines(book: Book, sent: int, written: list[str]) -> Iterator[str]:
    findings = book.findings()
    for verdict in ("not seen", "confirmed", "contradicted"):  # what counts most is read last
        chosen = [finding for finding in findings if finding.verdict == verdict]
        if not chosen:
            continue
        yield f"{_HEADINGS[verdict]} ({len(chosen)})"
        for finding in chosen:
            yield f"  {finding.title}  [{finding.level}]"
            if verdict != "not seen":
                yield f"      #{finding.pointer}"
            if verdict == "contradicted":
                yield f"      said by: {finding.source}"
            shown = finding.seen if verdict == "contradicted" else finding.seen[:1]
            yield from (f"      seen: {seen}" for seen in shown)
        yield ""
    if book.unlisted:
        yield f"ALSO SEEN, and not in the spec ({len(book.unlisted)})"
        yield from (f"  {place}: {kind}" for place, kind in book.unlisted.items())
        yield ""
    if book.troubles:
        yield f"COULD NOT BE CHECKED ({len(book.troubles)})"
        yield from (f"  {words}" for words in book.troubles)
        yield ""
    yield from (f"wrote {name}" for name in written)
    counts = [
        f"{sum(one.verdict == verdict for one in findings)} {verdict}" for verdict in _HEADINGS
    ]
    yield f"{', '.join(counts)}. {'One SMS was' if sent else 'No message was'} sent."


def as_json(book: Book, sent: int, written: list[str], code: int) -> str:
    """Write it for programs."""
    data = {
        "exit": code,
        "sent": sent,
        "facts": [finding._asdict() for finding in book.findings()],
        "unlisted": book.unlisted,
        "troubles": book.troubles,
        "written": written,
    }
    return json.dumps(data, indent=2)
