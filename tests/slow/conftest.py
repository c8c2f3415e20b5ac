"""What takes seconds or runs whole programs: builds, installs, browsers, databases, scripts.

It runs once, without coverage, and only when it is asked for: by `scripts/test`, by its path, or by `-m slow`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def _few_authorities() -> None:
    """Leave the authorities of the world, for the programs that need them, as one that installs packages."""
