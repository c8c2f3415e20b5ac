"""What users get: the built wheel and sdist, installed elsewhere, on the newest and on the lowest dependencies."""

import email
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from ecall_facade import __version__
from ecall_facade.cli._app import COMMANDS

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "dependencies"
]

# One group, so that of several workers only one builds and installs.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command that has to succeed; return what it prints."""
    code, output = attempt(*command, cwd=cwd)
    assert code == 0, output
    return output.strip()


def attempt(*command: str | Path, cwd: Path) -> tuple[int, str]:
    result = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return result.returncode, result.stdout


def environment(folder: Path, constraints: Path, *requirements: str | Path) -> Path:
    """Make a fresh virtual environment; return its Python."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-qq",
        "--no-input",
        "--no-compile",
    )
    run(*pip, "--disable-pip-version-check", "-c", constraints, *requirements)
    return python


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"ecall_facade-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel and its four dependencies, nothing else."""
    return environment(tmp_path_factory.mktemp("installed") / "venv", CONSTRAINTS, wheel)


class TestWheel:
    def test_it_holds_the_two_packages_with_their_types_and_nothing_else(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        info = f"ecall_facade-{__version__}.dist-info"
        assert {name.partition("/")[0] for name in names} == {"ecall_facade", "ecall_client", info}
        assert {
            "ecall_facade/py.typed",
            "ecall_client/py.typed",
            f"{info}/licenses/LICENSE",
        } <= set(names)

    def test_it_needs_four_packages(self, wheel: Path) -> None:
        metadata = self.metadata(wheel)
        requirements = [
            text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text
        ]
        names = {re.split(r"[^\w-]", text)[0] for text in requirements}
        assert names == {"httpx", "attrs", "python-dateutil", "phonenumbers"}
        assert len(requirements) == 4
        assert metadata["Requires-Python"] == ">=3.11"
        assert metadata["Version"] == __version__

    @staticmethod
    def metadata(wheel: Path) -> Message:
        with zipfile.ZipFile(wheel) as archive:
            return email.message_from_bytes(
                archive.read(f"ecall_facade-{__version__}.dist-info/METADATA")
            )


class TestSdist:
    def test_it_holds_all_one_needs_to_work_on_the_project(self, dist: Path) -> None:
        top = f"ecall_facade-{__version__}"
        with tarfile.open(dist / f"{top}.tar.gz") as archive:
            names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
        assert {
            "ecall_facade/py.typed",
            "generated/ecall_client/py.typed",
            "spec/ecall.yaml",
            "spec/contract/package-lock.json",
            "spec/lint/package-lock.json",
            "scripts/_setup.py",
            "scripts/test",
            "tests/test_packaging.py",
            "constraints.txt",
            "LICENSE",
            "README.md",
        } <= names
        assert any(name.startswith("docs/") for name in names)
        assert not [
            name
            for name in names
            if "node_modules" in name or "__pycache__" in name or ".venv" in name
        ]


class TestInstalled:
    def test_both_packages_import_without_the_extras_and_without_a_warning(
        self, installed: Path, tmp_path: Path
    ) -> None:
        code = (
            "import json, importlib.util as util, ecall_facade, ecall_client;"
            "print(json.dumps([ecall_facade.__version__, ecall_facade.__file__, ecall_client.__file__,"
            " util.find_spec('starlette') is None and util.find_spec('uvicorn') is None]))"
        )
        version, facade, client, without_extras = json.loads(
            run(installed, "-IWerror", "-c", code, cwd=tmp_path)
        )
        assert version == __version__
        assert Path(facade).is_relative_to(installed.parents[1])
        assert Path(client).is_relative_to(installed.parents[1])
        assert without_extras

    def test_nothing_of_the_workshop_comes_along(self, installed: Path, tmp_path: Path) -> None:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = Path(run(installed, "-I", "-c", code, cwd=tmp_path))
        assert (packages / "ecall_facade").is_dir()
        for name in ("tests", "spec", "scripts", "generated", "examples", "benchmarks", "docs"):
            assert not (packages / name).exists()

    RIGHT = """
from typing import assert_type

import ecall_client
from ecall_facade import ECall


def send(ecall: ECall) -> str:
    assert_type(ecall_client.AuthenticatedClient(base_url="", token="").raise_on_unexpected_status, bool)
    sent = ecall.sms.send("+41791234567", "hi", sender="ACME")
    assert_type(sent.message_id, str)
    return sent.message_id
"""
    WRONG = RIGHT.replace("return sent.message_id", "return sent.pages_and_more")

    @pytest.mark.skipif(
        find_spec("mypy") is None, reason="mypy is in the environment of the main Python only"
    )
    def test_mypy_sees_the_types(self, installed: Path, tmp_path: Path) -> None:
        mypy = (
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--python-executable",
            installed,
        )
        (tmp_path / "right.py").write_text(self.RIGHT, encoding="utf-8")
        (tmp_path / "wrong.py").write_text(self.WRONG, encoding="utf-8")
        run(*mypy, "right.py", cwd=tmp_path)
        code, output = attempt(*mypy, "wrong.py", cwd=tmp_path)
        assert code == 1
        assert re.search(
            r"wrong\.py:12: error: .*SentMessage.* has no attribute .*pages_and_more", output
        ), output

    @pytest.mark.skipif(
        find_spec("basedpyright") is None,
        reason="basedpyright is in the environment of the main Python only",
    )
    def test_pyright_sees_the_types(self, installed: Path, tmp_path: Path) -> None:
        pyright = (sys.executable, "-m", "basedpyright", "--pythonpath", installed)
        (tmp_path / "pyrightconfig.json").write_text(
            '{"typeCheckingMode": "strict"}', encoding="utf-8"
        )
        (tmp_path / "right.py").write_text(self.RIGHT, encoding="utf-8")
        (tmp_path / "wrong.py").write_text(self.WRONG, encoding="utf-8")
        run(*pyright, "right.py", cwd=tmp_path)
        code, output = attempt(*pyright, "wrong.py", cwd=tmp_path)
        assert code == 1
        assert re.search(r"wrong\.py:12:\d+ - error: .*pages_and_more.*SentMessage", output), output


def cannot_freeze() -> str | None:
    if sys.platform == "linux" and not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return "PyInstaller needs a Python that was built with --enable-shared"
    if sys.platform == "linux" and shutil.which("objdump") is None:
        return "PyInstaller needs objdump, of the binutils"
    return None


FROZEN_PROGRAM = """
import sys

if sys.argv[1:2] == ["--through"]:
    from ecall_facade import DeliveryState, ECall, text

    with ECall("user", "secret", base_url=sys.argv[2], sender="ACME") as ecall:
        sent = ecall.sms.send("079 123 45 67", "hi")
        status = ecall.messages.wait(sent.message_id, timeout=60)
        print(status.state is DeliveryState.DELIVERED, text.measure("hi").pages)
else:
    from ecall_facade.cli import main

    main()
"""


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that PyInstaller made of the installed wheel, without a word on what it has to collect."""
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "program.py").write_text(FROZEN_PROGRAM, encoding="utf-8")
    python = environment(folder / "venv", CONSTRAINTS, f"{wheel}[cli]", "pyinstaller")
    options = ("--noconfirm", "--log-level=WARN", "--onedir", "--console")
    run(python, "-m", "PyInstaller", *options, "program.py", cwd=folder)
    return folder / "dist" / "program" / "program"


@pytest.mark.skipif(cannot_freeze() is not None, reason=str(cannot_freeze()))
class TestFrozen:
    def test_the_help_of_a_frozen_command_names_every_subcommand_and_each_has_its_own(
        self, program: Path, tmp_path: Path
    ) -> None:
        shown = run(program, "--help", cwd=tmp_path)
        for command in COMMANDS:
            assert re.search(rf"^\W*{command} ", shown, re.MULTILINE), shown
            assert f"Usage: ecall {command}" in run(program, command, "--help", cwd=tmp_path)

    def test_a_frozen_demo_sends_all_that_it_shows(self, program: Path, tmp_path: Path) -> None:
        assert json.loads(run(program, "demo", "--json", cwd=tmp_path))["worked"] is True

    def test_a_frozen_program_sends_through_a_frozen_sandbox_which_serves_its_page(
        self, program: Path, tmp_path: Path
    ) -> None:
        with subprocess.Popen(
            [program, "sandbox", "--port", "0", "--json"], stdout=subprocess.PIPE, encoding="utf-8"
        ) as sandbox:
            try:
                assert sandbox.stdout is not None
                url = json.loads(sandbox.stdout.readline())["url"]
                assert run(program, "--through", url, cwd=tmp_path) == "True 1"
                page = ROOT / "ecall_facade" / "sandbox" / "page"
                with urllib.request.urlopen(f"{url}/", timeout=30) as response:
                    assert response.read() == (page / "inbox.html").read_bytes()
            finally:
                sandbox.terminate()


class Service(BaseHTTPRequestHandler):
    """Takes any message, and counts."""

    received = 0

    def do_POST(self) -> None:
        type(self).received += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"messageId": "m-1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class TestLowestVersions:
    @pytest.fixture
    def url(self) -> Iterator[str]:
        Service.received = 0
        with HTTPServer(("127.0.0.1", 0), Service) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    def test_a_message_goes_out_on_the_floors_that_we_declare(
        self, wheel: Path, tmp_path: Path, url: str
    ) -> None:
        floors = [re.sub(r">=([^,]+),.*", r"==\1", text) for text in DEPENDENCIES]
        names = [floor.partition("==")[0] for floor in floors]
        others = [
            line
            for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
            if line.partition("==")[0] not in names
        ]
        constraints = tmp_path / "constraints.txt"
        constraints.write_text("\n".join(others), encoding="utf-8")
        python = environment(tmp_path / "venv", constraints, wheel, *floors)
        code = (
            "from ecall_facade import ECall;"
            f"print(ECall('user', 'secret', base_url={url!r}, sender='ACME').sms.send('+41791234567', 'hi').message_id)"
        )
        assert run(python, "-I", "-c", code, cwd=tmp_path) == "m-1"
        assert Service.received == 1
