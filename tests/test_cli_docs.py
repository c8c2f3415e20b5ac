"""Every example of a help text, and every command on the page about the command line, is run."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from _cli import NUMBER, TEXT, Command, point_to, stop_after

from ecall_facade import ECall
from ecall_facade.bulk import Ledger, read_messages
from ecall_facade.cli import _app, _bulk
from ecall_facade.cli._failures import Exit
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"
HELPED = [
    [],
    *([name] for name in _app.COMMANDS),
    ["media", "upload"],
    ["media", "download"],
    *(["bulk", name] for name in _bulk.COMMANDS),
]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    monkeypatch.setenv("COLUMNS", "80")
    return Command(capsys, monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(sent_after=0, delivered_after=0) as sandbox:
        yield sandbox


@pytest.fixture
def equipped(monkeypatch: pytest.MonkeyPatch, command: Command, sandbox: Sandbox) -> Command:
    """Return the command with all that its examples take for granted: credentials, files, ids."""
    Path("reminder.txt").write_text("Your appointment is on Monday at 8.\n", encoding="utf-8")
    Path("notice.txt").write_text("Water is off until 14:00\n", encoding="utf-8")
    Path("numbers.txt").write_text(f"{NUMBER}\n0787654321\n", encoding="utf-8")
    Path("people.csv").write_text(f"name,to\nAnna,{NUMBER}\n", encoding="utf-8")
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    Path("plan.pdf").write_bytes(b"%PDF-1.7 a plan")
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    # What the examples wait for has already happened.
    monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", lambda _: None)
    stop_after(monkeypatch)
    point_to(monkeypatch, sandbox)
    return command


def prepare(line: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what an example refers to: ids, a ledger, a message to resolve, or no file where it writes one."""
    with ECall(**sandbox.credentials) as ecall:
        for name in ("MESSAGE_ID", "ANOTHER_ID"):
            if f"${name}" in line:
                monkeypatch.setenv(name, ecall.sms.send(NUMBER, TEXT).message_id)
        if "$MEDIA_ID" in line:
            monkeypatch.setenv("MEDIA_ID", ecall.media.upload("plan.pdf").media_id)
        if ("bulk" in line or "--ledger" in line) and not Path("people.csv.ledger.db").exists():
            make_ledger(ecall)
    if "bulk resolve" in line:
        with sqlite3.connect("people.csv.ledger.db") as connection:
            connection.execute("UPDATE ecall_message SET state = 'unknown'")
        connection.close()
    if "bulk export" in line:
        Path("report.csv").unlink(missing_ok=True)


def make_ledger(ecall: ECall) -> None:
    """Make the ledger that the examples name, with one message that was sent."""
    messages = read_messages("people.csv", text="Hello {name}, see you tomorrow")
    with Ledger("people.csv.ledger.db") as ledger:
        ledger.job("people.csv", messages).send(ecall)


@pytest.mark.long
@pytest.mark.parametrize("name", HELPED, ids=" ".join)
def test_the_examples_in_each_help_work(
    equipped: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: list[str]
) -> None:
    shown = equipped(*name, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: {' '.join(['ecall', *name])}")
    examples = (
        re.split(r"^Examples:\n", shown.out, flags=re.MULTILINE)[1]
        .partition("\n\n")[0]
        .splitlines()
    )
    assert examples
    for example in examples:
        assert example.startswith("  ")
        assert f"ecall {' '.join(name)}".strip() in example
        prepare(example, sandbox, monkeypatch)
        result = equipped.line(example.strip())
        assert result.code == 0, (example, result)
        assert result.out


@pytest.mark.parametrize(
    "name", [name for name in HELPED if name not in ([], ["bulk"], ["media"])], ids=" ".join
)
def test_the_help_of_an_option_names_its_default(name: list[str]) -> None:
    _, apps, _ = _app.make_app().parse_commands(name)
    for argument in apps[-1].assemble_argument_collection(parse_docstring=False):
        default = argument.field_info.default
        if isinstance(default, (str, int, float)) and default is not False:
            words = argument.parameter.help or ""
            assert re.search(rf"default {re.escape(str(default))}(?!\.?\w)", words), argument.name


def test_the_help_lists_every_command(command: Command) -> None:
    shown = re.findall(r"^│ (\w+) ", command("--help").out, flags=re.MULTILINE)
    assert shown == list(_app.COMMANDS)


def test_the_exit_codes_are_in_the_help_and_on_the_docs_page(command: Command) -> None:
    shown = re.split(r"^Exit codes:\n", command("--help").out, flags=re.MULTILINE)[1]
    assert [line.split(maxsplit=1) for line in shown.splitlines()] == [
        [str(int(code)), code.meaning] for code in Exit
    ]
    rows = re.findall(
        r"^\| (\d+) \| (.+?) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert rows == [(str(int(code)), code.meaning) for code in Exit]


def page_commands() -> list[str]:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.strip() and not line.startswith("pip ")]


def test_the_docs_page_shows_every_command() -> None:
    shown = {line.split("ecall ")[1].split()[0] for line in page_commands() if "ecall " in line}
    assert shown == _app.COMMANDS.keys()


@pytest.mark.long
@pytest.mark.parametrize("line", page_commands())
def test_the_commands_on_the_docs_page_work(
    equipped: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    prepare(line, sandbox, monkeypatch)
    result = equipped.line(line)
    assert result.code == 0, result
