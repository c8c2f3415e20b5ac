"""Makes the page and the pictures of the benchmark from its numbers; measures nothing and imports nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
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
        "CPU time of the whole process, with all its threads, for one send; waiting costs nothing here.",
        [
            Column("cpu/sync/1/0", "sync, 1 at a time", "µs", 1e6),
            Column("cpu/async/1/0", "async, 1 at a time", "µs", 1e6),
            Column("cpu/async/50/0", "async, 50 at a time", "µs", 1e6),
        ],
        "cpu",
    ),
    Section(
        "Sync sends, no latency",
        "So many threads share one client. The interpreter runs one of them at a time: more threads give no more.",
        rates("sync", 0, LEVELS),
        "sync",
    ),
    Section(
        "Sync sends, 50 ms of latency",
        "The server answers after 50 ms; n at a time can give n · 20 sends/s at best.",
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
        "As above; n at a time can give n · 20 sends/s at best.",
        rates("async", 50, (1, 10, 30, 50, 100)),
        "async-latency",
    ),
    Section(
        "To begin with",
        "CPU time of a fresh process for import and one client, all of it compiled before; "
        "memory of the process after 100 sends; packages that an installation brings, with the library itself, "
        "and the size of their files without compiled ones.",
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
        "From a file and into one, each in a fresh process; memory is what the peak is above what was in use before. "
        "The peers have no pair of calls like that.",
        media("sync"),
    ),
    Section("100 MB up and down, async", "The same with async code.", media("async")),
    Section(
        "Flat",
        "Many sends one after the other by one client, in turns with the other rows: CPU per send at the first and at "
        "the last of them (medians of a tenth each), and how much memory has grown between. Then 24 threads that share "
        "one client: whether all sends went well (0) or not (1).",
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
        "endpoint under uvicorn; the libraries above take no callbacks of eCall.",
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
    """Give the median that was measured, or None where there is none."""
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
        "**A quick run with few rounds, for a first impression only.** " if method["quick"] else ""
    )
    intro = f"""# Benchmarks

<!-- Written by benchmarks/run from docs/benchmarks.json; not to be edited. -->

What one send costs: this library, what it stands on, and what other services offer for Python, all in one run.

```sh
benchmarks/run
```

measures again and writes this page; `--quick` takes a minute. It asserts nothing: times on somebody else's machine are
theirs.

{quick}Measured on {data["date"]} with Python {machine["python"]} on {machine["system"]}, {machine["cores"]} cores.

## How it was measured

- Each row is a process in an environment of its own and does real sends through its library's public calls, with
  default settings, to a server on loopback that answers in the shape of its own service. Before anything counts, it has
  to give the id of that answer. Every send has another recipient, so that no cache helps.
- The rows take turns in each of {method["rounds"]} rounds, in an order that rotates, for about {method["seconds"]:g} s
  each; a round before them does not count, and neither do the first lap of each measurement, in which connections are
  opened, and the last, in which some have nothing left to do.
- A cell is the **median** (lowest to highest) of the rounds · its ratio to plain `httpx.Client` or `AsyncClient` with
  Basic auth, which is the unit.
- Where libraries differ: requests and what is made of it keep 10 connections, httpx 20, so that more threads than that
  open new ones again and again. That is what their defaults give. Peers with "async" in no table have none.

What to keep in mind: loopback has no TLS and no distance, the server is written in Python and shares the machine, and
so does whatever else ran there. `httpx.Client` prepares TLS when it is made; this library at the first call of an https
address, so that *import and client* has that only in the row of httpx and what is made of it.

{rows_text(data)}

## Targets

Medians of this run.

{targets_text(data)}

## Where a peer is ahead

By more than {SAME:.0%} in the median, in whatever both have.

{behind_text(data)}"""
    sections = filter(None, (section_text(data, section) for section in SECTIONS))
    return "\n\n".join([intro, *sections]) + "\n"


# The pictures

STYLE = """
text { font: 13px sans-serif; fill: #24292f; } .title { font-weight: bold; } .faint { fill: #57606a; }
rect { fill: #8c959f; } .ours { fill: #0969da; } line { stroke: #24292f; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .faint { fill: #9198a1; } rect { fill: #656c76; } .ours { fill: #4493f8; }
line { stroke: #e6edf3; } }
"""
WIDTH, NAMES, PANEL_BARS, LINE = 760, 150, 460, 20


def picture_name(section: Section) -> str:
    return f"benchmarks-{section.picture}.svg"


def picture(data: Data, section: Section) -> str:
    """Draw bars for each column: medians, with a line from the lowest to the highest."""
    parts: list[str] = []
    y = 10
    for column in section.columns:
        found = data["results"].get(column.key, {})
        values = {row: found[row] for row in data["rows"] if isinstance(found.get(row), list)}
        if not values:
            continue
        y += LINE
        better = "more is better" if column.more_is_better else "less is better"
        parts.append(
            f'<text class="title" x="10" y="{y}">{escape(f"{heading(column)} ({better})")}</text>'
        )
        longest = max(high for _, _, high in values.values()) or 1
        for row, (low, middle, high) in values.items():
            y += LINE
            start, end, width = (PANEL_BARS * value / longest for value in (low, high, middle))
            kind = ' class="ours"' if row in OURS else ""
            parts += [
                f'<text x="{NAMES - 8}" y="{y}" text-anchor="end">{escape(label(row))}</text>',
                f'<rect{kind} x="{NAMES}" y="{y - 12}" width="{width:.1f}" height="14"/>',
                f'<line x1="{NAMES + start:.1f}" x2="{NAMES + end:.1f}" y1="{y - 5}" y2="{y - 5}"/>',
                f'<text class="faint" x="{NAMES + end + 8:.1f}" y="{y}">{column.number(middle)}</text>',
            ]
        y += 10
    title = f"<title>{escape(section.title)}</title><style>{STYLE}</style>"
    size = f'width="{WIDTH}" height="{y + 10}" viewBox="0 0 {WIDTH} {y + 10}"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{title}\n{body}\n</svg>\n'


def pages(data: Data) -> dict[str, str]:
    """Give all files below docs that are made of the numbers."""
    pictures = {f"pictures/{picture_name(of)}": picture(data, of) for of in SECTIONS if of.picture}
    return {"benchmarks.md": markdown(data), **pictures}
