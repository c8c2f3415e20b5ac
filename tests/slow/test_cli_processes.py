"""The command as a process: its entry point, a shell, signals, a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _cli import NUMBER, TEXT
from _servers import Server, hang

from ecall_facade import ECall
from ecall_facade.cli._failures import Exit
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="signals, terminals and shells are others there"
)

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
ECALL = [sys.executable, "-m", "ecall_facade.cli"]


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Where the tests run in the background or under nohup, they ignore some, and what they start would, too."""
    ignored = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(
            number, signal.default_int_handler
        )  # any handler; a program that is started has the default
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    """An environment without anything that the command would use."""
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(("ECALL_", "XDG_"))
    }
    return {**others, "HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "80"}


@pytest.fixture
def start(clean: dict[str, str]) -> Iterator[Any]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*ECALL, *arguments], env={**clean, **variables}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_installed_command_works_in_a_shell(clean: dict[str, str], tmp_path: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    assert shutil.which("ecall", path=scripts)
    clean["PATH"] = f"{scripts}{os.pathsep}{clean['PATH']}"
    script = f"""
        set -e
        echo "{TEXT}" | ecall send "{NUMBER}" - --sandbox --json > sent.json
        ecall measure nothing --text-file sent.json || echo "code $?"
        ecall measure - <&- || echo "code $?"
        ecall send "{NUMBER}" "{TEXT}" || echo "code $?"
        ecall send "+41790000071" "{TEXT}" --sandbox --wait > /dev/null || echo "code $?"
    """
    result = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=clean, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        timeout=180, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["code 2", "code 2", "code 2", "code 6"]
    assert json.loads((tmp_path / "sent.json").read_text())["pages"] == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "name", ["SIGINT", "SIGTERM", "SIGHUP"]
)  # the last one is not there on Windows
def test_a_sandbox_runs_until_a_signal_and_removes_its_files(
    start: Any, tmp_path: Path, name: str
) -> None:
    process = start("sandbox", "--port", "0", "--json", TMPDIR=str(tmp_path))
    url = json.loads(process.stdout.readline())["url"]
    with ECall("anybody", "anything", base_url=url, sender="ACME") as ecall:
        ecall.sms.send(NUMBER, TEXT)
        ecall.media.upload(b"%PDF a plan")
    assert process.poll() is None
    assert list(tmp_path.iterdir()) != []
    process.send_signal(getattr(signal, name))
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_sandbox_started_with_nohup_ignores_sighup(clean: dict[str, str]) -> None:
    command = [
        "sh",
        "-c",
        'trap "" HUP; exec "$@"',
        "sh",
        *ECALL,
        "sandbox",
        "--port",
        "0",
        "--json",
    ]  # as nohup does
    with subprocess.Popen(command, env=clean, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        assert process.wait(30) == 0


def test_a_signal_ends_the_wait_of_a_command_whenever_it_comes(clean: dict[str, str]) -> None:
    """Also while the wait itself holds a lock, which a signal handler must not wait for."""
    code = """if True:
        import signal, sys
        from ecall_facade.cli._signals import stop_signals

        def is_reached(step):
            steps = 0

            def interrupt(*_):
                nonlocal steps
                steps += 1
                if steps == step:
                    sys.setprofile(None)
                    signal.raise_signal(signal.SIGTERM)

            with stop_signals() as stopping:
                sys.setprofile(interrupt)
                stopping.wait(0.01)
                sys.setprofile(None)
                assert stopping.is_set() == stopping.wait(0) == (steps == step)
            return steps == step

        step = 1
        while is_reached(step):
            step += 1
        print("interrupted at", step - 1, "steps")
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert re.fullmatch(r"interrupted at [1-9]\d* steps\n", done.stdout)


def test_a_send_interrupted_by_ctrl_c_has_an_unknown_outcome(start: Any) -> None:
    with Server(hang) as server:
        variables = {
            "ECALL_BASE_URL": server.url,
            **{f"ECALL_{name}": "x" for name in ("USERNAME", "PASSWORD")},
        }
        process = start("send", NUMBER, TEXT, "--json", "--sender", "ACME", **variables)
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == Exit.UNKNOWN
    assert json.loads(out)["error"]["may_have_been_sent"] is True
    assert err == ""


def test_ctrl_c_during_the_imports_prints_no_traceback(
    clean: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "cyclopts.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    environment = {**clean, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*ECALL, "demo"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        Exit.INTERRUPTED,
        "",
        "ecall: Interrupted\n",
    )


@pytest.fixture
def unread_pipe() -> Iterator[int]:
    """The end to write into of a pipe that nobody reads."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    yield write_end
    os.close(write_end)


@pytest.mark.parametrize("arguments", [["measure", TEXT], ["sandbox", "--port=0", "--json"]])
def test_a_closed_pipe_prints_no_traceback(
    clean: dict[str, str], unread_pipe: int, arguments: list[str]
) -> None:
    done = subprocess.run(
        [*ECALL, *arguments],
        env=clean,
        stdout=unread_pipe,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
    )
    assert done.returncode == Exit.FAILED
    assert done.stderr == "ecall: Broken pipe\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["measure", TEXT], Exit.FAILED),
        (["sandbox", "--port", "0"], Exit.FAILED),
        (["sandbox", "--port", "65536"], Exit.USAGE),
        (["measure", "--channel", "none"], Exit.USAGE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_exit_code_is_right_if_nobody_reads_stdout_and_stderr(
    clean: dict[str, str], unread_pipe: int, arguments: list[str], code: Exit
) -> None:
    done = subprocess.run(
        [*ECALL, *arguments], env=clean, stdout=unread_pipe, stderr=unread_pipe, timeout=30
    )
    assert done.returncode == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["send", NUMBER, TEXT, "--sandbox"], Exit.DONE),
        (["measure", "--channel", "none"], Exit.USAGE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_stdout_and_stderr_may_be_closed_from_the_start(
    clean: dict[str, str], arguments: list[str], code: Exit
) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *ECALL, *arguments], env=clean, timeout=30
    )
    assert done.returncode == code


