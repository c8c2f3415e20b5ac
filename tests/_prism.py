"""Prism, a server that is made of a spec (npm, spec/contract): as mock, and as proxy that looks at what passes through.

`pytest_plugins = ["_prism"]` gives a test module the fixtures. Each is started once in each process.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from _clients import PASSWORD, USERNAME
from _contract import beside, contract
from _faulty_specs import FAULTY_SPECS
from _servers import closed_port

from ecall_facade.sandbox import Sandbox

FOLDER = Path(__file__).parents[1] / "spec" / "contract"
PRISM = FOLDER / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
# Ends with the end of its input, so that it does not outlive a test run that was killed.
_UNTIL_WE_END = "process.stdin.resume().on('end', () => process.exit()); process.argv.splice(1, 0, ''); require({})"


@contextlib.contextmanager
def prism(spec: dict[str, Any], folder: Path, *arguments: str) -> Iterator[str]:
    """Serve a spec, and give the address."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on this machine")
    if not PRISM.exists():
        pytest.skip("Prism is not installed: scripts/test does it where npm is on the PATH")
    document, log = folder / "spec.json", folder / "log.txt"
    document.write_text(json.dumps(spec), encoding="utf-8")
    command, *further = arguments
    code = _UNTIL_WE_END.format(json.dumps(str(PRISM)))
    with closed_port() as port, log.open("wb") as output:
        options = [
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--errors",
            "--verboseLevel",
            "error",
        ]
        process = subprocess.Popen(
            [node, "-e", code, "--", command, *options, str(document), *further],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        )
        try:
            _wait_for(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.communicate(timeout=10)


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    with httpx.Client(trust_env=False, verify=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                client.get(url)
                return
            time.sleep(0.05)
    pytest.fail(f"Prism did not start: {log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture(scope="session")
def prism_mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that Prism makes of the spec. Below the name of each faulty spec there is one that is made of that.

    `faultless` is such a name as well, of what is the same as above it.
    """
    others = {
        name: contract(fault.spec(), strict=False)
        for name, fault in FAULTY_SPECS.items()
        if fault.can_be_served
    }
    others["faultless"] = contract(strict=False)
    with prism(
        beside(contract(strict=False), others), tmp_path_factory.mktemp("mock"), "mock"
    ) as url:
        yield url


@pytest.fixture(scope="session")
def proxied_sandbox() -> Iterator[Sandbox]:
    """The sandbox behind Prism, in which all messages arrive at once."""
    with Sandbox(username=USERNAME, password=PASSWORD, sent_after=0, delivered_after=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def prism_proxy(
    proxied_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Prism in front of the sandbox: it judges what passes through."""
    with prism(
        contract(strict=True), tmp_path_factory.mktemp("proxy"), "proxy", proxied_sandbox.url
    ) as url:
        yield url
