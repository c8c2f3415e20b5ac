"""`ecall broadcast` as a process against a sandbox."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _cli import TEXT
from _processes import environment, run, running, variables_of
from _servers import Server, hang
from _tables import xlsx

from ecall_facade.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = "079 123 45 67"
SECOND = "+41 78 765 43 21"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def recipients(sandbox: Sandbox) -> list[str]:
    return [message.recipient for message in sandbox.messages]


def test_all_recipients_get_the_text_in_one_request(sandbox: Sandbox, tmp_path: Path) -> None:
    done = run(
        tmp_path,
        *("broadcast", FIRST, SECOND, "0791234567", "--text", TEXT, "--json"),
        **variables_of(sandbox),
    )
    said = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert recipients(sandbox) == ["+41791234567", "+41787654321"]
    assert {message.text for message in sandbox.messages} == {TEXT}
    assert said["recipients"] == ["+41…67", "+41…21"]
    assert said["duplicates"] == 1
    assert said["message_ids"] == [message.id for message in sandbox.messages]


def test_a_broadcast_says_how_many_get_it_and_names_three_messages(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    numbers = [f"+41 79 123 45 6{digit}" for digit in range(5)]
    done = run(tmp_path, "broadcast", *numbers, numbers[0], "--text", TEXT, **variables_of(sandbox))
    first, second, third, *_ = [message.id for message in sandbox.messages]
    assert done.stdout == (
        "Accepted for 5 recipients, 1 duplicate left out:"
        f" messages {first}, {second}, {third} and 2 more\n"
    )


FILES = {
    "one on each line": ("numbers.txt", f"{FIRST}\n\n  {SECOND}\r\n"),
    "with a mark and quotes": ("numbers.txt", f'\ufeff"{FIRST}"\n"{SECOND}"\n'),
    "CSV with a header": ("people.csv", f"name;to\nAnna;{FIRST}\nLuca;{SECOND}\n"),
    "JSON lines": ("people.jsonl", f'{{"to": "{FIRST}"}}\n{{"to": "{SECOND}"}}\n'),
}


@pytest.mark.parametrize(("name", "content"), FILES.values(), ids=FILES)
def test_recipients_come_from_a_file(
    name: str, content: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    done = run(tmp_path, "broadcast", "--to-file", name, stdin=f"{TEXT}\n", **variables_of(sandbox))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Accepted for 2 recipients: messages ")
    assert recipients(sandbox) == ["+41791234567", "+41787654321"]


def test_recipients_come_from_excel_and_arguments_together(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    xlsx([["to"], [791234567]])(tmp_path)
    done = run(
        tmp_path,
        *("broadcast", SECOND, "--to-file", "people.xlsx", "--text", TEXT),
        **variables_of(sandbox),
    )
    assert done.returncode == 0, done.stderr
    assert recipients(sandbox) == ["+41787654321", "+41791234567"]


@pytest.mark.parametrize(
    ("channel", "sender", "sent_as"),
    [
        ("sms", "ACME", "ACME"),
        ("whatsapp", "0171 2345678", "00491712345678"),
        ("rcs", "my-agent", "my-agent"),
    ],
)
def test_channel_sender_and_region_of_a_broadcast_reach_each_message(
    channel: str, sender: str, sent_as: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    options = ("--text", TEXT, "--channel", channel, "--sender", sender, "--region", "DE")
    done = run(tmp_path, "broadcast", "0171 2345679", SECOND, *options, **variables_of(sandbox))
    assert done.returncode == 0, done.stderr
    assert recipients(sandbox) == ["+491712345679", "+41787654321"]
    for message in sandbox.messages:
        assert (str(message.channel).lower(), message.sender) == (channel, sent_as)


def test_short_codes_are_sent_as_they_are(sandbox: Sandbox, tmp_path: Path) -> None:
    done = run(
        tmp_path, "broadcast", "4321", "4322", "--raw", "--text", TEXT, **variables_of(sandbox)
    )
    assert done.returncode == 0, done.stderr
    assert recipients(sandbox) == ["4321", "4322"]


@pytest.mark.parametrize(
    ("arguments", "content", "words"),
    [
        (["--text", TEXT], "", "There are no recipients: give them as arguments"),
        ([FIRST], "", "not empty"),
        (["--text", TEXT, "12", FIRST, "x"], "", "2 of 3 recipients cannot be used: argument 1 "),
        (["--text", TEXT, *"x" * 21], "", "; and 1 more"),
        (["--to-file", "list", "--text", TEXT], f"{FIRST}\n\nnobody\n", "list, line 3 (…): it has letters"),
        (["--to-file", "list", "--text", TEXT], "to\n4.1E+10\n", "list, line 2: to is in scientific"),
        (["--to-file", "list", "--text", TEXT], f"name\n{FIRST}\n", 'has no column "to"'),
        (["--to-file", "list", "--text", TEXT], "\n\n", "list has no recipients"),
        (["--to-file", "none", "--text", TEXT], "", "none cannot be read"),
        (["-", "--text", TEXT], "", "only the text comes from stdin"),
        ([FIRST, "--text", TEXT, "--text-file", "list"], "x", "not both"),
        ([FIRST, "--text", TEXT, "--channel", "rcs", "--page-limit", "1"], "", "--page-limit is for SMS"),
        ([FIRST, "--text", "a" * 161, "--page-limit", "1"], "", "page_limit is 1"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_named_before_anything_is_sent(
    arguments: list[str], content: str, words: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(content, encoding="utf-8")
    done = run(tmp_path, "broadcast", *arguments, **variables_of(sandbox))
    assert done.returncode == 2, done
    assert words in done.stderr
    assert "1234567" not in done.stderr.replace(" ", "")
    assert sandbox.messages == []


def test_a_refusal_says_that_somebody_may_have_been_texted(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    for status, code in ((403, 5), (400, 3), (500, 5)):
        sandbox.fail_next(status)
        done = run(
            tmp_path,
            *("broadcast", FIRST, SECOND, "--text", TEXT, "--json"),
            **variables_of(sandbox),
        )
        assert done.returncode == code, done
        assert json.loads(done.stdout)["error"]["may_have_been_sent"] is (code == 5)


@pytest.mark.skipif(os.name != "posix", reason="signals are others there")
def test_an_interrupted_one_says_that_it_may_be_out(tmp_path: Path) -> None:
    with Server(hang) as server:
        variables = {
            "ECALL_USERNAME": "u",
            "ECALL_PASSWORD": "p",
            "ECALL_BASE_URL": server.url,
            "ECALL_SENDER": "ACME",
        }
        with running(
            tmp_path, "broadcast", FIRST, "--text", TEXT, "--json", variables=variables
        ) as process:
            assert server.has_seen(1)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        assert process.returncode == 5
        assert json.loads(out)["error"]["may_have_been_sent"] is True


def test_a_sandbox_of_its_own_is_named_as_one(tmp_path: Path) -> None:
    done = run(tmp_path, "broadcast", FIRST, "--text", TEXT, "--sandbox", "--json")
    assert "SIMULATION" in done.stderr
    assert json.loads(done.stdout)["simulated"] is True
    assert "ECALL_USERNAME" not in environment(tmp_path)
