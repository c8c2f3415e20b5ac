"""The fixtures that any project gets, and what they tell when a test fails."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ecall_facade import ECall, ECallError, RawAddress
from ecall_facade.sandbox import Sandbox
from ecall_facade.sandbox._store import _content

ANNA, BEAT = "+41 79 123 45 67", "078 765 43 21"


def send(sandbox: Sandbox, number: str = ANNA, text: str = "See you at 8") -> None:
    with ECall(**sandbox.credentials) as ecall:
        ecall.sms.send(number, text)


def state(sandbox: Sandbox) -> str:
    return sandbox.messages[0].state


class TestWaiting:
    @pytest.mark.parametrize(
        "wanted",
        [
            {"to": "079 123 45 67"},
            {"to": "0041 79 123 45 67"},
            {"text": "you"},
            {"text": re.compile(r"at \d$")},
            {"channel": "sms"},
            {"state": "Pending"},
            {"state": "delivered"},
            {"to": ANNA, "text": "See you at 8", "channel": "Sms", "state": "Sent"},
        ],
    )
    def test_finds_what_is_like_this(self, ecall_sandbox: Sandbox, wanted: dict[str, Any]) -> None:
        send(ecall_sandbox, BEAT, "Not this one") if "state" not in wanted and "channel" not in wanted else None
        send(ecall_sandbox)
        assert ecall_sandbox.wait_for(**wanted).text == "See you at 8"

    @pytest.mark.parametrize(
        ("wanted", "objection"),
        [
            ({"to": BEAT}, "another recipient"),
            ({"text": "you at 9"}, "another text"),
            ({"text": re.compile("^you")}, "another text"),
            ({"channel": "Rcs"}, "by Sms"),
            ({"state": "Failed"}, "it is Delivered"),
            ({"to": BEAT, "text": "no"}, "another recipient, another text"),
        ],
    )
    def test_tells_what_came_instead(self, ecall_sandbox: Sandbox, wanted: dict[str, Any], objection: str) -> None:
        send(ecall_sandbox)
        ecall_sandbox.clock.advance(hours=1)
        began = time.monotonic()
        with pytest.raises(AssertionError) as caught:
            ecall_sandbox.wait_for(**wanted, timeout=0.05)
        assert 0.05 <= time.monotonic() - began < 2
        first, *rest = str(caught.value).splitlines()
        assert re.fullmatch(rf"No message .* came to <Sandbox {ecall_sandbox.url}, 1 messages> in 0.05 s\.", first)
        assert rest == ["One message arrived:", f"  Sms to +41…67, Delivered: 'See you at 8' ({objection})"]

    def test_tells_that_nothing_came_and_what_was_refused(self, ecall_sandbox: Sandbox) -> None:
        with pytest.raises(AssertionError, match=r"(?m)^Nothing arrived\.$"):
            ecall_sandbox.wait_for(to=ANNA, timeout=0)
        with pytest.raises(ECallError):
            send(ecall_sandbox, "+41 79 000 04 00")
        with pytest.raises(AssertionError) as caught:
            ecall_sandbox.wait_for(to="+41 79 000 04 00", timeout=0)
        assert "One request was refused:\n  to +41…00: 400: InvalidContent" in str(caught.value)
        assert "0400" not in str(caught.value)

    def test_cuts_what_is_long(self, ecall_sandbox: Sandbox) -> None:
        with ECall(**ecall_sandbox.credentials) as ecall:
            for number in range(25):
                ecall.sms.send(ANNA, f"{number:02} {'x' * 100}")
        with pytest.raises(AssertionError) as caught:
            ecall_sandbox.wait_for(to=BEAT, timeout=0)
        lines = str(caught.value).splitlines()
        assert lines[1] == "25 messages arrived; the last 20 of them:"
        assert len(lines) == 22
        assert re.search(r": '24 x+…' \(", lines[-1])
        assert max(map(len, lines)) < 140

    def test_waits_for_what_comes_later(self, ecall_sandbox: Sandbox) -> None:
        timer = threading.Timer(0.1, send, [ecall_sandbox])
        timer.start()
        assert ecall_sandbox.wait_for(to=ANNA, state="Delivered").text == "See you at 8"
        timer.join()

    def test_a_short_code_is_a_recipient(self, ecall_sandbox: Sandbox) -> None:
        with ECall(**ecall_sandbox.credentials) as ecall:
            ecall.sms.send(RawAddress("4321"), "Hello")
        assert ecall_sandbox.wait_for(to="4321") == ecall_sandbox.wait_for(to=RawAddress("4321"))

    @pytest.mark.parametrize(
        ("wanted", "problem"),
        [
            ({}, "Say what to wait for"),
            ({"to": "079 123 45"}, "Nothing can arrive there"),
            ({"channel": "Fax"}, "there are Sms, Whatsapp, Rcs"),
            ({"state": "Lost"}, "there are Pending"),
        ],
    )
    def test_what_can_never_come_is_refused(self, ecall_sandbox: Sandbox, wanted: dict[str, Any], problem: str) -> None:
        with pytest.raises(ValueError, match=problem):
            ecall_sandbox.wait_for(**wanted, timeout=0)

    def test_a_text_for_many_is_read_once(self, ecall_sandbox: Sandbox) -> None:
        with ECall(**ecall_sandbox.credentials) as ecall:
            ecall.sms.broadcast([f"+41 79 123 45 {number:02}" for number in range(100)], "Water is off")
        before = _content.cache_info()
        assert [message.text for message in ecall_sandbox.messages] == ["Water is off"] * 100
        assert _content.cache_info().misses - before.misses <= 1  # each parsed the whole request, with all recipients


class TestFixture:
    def test_time_is_advanced_and_not_slept_through(self, ecall_sandbox: Sandbox) -> None:
        clock = ecall_sandbox.clock
        clock.freeze()
        send(ecall_sandbox, "+41 79 000 00 02")  # delivered after 30 seconds
        assert state(ecall_sandbox) == "Pending"
        clock.advance(seconds=29)
        assert state(ecall_sandbox) == "Sent"
        clock.advance(timedelta(seconds=1))
        assert state(ecall_sandbox) == "Delivered"

    def test_a_failure_is_planned(self, ecall_sandbox: Sandbox) -> None:
        ecall_sandbox.fail_next(403)
        with pytest.raises(ECallError):
            send(ecall_sandbox)
        send(ecall_sandbox)
        assert len(ecall_sandbox.messages) == 1

    def test_each_test_has_one_of_its_own(
        self, ecall_sandbox: Sandbox, ecall_sandbox_session: Sandbox, request: pytest.FixtureRequest
    ) -> None:
        assert ecall_sandbox.messages == [] == ecall_sandbox_session.messages
        assert ecall_sandbox.url != ecall_sandbox_session.url
        assert httpx.get(ecall_sandbox.url, trust_env=False).status_code == 200
        send(ecall_sandbox_session)
        ecall_sandbox_session.clear()
        assert ecall_sandbox_session.messages == []


RunPytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_pytest(tmp_path: Path) -> RunPytest:
    """Run tests of somebody else, who has installed the package and nothing more."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_theirs.py").write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-Werror", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False)

    return run


