"""`benchmarks/run`: it runs, its server answers each library, its page says what was measured. Nothing is timed."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


def load(name: str) -> Any:
    """Load a module of the benchmark, whose names are too common for `sys.path`."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # which dataclasses and the like look at
    spec.loader.exec_module(module)
    return module


clients, report, server = (load(name) for name in ("clients", "report", "server"))


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^ ;\n]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def made(**results: dict[str, Any]) -> dict[str, Any]:
    """Give what a run with these results would have left."""
    row = {"version": "1.0", "base_url": "its URL"}
    return {
        "date": "2026-01-15",
        "machine": {"python": "3.11.0", "system": "Linux", "cores": 2},
        "method": {"quick": False, "rounds": 7, "seconds": 0.25, "flat": 100_000},
        "rows": {
            "httpx": row,
            "ecall_facade": row,
            "httpx-aiohttp": {**row, "missing": "cannot be installed here"},
            "plivo": row,
        },
        "results": {key.replace("_", "/"): values for key, values in results.items()},
    }


def verdicts(data: dict[str, Any]) -> dict[tuple[str, str], bool | None]:
    return {
        (target.words.partition(":")[0], target.row): target.is_met
        for target in report.targets(data)
    }


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    """Addresses of the server: one answers at once, one after a while."""
    command = [sys.executable, str(FOLDER / "server.py"), "300000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]
        process.terminate()


class TestServer:
    @pytest.mark.parametrize("part", server.ANSWERS)
    def test_each_shape_holds_the_id(self, urls: list[str], part: str) -> None:
        for url in urls:
            answer = httpx.post(f"{url}/1{part}1", json={"text": "Your code is 481 516"})
            assert answer.is_success
            assert server.ID in answer.text

    def test_another_path_is_not_found(self, urls: list[str]) -> None:
        assert httpx.post(f"{urls[0]}/other").status_code == 404

    def test_files_go_up_and_down(self, urls: list[str]) -> None:
        def chunks() -> Iterator[bytes]:
            yield from [bytes(60_000)] * 5

        with httpx.Client(base_url=urls[0]) as client:
            for content in (bytes(300_000), chunks()):
                assert client.post("/api/v2/media", content=content).json() == {
                    "mediaId": server.ID
                }
                assert client.get("/api/v2/media/1").content == bytes(300_000)


class TestRows:
    def test_every_row_is_pinned_and_sends(self) -> None:
        assert {*clients.SYNC, *clients.ASYNC} == {*clients.REQUIREMENTS}
        for requirement in clients.REQUIREMENTS.values():
            assert all("==" in part or part == "." for part in requirement.split())
        assert {*report.PEERS, *report.OURS} < {*clients.REQUIREMENTS}

    def test_no_library_is_imported_before_it_is_measured(self) -> None:
        code = "import sys; before = set(sys.modules); import clients; print(sorted(set(sys.modules) - before))"
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=FOLDER,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
        assert "httpx" not in result.stdout
        assert "ecall_facade" not in result.stdout

    def test_the_pins_agree_with_those_of_the_project(self) -> None:
        project = pins(ROOT / "constraints.txt")
        ours = pins(FOLDER / "constraints.txt")
        rows = [
            part.split("==")
            for requirement in clients.REQUIREMENTS.values()
            for part in requirement.split()
            if "==" in part
        ]
        for name, version in [*ours.items(), *rows]:
            assert project.get(name, version) == version, name


class TestReport:
    def test_targets_are_met_or_not(self) -> None:
        at_bound = made(
            cpu_sync_1_0={
                "httpx": [90, 100, 110],
                "ecall_facade": [100, 125, 300],
            },
            rate_async_50_0={
                "httpx": [90, 100, 110],
                "ecall_facade": [0, 199, 500],
                "httpx-aiohttp": [0, 200, 900],
            },
            packages={"ecall_facade": [13, 13, 13]},
            extra_download_sync={"ecall_facade": [0, 1e6, 9e6]},
            extra_download_async={"ecall_facade": [0, 8.1e6, 9e6], "httpx-aiohttp": [0, 8e6, 9e6]},
        )
        found = verdicts(at_bound)
        assert found["CPU per sync send, to httpx", "ecall_facade"] is True
        assert found["async, 50 at a time, no latency", "ecall_facade"] is False
        assert found["async, 50 at a time, no latency", "httpx-aiohttp"] is True
        assert found["100 MB, download", "ecall_facade"] is False
        assert found["100 MB, download", "httpx-aiohttp"] is True
        assert found["100 MB, upload", "httpx-aiohttp"] is None
        assert found["packages, all levels", "ecall_facade"] is False
        assert found["import and one client, to httpx", "ecall_facade"] is None
        text = report.markdown(at_bound)
        assert "| CPU per sync send, to httpx | ecall_facade | 1.25 | at most 1.25 | met |" in text
        assert (
            "| async, 50 at a time, no latency: sends/s, to httpx | ecall_facade | 1.99 | at least 2 | **not"
            in text
        )
        assert (
            "sends/s, to httpx | ecall_facade over httpx-aiohttp | 2.00 | at least 2 | met" in text
        )

    def test_a_failure_is_no_number(self) -> None:
        data = made(
            cpu_sync_1_0={
                "httpx": [1, 1, 1],
                "ecall_facade": "failed: OutcomeUnknown: the connection was lost",
            }
        )
        assert verdicts(data)["CPU per sync send, to httpx", "ecall_facade"] is None
        assert "failed: OutcomeUnknown" in report.markdown(data)
        assert "not available: cannot be installed here" in report.markdown(data)

    @pytest.mark.parametrize(
        ("key", "theirs", "is_ahead"),
        [
            ("cpu_sync_1_0", 90, True),
            ("cpu_sync_1_0", 99, False),
            ("cpu_sync_1_0", 110, False),
            ("rate_sync_10_0", 110, True),
            ("rate_sync_10_0", 90, False),
        ],
    )
    def test_a_peer_that_is_ahead_is_named(self, key: str, theirs: int, is_ahead: bool) -> None:
        data = made(**{key: {"ecall_facade": [100, 100, 100], "plivo": [theirs, theirs, theirs]}})
        assert [found.peer for found in report.behind(data)] == ["plivo"] * is_ahead
        assert ("not explained" in report.markdown(data)) == is_ahead
        assert ("Nowhere in this run" in report.markdown(data)) != is_ahead

    def test_the_page_and_the_pictures_are_what_the_numbers_say(self) -> None:
        data = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
        for name, text in report.pages(data).items():
            assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, (
                f"run benchmarks/run; {name} was edited"
            )
            assert len(text) < 100_000


@pytest.mark.slow
@pytest.mark.once
def test_a_quick_run_measures() -> None:
    command = [
        sys.executable,
        str(FOLDER / "run"),
        "--quick",
        "--only",
        "httpx,ecall_facade",
        "--no-write",
    ]
    before = (ROOT / "docs" / "benchmarks.json").read_bytes()
    result = subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    for section in report.SECTIONS:
        assert f"## {section.title}\n" in result.stdout or section.title == "Sync sends, no latency"
    assert "failed: " not in result.stdout
    assert (ROOT / "docs" / "benchmarks.json").read_bytes() == before
