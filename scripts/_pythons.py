"""Finds the Pythons of this machine that the project supports. Standard library only."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

# Asks a Python who it is. Only finished CPythons count: for others there are no wheels of what we depend on.
WHO = (
    "import platform, sys; v = sys.version_info; "
    "good = v >= (3, 11) and v[3] == 'final' and platform.python_implementation() == 'CPython'; "
    "print('%d.%d|%s' % (v[0], v[1], sys.version.replace('\\n', ' ')) if good else '')"
)


def other_pythons() -> dict[str, tuple[str, str]]:
    """Find the other Pythons on the PATH and with pyenv: version -> the program, and its words about itself."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if folder]
    programs = [
        shutil.which(f"python3.{minor}", path=folder)
        for folder in folders
        for minor in range(11, 20)
    ]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    programs += [str(program) for program in sorted(pyenv.glob("*/bin/python3"), reverse=True)]

    found: dict[str, tuple[str, str]] = {}
    for program in filter(None, programs):
        try:
            answer = subprocess.run(
                [program, "-c", WHO], stdin=subprocess.DEVNULL, capture_output=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            continue  # it is there, but it does not run
        version, _, words = answer.stdout.decode(errors="replace").strip().partition("|")
        if version and version != ".".join(platform.python_version_tuple()[:2]):
            found.setdefault(version, (program, words))
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))
