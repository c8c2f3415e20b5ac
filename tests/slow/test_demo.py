"""The demonstration: that it works, that it says so, and that it does not say so where something went wrong."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from _programs import run_python

from ecall_facade import ECall
from ecall_facade.sandbox import Sandbox, demo

ROOT = Path(__file__).parents[2]


def play() -> tuple[bool, list[str]]:
    lines: list[str] = []
    return demo.run(lines.append), lines


class TestRun:
    def test_it_works_and_tells_a_story(self) -> None:
        worked, lines = play()
        assert worked, lines
        text = "\n".join(lines)
        titles = [line for line in lines if re.match(r"\d+\. ", line)]
        assert [title.partition(".")[0] for title in titles] == [
            str(number) for number in range(1, 12)
        ]
        for words in (
            "SMS",
            "WhatsApp",
            "RCS",
            "left out: the same number",
            "PAGER-7",
            "refused",
            "bytes, identical",
        ):
            assert words in text
        assert text.count("delivered at") == 8
        assert "FAILED" not in text
        # A newcomer must not take it for the service, and has a terminal of some width.
        assert "SIMULATION" in "".join(lines[:4])
        assert "SIMULATION" in "".join(lines[-2:])
        assert max(map(len, lines)) <= 150
        assert not [line for line in lines if line != line.rstrip() or "\n" in line]

    def test_it_minds_no_settings_of_the_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ECALL_API_VERSION", "v1")
        monkeypatch.setenv("ECALL_BASE_URL", "https://nowhere.invalid")
        monkeypatch.setenv("ECALL_SENDER", "not a sender at all")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        worked, lines = play()
        assert worked, lines


def of_other_bytes(self: Sandbox, media_id: str) -> bytes:
    return b"not the picture"


def of_no_effect(self: Sandbox, *arguments: Any) -> None:
    pass


def of_other_file(self: Any, media_id: str, to: io.BytesIO) -> None:
    to.write(b"not the picture")


def of_no_report(self: Any, *arguments: Any) -> None:
    pass


class TestFailure:
    @pytest.mark.parametrize(
        ("owner", "name", "replacement", "problem"),
        [
            (Sandbox, "media", of_other_bytes, "The picture was not stored as it is"),
            (Sandbox, "fail_next", of_no_effect, "The failure was not noticed"),
        ],
    )
    def test_what_does_not_happen_is_not_claimed(
        self,
        monkeypatch: pytest.MonkeyPatch,
        owner: type,
        name: str,
        replacement: Any,
        problem: str,
    ) -> None:
        monkeypatch.setattr(owner, name, replacement)
        worked, lines = play()
        assert not worked
        assert lines[-1] == f"The demo FAILED here. DemoError: {problem}"

    def test_another_picture_that_comes_back_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ECall("user", "password") as ecall:
            monkeypatch.setattr(type(ecall.media), "download", of_other_file)
        worked, lines = play()
        assert not worked
        assert "The picture has changed" in lines[-1]

    def test_a_report_that_does_not_come_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from ecall_facade.sandbox._callbacks import Callbacks

        monkeypatch.setattr(Callbacks, "_notify", of_no_report)
        monkeypatch.setattr(demo, "PATIENCE", 2.5)
        worked, lines = play()
        assert not worked
        assert "No delivery report came" in lines[-1]

    def test_a_number_that_is_taken_for_good_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def mistype(self: Any) -> None:
            self._ecall.sms.send("nonsense", "This will not go out")

        monkeypatch.setattr(demo._Demo, "mistype_a_number", mistype)
        worked, lines = play()
        assert not worked
        assert lines[-1].startswith(
            "The demo FAILED here. InvalidNumber: 1 of 1 recipients cannot be used"
        )


class TestScript:
    def test_it_runs_the_demo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(ROOT / "scripts"))
        _setup: Any = importlib.import_module("_setup")
        if _setup._stamp(Path(sys.prefix)) != f"dev {_setup._fingerprint(sys.version)}":
            pytest.skip(
                "this is not the environment that scripts/demo would run in; it would make that one anew"
            )
        environment = {
            **os.environ,
            "PYTHONIOENCODING": "ascii",
        }  # as a terminal may be that has no letters of ours
        result = run_python(ROOT / "scripts" / "demo", environment=environment)
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stderr == ""
        assert "All of this worked." in result.stdout
        assert "Grüezi Carla" in result.stdout
