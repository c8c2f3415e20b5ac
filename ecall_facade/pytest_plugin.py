"""Fixtures for tests of programs that send messages; pytest finds them by itself.

def test_a_reminder_arrives(ecall_sandbox):
    remind(ECall(**ecall_sandbox.credentials), "079 123 45 67")
    assert "Monday" in ecall_sandbox.wait_for(to="079 123 45 67").text

A test that fails shows what its sandbox got. `pytest -p no:ecall_facade` leaves all of this out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ecall_facade.sandbox import Sandbox

FIXTURES = ("ecall_sandbox", "ecall_sandbox_session")


def _run_sandbox() -> Iterator[Sandbox]:
    # Here, so that a run without a test that needs it loads nothing.
    from ecall_facade.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def ecall_sandbox() -> Iterator[Sandbox]:
    """An eCall on this machine for one test: `ECall(**ecall_sandbox.credentials)` sends to it."""
    yield from _run_sandbox()


@pytest.fixture(scope="session")
def ecall_sandbox_session() -> Iterator[Sandbox]:
    """An eCall on this machine for all tests of a run (with pytest-xdist, of a worker); `clear()` empties it."""
    yield from _run_sandbox()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a test that fails what its sandboxes got."""
    report = yield
    if report.when == "call" and report.failed:
        fixtures: dict[str, object] = getattr(item, "funcargs", {})
        for name in FIXTURES:
            if name in fixtures:
                report.sections.append((name, _arrived(fixtures[name])))
    return report


def _arrived(sandbox: object) -> str:
    from ecall_facade.sandbox import Sandbox
    from ecall_facade.sandbox._waiting import arrived

    return arrived(sandbox._store) if isinstance(sandbox, Sandbox) else ""  # pyright: ignore[reportPrivateUsage]
