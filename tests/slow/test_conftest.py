"""What `tests/conftest.py` makes of a `pytest` without files, in real runs of pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

TESTS = Path(__file__).resolve().parents[1]
CONFTEST = f"""
import importlib.util, sys
sys.path.insert(0, {str(TESTS)!r})
spec = importlib.util.spec_from_file_location("conftest_of_the_project", {str(TESTS / "conftest.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
pytest_cmdline_main = module.pytest_cmdline_main
module.__file__ = __file__
"""
EXAMPLE = """
import pytest

def test_quick(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.again
def test_again(): pass
"""
IN_THE_FOLDER = """
def test_in_the_folder(): pass
"""
MARKERS = """
[pytest]
testpaths = tests
markers =
    slow
    again
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a test of each kind, and with the hook of this one."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
    (tmp_path / "tests" / "test_example.py").write_text(EXAMPLE)
    (tmp_path / "tests" / "slow").mkdir()
    (tmp_path / "tests" / "slow" / "test_folder.py").write_text(IN_THE_FOLDER)
    (tmp_path / "pytest.ini").write_text(MARKERS)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected", "workers"),
    [
        ([], {"quick"}, 1),
        (["-n0"], {"quick"}, 0),
        (["-m", "slow"], {"slow"}, 1),
        (["-k", "again or folder"], {"again", "in_the_folder"}, 1),
        (["tests/test_example.py"], {"quick", "slow", "again"}, 0),
    ],
    ids=["plain", "one process", "marker given", "keyword given", "file given"],
)
def test_pytest_without_files_runs_the_quick_tests_in_parallel(
    project: Path, arguments: list[str], expected: set[str], workers: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "xdist", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_XDIST_AUTO_NUM_WORKERS": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"PASSED.*::test_(\w+)|::test_(\w+) PASSED", done.stdout)) == {
        (name, "") if workers else ("", name) for name in expected
    }
    # With brackets: where workers run this test, the path of the project names one of theirs.
    assert ("[gw0]" in done.stdout) == bool(workers)
    assert "[gw1]" not in done.stdout
