"""The pages that an index lists, from the web or from a folder, and the JSON blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from .fetch import Unreadable, Web

MOST_PAGES: Final = 500
_LINK: Final = re.compile(
    r"\]\(\s*<?([^\s<>()]+)>?[^()\n]*\)|(?<![(<\w])<?(https?://[^\s<>()\]]+)>?"
)
_FENCE: Final = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n]*)$")


class Block(NamedTuple):
    """A fenced block that may be JSON, and the line of its first line, from 1."""

    line: int
    text: str


class Page(NamedTuple):
    """A page, by the name that reports and evidence give it."""

    name: str
    text: str


@dataclass
class Reading:
    """The pages that could be read, and those that could not."""

    pages: list[Page] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """The pages that could not be read, and why."""


def from_folder(folder: Path) -> Reading:
    """Read the pages beside the index `llms.txt`: a link leads to the file that its last part names."""
    reading = Reading()
    found_hosts, absent = {""}, list[tuple[str, str]]()
    for link in _links(_read_file(folder / "llms.txt")):
        name = _page_name(link)
        if not name or name in {page.name for page in reading.pages}:
            continue
        try:
            reading.pages.append(Page(name, _markdown(_read_file(folder / name))))
            found_hosts.add(_host(link))
        except FileNotFoundError:
            absent.append((_host(link), name))
        except Unreadable as error:
            reading.missing[name] = str(error)
    # A link to another site than that of the pages is no page.
    elsewhere = {""} if len(found_hosts) > 1 else {host for host, _ in absent}
    reading.missing |= {
        name: "it is not in the folder" for host, name in absent if host in found_hosts | elsewhere
    }
    return reading


def from_web(web: Web, index: str, *, most: int = MOST_PAGES) -> Reading:
    """Read the pages that the index links, of its own site only."""
    reading = Reading()
    addresses: dict[str, None] = {}
    for link in _links(web.read(index)):
        address = urljoin(index, link).partition("#")[0]
        if _page_name(address) and web.same_origin(address):
            parts = urlsplit(address)
            path = parts.path if parts.path.endswith(".md") else f"{parts.path.rstrip('/')}.md"
            addresses.setdefault(parts._replace(path=path).geturl())
    for address in list(addresses)[most:]:
        reading.missing[address] = f"not asked for: the index lists more than {most} pages"
    for address in list(addresses)[:most]:
        try:
            reading.pages.append(Page(address, _markdown(web.read(address))))
        except Unreadable as error:
            reading.missing[address] = str(error)
    return reading


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page that are marked as JSON, or are not marked and look like it."""
    opened: tuple[str, str, str, int] | None = None
    inside: list[str] = []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is None:
            # What follows backticks holds none, or it is no fence but code within a line.
            if fence and not ("`" in fence[2] and "`" in fence[3]):
                opened, inside = (fence[1], fence[2], fence[3], number + 1), []
            continue
        indent, mark, _, _ = opened
        if fence and fence[2].startswith(mark) and not fence[3].strip():
            yield from _json(opened, inside)
            opened = None
        else:
            inside.append(line.removeprefix(indent))
    if (
        opened is not None
    ):  # by the rules of Markdown, a block without an end goes on to the end of the page
        yield from _json(opened, inside)


def _json(opened: tuple[str, str, str, int], inside: list[str]) -> Iterator[Block]:
    text = "\n".join(inside)
    word = re.split(r"[\s{,:]", opened[2].strip().lower(), maxsplit=1)[0]
    if word in {"json", "jsonc", "json5"} or (not word and text.lstrip().startswith("{")):
        yield Block(opened[3], text)


def _links(index: str) -> list[str]:
    return list(dict.fromkeys(match[1] or match[2] for match in _LINK.finditer(index)))


def _page_name(link: str) -> str:
    """Return the file name of a page, or an empty text if the link leads to no page."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    name = unquote(parts.path).rstrip("/").rpartition("/")[2]
    if (
        parts.scheme not in {"", "http", "https"}
        or not name.strip(".")
        or "\\" in name
        or "\0" in name
    ):
        return ""
    ending = PurePosixPath(name).suffix.lower()
    return (
        name if ending == ".md" else "" if re.fullmatch(r"\.[a-z]{2,5}", ending) else f"{name}.md"
    )


def _host(link: str) -> str:
    return urlsplit(link).netloc.lower()


def _markdown(text: str) -> str:
    """Refuse what is not a page: many sites answer 200 with their start page or a login instead of 404."""
    if text.lstrip("\ufeff \t\r\n")[:14].lower().startswith(("<!doctype html", "<html")):
        raise Unreadable("it is HTML, not Markdown")
    if "\0" in text:
        raise Unreadable("it is not text in UTF-8")
    return text


def _read_file(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(str(error.strerror or error)) from error
