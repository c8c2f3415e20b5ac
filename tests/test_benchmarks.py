"""Tests of `benchmarks/run`: its server answers each library, its page shows the numbers. Nothing is timed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from _benchmarks import DOCS, FOLDER, ROOT, load

NUMBERS = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))


clients, report, server = (load(name) for name in ("clients", "report", "server"))


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^ ;\n]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def made(**results: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a run with these results."""
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


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    """Addresses of the server: one answers at once, one after a while."""
    command = [sys.executable, str(FOLDER / "server.py"), "300000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]
        process.terminate()


@pytest.mark.parametrize("part", server.ANSWERS)
def test_the_server_answers_each_library_with_the_id(urls: list[str], part: str) -> None:
    for url in urls:
        answer = httpx.post(f"{url}/1{part}1", json={"text": "Your code is 481 516"})
        assert answer.is_success
        assert server.ID in answer.text


def test_the_server_does_not_answer_an_unknown_path(urls: list[str]) -> None:
    assert httpx.post(f"{urls[0]}/other").status_code == 404


def test_the_server_takes_files_and_returns_them(urls: list[str]) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [bytes(60_000)] * 5

    with httpx.Client(base_url=urls[0]) as client:
        for content in (bytes(300_000), chunks()):
            assert client.post("/api/v2/media", content=content).json() == {"mediaId": server.ID}
            assert client.get("/api/v2/media/1").content == bytes(300_000)


def test_every_measured_library_is_pinned() -> None:
    assert {*clients.SYNC, *clients.ASYNC} == {*clients.REQUIREMENTS}
    for requirement in clients.REQUIREMENTS.values():
        assert all("==" in part or part == "." for part in requirement.split())
    assert {*report.PEERS, *report.OURS} < {*clients.REQUIREMENTS}


def test_no_library_is_imported_before_it_is_measured() -> None:
    code = "import sys; before = set(sys.modules); import clients; print(sorted(set(sys.modules) - before))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert "httpx" not in result.stdout
    assert "ecall_facade" not in result.stdout


def test_the_pins_of_the_benchmark_agree_with_those_of_the_project() -> None:
    project = pins(ROOT / "constraints.txt")
    ours = pins(FOLDER / "constraints.txt")
    parts = [part for one in clients.REQUIREMENTS.values() for part in one.split() if "==" in part]
    for name, version in [*ours.items(), *(part.split("==") for part in parts)]:
        assert project.get(name, version) == version, name


TARGET_RESULTS: dict[str, dict[str, Any]] = {
    "cpu_sync_1_0": {"httpx": [90, 100, 110], "ecall_facade": [100, 125, 300]},
    "rate_async_50_0": {
        "httpx": [90, 100, 110],
        "ecall_facade": [0, 199, 500],
        "httpx-aiohttp": [0, 200, 900],
    },
    "packages": {"ecall_facade": [13, 13, 13]},
    "extra_download_sync": {"ecall_facade": [0, 1e6, 9e6]},
    "extra_download_async": {"ecall_facade": [0, 8.1e6, 9e6], "httpx-aiohttp": [0, 8e6, 9e6]},
}


@pytest.mark.parametrize(
    ("words", "row", "is_met"),
    [
        ("CPU per sync send, to httpx", "ecall_facade", True),
        ("async, 50 at a time, no latency", "ecall_facade", False),
        ("async, 50 at a time, no latency", "httpx-aiohttp", True),
        ("100 MB, download", "ecall_facade", False),
        ("100 MB, download", "httpx-aiohttp", True),
        ("100 MB, upload", "httpx-aiohttp", None),
        ("packages, all levels", "ecall_facade", False),
        ("import and one client, to httpx", "ecall_facade", None),
    ],
)
def test_a_target_is_met_missed_or_not_measured(words: str, row: str, is_met: bool | None) -> None:
    data = made(**TARGET_RESULTS)
    (target,) = [
        one
        for one in report.targets(data)
        if (one.words.partition(":")[0], one.row) == (words, row)
    ]
    assert target.is_met is is_met
    verdict = {None: "not measured", True: "| met |", False: "| **not met** |"}[is_met]
    lines = [line for line in report.markdown(data).splitlines() if line.startswith(f"| {words}")]
    assert any(f"| {report.label(row)} |" in line and verdict in line for line in lines)


def test_a_failed_measurement_is_shown_as_a_failure_and_not_as_a_number() -> None:
    failed = "failed: OutcomeUnknown: the connection was lost"
    data = made(cpu_sync_1_0={"httpx": [1, 1, 1], "ecall_facade": failed})
    assert "| CPU per sync send, to httpx | ecall_facade | not measured |" in report.markdown(data)
    assert failed in report.markdown(data)
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
def test_a_peer_that_is_ahead_is_named(key: str, theirs: int, is_ahead: bool) -> None:
    data = made(**{key: {"ecall_facade": [100, 100, 100], "plivo": [theirs, theirs, theirs]}})
    assert [found.peer for found in report.behind(data)] == ["plivo"] * is_ahead
    assert ("not explained" in report.markdown(data)) == is_ahead
    assert ("Nowhere in this run" in report.markdown(data)) != is_ahead


def test_the_page_shows_the_stored_numbers() -> None:
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert page == report.markdown(NUMBERS), "run benchmarks/run --page"


@pytest.mark.parametrize(
    "section", [one for one in report.SECTIONS if one.picture], ids=lambda one: one.picture
)
def test_a_picture_shows_the_stored_numbers(section: Any) -> None:
    wanted = Counter[str]()
    for column in section.columns:
        rows = report.medians(NUMBERS, column)
        wanted.update([report.picture_title(column), *map(report.label, rows)])
        wanted.update(column.number(middle) for _, middle, _ in rows.values())
    drawn = ET.parse(DOCS / "pictures" / report.picture_name(section))
    texts = (node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text"))
    assert Counter(texts) == wanted, "run benchmarks/run --page"
