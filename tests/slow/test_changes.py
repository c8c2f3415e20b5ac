"""Tests of `scripts/check_changes`: what breaks since the last release has to be in the changelog.

griffe's own rules are not tested again; each kind of change is planted once in a copy of this project.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ecall_facade import ECall

pytest.importorskip("griffe")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git on the PATH")

ROOT = Path(__file__).parents[2]

LOADER = SourceFileLoader("check_changes", str(ROOT / "scripts" / "check_changes"))
SCRIPT: Any = ModuleType(LOADER.name)
SCRIPT.__file__ = LOADER.path
LOADER.exec_module(SCRIPT)

SPEC = "spec/ecall.yaml"
# A file, what is replaced in it, by what, and the name that the changelog then has to have.
BREAKING = {
    "a public name": ("ecall_facade/__init__.py", '    "ListEntry",\n', "", "ListEntry"),
    "a method of a client": (
        "ecall_facade/_sync/_client.py",
        "    def with_options(",
        "    def without_options(",
        "with_options",
    ),
    "a parameter of ecall.sms.send": (
        "ecall_facade/_sync/_channels.py",
        "page_limit",
        "limit_of_pages",
        "page_limit",
    ),
    "a parameter of the async ecall.media.upload": (
        "ecall_facade/_async/_media.py",
        "on_progress",
        "progress",
        "on_progress",
    ),
    "a base class of an error": (
        "ecall_facade/errors.py",
        "class NotFound(APIError)",
        "class NotFound(ECallError)",
        "NotFound",
    ),
    "a member of a generated enum": (
        "generated/ecall_client/models/channel.py",
        '    WHATSAPP = "Whatsapp"\n',
        "",
        "WHATSAPP",
    ),
    "a value in the spec": (SPEC, "enum: [Sms, Whatsapp, Rcs]", "enum: [Sms, Rcs]", "Whatsapp"),
    "a required property in the spec": (
        SPEC,
        "required: [channel, from, content]",
        "required: [channel, from, content, to]",
        "to",
    ),
    "a limit of a channel in the spec": (SPEC, "maxLength: 1530", "maxLength: 160", "text"),
    "a path in the spec": (
        SPEC,
        "/api/messagelist/{messageListId}:",
        "/api/lists/{messageListId}:",
        "/api/messagelist/{}",
    ),
}
HARMLESS = {
    "a new parameter with a default": (
        "ecall_facade/numbers.py",
        "def normalize(",
        "def another(*, a: int = 1) -> None: ...\n\n\ndef normalize(",
    ),
    "a private function": ("ecall_facade/_masking.py", "def ", "def renamed_"),
    "a description in the spec": (SPEC, "Send one message, to one recipient", "Send, to one"),
    "a new value in the spec": (SPEC, "enum: [Sms, Whatsapp, Rcs]", "enum: [Sms, Whatsapp, Rcs, Fax]"),
}  # fmt: skip


def git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=T", "-c", "user.email=t@t.example", "-c", "core.hooksPath=")
    command = ["git", *settings, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def commit(project: Path, tag: str = "") -> None:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "A commit")
    if tag:
        git(project, "tag", tag)


def run(project: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, str(project / "scripts" / "check_changes"), *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    result = subprocess.run(
        command,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return result.returncode, result.stdout


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, (file.name, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def copy_project(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("ecall_facade", "generated", "spec"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names that the changelog has to have for all breaking changes together."""
    folder = copy_project(tmp_path_factory.mktemp("breaking"))
    for name, old, new, _ in BREAKING.values():
        replace(folder / name, old, new)
    return {one.name for one in SCRIPT.find_changes(ROOT, folder)}


@pytest.mark.parametrize("change", BREAKING)
def test_a_breaking_change_is_found(found: set[str], change: str) -> None:
    assert BREAKING[change][3] in found


def test_a_change_that_breaks_nothing_is_not_reported(tmp_path: Path) -> None:
    folder = copy_project(tmp_path)
    for name, old, new in HARMLESS.values():
        replace(folder / name, old, new)
    assert SCRIPT.find_changes(ROOT, folder) == []


def test_all_parts_of_a_client_are_compared() -> None:
    with ECall("user", "password", sender="ACME") as ecall:
        parts = [value for name, value in inspect.getmembers(ecall) if not name.startswith("_")]
    modules = {type(part).__module__ for part in parts if not inspect.ismethod(part)}
    compared = {f"ecall_facade._sync.{name}" for name in SCRIPT.PARTS}
    assert {name for name in modules if name.startswith("ecall_facade._sync")} == compared


