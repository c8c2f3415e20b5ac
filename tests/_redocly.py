"""redocly, the strict linter of OpenAPI documents that `spec/lint` installs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LINT = Path(__file__).parents[1] / "spec" / "lint"
REDOCLY = LINT / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run redocly on files of one folder, with a report in JSON for each; skip the test where it is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on this machine")
    if not REDOCLY.exists():
        pytest.skip("redocly is not installed: scripts/test does it where npm is on the PATH")
    options = ["--config", str(LINT / "redocly.yaml"), "--format", "json"]
    return subprocess.run(
        [node, str(REDOCLY), "lint", *(file.name for file in files), *options],
        cwd=files[0].parent,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
