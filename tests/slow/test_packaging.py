"""What users get: the built wheel and sdist, installed elsewhere, on the newest and on the lowest dependencies."""

import email
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import urllib.request
import zipfile
from email.message import Message
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.version import Version

import _packages
from ecall_facade import __version__
from ecall_facade.cli._app import COMMANDS

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


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
        timeout=900,  # all of a release is made and tried in one of them, and a slow machine is no failure
        check=False,
    )
    return result.returncode, result.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scripts/release makes, once it has built, checked, installed and used the packages."""
    folder = tmp_path_factory.mktemp("release") / "made"
    script = ROOT / "scripts" / "release"
    run(sys.executable, script, "--dry-run", "--this-python", "--output", folder)
    return folder


@pytest.fixture(scope="module")
def dist(release: Path) -> Path:
    """The sdist, and the wheel that was built from it."""
    return release / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"ecall_facade-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel and its four dependencies, nothing else."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    return _packages.install(folder, sys.executable, wheel, constraints=CONSTRAINTS)


class TestWheel:
    def test_the_wheel_has_the_two_packages_with_their_types_and_nothing_else(
        self, wheel: Path
    ) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        info = f"ecall_facade-{__version__}.dist-info"
        assert {name.partition("/")[0] for name in names} == {"ecall_facade", "ecall_client", info}
        assert {
            "ecall_facade/py.typed",
            "ecall_client/py.typed",
            f"{info}/licenses/LICENSE",
        } <= set(names)

    def test_the_wheel_needs_four_packages(self, wheel: Path) -> None:
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
    def test_the_sdist_has_everything_that_work_on_the_project_needs(self, dist: Path) -> None:
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
            "tests/slow/test_packaging.py",
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
    def test_the_installed_packages_import_without_the_extras_and_without_a_warning(
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

    def test_an_installation_has_no_tests_scripts_or_docs(
        self, installed: Path, tmp_path: Path
    ) -> None:
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
    def test_mypy_checks_programs_with_the_installed_types(
        self, installed: Path, tmp_path: Path
    ) -> None:
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
    def test_pyright_checks_programs_with_the_installed_types(
        self, installed: Path, tmp_path: Path
    ) -> None:
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
    python = _packages.install(
        folder / "venv", sys.executable, f"{wheel}[cli]", "pyinstaller", constraints=CONSTRAINTS
    )
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


class TestLowestVersions:
    def test_every_extra_works_on_the_lowest_versions_that_are_declared(
        self, wheel: Path, tmp_path: Path
    ) -> None:
        declared = [
            *PROJECT["dependencies"],
            *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
        ]
        lowest = {
            found[1].lower(): found[2]
            for text in declared
            if (found := re.match(r"([\w-]+)(?:\[\w+\])?>=([^,]+)", text))
        }
        # The pins of Celery's own parts, and of psycopg's, are for the newest.
        others = [
            line
            for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines()
            if not line.lower().startswith((*lowest, "amqp", "billiard", "kombu", "vine"))
        ]
        constraints = tmp_path / "constraints.txt"
        pins = [f"{name}=={version}" for name, version in lowest.items()]
        constraints.write_text("\n".join([*others, *pins]), encoding="utf-8")
        requirement = f"{wheel}[all]"
        python = _packages.install(
            tmp_path / "venv", sys.executable, requirement, constraints=constraints
        )
        listed = json.loads(
            run(sys.executable, "-m", "pip", "--python", python, "list", "--format=json")
        )
        installed = {one["name"].lower(): Version(one["version"]) for one in listed}
        assert {name: installed[name] for name in lowest} == {
            name: Version(version) for name, version in lowest.items()
        }
        _packages.use(python, "all", cwd=tmp_path)
