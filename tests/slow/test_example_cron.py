"""examples/cron_reminders.py: run again and again, killed, and twice at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from _bulk import CountingService, kill, wait_until
from _clients import E164, OTHER_E164
from _processes import environment, variables_of
from _programs import EXAMPLES, run_python

from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

PROGRAM = EXAMPLES / "cron_reminders.py"
REFUSED = "+41790000400"


def write_file(folder: Path, *recipients: str, name: str = "2026-11-27.csv") -> Path:
    """Write a file whose lines have the names Person-0, Person-1 and so on."""
    rows = [f"{to},Person-{number},9:00" for number, to in enumerate(recipients)]
    path = folder / name
    path.write_text("\n".join(["to,name,time", *rows]), encoding="utf-8")
    return path


def many(count: int) -> list[str]:
    return [f"+4178{number:07d}" for number in range(count)]


def run(*files: Path, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run the program; return its exit code and all that it prints."""
    result = run_python(PROGRAM, *files, environment=variables)
    return result.returncode, result.stdout + result.stderr


def start(file: Path, variables: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(file)],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_every_line_of_every_file_is_sent_once_and_nothing_is_printed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    variables = environment(tmp_path, **variables_of(sandbox))
    files = [
        write_file(tmp_path, E164, name="a.csv"),
        write_file(tmp_path, OTHER_E164, name="b.csv"),
    ]
    assert [run(*files, variables=variables) for _ in range(2)] == [(0, ""), (0, "")]
    assert [(each.recipient, each.text) for each in sandbox.messages] == [
        (to, "Person-0, see you tomorrow at 9:00. Please call 044 123 45 67 if you cannot come.")
        for to in (E164, OTHER_E164)
    ]


def test_a_line_that_is_rejected_is_reported_once(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = environment(tmp_path, **variables_of(sandbox))
    file = write_file(tmp_path, E164, REFUSED)
    code, said = run(file, variables=variables)
    assert (code, said.startswith("2026-11-27.csv: Line 3 is rejected: ")) == (1, True), said
    assert REFUSED not in said
    assert run(file, variables=variables) == (0, "")


def test_a_file_with_a_bad_line_is_refused_as_a_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = environment(tmp_path, **variables_of(sandbox))
    code, said = run(write_file(tmp_path, E164, "0791"), variables=variables)
    assert (code, "2026-11-27.csv, line 3: " in said) == (2, True), said
    assert sandbox.messages == []


def test_a_wrong_password_is_reported_at_each_run_and_costs_no_line(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    variables = environment(tmp_path, **variables_of(sandbox))
    file = write_file(tmp_path, E164)
    for _ in range(2):
        code, said = run(file, variables={**variables, "ECALL_PASSWORD": "wrong"})
        assert (code, "API sub-user" in said) == (1, True), said
    assert run(file, variables=variables) == (0, "")
    assert len(sandbox.messages) == 1


def test_two_that_run_at_the_same_time_share_the_work(tmp_path: Path) -> None:
    file = write_file(tmp_path, *many(300))
    with CountingService(latency=0.05) as service:
        programs = [start(file, service.environment) for _ in range(2)]
        outputs = [program.communicate(timeout=120)[0] for program in programs]
    assert (outputs, [each.returncode for each in programs]) == (["", ""], [0, 0])
    assert (len(service.received), service.twice) == (300, [])


def test_one_that_is_killed_is_run_again_and_says_what_may_have_been_sent(tmp_path: Path) -> None:
    file = write_file(tmp_path, *many(300))
    with CountingService(latency=0.2) as service:
        program = start(file, service.environment)
        assert wait_until(lambda: len(service.received) > 40)
        kill(program)
        code, said = run(file, variables=service.environment)
    *lines, hint = said.splitlines()
    assert code == 1
    assert "ecall bulk resolve" in hint
    assert all("may have been sent: sender gone" in line for line in lines)
    assert 1 <= len(lines) <= 20  # of the 20 that were under way
    assert "+4178" not in said
    assert service.twice == []
    assert len(service.received) >= 300 - len(lines)
