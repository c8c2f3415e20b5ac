"""The spec is valid OpenAPI 3.1, and a strict linter has nothing to say about it."""

import json
from pathlib import Path

import yaml
from _redocly import lint
from openapi_spec_validator import OpenAPIV31SpecValidator

SPEC = Path(__file__).parents[2] / "spec" / "ecall.yaml"


def test_the_spec_is_valid_openapi() -> None:
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    assert spec["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(spec).validate()


def test_redocly_finds_nothing() -> None:
    result = lint(SPEC)
    assert result.stdout.startswith("{"), result.stderr
    report = json.loads(result.stdout)
    problems = [
        f"{problem['message']} ({problem['location'][0]['pointer']})"
        for problem in report["problems"]
    ]
    assert problems == []
    assert (result.returncode, report["totals"]) == (0, {"errors": 0, "warnings": 0, "ignored": 0})
