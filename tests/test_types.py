"""What type checkers see: a wheel whose types are complete, and errors of type for what a channel cannot carry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("types")]

ROOT = Path(__file__).resolve().parents[1]
CHANNELS = ROOT / "tests" / "typing" / "channels.py"


def run(*command: str | Path, cwd: Path = ROOT, path: Path | None = None) -> tuple[int, str]:
    """Return the exit status and the standard output of a command; `path` comes first on the PATH."""
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return result.returncode, result.stdout


def lines_that_must_be_refused() -> set[int]:
    lines = CHANNELS.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("  # refused")}


def test_mypy_refuses_what_a_channel_cannot_carry_and_nothing_else() -> None:
    status, output = run(
        sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", CHANNELS
    )
    assert status == 1
    named = [re.match(r".*channels\.py:(\d+): error: ", line) for line in output.splitlines()]
    assert {int(line[1]) for line in named if line} == lines_that_must_be_refused(), output


def test_basedpyright_refuses_what_a_channel_cannot_carry_and_nothing_else() -> None:
    status, output = run(
        sys.executable, "-m", "basedpyright", "--outputjson", "-p", CHANNELS.parent
    )
    assert status == 1
    named = json.loads(output)["generalDiagnostics"]
    lines = {each["range"]["start"]["line"] + 1 for each in named if each["severity"] == "error"}
    assert lines == lines_that_must_be_refused(), output


def test_all_types_of_the_installed_wheel_are_known(tmp_path: Path) -> None:
    status, output = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, ROOT
    )
    assert status == 0, output
    (wheel,) = tmp_path.glob("*.whl")
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    programs = venv / ("Scripts" if sys.platform == "win32" else "bin")
    status, output = run(
        *(sys.executable, "-m", "pip", "--python", next(programs.glob("python*"))),
        *("install", "-qq", "--no-input", "--no-compile", "--disable-pip-version-check"),
        *("-c", ROOT / "constraints.txt", f"{wheel}[all]"),
    )
    assert status == 0, output
    # It looks for packages where the first Python of the PATH does.
    (tmp_path / "pyrightconfig.json").write_text('{"venvPath": ".", "venv": "venv"}')
    status, output = run(
        *(sys.executable, "-m", "basedpyright", "--outputjson"),
        *("--verifytypes", "ecall_facade", "--ignoreexternal"),
        cwd=tmp_path,
        path=programs,
    )
    report = json.loads(output)["typeCompleteness"]
    unknown = [
        f"{symbol['name']}: {diagnostic['message']}"
        for symbol in report["symbols"]
        for diagnostic in symbol["diagnostics"]
        if not symbol["isTypeKnown"]
    ]
    assert not unknown
    assert report["completenessScore"] == 1
    assert status == 0
