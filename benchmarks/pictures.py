"""Draw the pictures of docs/benchmarks.md from its numbers.

It runs in an environment of its own that has matplotlib, as no other part of the project needs it:

    python pictures.py docs/benchmarks.json docs/pictures
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
import report
from matplotlib.axes import Axes

# Grey that can be read on a light and on a dark page; the background stays transparent.
TEXT, BARS, OURS = "#7d8590", "#bcc4cd", "#2f81f7"
STYLE = {
    "svg.fonttype": "none",  # text stays text, which the tests read
    "svg.hashsalt": "benchmarks",  # the same numbers make the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": TEXT,
    "ytick.color": TEXT,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titlecolor": TEXT,
}


def draw(data: report.Data, section: report.Section, path: Path) -> None:
    """Draw the medians of each column as bars, with a line from the lowest to the highest value."""
    columns = [(column, report.medians(data, column)) for column in section.columns]
    columns = [(column, rows) for column, rows in columns if rows]
    counts = [len(rows) for _, rows in columns]
    height = 0.25 * (sum(counts) + 2 * len(counts))
    figure, axes = plt.subplots(
        len(columns),
        figsize=(8, height),
        height_ratios=counts,
        # Fixed margins: a layout that is computed differs in the last digit from run to run.
        gridspec_kw={
            "left": 0.28,
            "right": 0.98,
            "top": 1 - 0.4 / height,
            "bottom": 0.05 / height,
            "hspace": 2 * len(counts) / sum(counts),
        },
        squeeze=False,
    )
    for panel, (column, rows) in zip(axes.flat, columns, strict=True):
        draw_panel(panel, column, rows)
    figure.savefig(path, transparent=True, metadata={"Date": None, "Title": section.title})
    plt.close(figure)


def draw_panel(panel: Axes, column: report.Column, rows: dict[str, list[float]]) -> None:
    labels = [report.label(row) for row in rows]
    middles = [middle for _, middle, _ in rows.values()]
    spread = [
        [middle - low for low, middle, _ in rows.values()],
        [high - middle for _, middle, high in rows.values()],
    ]
    colors = [OURS if row in report.OURS else BARS for row in rows]
    bars = panel.barh(labels, middles, xerr=spread, color=colors, ecolor=TEXT)
    panel.bar_label(bars, [column.number(middle) for middle in middles], padding=4, color=TEXT)
    panel.set_title(report.picture_title(column))
    panel.invert_yaxis()
    panel.margins(x=0.12, y=0.02)
    panel.xaxis.set_visible(False)
    panel.tick_params(axis="y", length=0)
    panel.spines[:].set_visible(False)


def main(numbers: Path, folder: Path) -> None:
    data: dict[str, Any] = json.loads(numbers.read_text(encoding="utf-8"))
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for section in report.SECTIONS:
            if section.picture:
                draw(data, section, folder / report.picture_name(section))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
