"""What `tests/conftest.py` makes of a `pytest` without files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import conftest
import pytest

pytestmark = pytest.mark.once

WITHOUT_FILES = pytest.Config.ArgsSource.TESTPATHS
WITH_FILES = pytest.Config.ArgsSource.ARGS
QUICK = "not slow and not again"


@pytest.mark.parametrize(
    ("source", "given", "more", "expected"),
    [
        (WITHOUT_FILES, ("", "", None), {}, (QUICK, "auto")),
        (WITHOUT_FILES, ("slow", "", 0), {}, ("slow", 0)),
        (WITHOUT_FILES, ("", "webhooks", None), {}, ("", "auto")),
        (WITH_FILES, ("", "", None), {}, ("", None)),
        # A worker gets the arguments of the run, and must not start workers of its own.
        (WITHOUT_FILES, ("", "", None), {"workerinput": {}}, ("", None)),
    ],
    ids=["plain", "options given", "keyword given", "files given", "worker"],
)
def test_pytest_without_files_runs_the_quick_tests_in_parallel(
    source: object,
    given: tuple[str, str, int | None],
    more: dict[str, Any],
    expected: tuple[str, int | str | None],
) -> None:
    mark, keyword, processes = given
    options = SimpleNamespace(markexpr=mark, keyword=keyword, numprocesses=processes)
    config: Any = SimpleNamespace(args_source=source, option=options, **more)
    conftest.pytest_cmdline_main(config)
    assert (options.markexpr, options.numprocesses) == expected
