"""`benchmarks/run` measures every section, and makes its page of stored numbers. Nothing is timed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from _benchmarks import DOCS, FOLDER, load

report = load("report")


def run(*arguments: str | Path) -> str:
    before = (DOCS / "benchmarks.json").read_bytes()
    result = subprocess.run(
        [sys.executable, FOLDER / "run", *arguments], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert (DOCS / "benchmarks.json").read_bytes() == before
    return result.stdout


@pytest.mark.once
def test_a_quick_run_measures_every_section() -> None:
    output = run("--quick", "--only", "httpx,ecall_facade", "--no-write")
    for section in report.SECTIONS:
        assert f"## {section.title}\n" in output or section.title == "Sync sends, no latency"
    assert "failed: " not in output


@pytest.mark.once
def test_the_stored_numbers_make_the_same_page_and_pictures_again(tmp_path: Path) -> None:
    run("--page", "--to", tmp_path)
    made_again = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")]
    assert len(made_again) == 1 + sum(section.picture is not None for section in report.SECTIONS)
    for path in made_again:
        assert (tmp_path / path).read_bytes() == (DOCS / path).read_bytes(), path
