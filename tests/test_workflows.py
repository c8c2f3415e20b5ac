"""The files that GitHub and pre-commit read: valid, safe, and about scripts that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not GITHUB.is_dir(), reason="the sdist has no .github"),
    pytest.mark.skipif(
        find_spec("check_jsonschema") is None, reason="the tools are in the main environment"
    ),
]


def tool(name: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = shutil.which(name, path=Path(sys.executable).parent)
    assert program is not None, f"{name} is not installed"
    return subprocess.run(
        [program, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return tool("zizmor", "--offline", "--persona=pedantic", "--color=never", folder)


def load(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    found = zizmor(GITHUB)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (r"@[0-9a-f]{40}  # v\S+", "@v1", "unpinned-uses"),
        (r"(?m)^permissions: \{\}$", "permissions: write-all", "excessive-permissions"),
        (r"run: \.ci/run", "run: echo ${{ github.head_ref }}", "template-injection"),
    ],
)
def test_zizmor_finds_a_fault_that_is_put_into_a_workflow(
    tmp_path: Path, old: str, new: str, finding: str
) -> None:
    text = (GITHUB / "workflows" / "tests.yml").read_text(encoding="utf-8")
    faulty, count = re.subn(old, new, text)
    assert count > 0
    workflow = tmp_path / ".github" / "workflows" / "tests.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(faulty, encoding="utf-8")
    found = zizmor(tmp_path)
    assert found.returncode != 0
    assert finding in found.stdout


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [GITHUB / "dependabot.yml"]),
        ("github-issue-forms", sorted(GITHUB.glob("ISSUE_TEMPLATE/[!c]*.yml"))),
        ("github-issue-config", sorted(GITHUB.glob("ISSUE_TEMPLATE/config.yml"))),
    ],
)
def test_the_files_that_github_reads_are_valid(schema: str, paths: list[Path]) -> None:
    assert paths
    code, output = check_schema(schema, *paths)
    assert code == 0, output


def test_a_workflow_that_github_would_refuse_is_found(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.yml"
    faulty.write_text("on: push\njobs: {build: {steps: []}}\n", encoding="utf-8")
    code, output = check_schema("github-workflows", faulty)
    assert code == 1
    assert "runs-on" in output


def check_schema(schema: str, *paths: Path) -> tuple[int, str]:
    """Run check-jsonschema in this process, because importing it takes a second."""
    from check_jsonschema.cli.main_command import main
    from click.testing import CliRunner

    result = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", *map(str, paths)])
    return result.exit_code, result.output


def test_no_checkout_leaves_its_credentials_behind() -> None:
    checkouts = [
        step
        for path in WORKFLOWS
        for step in steps(load(path))
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_an_action_has_the_same_commit_and_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := re.search(r"uses: ([^@\s.]+)@(.+)$", line):
                assert re.fullmatch(r"[0-9a-f]{40}  # v\d+\.\d+\.\d+", found[2]), line
                pins.setdefault(found[1], set()).add(found[2])
    assert pins
    assert {action: pin for action, pin in pins.items() if len(pin) > 1} == {}


def test_each_script_that_a_workflow_calls_exists() -> None:
    called = {
        name
        for path in WORKFLOWS
        for step in steps(load(path))
        for name in re.findall(r"(?:\.ci|scripts|tests)/[\w./]+", step.get("run", ""))
    }
    assert called
    assert {name for name in called if not (ROOT / name).exists()} == set()


def test_the_tests_run_on_every_python_that_the_classifiers_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)
    }
    jobs = load(GITHUB / "workflows" / "tests.yml")["jobs"]
    [first] = [
        step["with"]["python-version"]
        for step in jobs["everything"]["steps"]
        if "python-version" in step.get("with", {})
    ]
    assert {first, *jobs["pythons"]["strategy"]["matrix"]["python"]} == named


# Plays the GitHub command line: writes down how it was called, and knows the issues that ISSUES names.
GH = """#!/bin/sh
for argument; do printf '%s ' "$argument"; done >> "$CALLS"
echo >> "$CALLS"
if [ "$1 $2" = "issue list" ]; then printf '%s' "$ISSUES"; fi
"""


def run_upstream(
    tmp_path: Path, *, exit_code: int, issue: str = ""
) -> tuple[int, list[str], str | None]:
    """Run the shell of upstream.yml with a comparison that ends so; return exit code, calls of gh, and the text."""
    programs = tmp_path / "programs"
    programs.mkdir()
    comparison = f"#!/bin/sh\necho 'path-missing-ours: POST /new'\nexit {exit_code}\n"
    for name, text in (("gh", GH), ("python", comparison)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o700)
    calls, output = tmp_path / "calls", tmp_path / "output"
    calls.touch()
    output.touch()
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(calls),
        "ISSUES": issue,
        "GITHUB_OUTPUT": str(output),
        "RUN": "https://github.example/runs/1",
    }
    code = 0
    for step in steps(load(GITHUB / "workflows" / "upstream.yml")):
        if step.get("name") in {"Compare", "Keep the issue"} and code == 0:
            differs = output.read_text(encoding="utf-8").strip().removeprefix("differs=")
            code = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=tmp_path,
                env={**environment, "DIFFERS": differs},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=30,
                check=False,
            ).returncode
    body = tmp_path / "body.md"
    report = body.read_text(encoding="utf-8") if body.exists() else None
    return code, calls.read_text(encoding="utf-8").splitlines(), report


needs_bash = pytest.mark.skipif(
    os.name != "posix" or shutil.which("bash") is None, reason="the step is a bash script"
)


@needs_bash
def test_a_difference_from_the_vendors_pages_opens_an_issue(tmp_path: Path) -> None:
    code, calls, body = run_upstream(tmp_path, exit_code=1)
    assert code == 0
    assert [" ".join(call.split()[:2]) for call in calls] == [
        "issue list",
        "label create",
        "issue create",
    ]
    assert body is not None
    assert "path-missing-ours: POST /new" in body
    assert "https://github.example/runs/1" in body


@needs_bash
def test_a_difference_that_has_an_issue_updates_it(tmp_path: Path) -> None:
    code, calls, _ = run_upstream(tmp_path, exit_code=1, issue="7")
    assert code == 0
    assert calls[1:] == ["issue edit 7 --body-file body.md "]


@needs_bash
@pytest.mark.parametrize(("issue", "closed"), [("7", 1), ("", 0)])
def test_when_nothing_differs_an_open_issue_is_closed(
    tmp_path: Path, issue: str, closed: int
) -> None:
    code, calls, _ = run_upstream(tmp_path, exit_code=0, issue=issue)
    assert code == 0
    assert len(calls) == 1 + closed
    assert all(call.startswith("issue close 7 ") for call in calls[1:])


@needs_bash
def test_a_comparison_that_fails_touches_no_issue_and_fails_the_run(tmp_path: Path) -> None:
    assert run_upstream(tmp_path, exit_code=2, issue="7")[:2] == (2, [])


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="pre-commit needs a git repository")
def test_the_hooks_of_pre_commit_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path))
    ran = tool("pre-commit", "run", "--all-files", "--color=never")
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("Passed") == 6, ran.stdout


def test_the_hooks_of_pre_commit_run_what_this_project_has() -> None:
    repositories = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system"  # anything else installs from the network
        for name in re.findall(r"scripts/\w+", hook["entry"]):
            assert (ROOT / name).is_file()