GONE = "\n### Removed\n\n- `Sms.send(page_limit=…)` is gone.\n"


@pytest.mark.parametrize(
    ("changelog", "is_allowed"),
    [
        (f"## [Unreleased]\n{GONE}## [1.0.0]\n", True),
        (f"## [Unreleased]\n## [2.0.0] - 2026-12-01\n{GONE}## [1.0.0]\n", True),
        (f"## [Unreleased]\n{GONE.replace('Removed', 'Changed')}## [1.0.0]\n", True),
        (f"## [Unreleased]\n{GONE.replace('Removed', 'Added')}## [1.0.0]\n", False),
        (f"## [Unreleased]\n{GONE.replace('`', '')}## [1.0.0]\n", False),
        (f"## [Unreleased]\n{GONE.replace('page_limit', 'page_limits')}## [1.0.0]\n", False),
        (f"## [Unreleased]\n## [1.0.0]\n{GONE}", False),
    ],
)
def test_the_changelog_allows_a_breaking_change_that_a_new_version_names_in_backticks(
    changelog: str, is_allowed: bool
) -> None:
    change = SCRIPT.Change("python", "Sms.send(page_limit)", "parameter was removed", "page_limit")
    before = "## [Unreleased]\n## [1.0.0]\n"
    missing = SCRIPT.not_in_changelog([change], before, changelog)
    assert missing == ([] if is_allowed else [change])


# The command, in a repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project of the same layout as this one, released as 1.0.0, and the scripts."""
    folder = tmp_path / "project"
    files = {
        "ecall_facade/__init__.py": "def send(text: str, page_limit: int = 1) -> None: ...\n",
        "ecall_facade/errors.py": "",
        "generated/ecall_client/__init__.py": "",
        "generated/ecall_client/models/__init__.py": "",
        SPEC: "paths: {}\n",
        "CHANGELOG.md": "## [Unreleased]\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__py*"))
    git(folder, "init", "--quiet")
    commit(folder, "v0.8.0")
    commit(folder, "v1.0.0")
    return folder


def test_a_breaking_change_fails_until_the_changelog_has_it(project: Path) -> None:
    assert run(project) == (0, "Against v1.0.0: no breaking changes\n")
    replace(project / "ecall_facade/__init__.py", ", page_limit: int = 1", "")
    code, output = run(project)
    line = "- `page_limit`: parameter was removed (ecall_facade.send(page_limit))."
    assert (code, output.splitlines()[-1]) == (1, line)
    told = json.loads(run(project, "--json")[1])
    assert (told["against"], told["missing"]) == ("v1.0.0", [line])
    replace(project / "CHANGELOG.md", "## [Unreleased]\n", f"## [Unreleased]\n{GONE}")
    assert run(project)[0] == 0
    commit(project)
    assert run(project, "--against", "HEAD") == (0, "Against HEAD: no breaking changes\n")


def test_nothing_can_break_before_the_first_release(project: Path) -> None:
    git(project, "tag", "--delete", "v0.8.0", "v1.0.0")
    text = "There is no tag of a version yet, so nothing was released that could break.\n"
    assert run(project) == (0, text)
    nothing: dict[str, Any] = {"against": None, "breaking": [], "missing": []}
    assert json.loads(run(project, "--json")[1]) == nothing


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ((), {"PATH": ""}, "Could not compare: there is no git on the PATH\n"),
        (("--against", "v3"), {}, "Could not compare: git rev-parse: "),
        ((), {"GIT_DIR": "nowhere"}, "Could not compare: git tag: "),
        (("--what",), {}, "usage: check_changes"),
    ],
)
def test_the_exit_code_is_2_if_the_versions_cannot_be_compared(
    project: Path, arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    code, output = run(project, *arguments, **environment)
    assert (code, output[: len(message)]) == (2, message)


def test_the_exit_code_is_2_if_the_spec_cannot_be_read(project: Path) -> None:
    (project / SPEC).write_text("[", encoding="utf-8")
    code, output = run(project)
    assert code == 2
    assert output.startswith("Could not compare: ValueError: while parsing a flow node")


def test_the_exit_code_is_2_in_a_shallow_clone_without_a_tag(project: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    commit(project)
    source = f"file://{project}"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-tags", source, str(shallow))
    code, output = run(shallow)
    assert (code, "this clone is shallow and has no tag" in output) == (2, True)
