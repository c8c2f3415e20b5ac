"""The examples of bulk sending with queues, with real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _bulk import CountingService, PostgreSQL, wait_until
from _programs import run_python

from ecall_facade.bulk import Ledger

pytestmark = pytest.mark.once

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: str, environment: dict[str, str]) -> str:
    result = run_python(*arguments, environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def people(folder: Path, count: int) -> Path:
    path = folder / "people.csv"
    rows = [f"+4179{number:07d},message {number}" for number in range(count)]
    path.write_text("\n".join(["to,text", *rows]), encoding="utf-8")
    return path


def test_procrastinate_sends_a_list_from_the_database_of_the_ledger(
    postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql_server.new_database()
    with CountingService(latency=0.01) as service:
        environment = {
            **os.environ,
            **service.environment,
            "ECALL_LEDGER": url,
            "BULK_DATABASE": postgresql_server.conninfo,
        }
        command = ("-m", "procrastinate", "--app", "bulk_procrastinate.app")
        run(*command, "schema", "--apply", environment=environment)
        said = run("bulk_procrastinate.py", str(people(tmp_path, 250)), environment=environment)
        assert "3 chunks are queued" in said
        with Ledger(url) as ledger:
            job = ledger.job("people.csv")
            worker = subprocess.Popen(
                [sys.executable, *command, "worker", "--concurrency", "2"],
                cwd=EXAMPLES,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                assert wait_until(lambda: job.counts()["accepted"] == 250, 60), job.counts()
            finally:
                worker.terminate()
                worker.wait(30)
            said = run("bulk_procrastinate.py", str(people(tmp_path, 250)), environment=environment)
        assert "0 chunks are queued" in said
    assert not service.twice
