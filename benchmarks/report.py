"""Write the page of the benchmark from its numbers. It measures nothing and needs the standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Data = dict[str, Any]

UNIT = "httpx"
OURS = ("ecall_facade", "httpx-aiohttp")
PEERS = ("twilio", "vonage", "sinch", "telnyx", "infobip", "plivo")
LABELS = {"httpx-aiohttp": "ecall_facade over httpx-aiohttp"}
SAME = 0.03
"""Medians that differ by less are called equal."""


class Column(NamedTuple):
    """One thing that was measured; `results[key][row]` is lowest, median and highest value, or why there is none."""

    key: str
    title: str
    unit: str
    scale: float = 1
    digits: int = 0
    more_is_better: bool = False

    def number(self, value: float) -> str:
        return f"{value * self.scale:,.{self.digits}f}"


class Section(NamedTuple):
    title: str
    text: str
    columns: list[Column]
    picture: str | None = None


def rates(kind: str, latency: int, levels: tuple[int, ...]) -> list[Column]:
    key = "rate/{}/{}/{}"
    return [
        Column(key.format(kind, n, latency), f"{n} at a time", "sends/s", more_is_better=True)
        for n in levels
    ]


def media(kind: str) -> list[Column]:
    return [
        Column(f"{what}/{way}/{kind}", f"{way}, {words}", unit, scale, digits)
        for way in ("upload", "download")
        for what, words, unit, scale, digits in (
            ("seconds", "time", "ms", 1e3, 0),
            ("extra", "memory", "MB", 1e-6, 1),
        )
    ]


LEVELS = (1, 10, 50, 100)
SECTIONS = [
    Section(
        "CPU per send",
        "CPU time of the whole process, all its threads included, for one send; waiting is free here.",
        [
            Column("cpu/sync/1/0", "sync, 1 at a time", "µs", 1e6),
            Column("cpu/async/1/0", "async, 1 at a time", "µs", 1e6),
            Column("cpu/async/50/0", "async, 50 at a time", "µs", 1e6),
        ],
        "cpu",
    ),
    Section(
        "Sync sends, no latency",
        "So many threads share one client.\n"
        "The interpreter runs one of them at a time, so more threads do not send more.",
        rates("sync", 0, LEVELS),
        "sync",
    ),
    Section(
        "Sync sends, 50 ms of latency",
        "The server answers after 50 ms, so n at a time can reach n · 20 sends/s at best.",
        rates("sync", 50, LEVELS),
        "sync-latency",
    ),
    Section(
        "Async sends, no latency",
        "So many tasks share one client in one event loop.",
        rates("async", 0, LEVELS),
        "async",
    ),
    Section(
        "Async sends, 50 ms of latency",
        "As above: n at a time can reach n · 20 sends/s at best.",
        rates("async", 50, (1, 10, 30, 50, 100)),
        "async-latency",
    ),
    Section(
        "To begin with",
        "*Import and client* is the CPU time of a fresh process for the import and one client, compiled beforehand.\n"
        "*Memory* is that of the process after 100 sends.\n"
        "*Packages* counts what an installation brings, the library itself included, and *on disk* is the size of "
        "their files without compiled ones.",
        [
            Column("import", "import and client", "ms", 1e3),
            Column("memory", "memory", "MB", 1e-6, 1),
            Column("packages", "packages", ""),
            Column("bytes", "on disk", "MB", 1e-6, 1),
        ],
        "start",
    ),
    Section(
        "100 MB up and down, sync",
        "From a file and into one, each in a fresh process.\n"
        "*Memory* is how far the peak is above what was in use before.\n"
        "The peers have no such pair of calls.",
        media("sync"),
    ),
    Section("100 MB up and down, async", "The same with async code.", media("async")),
    Section(
        "Flat",
        "Many sends in a row by one client, in turns with the other rows: CPU per send in the first and in the last "
        "tenth of them, and how much memory grew in between.\n"
        "Then 24 threads share one client: 0 if all sends succeeded, 1 if not.",
        [
            Column("flat/first", "first tenth", "µs", 1e6),
            Column("flat/last", "last tenth", "µs", 1e6),
            Column("flat/growth", "growth", "MB", 1e-6, 2),
            Column("flat/errors", "24 threads", ""),
        ],
    ),
    Section(
        "Webhooks",
        "`Receiver.receive` beside plain parsing of the same callback, and `WebhookApp` beside a bare starlette "
        "endpoint under uvicorn.\n"
        "The libraries above take no callbacks from eCall.",
        [
            Column("webhooks/cpu", "one callback", "µs", 1e6, 1),
            Column("webhooks/rate", "requests of 16 connections", "/s", more_is_better=True),
        ],
    ),
]
COLUMNS = {column.key: column for section in SECTIONS for column in section.columns}

AIOHTTP_ALONE = "calls aiohttp, which parses HTTP in C, without httpx above it"
# Why a peer is ahead, by peer ("" for any) and the beginning of what was measured.
REASONS = {
    ("infobip", "cpu/sync"): "calls urllib3 directly, without requests or httpx above it",
    ("infobip", "rate/sync"): "calls urllib3 directly, without requests or httpx above it",
    ("twilio", "cpu/async"): AIOHTTP_ALONE,
    ("twilio", "rate/async"): AIOHTTP_ALONE,
    ("", "import"): "httpx-aiohttp loads aiohttp beside httpx",
    ("", "memory"): "httpx-aiohttp loads aiohttp beside httpx",
    (
        "",
        "packages",
    ): "requests brings four packages and urllib3 none; httpx six, and httpx-aiohttp eight more",
    ("", "bytes"): "the tables of phonenumbers are most of our size",
}


def label(row: str) -> str:
    return LABELS.get(row, row)


def median(data: Data, key: str, row: str) -> float | None:
    """Return the median that was measured, or None if there is none."""
    values = data["results"].get(key, {}).get(row)
    return values[1] if isinstance(values, list) else None


def ratio(
    data: Data, key: str, row: str, base_key: str | None = None, base_row: str = UNIT
) -> float | None:
    one, base = median(data, key, row), median(data, base_key or key, base_row)
    return None if one is None or not base else one / base


# Targets


class Target(NamedTuple):
    """What was wanted and what was measured."""

    words: str
    row: str
    value: float | None
    bound: float
    at_most: bool = True

    @property
    def is_met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def targets(data: Data) -> Iterator[Target]:
    default, _ = OURS
    yield Target("CPU per sync send, to httpx", default, ratio(data, "cpu/sync/1/0", default), 1.25)
    for row in OURS:
        words = "async, 50 at a time, no latency: sends/s, to httpx"
        yield Target(words, row, ratio(data, "rate/async/50/0", row), 2, at_most=False)
    words = "async, 100 at a time, 50 ms: sends/s, to httpx with 30 at a time"
    yield Target(
        words,
        default,
        ratio(data, "rate/async/100/50", default, "rate/async/30/50"),
        1,
        at_most=False,
    )
    yield Target("import and one client, to httpx", default, ratio(data, "import", default), 1.3)
    for row in OURS:
        for way in ("upload", "download"):
            peaks = [median(data, f"extra/{way}/{kind}", row) for kind in ("sync", "async")]
            seen = [peak / 1e6 for peak in peaks if peak is not None]
            words = f"100 MB, {way}: extra memory in MB, sync and async"
            yield Target(words, row, max(seen, default=None), 8)
    yield Target("packages, all levels", default, median(data, "packages", default), 12)
    # A machine gets slower and faster over minutes, for all rows alike, so that httpx's own change is the unit here.
    drift = ratio(data, "flat/last", UNIT, "flat/first", UNIT)
    change = ratio(data, "flat/last", default, "flat/first", default)
    words = (
        f"CPU of the last of {data['method']['flat']:,} sends to the first, to the same of httpx"
    )
    yield Target(words, default, None if change is None or not drift else change / drift, 1.1)
    growth = median(data, "flat/growth", default)
    words = "growth of memory meanwhile, in MB"
    yield Target(words, default, None if growth is None else growth / 1e6, 1)
    words = "24 threads, one client: none failed (0), some did (1)"
    yield Target(words, default, median(data, "flat/errors", default), 0)


class Behind(NamedTuple):
    """Something in which a peer is ahead of one of our rows, or of both."""

    where: str
    column: Column
    peer: str
    theirs: float
    ours: dict[str, tuple[float, bool]]
    reason: str


def behind(data: Data) -> Iterator[Behind]:
    for section in SECTIONS:
        for column in section.columns:
            for peer in PEERS:
                theirs = median(data, column.key, peer)
                medians = {row: median(data, column.key, row) for row in OURS}
                if theirs is None:
                    continue
                ours = {
                    row: (mine, is_ahead(column, theirs, mine))
                    for row, mine in medians.items()
                    if mine is not None
                }
                lost = [row for row, (_, ahead) in ours.items() if ahead]
                if lost:
                    yield Behind(
                        section.title,
                        column,
                        peer,
                        theirs,
                        ours,
                        reason(data, column.key, peer, lost),
                    )


def is_ahead(column: Column, theirs: float, ours: float) -> bool:
    better, worse = (theirs, ours) if column.more_is_better else (ours, theirs)
    return better > worse * (1 + SAME)


def reason(data: Data, key: str, peer: str, lost: list[str]) -> str:
    found = (
        why for (of, start), why in REASONS.items() if of in {peer, ""} and key.startswith(start)
    )
    return next(
        found,
        "not explained"
        if any(are_apart(data, key, peer, row) for row in lost)
        else "the spreads overlap",
    )


def are_apart(data: Data, key: str, one: str, other: str) -> bool:
    (low, _, high), (lowest, _, highest) = (data["results"][key][row] for row in (one, other))
    return bool(low > highest or high < lowest)


# The page


def table(heads: list[str], rows: list[list[str]], align: str = "---") -> str:
    lines = [heads, ["---", *[align] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(data: Data, column: Column, row: str) -> str:
    """Write a median, its spread where there is one, and what it is to plain httpx."""
    values = data["results"][column.key].get(row)
    if not isinstance(values, list):
        return values or ""
    low, middle, high = map(column.number, values)
    spread = "" if low == high else f" ({low} to {high})"
    times = ratio(data, column.key, row)
    return f"**{middle}**{spread}" + ("" if times is None or row == UNIT else f" · {times:.2f}")


def heading(column: Column) -> str:
    return f"{column.title}, {column.unit}" if column.unit else column.title


def section_text(data: Data, section: Section) -> str:
    columns = [column for column in section.columns if column.key in data["results"]]
    if not columns:
        return ""
    found = {row for column in columns for row in data["results"][column.key]}
    order = [row for row in data["rows"] if row in found] or list(data["results"][columns[0].key])
    order += [
        row
        for column in columns
        for row in data["results"][column.key]
        if row not in {*order, *data["rows"]}
    ]
    rows = [
        [label(row), *(cell(data, column, row) for column in columns)]
        for row in dict.fromkeys(order)
    ]
    parts = [f"## {section.title}", section.text, table(["", *map(heading, columns)], rows, "---:")]
    if section.picture:
        parts.append(f"![{section.title}](pictures/{picture_name(section)})")
    return "\n\n".join(parts)


def targets_text(data: Data) -> str:
    rows = []
    for target in targets(data):
        sign = "at most" if target.at_most else "at least"
        value = "not measured" if target.value is None else f"{target.value:.2f}"
        verdict = {None: "", True: "met", False: "**not met**"}[target.is_met]
        rows.append([target.words, label(target.row), value, f"{sign} {target.bound:g}", verdict])
    return table(["", "row", "measured", "wanted", ""], rows)


def behind_text(data: Data) -> str:
    rows = []
    for at in behind(data):
        ours = {
            row: at.column.number(value) + (" (behind)" if lost else "")
            for row, (value, lost) in at.ours.items()
        }
        figures = [at.column.number(at.theirs), *(ours.get(row, "") for row in OURS)]
        rows.append([f"{at.where}: {heading(at.column)}", at.peer, *figures, at.reason])
    return (
        table(["", "peer", "the peer's", *map(label, OURS), "why"], rows)
        if rows
        else "Nowhere in this run."
    )


def rows_text(data: Data) -> str:
    rows = []
    for row, about in data["rows"].items():
        state = f"not available: {about['missing']}" if about.get("missing") else about["version"]
        rows.append([label(row), state, about["base_url"]])
    return table(["row", "version", "what points it at loopback"], rows)


def markdown(data: Data) -> str:
    machine, method = data["machine"], data["method"]
    quick = (
        "**A quick run with few rounds, for a first impression only.**\n" if method["quick"] else ""
    )
    intro = f"""# Benchmarks