@pytest.mark.slow
class TestInstalled:
    THEIRS = (
        "from ecall_facade import ECall\n"
        "def test_one(ecall_sandbox, ecall_sandbox_session):\n"
        "    for sandbox in (ecall_sandbox, ecall_sandbox_session):\n"
        "        with ECall(**sandbox.credentials) as ecall:\n"
        "            ecall.sms.send('079 123 45 67', 'Hello')\n"
        "        assert sandbox.wait_for(to='079 123 45 67').text == 'Hello'\n"
        "def test_two(ecall_sandbox):\n"
        "    assert ecall_sandbox.messages == []\n"
    )

    def test_the_fixtures_are_there_by_themselves(self, run_pytest: RunPytest) -> None:
        result = run_pytest(self.THEIRS)
        assert (result.returncode, result.stderr) == (0, ""), result.stdout
        assert "2 passed" in result.stdout

    def test_with_workers(self, run_pytest: RunPytest) -> None:
        result = run_pytest(self.THEIRS, "-n", "2")
        assert result.returncode == 0, result.stdout
        assert "2 passed" in result.stdout

    def test_they_can_be_left_out(self, run_pytest: RunPytest) -> None:
        result = run_pytest(self.THEIRS, "-p", "no:ecall_facade")
        assert result.returncode == 1
        assert "fixture 'ecall_sandbox' not found" in result.stdout

    @pytest.mark.parametrize("workers", [(), ("-n", "1")])
    def test_a_failure_lists_what_came(self, run_pytest: RunPytest, workers: tuple[str, ...]) -> None:
        code = self.THEIRS + (
            "def test_three(ecall_sandbox):\n"
            "    with ECall(**ecall_sandbox.credentials) as ecall:\n"
            "        ecall.sms.send('079 123 45 67', 'Hello')\n"
            "    assert ecall_sandbox.messages == []\n"
        )
        result = run_pytest(code, *workers)
        assert result.returncode == 1
        section = result.stdout[result.stdout.index("- ecall_sandbox -") :]
        assert re.search(r"One message arrived:\n  Sms to \+41…67, \w+: 'Hello'\n", section)
        assert "password" not in section

    def test_nothing_is_loaded_before_it_is_used(self, run_pytest: RunPytest) -> None:
        code = (
            "import sys\n"
            "HEAVY = {'httpx', 'attr', 'starlette', 'uvicorn', 'phonenumbers', 'dateutil', 'ecall_facade.sandbox'}\n"
            "def test_it():\n"
            "    assert 'ecall_facade.pytest_plugin' in sys.modules\n"
            "    assert not HEAVY & sys.modules.keys()\n"
        )
        # Of others' plugins, only ours.
        result = run_pytest(
            code, "-p", "no:recording", "-p", "no:hypothesispytest", "-p", "no:schemathesis", "-p", "no:anyio"
        )
        assert result.returncode == 0, result.stdout

    def test_without_the_extra_only_those_who_use_it_fail(self, run_pytest: RunPytest) -> None:
        code = (
            "import sys\nsys.modules['uvicorn'] = None\ndef test_using(ecall_sandbox): pass\ndef test_other(): pass\n"
        )
        result = run_pytest(code)
        assert 'pip install "ecall-facade[sandbox]"' in result.stdout
        assert "1 passed, 1 error" in result.stdout
