"""Fixtures for tests of programs that send messages: an eCall on this machine, with nothing to configure.

pytest finds this module by itself in every environment that the package is installed in. So it loads nothing until a
test asks for one of the fixtures, and needs the extra `sandbox` only then. `-p no:ecall_facade` switches it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pluggy

    from ecall_facade.sandbox import Sandbox

__all__ = ["ecall_sandbox", "ecall_sandbox_session", "pytest_runtest_makereport"]

_used: pytest.StashKey[Sandbox] = pytest.StashKey()


@pytest.fixture
def ecall_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An eCall on a free port of this machine, new for each test: `ECall(**ecall_sandbox.credentials)`."""
    yield from _run(request.node)


@pytest.fixture(scope="session")
def ecall_sandbox_session(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An eCall for all tests, with pytest-xdist for all of a worker; `clear()` makes it forget what came before."""
    yield from _run(request.session)


def _run(node: pytest.Item | pytest.Session) -> Iterator[Sandbox]:
    try:
        from ecall_facade.sandbox import Sandbox
    except ImportError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):  # the extra is missing, which it says
            pytest.fail(str(error), pytrace=False)
        raise
    with Sandbox() as sandbox:
        node.stash[_used] = sandbox
        yield sandbox


# Of the older kind of wrappers, which every pluggy takes: a hook that one refuses would end everybody's tests.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pluggy.Result[pytest.TestReport]]:
    """Add what the sandbox has seen to the report of a test that failed."""
    outcome = yield
    if outcome.excinfo is not None or not (report := outcome.get_result()).failed:
        return
    used = [("eCall sandbox", item.stash.get(_used, None))]
    if "ecall_sandbox_session" in getattr(item, "fixturenames", ()):
        used.append(("eCall sandbox of the session", item.session.stash.get(_used, None)))
    report.sections += [
        (title, _describe(sandbox)) for title, sandbox in used if sandbox is not None
    ]


def _describe(sandbox: Sandbox) -> str:
    from ecall_facade.sandbox._waiting import describe

    try:
        # Its store is private, as tests are to read `sandbox.messages`.
        return describe(sandbox._store, repr(sandbox))  # pyright: ignore[reportPrivateUsage]
    except Exception as error:  # noqa: BLE001 - a clock that was turned beyond all times, for one, must not end the run
        return f"It cannot be read: {error!r}"