<!-- Written by benchmarks/run from docs/benchmarks.json; do not edit. -->

What one send costs with this library, with what it stands on, and with the libraries of other services, all in one run.

```sh
benchmarks/run
```

measures again and writes this page; `--quick` takes a minute.
It asserts nothing: times on another machine differ.

{quick}Measured on {data["date"]} with Python {machine["python"]} on {machine["system"]}, {machine["cores"]} cores.

## How it was measured

- Each row is a process in its own environment.
  It sends through its library's public calls, with default settings.
  A server on loopback answers each library in the shape of that library's own service.
  A row takes part only if its first call returns the id that the server sent.
  Every message has another recipient, so that no cache helps.
- The rows take turns in each of {method["rounds"]} rounds, in a rotating order, for about {method["seconds"]:g} s each.
  A warm-up round is not counted.
  In each measurement, the first lap is left out because it opens connections.
  The last lap is left out because some threads are already done.
- A cell is the **median** (lowest to highest) of the rounds · its ratio to plain httpx.
  Plain httpx is `httpx.Client` or `AsyncClient` with Basic auth.
- Connection pools differ: requests and libraries built on it keep 10 connections, httpx 20.
  With more threads than that they open new connections again and again; this is what their defaults do.
  A peer that is missing from the tables with "async" has no async client.

Keep in mind that loopback has no TLS and no distance.
The server is written in Python and shares the machine with whatever else runs there.
`httpx.Client` prepares TLS when it is created, this library at the first call of an https address.
*Import and client* therefore includes that only for httpx and what is built on it.

{rows_text(data)}

## Targets

Medians of this run.

{targets_text(data)}

## Where a peer is ahead

By more than {SAME:.0%} in the median, wherever both have a number.

{behind_text(data)}"""
    sections = filter(None, (section_text(data, section) for section in SECTIONS))
    return "\n\n".join([intro, *sections]) + "\n"


# The pictures, which pictures.py draws


def picture_name(section: Section) -> str:
    return f"benchmarks-{section.picture}.svg"


def picture_title(column: Column) -> str:
    better = "more is better" if column.more_is_better else "less is better"
    return f"{heading(column)} ({better})"


def medians(data: Data, column: Column) -> dict[str, list[float]]:
    """Return the lowest, median and highest value of each row that was measured, in the order of the rows."""
    found = data["results"].get(column.key, {})
    return {row: found[row] for row in data["rows"] if isinstance(found.get(row), list)}
