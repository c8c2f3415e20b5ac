"""Makes the project's environment on first use, and puts the calling script into it.

A script begins with

    from _setup import inside_environment

    inside_environment("dev")

and may import what that dependency group of the project brings. Standard library only.
"""

import sys

# Before anything else, and in words that an old Python can still read.
if sys.version_info < (3, 11):  # noqa: UP036
    version = sys.version_info[:2]
    sys.exit("This project needs Python 3.11 or later; this is Python %d.%d." % version)  # noqa: UP031

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "constraints.txt"
NPM_FOLDERS = {
    "spec/lint": "redocly, the linter for the spec",
    "spec/contract": "Prism, a server made of the spec",
}
STAMP = ".made-of"
EXTRAS = {"scripts": "cli", "test": "all", "dev": "all"}
"""The dependency groups that are installed, each with an extra of the project itself."""
INSTALL = (
    *("install", "-qq", "--no-input", "--disable-pip-version-check"),
    *("--constraint", str(CONSTRAINTS)),
)


def inside_environment(group: str) -> None:
    """Go on inside `.venv`, which is made first if it is missing, half made or out of date.

    Args:
        group: The dependency group that the script needs: `scripts`, which is installed in seconds, or `dev`, which
            has all of it and is added where `.venv` has only the other.
    """
    # Not the Python of another virtual environment, with which this one would vanish.
    interpreter = getattr(sys, "_base_executable", sys.executable)
    python = make_environment(VENV, interpreter, sys.version, group)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    command = [str(python), *sys.orig_argv[1:]]
    if os.name == "nt":  # where exec gives the prompt back before the script has ended
        sys.exit(subprocess.call(command))
    os.execv(python, command)


def make_environment(folder: Path, interpreter: str, version: str, group: str) -> Path:
    """Make the environment `folder` with a dependency group, unless it stands; return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ingredients = _fingerprint(version)
    enough = {f"{group} {ingredients}", f"dev {ingredients}"}
    if python.exists() and _stamp(folder) in enough:
        return python
    with _lock(folder):
        stamp = _stamp(folder)
        if python.exists() and stamp in enough:  # somebody else made it while we waited
            return python
        begun = time.monotonic()
        if python.exists() and stamp == f"scripts {ingredients}":
            _tell(f"Adding the tools for development to {folder.name} (about a minute) ...")
        else:
            if group == "scripts" and stamp and not stamp.startswith("scripts "):
                group = "dev"  # whoever had more goes on to need it
            takes = "some seconds" if group == "scripts" else "about a minute"
            _tell(f"Making {folder.name} for Python {version.split()[0]} ({takes}) ...")
            _make_empty(folder, python, interpreter)
        _install(folder, python, group)
        # The stamp comes last, so that a half-made environment has none.
        (folder / STAMP).write_text(f"{group} {ingredients}", encoding="utf-8")
        _tell(f"{folder.name} was ready after {time.monotonic() - begun:.0f} s.")
    return python


def _make_empty(folder: Path, python: Path, interpreter: str) -> None:
    """Make an environment without packages."""
    if folder == VENV:
        _run(interpreter, "-m", "venv", "--clear", str(folder))
        # The pip that comes with Python may be too old to know --group.
        _run(str(python), "-m", "pip", *INSTALL, "pip")
    else:  # .venv stands already, and its pip serves here too
        _run(interpreter, "-m", "venv", "--clear", "--without-pip", str(folder))


def _install(folder: Path, python: Path, group: str) -> None:
    """Install a dependency group, and the project itself so that its files stay editable."""
    pip = [str(python), "-m", "pip"]
    if folder != VENV:
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
    # --no-compile: most of what is installed is never imported.
    builds = ("--no-compile", "--build-constraint", str(CONSTRAINTS))
    project = ("--editable", f".[{EXTRAS[group]}]")
    _run(*pip, *INSTALL, *builds, "--group", group, *project)


def make_npm_tools() -> None:
    """Install the npm packages that check the spec, unless they are there."""
    npm = shutil.which("npm")
    if npm is None:
        _tell("There is no npm on the PATH, so redocly and Prism will not check the spec.")
        return
    for place, content in NPM_FOLDERS.items():
        folder = ROOT / place
        modules = folder / "node_modules"
        wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
        if _stamp(modules) != wanted:
            _tell(f"Installing {content}, with npm ...")
            _run(npm, "ci", "--silent", cwd=folder)  # removes node_modules first, the stamp with it
            (modules / STAMP).write_text(wanted, encoding="utf-8")


def _fingerprint(version: str) -> str:
    """Return a digest of what an environment is made of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings = [project[name] for name in ("build-system", "project", "dependency-groups")]
    parts = [
        [*settings, project["tool"]["hatch"]],
        CONSTRAINTS.read_text(encoding="utf-8"),
        (ROOT / "ecall_facade" / "_version.py").read_text(encoding="utf-8"),
        str(ROOT),  # an environment holds absolute paths
        version,
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _stamp(folder: Path) -> str:
    try:
        return (folder / STAMP).read_text(encoding="utf-8")
    except OSError:
        return ""


def _tell(line: str) -> None:
    """Print a line of progress on stderr, as stdout belongs to the script that is set up."""
    with contextlib.suppress(OSError):  # nobody reads it
        print(line, file=sys.stderr, flush=True)


def _run(*command: str, cwd: Path = ROOT) -> None:
    if subprocess.call(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sys.stderr) != 0:
        sys.exit(f"This failed, for the reason above: {' '.join(command)}")


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time make an environment (where the system has such locks)."""
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
