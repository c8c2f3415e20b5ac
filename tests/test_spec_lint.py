"""The spec is valid OpenAPI 3.1, and a strict linter has nothing to say about it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

SPEC = Path(__file__).parents[1] / "spec" / "ecall.yaml"
LINT = SPEC.parent / "lint"
REDOCLY = LINT / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"


@pytest.mark.long
def test_the_spec_is_valid_openapi() -> None:
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    assert spec["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(spec).validate()


@pytest.mark.long
def test_redocly_finds_nothing() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js on this machine")
    if not REDOCLY.exists():
        pytest.skip("redocly is not installed: scripts/test does it where npm is on the PATH")
    result = subprocess.run(
        [
            node,
            str(REDOCLY),
            "lint",
            f"../{SPEC.name}",
            "--config",
            "redocly.yaml",
            "--format",
            "json",
        ],
        cwd=LINT,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert result.stdout.startswith("{"), result.stderr
    report = json.loads(result.stdout)
    problems = [
        f"{problem['message']} ({problem['location'][0]['pointer']})"
        for problem in report["problems"]
    ]
    assert problems == []
    assert (result.returncode, report["totals"]) == (0, {"errors": 0, "warnings": 0, "ignored": 0})
