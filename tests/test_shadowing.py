"""Somebody's own module that has the name of the generated package is named, before anything of it is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

IMPORTS = ["import ecall_facade", "from ecall_facade import ECall", "import ecall_facade.webhooks",
           "from ecall_facade.cli import main"]  # fmt: skip


def run(folder: Path, *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", ["ecall_client.py", "ecall_client/__init__.py"])
@pytest.mark.parametrize("line", IMPORTS)
def test_a_module_with_the_name_of_the_generated_package_is_named_and_not_run(
    tmp_path: Path, name: str, line: str
) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("print('it was run')\n", encoding="utf-8")
    code, said = run(tmp_path, "-c", line)
    assert code == 1
    assert said.splitlines()[-1] == (
        f"ImportError: {own} has the name of the package 'ecall_client', which is part of ecall-facade,"
        " and is found before it: rename yours"
    )
    assert "it was run" not in said


def test_a_program_that_has_the_name_of_the_generated_package_is_named(tmp_path: Path) -> None:
    own = tmp_path / "ecall_client.py"
    own.write_text("from ecall_facade import ECall\n", encoding="utf-8")
    code, said = run(tmp_path, str(own))
    assert code == 1
    assert f"{own} has the name of the package" in said.splitlines()[-1]


@pytest.mark.parametrize("name", ["ecall_client/notes.txt", "ecall_client/script.py", "ecall.py"])
def test_other_names_and_plain_folders_do_no_harm(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    line = "from ecall_facade import DeliveryState, ECall; print(DeliveryState.SENT)"
    assert run(tmp_path, "-c", line) == (0, "Sent\n")
