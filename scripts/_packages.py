"""Builds the sdist and the wheel, and checks what is in them and whether they work once they are installed."""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SMOKE = ROOT / "scripts" / "_smoke.py"
# What the repository has and the sdist has not: it is about the repository.
NOT_IN_SDIST = (".ci/", ".github/", ".pre-commit-config.yaml")


class Unfit(Exception):
    """The packages, or the commit they are made of, must not be released; the text says why."""


class Packages(NamedTuple):
    sdist: Path
    wheel: Path


class Trial(NamedTuple):
    """A package to install and use: the version of a Python, the program, and an extra, or "" for none."""

    version: str
    python: str | Path
    extra: str

    @property
    def name(self) -> str:
        return f"{self.version}-{self.extra or 'core'}"


def run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed; return what it prints."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise Unfit(f"{' '.join(map(str, command))}\n{done.stdout.strip()}")
    return done.stdout.strip()


def tool(name: str, *arguments: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run a program of this Python's environment."""
    program = shutil.which(name, path=Path(sys.executable).parent)
    if program is None:
        raise Unfit(f"{name} is not installed")
    return run(program, *arguments, environment=environment)


def build(folder: Path, *, timestamp: int) -> Packages:
    """Build the sdist, and from it the wheel. The same files and time give the same bytes."""
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT),
        environment={"SOURCE_DATE_EPOCH": str(timestamp)},
    )
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Packages(sdist, wheel)


def check_reproducible(packages: Packages, *, timestamp: int) -> None:
    """Build once more, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        again = build(Path(folder), timestamp=timestamp)
        for one, other in zip(packages, again, strict=True):
            if digest(one) != digest(other):
                raise Unfit(f"{one.name} is another one when it is built again")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_metadata(packages: Packages) -> None:
    """Check the metadata and the layout as PyPI and others do, and the links of the README as PyPI shows it."""
    tool("twine", "check", "--strict", *packages)
    tool("check-wheel-contents", packages.wheel)
    dead = dead_links(read_metadata(packages.wheel).get_payload())
    if dead:
        raise Unfit(f"The README on PyPI would have dead links: {', '.join(dead)}")


def read_metadata(wheel: Path) -> Message[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode())


def dead_links(markdown: object) -> list[str]:
    """Return the links and pictures that lead nowhere, or not by HTTPS, once PyPI has rendered this Markdown."""
    from readme_renderer.markdown import render

    rendered = render(str(markdown))
    if rendered is None:
        raise Unfit("The README cannot be rendered")
    targets = re.findall(r'(?:href|src)="([^"]*)"', rendered)
    anchors = {f"#{name}" for name in re.findall(r'id="([^"]*)"', rendered)}
    return [
        target.replace("#user-content-", "#")  # the prefix that PyPI gives to anchors
        for target in targets
        if target not in anchors and not target.startswith(("https://", "mailto:"))
    ]


def check_contents(packages: Packages) -> None:
    """Compare what is in the packages with what git has, file by file."""
    source = project_files()
    info = packages.wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    wanted = {
        name.removeprefix("generated/")
        for name in source
        if name.startswith(("ecall_facade/", "generated/ecall_client/"))
    } | {
        f"{info}/{name}"
        for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    with zipfile.ZipFile(packages.wheel) as wheel:
        _compare(packages.wheel, {one.filename for one in wheel.infolist()}, wanted)
        texts = {one.filename: wheel.read(one) for one in wheel.infolist()}
    with tarfile.open(packages.sdist) as sdist:
        top = packages.sdist.name.removesuffix(".tar.gz")
        members = {
            member.name.removeprefix(f"{top}/"): member
            for member in sdist.getmembers()
            if member.isfile()
        }
        wanted = {name for name in source if not name.startswith(NOT_IN_SDIST)} | {"PKG-INFO"}
        _compare(packages.sdist, set(members), wanted)
        for name, member in members.items():
            file = sdist.extractfile(member)
            texts[f"{top}/{name}"] = file.read() if file else b""
    here = os.fsencode(ROOT)
    if leaks := [name for name, text in texts.items() if here in text]:
        raise Unfit(f"These files name a folder of this machine: {', '.join(leaks)}")


def _compare(package: Path, found: set[str], wanted: set[str]) -> None:
    problems = [f"{name} is missing" for name in sorted(wanted - found)]
    problems += [f"{name} is too much" for name in sorted(found - wanted)]
    if problems:
        raise Unfit(f"{package.name}: {'; '.join(problems)}")


def project_files() -> set[str]:
    """Return the files that git has or would add; those of a release are all committed."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def extras() -> list[str]:
    """Return the names of all extras, and "" for none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return ["", *project["optional-dependencies"]]


def install(
    folder: Path, python: str | Path, *requirements: str | Path, constraints: Path | None = None
) -> Path:
    """Make a fresh environment with what is required, in the newest versions; return its Python."""
    run(python, "-m", "venv", "--without-pip", folder)
    installed = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", installed)
    pinned = ("-c", constraints) if constraints else ()
    run(*pip, "install", "-qq", "--no-input", "--no-compile", *pinned, *requirements)
    run(*pip, "check")
    return installed


def use(python: Path, extra: str, *, cwd: Path) -> None:
    """Run the first program of an extra with an environment's Python, through a sandbox of this one."""
    from ecall_facade.sandbox import Sandbox

    with Sandbox() as sandbox:
        settings = {
            "ECALL_BASE_URL": sandbox.url,
            "ECALL_USERNAME": sandbox.credentials["username"],
            "ECALL_PASSWORD": sandbox.credentials["password"],
            "ECALL_SENDER": "ACME",
        }
        run(python, "-I", SMOKE, extra, cwd=cwd, environment=settings)


def try_all(wheel: Path, trials: list[Trial], folder: Path) -> dict[str, Path]:
    """Install the wheel for each trial, and use it; return the environments' Pythons by name."""

    def try_one(trial: Trial) -> tuple[str, Path]:
        requirement = f"{wheel}[{trial.extra}]" if trial.extra else wheel
        installed = install(folder / trial.name, trial.python, requirement)
        try:
            use(installed, trial.extra, cwd=folder)
        except Unfit as error:
            raise Unfit(f"{trial.name} does not work:\n{error}") from None
        return trial.name, installed

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(pool.map(try_one, trials))


def write_bill_of_materials(python: Path, version: str, target: Path, *, timestamp: int) -> None:
    """Write the packages of an environment as CycloneDX, with this project as what they are for."""
    tool(
        *("cyclonedx-py", "environment", "--output-reproducible", "--mc-type", "library"),
        *("--pyproject", ROOT / "pyproject.toml", "--output-file", target, python),
        environment={"SOURCE_DATE_EPOCH": str(timestamp)},
    )
    bill = json.loads(target.read_text(encoding="utf-8"))
    # cyclonedx-py does not know versions that the build backend reads from a file.
    bill["metadata"]["component"] |= {
        "version": version,
        "purl": f"pkg:pypi/ecall-facade@{version}",
    }
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
