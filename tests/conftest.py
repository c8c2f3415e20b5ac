"""Fixtures that many tests share."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import _servers
import pytest
import trustme
from _clients import Opener
from _clock import Clock
from _service import FakeService
from hypothesis import settings

if TYPE_CHECKING:
    from _bulk import PostgreSQL
    from _cli import Command
    from _clients import OpenClient
    from _receiver import CallbackReceiver
    from _sandbox import RunningSandbox

    from ecall_facade import ECall

pytest.register_assert_rewrite("_scenarios")

# A slow machine is no failure.
settings.register_profile("tests", deadline=None, max_examples=50)
# For a plain pytest, and for the Pythons beside the first: what they find has nothing to do with the example.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Make a `pytest` that names no files run the quick tests, in two processes for each processor.

    Options of the command line win: `-m` and `-k` choose among all tests, `-n0` and `--pdb` stay in one process.
    """
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    options = config.option
    # Workers of pytest-xdist get the command line and not these options, so they choose for themselves.
    if not options.markexpr and not options.keyword:
        options.markexpr = "not slow and not long and not again"
        # Which would deselect all of them, but only after importing all that they use.
        options.ignore = [*(options.ignore or []), str(Path(__file__).with_name("slow"))]
        if getattr(options, "hypothesis_profile", "") is None:
            options.hypothesis_profile = "quick"
    if hasattr(config, "workerinput"):  # a worker must not start workers of its own
        return
    if getattr(options, "numprocesses", 0) is None:  # pytest-xdist is there, and was not told
        options.numprocesses = "auto"
        options.dist = "worksteal"  # as in scripts/test


@pytest.hookimpl(optionalhook=True)  # pytest-xdist may be absent
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers are started, as in scripts/test: many tests wait for a socket."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector, and exempt what was collected from it.

    Many tests start the collector on purpose, which takes fifty times as long with the 700,000 objects of all tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.upper().startswith("ECALL_")]:
            environment.delenv(name)
        yield


@pytest.fixture(scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the certificate of one authority, which vouches for nobody."""
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


@pytest.fixture(scope="module", autouse=True)
def _few_authorities(one_authority: Path) -> Iterator[None]:
    """Spare each client of a test the 20 ms of reading the authorities of the world, whom no test meets."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(one_authority))
        yield


@pytest.fixture
def service() -> FakeService:
    """An eCall that answers what it is told, in process."""
    return FakeService()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "open_client" in metafunc.fixturenames:
        metafunc.parametrize("open_client", ["sync", "async"], indirect=True)


@pytest.fixture
def open_client(request: pytest.FixtureRequest) -> Iterator[OpenClient]:
    """Open clients of a server: in one run of the test sync ones, in the other async ones with the same face."""
    opener = Opener(is_async=request.param == "async")
    yield opener
    opener.close()


@pytest.fixture
def open_sync_client() -> Iterator[OpenClient]:
    """Open sync clients, for tests of code that both clients share."""
    opener = Opener(is_async=False)
    yield opener
    opener.close()


@pytest.fixture
def ecall(open_client: OpenClient, service: FakeService) -> ECall:
    """A client of the fake service, in both forms, with a sender for each channel."""
    return open_client("https://rest.ecall.ch", transport=service.transport)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port on which nobody listens."""
    with _servers.closed_port() as port:
        yield port


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pauses take no time, and give those that the client asked for."""
    clock = Clock()
    clock.install(monkeypatch)
    return clock.pauses


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run the command `ecall` in this process."""
    from _cli import Command  # which needs the extra `cli`

    return Command(capsys, monkeypatch, tmp_path)


@pytest.fixture
def callback_receiver() -> Iterator[CallbackReceiver]:
    """Run a program that receives callbacks."""
    from _receiver import CallbackReceiver

    with CallbackReceiver() as receiver:
        yield receiver


@pytest.fixture
def open_sandbox() -> Iterator[Callable[..., RunningSandbox]]:
    """Run sandboxes with the options of the call until the test ends."""
    from _sandbox import RunningSandbox  # which needs the extra `sandbox`

    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(RunningSandbox(**options))


@pytest.fixture
def running(open_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    """Run a sandbox without options."""
    return open_sandbox()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """Give a server of PostgreSQL; skip where there is none."""
    import _bulk  # which needs the extra `bulk`

    with _bulk.postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty ledger: in one run of the test on SQLite, in the other on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    return server.new_database()
