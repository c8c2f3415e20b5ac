"""Read the pages of the docs: README.md and what is in docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


class Block(NamedTuple):
    """Code between two fences of a page."""

    page: Path
    line: int  # of its first line, from 1
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    @property
    def is_included(self) -> bool:
        """Whether the block is a file of the project, which has tests of its own."""
        return self.text.startswith("--8<-- ")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def read_blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page; code that is not in one fails, as it would not be run."""
    found: list[Block] = []
    opened: tuple[int, str] | None = None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        place = f"{name_of(page)}:{number}"
        if line.lstrip().startswith(("```", "~~~")):
            assert line.startswith("```"), (
                f"{place}: a fence is three backticks at the start of a line"
            )
            if opened is None:
                opened = number + 1, line[3:].strip()
            else:
                assert line == "```", f"{place}: a block begins inside a block"
                start, language = opened
                found.append(Block(page, start, language, "\n".join(lines[start - 1 : number - 1])))
                opened = None
        elif opened is None and line.startswith(("    ", "\t")):
            assert _is_inside_directive(lines[: number - 1]), f"{place}: code without a fence"
    assert opened is None, f"{name_of(page)}: a block is not closed"
    return found


def _is_inside_directive(before: list[str]) -> bool:
    """Whether a line belongs to a `::: name` of the API reference, or to a note that `!!!` begins."""
    while before and (before[-1].startswith("    ") or not before[-1]):
        before = before[:-1]
    return bool(before) and before[-1].startswith(("::: ", "!!! "))


def read_prose(page: Path) -> str:
    """Return a page without its code blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def read_table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the table below a heading, without its head.

    Args:
        page: The path of the page in docs/.
        heading: The text of the heading, of any level.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    lines = re.split(r"^#", section, flags=re.MULTILINE)[0].splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    assert len(rows) > 2, f"{page} has no table below {heading}"
    return rows[2:]


BLOCKS = [block for page in PAGES for block in read_blocks(page) if not block.is_included]
"""All code blocks of all pages, apart from included files."""
