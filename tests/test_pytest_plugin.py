"""The pytest plugin as a project that installed the package has it, and `wait_for`."""

import math
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ecall_facade import Channel, DeliveryState, ECall, ECallError, RawAddress, TextContent
from ecall_facade.sandbox import Message, Sandbox, _waiting

pytestmark = pytest.mark.once

NUMBER, OTHER = "+41791234567", "+41787654321"
TEXT = "Your code is 481 516"


@pytest.fixture
def box(ecall_sandbox: Sandbox) -> Sandbox:
    return ecall_sandbox


@pytest.fixture
def client(ecall_sandbox: Sandbox) -> Iterator[ECall]:
    with ECall(**ecall_sandbox.credentials) as ecall:
        yield ecall


def wait_in_vain(box: Sandbox, **wanted: Any) -> str:
    """Return the message of a `wait_for` that finds nothing."""
    with pytest.raises(AssertionError) as caught:
        box.wait_for(timeout=0, **wanted)
    return str(caught.value)


class TestWaitFor:
    def test_wait_for_returns_the_first_message_that_is_already_there(
        self, box: Sandbox, client: ECall
    ) -> None:
        for text in ("one", "two", "three two"):
            client.sms.send(NUMBER, text)
        assert box.wait_for(to=NUMBER, timeout=0).text == "one"
        assert box.wait_for(text="two", timeout=0).text == "two"

    def test_wait_for_returns_a_message_that_arrives_later(
        self, box: Sandbox, client: ECall
    ) -> None:
        client.sms.send(OTHER, TEXT)

        def send() -> None:
            time.sleep(0.1)
            client.sms.send(NUMBER, TEXT)

        thread = threading.Thread(target=send)
        thread.start()
        begun = time.monotonic()
        message = box.wait_for(to=NUMBER)
        took = time.monotonic() - begun
        thread.join()
        assert message.recipient == NUMBER
        assert 0.09 < took < 4

    def test_several_threads_can_wait_for_a_message(self, box: Sandbox, client: ECall) -> None:
        found: list[str | None] = []
        threads = [
            threading.Thread(target=lambda: found.append(box.wait_for(to=NUMBER).text))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        client.sms.send(NUMBER, TEXT)
        for thread in threads:
            thread.join()
        assert found == [TEXT] * 5

    def test_wait_for_goes_on_after_the_sandbox_was_cleared(
        self, box: Sandbox, client: ECall
    ) -> None:
        client.sms.send(OTHER, "before")

        def send() -> None:
            time.sleep(0.05)
            box.clear()
            client.sms.send(NUMBER, "after")

        thread = threading.Thread(target=send)
        thread.start()
        assert box.wait_for(to=NUMBER).text == "after"
        thread.join()
        assert len(box.messages) == 1

    @pytest.mark.parametrize(
        "to", ["079 123 45 67", "0041 79 123 45 67", "+41 (0)79/123-45-67", RawAddress(NUMBER)]
    )
    def test_wait_for_takes_a_number_as_people_write_it(
        self, box: Sandbox, client: ECall, to: str | RawAddress
    ) -> None:
        client.sms.send(OTHER, "to another")
        client.sms.send(NUMBER, TEXT)
        assert box.wait_for(to=to, timeout=0).text == TEXT

    @pytest.mark.parametrize("to", ["4141", RawAddress("4141")])
    def test_wait_for_takes_a_short_code_unchanged(
        self, box: Sandbox, client: ECall, to: str | RawAddress
    ) -> None:
        client.sms.send(RawAddress("4142"), "to another")
        client.sms.send(RawAddress("4141"), TEXT)
        assert box.wait_for(to=to, timeout=0).text == TEXT

    @pytest.mark.parametrize("raw", ["0041791234567", NUMBER])
    def test_wait_for_knows_both_international_forms_of_a_number(
        self, box: Sandbox, client: ECall, raw: str
    ) -> None:
        client.sms.send(RawAddress(raw), TEXT)
        for to in (NUMBER, RawAddress("0041791234567")):
            assert box.wait_for(to=to, timeout=0).recipient == raw

    @pytest.mark.parametrize(
        "text", [TEXT, "code is", re.compile(r"\d{3} \d{3}$"), re.compile("CODE", re.IGNORECASE)]
    )
    def test_wait_for_finds_a_message_by_its_text(
        self, box: Sandbox, client: ECall, text: str | re.Pattern[str]
    ) -> None:
        client.sms.send(OTHER, "another")
        client.sms.send(NUMBER, TEXT)
        assert box.wait_for(text=text, timeout=0).recipient == NUMBER

    def test_wait_for_does_not_take_a_string_for_a_pattern(
        self, box: Sandbox, client: ECall
    ) -> None:
        client.sms.send(NUMBER, "Is it 8?")
        assert box.wait_for(text="8?", timeout=0).text == "Is it 8?"
        assert "another text" in wait_in_vain(box, text="I. it")

    @pytest.mark.parametrize("channel", ["Whatsapp", "WHATSAPP", Channel.WHATSAPP])
    def test_wait_for_finds_a_message_by_its_channel(
        self, box: Sandbox, client: ECall, channel: str
    ) -> None:
        client.sms.send(NUMBER, "by SMS")
        client.whatsapp.send(NUMBER, TextContent(text="by WhatsApp"))
        assert box.wait_for(channel=channel, timeout=0).text == "by WhatsApp"

    @pytest.mark.parametrize("state", ["Delivered", "delivered", DeliveryState.DELIVERED])
    def test_wait_for_a_state_follows_the_clock_of_the_sandbox(
        self, box: Sandbox, client: ECall, state: str
    ) -> None:
        box.clock.freeze()
        client.sms.send(NUMBER, TEXT)
        assert "state is Pending" in wait_in_vain(box, state=state)
        box.clock.advance(hours=1)
        assert box.wait_for(state=state, timeout=0).state == "Delivered"

    def test_wait_for_sees_a_state_reached_while_waiting(self, box: Sandbox, client: ECall) -> None:
        client.sms.send("+41 79 000 00 02", "after 30 seconds")
        timer = threading.Timer(0.05, box.clock.advance, [31])
        timer.start()
        assert box.wait_for(state="Delivered").text == "after 30 seconds"
        timer.join()

    def test_wait_for_accepts_a_state_that_has_passed(self, box: Sandbox, client: ECall) -> None:
        client.sms.send("+41 79 000 00 01", "delivered at once")
        assert box.wait_for(state="Sent", timeout=0).state == "Delivered"

    @pytest.mark.parametrize(
        ("wanted", "problem"),
        [
            ({}, "Pass at least one of"),
            ({"to": "079 123 45"}, "too short"),
            ({"to": "nobody"}, "letters"),
            ({"to": 41791234567}, "must be a str, not int"),
            ({"text": ""}, "not empty"),
            ({"text": 481516}, "text must be a str"),
            ({"text": re.compile(b"code")}, "text must be a str"),
            ({"channel": "Fax"}, "one of Rcs, Sms, Whatsapp"),
            ({"state": "Arrived"}, "one of Delivered, .*Pending"),
            ({"to": NUMBER, "timeout": -1}, "timeout"),
            ({"to": NUMBER, "timeout": math.nan}, "timeout"),
            ({"to": NUMBER, "timeout": math.inf}, "timeout"),
        ],
    )
    def test_wait_for_refuses_impossible_arguments_at_once(
        self, box: Sandbox, wanted: dict[str, Any], problem: str
    ) -> None:
        begun = time.monotonic()
        with pytest.raises(ValueError, match=problem):
            box.wait_for(**wanted)
        assert time.monotonic() - begun < 2  # the timeout is 5 seconds

    def test_wait_for_ends_at_its_timeout(self, box: Sandbox) -> None:
        box.clock.freeze()
        begun = time.monotonic()
        with pytest.raises(AssertionError, match=r"within 0\.2 s"):
            box.wait_for(to=NUMBER, timeout=0.2)
        assert 0.2 <= time.monotonic() - begun < 2

    def test_wait_for_ends_under_a_frozen_clock(
        self, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_waiting, "monotonic", lambda: 5.0)
        with pytest.raises(AssertionError, match="within"):
            box.wait_for(to=NUMBER, timeout=0.05)


class TestFailures:
    def test_a_failed_wait_for_says_what_it_waited_for(self, box: Sandbox) -> None:
        first, *_ = wait_in_vain(
            box, to=NUMBER, text=TEXT, channel="sms", state="delivered"
        ).splitlines()
        assert (
            first
            == f"No message by Sms to +41…67 with {TEXT!r} in its text came to Delivered within 0 s."
        )
        first, *_ = wait_in_vain(box, text=re.compile(r"\d+")).splitlines()
        assert first == r"No message with a text like '\\d+' arrived within 0 s."

    def test_a_failed_wait_for_says_that_nothing_arrived(self, box: Sandbox) -> None:
        assert (
            f"Nothing arrived, and nothing was refused. Is your program's base_url that of <Sandbox {box.url}"
            in (wait_in_vain(box, to=NUMBER))
        )

    def test_a_failed_wait_for_lists_what_arrived_and_why_it_does_not_match(
        self, box: Sandbox, client: ECall
    ) -> None:
        box.clock.freeze()
        client.sms.send(OTHER, TEXT)
        client.sms.send(NUMBER, "Hello")
        client.whatsapp.send(NUMBER, TextContent(text=TEXT))
        client.sms.send(NUMBER, TEXT)
        assert wait_in_vain(box, to=NUMBER, text="481", channel="Sms", state="Sent").splitlines()[
            1:
        ] == [
            "What arrived:",
            f"  Sms to +41…21, Pending: {TEXT!r} (another recipient, state is Pending)",
            "  Sms to +41…67, Pending: 'Hello' (another text, state is Pending)",
            f"  Whatsapp to +41…67, Pending: {TEXT!r} (another channel, state is Pending)",
            f"  Sms to +41…67, Pending: {TEXT!r} (state is Pending)",
            "Nothing was refused.",
            f"The sandbox's time is {box.clock!r}; its `advance` moves it forward.",
        ]

    def test_a_failed_wait_for_lists_what_was_refused_and_why(
        self, box: Sandbox, client: ECall
    ) -> None:
        jobs: list[Callable[[], object]] = [
            lambda: client.sms.send("+41 79 000 04 00", TEXT),
            lambda: client.sms.broadcast([NUMBER, OTHER, "+41790000403"], TEXT),
            lambda: client.request("POST", "/api/v2/message", json={}),
        ]
        for job in jobs:
            with pytest.raises(ECallError):
                job()
        with (
            ECall("someone", "wrong", base_url=box.url, sender="ACME") as stranger,
            pytest.raises(ECallError),
        ):
            stranger.sms.send(NUMBER, TEXT)
        client.messages.send_list([client.sms.compose("+41 79 000 04 00", "in a list")])
        lines = wait_in_vain(box, to=NUMBER).splitlines()
        assert lines[1:3] == ["Nothing arrived.", "What was refused:"]
        assert [line.partition(" · ")[0] for line in lines[3:]] == [
            f"  Sms to +41…00: {TEXT!r} (400 InvalidContent",
            f"  Sms to +41…67 and 2 more: {TEXT!r} (403 Not enough credit (the sandbox's number).)",
            "  a message to nobody: no text (400 InvalidContent",
            f"  Sms to +41…67: {TEXT!r} (401 AccNoUser",
            "  Sms to +41…00: 'in a list' (InvalidContent",
        ]

    def test_a_failed_wait_for_lists_the_newest_twenty_messages(
        self, box: Sandbox, client: ECall
    ) -> None:
        client.messages.send_list([client.sms.compose(OTHER, f"no. {n}") for n in range(25)])
        box.fail_next(503, times=22)
        for n in range(22):
            with pytest.raises(ECallError):
                client.with_options(retry=False).sms.send(OTHER, f"refused {n}")
        lines = wait_in_vain(box, to=NUMBER).splitlines()
        assert [line for line in lines if line.startswith("What")] == [
            "What arrived, the newest 20 of 25:",
            "What was refused, the newest 20 of 22:",
        ]
        assert [n for n in range(25) if any(f"'no. {n}'" in line for line in lines)] == [
            *range(5, 25)
        ]
        assert [n for n in range(22) if any(f"'refused {n}'" in line for line in lines)] == [
            *range(2, 22)
        ]

    def test_a_failed_wait_for_shows_no_whole_number_and_no_long_text(
        self, box: Sandbox, client: ECall
    ) -> None:
        text = f"Call {NUMBER}\nnow\u202e, " + "x" * 100
        client.sms.send(NUMBER, text)
        box.fail_next(message=f"Not to {NUMBER}\n")
        with pytest.raises(ECallError):
            client.sms.send(OTHER, text)
        told = wait_in_vain(box, to="+41 79 111 22 33", text=text)
        assert not re.search(r"\d{6}", told)
        assert "x" * 60 not in told
        assert told.isascii() or all(
            character.isprintable() for character in told.replace("\n", "")
        )
        assert told.count("\n") == 4  # what is within a text breaks no line

    def test_a_failed_wait_for_lists_messages_without_a_text(
        self, box: Sandbox, client: ECall
    ) -> None:
        client.whatsapp.send_file(NUMBER, b"\xff\xd8\xff\xe0 a picture", content_type="image/jpeg")
        assert "  Whatsapp to +41…67, " in wait_in_vain(box, text="picture")
        assert ": no text (another text)" in wait_in_vain(box, text="picture")

    def test_a_failed_wait_for_copes_with_deeply_nested_content(
        self, box: Sandbox, client: ECall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.sms.send(NUMBER, TEXT)

        def read(_: Message) -> str:
            raise RecursionError

        monkeypatch.setattr(Message, "text", property(read))
        assert "no text (another text)" in wait_in_vain(box, text="code")


# What a project has: no conftest, no configuration.
USING = """
import asyncio, http.server, json, threading
import pytest
from ecall_facade import AsyncECall, ECall, ServerError

FIRST = []

def test_a_fresh_one(ecall_sandbox):
    assert ecall_sandbox.messages == []
    with ECall(**ecall_sandbox.credentials) as ecall:
        ecall.sms.send("079 123 45 67", "Your code is 481 516")
    FIRST.append(ecall_sandbox)
    assert ecall_sandbox.wait_for(to="079 123 45 67", text="481 516").channel == "Sms"

def test_another_one(ecall_sandbox):
    assert ecall_sandbox is not FIRST[0]
    assert ecall_sandbox.messages == []
    with pytest.raises(RuntimeError, match="not running"):
        FIRST[0].url

@pytest.mark.parametrize("turn", [1, 2])
def test_one_for_the_session(ecall_sandbox_session, ecall_sandbox, turn):
    assert ecall_sandbox_session is not ecall_sandbox
    with ECall(**ecall_sandbox_session.credentials) as ecall:
        ecall.sms.send("079 123 45 67", f"Turn {turn}")
    assert len(ecall_sandbox_session.messages) == turn
    assert ecall_sandbox.messages == []

def test_the_clock(ecall_sandbox):
    ecall_sandbox.clock.freeze()
    with ECall(**ecall_sandbox.credentials) as ecall:
        sent = ecall.sms.send("+41 79 000 00 02", "Delivered after 30 seconds")
        assert ecall.messages.status(sent.message_id).state == "Pending"
        ecall_sandbox.clock.advance(hours=1)
        assert ecall.messages.status(sent.message_id).state == "Delivered"

def test_trouble(ecall_sandbox):
    ecall_sandbox.fail_next(500)
    with ECall(**ecall_sandbox.credentials) as ecall, pytest.raises(ServerError):
        ecall.sms.send("079 123 45 67", "Hello")

def test_a_reply(ecall_sandbox):
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with ECall(**ecall_sandbox.credentials) as ecall:
            ecall.sms.send("079 123 45 67", "At 8?")
        assert ecall_sandbox.reply("Yes", url=f"http://127.0.0.1:{server.server_port}/in") == 204
        server.shutdown()
        thread.join()
    assert (got[0]["from"], got[0]["content"]["text"]) == ("+41791234567", "Yes")

def test_in_an_event_loop(ecall_sandbox):
    async def later(ecall):
        await asyncio.sleep(0.05)
        await ecall.sms.send("079 123 45 67", "Later")

    async def run():
        async with AsyncECall(**ecall_sandbox.credentials) as ecall:
            task = asyncio.create_task(later(ecall))
            message = await asyncio.to_thread(ecall_sandbox.wait_for, text="Later")
            await task
            return message.text

    assert asyncio.run(run()) == "Later"
"""

FAILING = """
import os, pytest
from ecall_facade import ECall

@pytest.fixture
def ecall(ecall_sandbox):
    with ECall(**ecall_sandbox.credentials) as ecall:
        yield ecall

@pytest.fixture
def broken(ecall):
    ecall.sms.send("079 123 45 67", "from the fixture")
    raise RuntimeError("the fixture fails")

def test_waits_in_vain(ecall, ecall_sandbox):
    ecall.sms.send("079 123 45 67", "Hello")
    ecall_sandbox.wait_for(to="078 765 43 21", timeout=0.05)

def test_has_nothing_to_do_with_it():
    assert False, "plain"

def test_breaks_before_it_begins(broken):
    pass

def test_breaks_time(ecall_sandbox):
    for _ in range(2):
        ecall_sandbox.clock.advance(hours=7 * 10**7)
    ecall_sandbox.messages

@pytest.mark.parametrize("turn", range(4))
def test_has_one_for_its_worker(ecall_sandbox_session, turn):
    with ECall(**ecall_sandbox_session.credentials) as ecall:
        ecall.sms.send("079 123 45 67", "to the session")
    assert turn
    with open(f"sandbox-{os.environ['PYTEST_XDIST_WORKER']}-{ecall_sandbox_session.url.rpartition(':')[2]}", "w"):
        pass

def test_passes(ecall):
    ecall.sms.send("079 123 45 67", "not to be shown")
"""

# `None` in sys.modules makes the import of a module fail, as if it were not installed.
WITHOUT_EXTRA = """
import sys
sys.modules["uvicorn"] = None
"""
PLAIN = """
import sys

def test_nothing_is_loaded():
    loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module}
    assert not loaded & {"httpx", "attr", "attrs", "starlette", "uvicorn", "phonenumbers", "dateutil", "ecall_client"}
    ours = {name for name in sys.modules if name.startswith("ecall_facade")}
    assert ours == {"ecall_facade", "ecall_facade._version", "ecall_facade.pytest_plugin"}

def test_needs_it(ecall_sandbox):
    pass

def test_goes_on():
    pass
"""


BROKEN_SANDBOX = """
import sys, types
sys.modules["ecall_facade.sandbox"] = types.ModuleType("ecall_facade.sandbox")
"""
SESSION_AND_PLAIN = """
def test_uses_it(ecall_sandbox_session):
    pass

def test_has_nothing_to_do_with_it():
    assert False, "plain"
"""
TESTS_IN_DATA = """
import pytest

class Item(pytest.Item):
    def runtest(self):
        raise ValueError("the data is bad")

class File(pytest.File):
    def collect(self):
        yield Item.from_parent(self, name="item")

def pytest_collect_file(file_path, parent):
    return File.from_parent(parent, path=file_path) if file_path.suffix == ".data" else None
"""
REPORT_FAILS = """
def pytest_runtest_makereport(item, call):
    raise ValueError("no report")
"""


def run(
    folder: Path, *options: str, without: tuple[str, ...] = (), **files: str
) -> tuple[int, str]:
    """Run pytest in a project of these files; the other plugins of this environment only cost time."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    others = [
        f"-pno:{name}"
        for name in (
            "cacheprovider",
            "hypothesispytest",
            "schemathesis",
            "anyio",
            "pytest_httpx",
            "respx",
        )
    ]
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECALL_", "PYTEST_"))
    }
    command = [sys.executable, "-m", "pytest", "-Werror", "-rA", "--color=no", *others, *options]
    result = subprocess.run(
        command,
        cwd=folder,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
    )
    return result.returncode, result.stdout


def report(output: str, test: str) -> str:
    """Give the part of the output that is about a test that failed."""
    return re.split(
        rf"^_+ (?:ERROR at setup of )?{re.escape(test)} _+$", output, flags=re.MULTILINE
    )[1].partition("\n____")[0]


@pytest.mark.slow
class TestProject:
    def test_a_project_gets_the_fixtures_by_installing_the_package(self, tmp_path: Path) -> None:
        code, output = run(tmp_path, test_it=USING)
        assert code == 0, output
        assert re.search(r"=+ 8 passed in", output), output
        assert "eCall" not in output  # what passes says nothing

    def test_a_failed_test_reports_what_the_sandbox_saw_also_from_workers(
        self, tmp_path: Path
    ) -> None:
        code, output = run(tmp_path, "-n2", test_it=FAILING)
        assert code == 1, output
        assert re.search(r"=+ 4 failed, 4 passed, 1 error in", output), output
        assert output.count("- eCall sandbox -") == 3
        waited = report(output, "test_waits_in_vain")
        # The line of the test is shown, nothing of the sandbox's inside.
        assert re.search(
            r'^>       ecall_sandbox\.wait_for\(to="078 765 43 21"', waited, re.MULTILINE
        ), waited
        assert "_waiting.py" not in waited
        assert re.search(
            r"^E +Sms to \+41…67, \w+: 'Hello' \(another recipient\)$", waited, re.MULTILINE
        ), waited
        section = waited.partition("- eCall sandbox -")[2]
        assert re.search(r"^  Sms to \+41…67, \w+: 'Hello'$", section, re.MULTILINE), output
        assert (
            "'from the fixture'"
            in report(output, "test_breaks_before_it_begins").partition("eCall sandbox")[2]
        )
        assert "It cannot be read: OverflowError" in report(output, "test_breaks_time")
        of_session = report(output, "test_has_one_for_its_worker[0]").partition(
            "- eCall sandbox of the session -"
        )[2]
        assert "'to the session'" in of_session
        assert "not to be shown" not in output
        # Each of the workers that ran such a test had one, and the same for all of its tests.
        workers = [path.name.split("-")[1] for path in tmp_path.glob("sandbox-*")]
        assert workers, output
        assert len(workers) == len(set(workers)), workers

    def test_the_plugin_imports_nothing_until_a_fixture_is_used(self, tmp_path: Path) -> None:
        code, output = run(tmp_path, conftest=WITHOUT_EXTRA, test_it=PLAIN)
        assert code == 1, output
        assert re.search(r"=+ 2 passed, 1 error in", output), output
        assert 'pip install "ecall-facade[sandbox]"' in output
        assert "Traceback" not in output
        assert len(output) < 2_000  # the hint, not the way to it

    def test_a_sandbox_that_cannot_be_imported_is_not_taken_for_a_missing_extra(
        self, tmp_path: Path
    ) -> None:
        code, output = run(
            tmp_path, conftest=BROKEN_SANDBOX, test_it="def test_it(ecall_sandbox): ..."
        )
        assert code == 1
        assert re.search(r"^E +ImportError: cannot import name", output, re.MULTILINE), output

    def test_the_sandbox_of_the_session_is_not_reported_for_a_test_that_does_not_use_it(
        self, tmp_path: Path
    ) -> None:
        code, output = run(tmp_path, test_it=SESSION_AND_PLAIN)
        assert (code, "eCall sandbox" in output) == (1, False)

    def test_a_test_that_is_no_function_may_fail(self, tmp_path: Path) -> None:
        (tmp_path / "some.data").touch()
        code, output = run(tmp_path, conftest=TESTS_IN_DATA)
        assert (code, "INTERNALERROR" in output) == (1, False), output
        assert "the data is bad" in output

    def test_a_report_that_another_plugin_cannot_make_is_its_own_failure(
        self, tmp_path: Path
    ) -> None:
        _, output = run(tmp_path, conftest=REPORT_FAILS, test_it="def test_it(): ...")
        assert "ValueError: no report" in output
        assert "pytest_plugin.py" not in output

    def test_the_plugin_can_be_switched_off(self, tmp_path: Path) -> None:
        code, output = run(
            tmp_path, "-p", "no:ecall_facade", test_it="def test_it(ecall_sandbox): ..."
        )
        assert code == 1
        assert "fixture 'ecall_sandbox' not found" in output
