"""`scripts/_setup.py`: what sets the project up says so on stderr, and leaves stdout to the script that was called."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(os.name != "posix", reason="the programs in place of Python and npm are sh"),
]

# In place of Python: talks, and makes an "environment" that has the same in place of its Python.
PYTHON = """#!/bin/sh
echo "words of Python: $*"
case "$2" in venv)
    for folder; do :; done
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python";;
esac
"""
NPM = """#!/bin/sh
echo "words of npm: $*"
mkdir -p node_modules
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, with its own Python and npm in `programs`."""
    for name in ("scripts/_setup.py", "pyproject.toml", "constraints.txt", "ecall_facade/_version.py",
                 "spec/lint/package-lock.json", "spec/contract/package-lock.json"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "programs").mkdir()
    for name, text in (("python", PYTHON), ("npm", NPM)):
        program = tmp_path / "programs" / name
        program.write_text(text, encoding="utf-8")
        program.chmod(0o700)
    return tmp_path


@pytest.mark.parametrize("folder", [".venv", ".venv-3.12"])
def test_the_progress_of_a_set_up_goes_to_stderr(project: Path, folder: str) -> None:
    script = project / "scripts" / "script"
    script.write_text(
        "import sys\n"
        "from _setup import ROOT, make_environment, make_npm_tools\n"
        f"make_environment(ROOT / {folder!r}, sys.argv[1], '3.12.1', 'test')\n"
        "make_npm_tools()\n"
        "print('result')\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script), str(project / "programs" / "python")],
        env={**os.environ, "PATH": f"{project / 'programs'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "result\n"
    for words in ("words of Python: -m venv", "Making .venv", " was ready after", "words of npm: ci",
                  "Installing redocly", "Installing Prism"):  # fmt: skip
        assert words in done.stderr


def test_a_set_up_without_npm_says_so_on_stderr(project: Path) -> None:
    code = "import _setup; _setup.make_npm_tools()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": str(project), "PYTHONPATH": str(project / "scripts")},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "There is no npm on the PATH" in done.stderr


def _commands_for(group: str, project: Path) -> list[str]:
    """Let `.venv` have a dependency group; return what was run for it: a new environment, an installation."""
    code = (
        "import sys\n"
        "from _setup import VENV, make_environment\n"
        "make_environment(VENV, sys.argv[1], '3.12.1', sys.argv[2])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project / "programs" / "python"), group],
        env={**os.environ, "PYTHONPATH": str(project / "scripts")},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    return re.findall(
        r"^words of Python: .*(-m venv|--group \w+ --editable \S+)", done.stderr, re.MULTILINE
    )


NEW = "-m venv"
SCRIPTS = "--group scripts --editable .[cli]"
DEV = "--group dev --editable .[all]"


def test_what_development_needs_is_added_to_what_scripts_need(project: Path) -> None:
    assert _commands_for("scripts", project) == [NEW, SCRIPTS]
    assert _commands_for("scripts", project) == []
    assert _commands_for("dev", project) == [DEV]
    assert _commands_for("dev", project) == []
    assert _commands_for("scripts", project) == []


def test_an_environment_for_development_is_renewed_as_one(project: Path) -> None:
    assert _commands_for("dev", project) == [NEW, DEV]
    with (project / "constraints.txt").open("a", encoding="utf-8") as constraints:
        constraints.write("another==1.0\n")
    assert _commands_for("scripts", project) == [NEW, DEV]


def test_an_environment_for_scripts_that_is_out_of_date_is_made_again(project: Path) -> None:
    assert _commands_for("scripts", project) == [NEW, SCRIPTS]
    with (project / "constraints.txt").open("a", encoding="utf-8") as constraints:
        constraints.write("another==1.0\n")
    assert _commands_for("dev", project) == [NEW, DEV]
