"""What type checkers see: complete types, those that the docs promise, and errors for what a channel cannot carry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from _methods import public_methods

from ecall_facade import AsyncECall, ECall

ROOT = Path(__file__).resolve().parents[2]
TYPING = ROOT / "tests" / "typing"
CHANNELS, API = TYPING / "channels.py", TYPING / "api.py"


def run(*command: str | Path, cwd: Path = ROOT, path: Path | None = None) -> tuple[int, str]:
    """Return the exit status and the standard output of a command; `path` comes first on the PATH."""
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return result.returncode, result.stdout


def lines_that_must_be_refused() -> set[tuple[str, int]]:
    lines = CHANNELS.read_text(encoding="utf-8").splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if line.endswith("  # refused")]
    return {(CHANNELS.name, number) for number in numbers}


def test_mypy_agrees_with_all_types_and_refuses_what_a_channel_cannot_carry() -> None:
    options = ("--no-error-summary", "--no-pretty")
    status, output = run(sys.executable, "-m", "mypy", *options, CHANNELS, API)
    assert status == 1
    named = re.findall(r"(\w+\.py):(\d+): error: ", output)
    assert {(name, int(line)) for name, line in named} == lines_that_must_be_refused(), output


def test_basedpyright_agrees_with_all_types_and_refuses_what_a_channel_cannot_carry() -> None:
    status, output = run(sys.executable, "-m", "basedpyright", "--outputjson", "-p", TYPING)
    assert status == 1
    errors = [
        each for each in json.loads(output)["generalDiagnostics"] if each["severity"] == "error"
    ]
    named = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}
    assert named == lines_that_must_be_refused(), output


def test_the_type_of_every_public_method_is_stated_for_both_clients() -> None:
    source = API.read_text(encoding="utf-8")
    sync, _, twin = source.partition("async def async_methods")
    clients = ((ECall("user", "password"), sync), (AsyncECall("user", "password"), twin))
    for client, part in clients:
        called = part.replace("ecall.aclose(", "ecall.close(")
        assert [name for name in public_methods(client) if f"ecall.{name}(" not in called] == []


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
