"""Says whether a commit may become a release: its version, its changelog, its tags and its tree."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

from packaging.version import InvalidVersion, Version

from _packages import Unfit


def read_version(root: Path) -> str:
    """Return the version, from the one place that has it."""
    text = (root / "ecall_facade" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise Unfit('ecall_facade/_version.py has no line like: __version__ = "1.2.3"')
    return found[1]


def check_version(version: str, released: list[str]) -> None:
    """Refuse a version that is none, is for development, or is not above those that were released."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        raise Unfit(f"{version} is not a version that PyPI takes") from None
    if str(parsed) != version or parsed.is_devrelease or parsed.local:
        raise Unfit(f"{version} is not the version of a release, such as 1.2.3 or 1.2.3rc1")
    if higher := [one for one in released if Version(one) > parsed]:
        raise Unfit(f"{version} is below {max(higher, key=Version)}, which was released")


def read_notes(changelog: str, version: str) -> str:
    """Return what the changelog says about a version."""
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    by_title = {title: body.strip() for title, _, body in (one.partition("\n") for one in sections)}
    if by_title.get("[Unreleased]", ""):
        raise Unfit(f"CHANGELOG.md still has entries under [Unreleased]; move them to [{version}]")
    for title, body in by_title.items():
        if found := re.fullmatch(rf"\[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)", title.strip()):
            try:
                date.fromisoformat(found[1])
            except ValueError:
                raise Unfit(f"CHANGELOG.md: {found[1]} is not a date") from None
            if not re.search(r"^- ", body, re.MULTILINE):
                raise Unfit(f"CHANGELOG.md says nothing about {version}")
            return body
    raise Unfit(f"CHANGELOG.md has no heading like: ## [{version}] - 2026-01-31")


def check_commit(root: Path, version: str) -> str | None:
    """Refuse a tree that is not committed, and a version whose tag is elsewhere; return the last release's tag."""
    if changed := _git(root, "status", "--porcelain"):
        raise Unfit(f"There are changes that are not committed:\n{changed}")
    tags = {tag: found for tag in _git(root, "tag").split() if (found := version_of(tag))}
    here = [tag for tag in _git(root, "tag", "--points-at", "HEAD").split() if tag in tags]
    if wrong := [tag for tag in here if tag != f"v{version}"]:
        raise Unfit(f"The tag {wrong[0]} names this commit, whose version is {version}")
    if f"v{version}" in tags and not here:
        raise Unfit(f"v{version} is the tag of another commit; raise ecall_facade/_version.py")
    check_version(version, list(tags.values()))
    released = [tag for tag in tags if tag != f"v{version}"]
    return max(released, key=lambda tag: Version(tags[tag]), default=None)


def version_of(tag: str) -> str | None:
    """Return the version that a tag names, or None."""
    try:
        return str(Version(tag.removeprefix("v"))) if re.match(r"v\d", tag) else None
    except InvalidVersion:
        return None


def read_timestamp(root: Path) -> int:
    """Return the time of the commit, which is the time of all files in the packages."""
    return int(_git(root, "log", "-1", "--format=%ct"))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise Unfit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