def test_a_terminal_shows_colours_and_a_progress_bar(clean: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "plan.pdf").write_bytes(b"%PDF a plan" * 50_000)
    with Sandbox() as sandbox:
        settings = sandbox.credentials
        for name in ("username", "password", "base_url"):
            clean[f"ECALL_{name.upper()}"] = str(settings[name])
        clean["ECALL_SENDER"] = "ACME"
        for name in ("NO_COLOR", "FORCE_COLOR"):
            clean.pop(name, None)
        code, shown = run_on_a_terminal([*ECALL, "media", "upload", "plan.pdf"], clean, tmp_path)
        assert code == 0, shown
        assert "plan.pdf" in shown
        assert "550.0/550.0 kB" in shown
        assert re.search(r"Uploaded plan\.pdf, 550,000 bytes: media [0-9a-f-]{36}", shown)
        code, shown = run_on_a_terminal([*ECALL, "send", NUMBER, TEXT, "--wait"], clean, tmp_path)
        assert code == 0, shown
        assert "\x1b[32mDelivered\x1b[0m" in shown
        # Without a text somebody at a terminal is told, and not left waiting.
        code, shown = run_on_a_terminal(
            [*ECALL, "send", NUMBER], {**clean, "NO_COLOR": "1"}, tmp_path
        )
        assert code == Exit.USAGE
        assert "No text: pass it" in shown


def test_the_help_is_complete_for_every_value_of_columns_and_lines(clean: dict[str, str]) -> None:
    values = ["0", "1", "2", "3", "19", "00", "", "-1", "wide", "²", "1e3", "100000000", "9" * 30]
    settings = [("COLUMNS", value) for value in values] + [
        ("LINES", value) for value in ("0", "wide", "²")
    ]
    code = (
        "import os\n"
        "from ecall_facade.cli._app import run\n"
        f"for name, value in {settings!r}:\n"
        "    os.environ[name] = value\n"
        "    print('---', name, value)\n"
        "    assert run(['media', '--help']) == 0\n"
    )
    done = subprocess.run(  # in a process of its own, as a wrong width may never end
        [sys.executable, "-c", code],
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=180,
    )
    assert (done.returncode, done.stderr) == (0, "")
    helps = done.stdout.split("---")[1:]
    assert len(helps) == len(settings)
    for text, (_, value) in zip(helps, settings, strict=True):
        assert "Usage:" in text
        assert "Examples:" in text
        width = max(map(len, text.splitlines()))
        assert width <= 1000
        assert width == 80 or value in ("1", "2", "3", "19", "100000000")  # others are no width


@pytest.mark.parametrize("columns", [0, 1])
def test_the_help_is_printed_on_a_terminal_without_width(
    clean: dict[str, str], tmp_path: Path, columns: int
) -> None:
    del clean["COLUMNS"]
    for command in (
        [*ECALL, "send", "--help"],
        ["sh", "-c", '"$@" | cat', "sh", *ECALL, "--help"],
        ["sh", "-c", '"$@" < /dev/null | cat', "sh", *ECALL, "--help"],
    ):
        code, shown = run_on_a_terminal(command, clean, tmp_path, columns)
        assert code == 0
        assert "sandbox" in shown


def run_on_a_terminal(
    command: list[str], environment: dict[str, str], folder: Path, columns: int = 80
) -> tuple[int, str]:
    """Run a command in a new terminal; return its exit code, and what the terminal showed."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, columns))
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux says that nobody is at the other end any more
        pass
    os.close(ours)
    return process.wait(30), shown.decode()
