"""What each command that talks to the service says, to people and to programs, and how it exits."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from _cli import NOTICE, NUMBER, TEXT, Command, point_to

from ecall_facade import DeliveryState, ECall
from ecall_facade.cli._failures import Exit
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

ID = r"[0-9a-f-]{36}"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
FAILS, IS_NOT_DELIVERED, STAYS_SENT, AT_ONCE = (
    f"+41 79 000 {number}" for number in ("00 71", "00 04", "00 03", "00 01")
)


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    return Command(capsys, monkeypatch, tmp_path)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        point_to(monkeypatch, sandbox)
        yield sandbox


def accept(sandbox: Sandbox, number: str = NUMBER) -> str:
    """Have the sandbox accept a message; give its id."""
    with ECall(**sandbox.credentials) as ecall:
        return ecall.sms.send(number, TEXT).message_id


class TestSend:
    def test_words(self, command: Command, sandbox: Sandbox) -> None:
        said = command("send", "079 123 45 67", TEXT)
        message = sandbox.messages[0]
        assert said == (0, f"Accepted for +41…67, 1 page: message {message.id}\n", "")
        assert (message.recipient, message.text, message.channel) == ("+41791234567", TEXT, "Sms")
        assert ", 2 pages: " in command("send", NUMBER, "a" * 161).out

    def test_json(self, command: Command, sandbox: Sandbox) -> None:
        said = command("send", NUMBER, TEXT, "--json")
        assert (said.code, said.err) == (0, "")
        sent = said.json
        assert datetime.fromisoformat(sent.pop("sent_at")).tzinfo
        assert sent.pop("request_id")
        assert sent == {
            "message_id": sandbox.messages[0].id,
            "channel": "sms",
            "recipient": "+41…67",
            "pages": 1,
            "simulated": False,
        }

    def test_its_options_reach_the_message(self, command: Command, sandbox: Sandbox) -> None:
        assert command("send", "0171 2345678", TEXT, "--region", "DE", "--sender", "ACME").code == 0
        assert (
            command("send", NUMBER, TEXT, "--channel", "whatsapp", "--sender", "078 765 43 21").code
            == 0
        )
        assert command("send", NUMBER, TEXT, "--channel", "rcs").code == 0
        assert command("send", NUMBER, "a" * 161, "--page-limit", "1").code == Exit.USAGE
        messages = sandbox.messages
        assert [message.channel for message in messages] == ["Sms", "Whatsapp", "Rcs"]
        assert [message.sender for message in messages] == [
            "ACME",
            "0041787654321",
            "sandbox-agent",
        ]
        assert messages[0].recipient == "+491712345678"

    def test_a_raw_address(self, command: Command, sandbox: Sandbox) -> None:
        said = command("send", "4321", TEXT)
        assert said.code == Exit.USAGE
        assert said.err.endswith("a short code is a RawAddress. On the command line, use --raw\n")
        assert command("send", "4321", TEXT, "--raw").out.startswith("Accepted for …, 1 page")
        Path("photo.jpg").write_bytes(b"a picture")
        assert command("send", "4321", "--raw", "--channel", "rcs", "--file", "photo.jpg").code == 0
        assert [message.recipient for message in sandbox.messages] == ["4321", "4321"]
        assert (
            command("send", "PAGER-7", TEXT, "--raw").code == Exit.REJECTED
        )  # by the sandbox, which knows no pagers
        assert command("send", " 4321", TEXT, "--raw").code == Exit.USAGE

    def test_a_file(self, command: Command, sandbox: Sandbox) -> None:
        Path("photo.jpg").write_bytes(b"a picture")
        Path("plan").write_bytes(b"a plan")
        said = command("send", NUMBER, "--channel", "whatsapp", "--file", "photo.jpg")
        assert said == (0, f"Accepted for +41…67: message {sandbox.messages[0].id}\n", "")
        assert command("send", NUMBER, "--channel", "rcs", "--file", "plan").code == Exit.USAGE
        assert (
            command(
                "send", NUMBER, "--channel", "rcs", "--file", "plan", "--content-type", "text/plain"
            ).code
            == 0
        )
        assert [message.content["type"] for message in sandbox.messages] == ["Image", "Document"]

    def test_a_file_that_is_there_when_its_message_is_refused_is_named(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        Path("photo.jpg").write_bytes(b"a picture")
        said = command("send", "+41790000403", "--channel", "rcs", "--file", "photo.jpg", "--json")
        assert said.code == Exit.REJECTED
        assert re.search(f"The file was uploaded as media {ID}", said.error["message"])

    @pytest.mark.parametrize(
        ("number", "code", "state"),
        [(NUMBER, Exit.DONE, "Delivered"), (FAILS, Exit.UNDELIVERED, "Failed")],
    )
    def test_waiting(
        self, command: Command, sandbox: Sandbox, number: str, code: Exit, state: str
    ) -> None:
        said = command("send", number, TEXT, "--wait")
        assert said.code == code
        first, *changes = said.out.splitlines()
        assert first.startswith("Accepted for +41…")
        assert re.fullmatch(rf"{ID}  {state}  {TIME}.*", changes[-1])
        said = command("send", number, TEXT, "--wait", "--json")
        assert said.code == code
        assert (said.json["state"], said.json["is_final"]) == (state, True)
        assert (said.json["error"] or {}).get("code") == (None if code == 0 else "71")

    def test_waiting_too_long_says_what_was_accepted(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        said = command("send", STAYS_SENT, TEXT, "--wait", "--timeout", "0.2")
        assert said.code == Exit.FAILED
        assert said.out.startswith(
            f"Accepted for +41…03, 1 page: message {sandbox.messages[0].id}\n"
        )
        assert "was not final within 0.2 s" in said.err
        said = command("send", STAYS_SENT, TEXT, "--wait", "--timeout", "0.2", "--json")
        assert said.code == Exit.FAILED
        assert said.json["message_id"] == sandbox.messages[1].id
        assert said.json["error"]["type"] == "WaitTimeout"
        assert said.json["error"]["may_have_been_sent"] is True

    def test_an_interrupted_wait_says_what_was_accepted(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", interrupt)
        said = command("send", NUMBER, TEXT, "--wait", "--json")
        assert said.code == Exit.INTERRUPTED
        assert said.json["message_id"] == sandbox.messages[0].id
        assert said.json["error"]["may_have_been_sent"] is True


class TestText:
    def test_it_comes_from_one_place(self, command: Command, sandbox: Sandbox) -> None:
        Path("text.txt").write_bytes("\ufeffGrüezi\r\nAnna\r\n".encode())
        assert command("send", NUMBER, "--text-file", "text.txt", stdin=b"not this").code == 0
        assert command("send", NUMBER, "an argument", stdin=b"not this").code == 0
        assert command("send", NUMBER, stdin=b"without being asked\n\n").code == 0
        assert command("send", NUMBER, "-", stdin=b"asked for").code == 0
        assert command("send", NUMBER, "--text-file", "-", stdin=b"\n-\n").code == 0
        assert [message.text for message in sandbox.messages] == [
            "Grüezi\r\nAnna", "an argument", "without being asked\n", "asked for", "\n-",
        ]  # fmt: skip

    def test_what_is_no_text_is_a_usage_error(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("text.txt").write_bytes(b"a\xff")
        for arguments, stdin, words in [
            (["--text-file", "text.txt"], b"", "text.txt is not UTF-8: byte 2 cannot be read"),
            (
                ["--text-file", "missing.txt"],
                b"",
                "missing.txt cannot be read: No such file or directory",
            ),
            (["--text-file", "."], b"", "ecall: . cannot be read: Is a directory"),
            (["-"], b"\xff", "stdin is not UTF-8: byte 1 cannot be read"),
            (
                ["-", "--text-file", "text.txt"],
                b"",
                "Pass the text as an argument or with --text-file, not both",
            ),
            ([""], b"", "The text must be"),
            ([], b"", "The text must be"),
            ([], b" \n", "The text must be"),
        ]:
            said = command("send", NUMBER, *arguments, stdin=stdin)
            assert said.code == Exit.USAGE
            assert words in said.err
        assert sandbox.messages == []

    def test_nobody_waits_for_a_terminal_or_for_nothing(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ecall_facade.cli import _app

        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        assert _app.run(["measure"]) == Exit.USAGE
        assert "No text: pass it" in capsys.readouterr().err
        monkeypatch.setattr(sys, "stdin", None)
        assert _app.run(["measure", "-"]) == Exit.USAGE


class TestStatus:
    def test_words(self, command: Command, sandbox: Sandbox) -> None:
        one, two = accept(sandbox, AT_ONCE), accept(sandbox, FAILS)
        said = command("status", one)
        assert (said.code, said.err) == (0, "")
        assert re.fullmatch(rf"{one}  Delivered  {TIME}\n", said.out)
        command("status", two, "--watch")
        said = command("status", one, two, one)
        assert said.code == 0  # they could be read
        assert re.fullmatch(rf"{one}  Delivered  {TIME}\n{two}  Failed  {TIME}  71  .+\n", said.out)

    def test_json(self, command: Command, sandbox: Sandbox) -> None:
        message_id = accept(sandbox, AT_ONCE)
        status = command("status", message_id, "--json").json
        assert datetime.fromisoformat(status.pop("updated_at")).tzinfo
        assert status.pop("request_id")
        assert status == {
            "message_id": message_id,
            "state": "Delivered",
            "is_final": True,
            "error": None,
            "simulated": False,
        }

    def test_one_that_is_not_there_does_not_hide_the_others(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        message_id = accept(sandbox)
        said = command("status", "nobody", message_id, "--json")
        assert said.code == Exit.REJECTED
        assert [next(iter(line)) for line in said.lines] == ["error", "message_id"]
        said = command("status", "nobody", message_id)
        assert said.code == Exit.REJECTED
        assert said.out.startswith(message_id)
        assert said.err.startswith("ecall: The service answered 404")

    @pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
    def test_watching_several(self, command: Command, sandbox: Sandbox, as_json: bool) -> None:
        numbers = (NUMBER, IS_NOT_DELIVERED, FAILS)
        ids = [accept(sandbox, number) for number in numbers]
        said = command("status", *ids, "--watch", *(["--json"] if as_json else []))
        assert said.code == Exit.UNDELIVERED
        for message_id, state in zip(ids, ("Delivered", "Undelivered", "Failed"), strict=True):
            if as_json:
                seen = [line["state"] for line in said.lines if line["message_id"] == message_id]
            else:
                seen = re.findall(rf"^{message_id}  (\w+)", said.out, flags=re.MULTILINE)
            assert seen[-1] == state
            assert len(set(seen)) == len(seen)  # only what changed

    def test_a_watch_has_its_time(self, command: Command, sandbox: Sandbox) -> None:
        message_id = accept(sandbox, STAYS_SENT)
        said = command("status", message_id, "--watch", "--timeout", "0.3", "--json")
        assert said.code == Exit.FAILED
        assert said.lines[-1]["error"]["type"] == "WaitTimeout"

    def test_an_interrupted_watch_does_not_say_that_it_is_not_out(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", interrupt)
        said = command("status", accept(sandbox, STAYS_SENT), "--watch", "--json")
        assert (said.code, said.error["type"]) == (Exit.INTERRUPTED, "Interrupted")
        assert said.error["may_have_been_sent"] is True

    def test_what_passes_is_borne(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        message_id = accept(sandbox, AT_ONCE)
        monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", lambda _: None)
        sandbox.fail_next(500)
        said = command("status", message_id, "--watch", "--json")
        assert (said.code, said.json["state"]) == (0, DeliveryState.DELIVERED)
        sandbox.fail_next(401)
        assert command("status", message_id, "--watch").code == Exit.REJECTED

    def test_numbers_in_what_the_service_says_are_masked(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        body = '{"state": "Failed", "error": {"errorCode": "X", "errorMessage": "no +41791234567\\u001b[2J here"}}'
        for as_json in (False, True):
            sandbox.fail_next(200, body=body)
            said = command("status", "m-1", *(["--json"] if as_json else []))
            assert "791234567" not in said.out
            assert "\x1b" not in said.out
            assert "X" in said.out


class TestMedia:
    def test_upload(self, command: Command, sandbox: Sandbox) -> None:
        Path("plan.pdf").write_bytes(b"%PDF a plan" * 1000)
        said = command("media", "upload", "plan.pdf")
        match = re.fullmatch(rf"Uploaded plan\.pdf, 11,000 bytes: media ({ID})\n", said.out)
        assert match
        assert (said.code, said.err) == (0, "")
        assert sandbox.media(match[1]) == Path("plan.pdf").read_bytes()
        facts = command("media", "upload", "plan.pdf", "--json").json
        assert facts.pop("media_id")
        assert facts.pop("request_id")
        assert facts == {"content_type": "application/pdf", "size": 11_000, "simulated": False}

    def test_upload_that_is_refused(self, command: Command, sandbox: Sandbox) -> None:
        Path("plan.pdf").write_bytes(b"%PDF a plan")
        sandbox.fail_next(413)
        assert command("media", "upload", "plan.pdf").code == Exit.REJECTED
        sandbox.fail_next(500)
        said = command("media", "upload", "plan.pdf", "--json")
        assert (said.code, said.error["may_have_been_sent"]) == (Exit.FAILED, False)
        assert command("media", "upload", "empty.pdf").code == Exit.USAGE

    def test_download(self, command: Command, sandbox: Sandbox) -> None:
        with ECall(**sandbox.credentials) as ecall:
            media_id = ecall.media.upload(b"%PDF a plan").media_id
        assert command("media", "download", media_id, "--to", "copy.pdf") == (
            0,
            "Downloaded 11 bytes to copy.pdf\n",
            "",
        )
        Path("copy.pdf").write_bytes(b"another")
        said = command("media", "download", media_id, "--to", "copy.pdf")
        assert (said.code, said.err) == (
            Exit.USAGE,
            "ecall: copy.pdf already exists; use --force to replace it\n",
        )
        assert Path("copy.pdf").read_bytes() == b"another"
        facts = command("media", "download", media_id, "--to", "copy.pdf", "--force", "--json").json
        assert Path("copy.pdf").read_bytes() == b"%PDF a plan"
        assert facts.pop("request_id")
        assert facts.pop("content_type")
        assert facts == {"media_id": media_id, "size": 11, "file": "copy.pdf", "simulated": False}

    def test_download_of_what_is_not_there(self, command: Command, sandbox: Sandbox) -> None:
        assert command("media", "download", "nothing", "--to", "copy.pdf").code == Exit.REJECTED
        assert (
            command("media", "download", "nothing", "--to", "no/folder/copy.pdf").code == Exit.USAGE
        )
        assert list(Path().iterdir()) == []

    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_download_to_a_folder(
        self, command: Command, sandbox: Sandbox, force: list[str]
    ) -> None:
        said = command("media", "download", "nothing", "--to", ".", *force)
        assert (said.code, said.err) == (Exit.USAGE, "ecall: --to . is a directory; name a file\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["media", "upload", "-"],
        ["media", "download", "nothing", "--to", "-"],
        ["send", NUMBER, "--channel", "rcs", "--file", "-"],
        ["status", "nothing", "--credentials", "-"],
        ["sandbox", "--port", "0", "--credentials", "-"],
    ],
    ids=" ".join,
)
def test_what_is_no_text_does_not_come_from_stdin(
    command: Command, sandbox: Sandbox, arguments: list[str]
) -> None:
    said = command(*arguments, stdin=b"x")
    assert said.code == Exit.USAGE
    assert re.fullmatch(
        r'ecall: Invalid value "-" for \S+\. Name a file; .* \(see --help\)\n', said.err
    ), said.err


class TestMeasure:
    def test_words(self, command: Command) -> None:
        assert command("measure", "Grüezi €") == (
            0,
            "GSM-7, 9 units, 1 of 10 pages, 151 units left\n",
            "",
        )
        assert (
            command("measure", "Grüezi 🎁 \u2013\u00a0\u0301 🎁").out
            == "UCS-2, 16 units, 1 of 10 pages, 54 units left; outside GSM-7: 🎁 \u2013 U+00A0 U+0301\n"
        )
        assert (
            command("measure", "hi", "--channel", "rcs").out == "2 of 1000 characters, 998 left\n"
        )

    def test_json(self, command: Command) -> None:
        assert command("measure", "hi", "--json").json == {
            "channel": "sms", "characters": 2, "limit": 10, "limit_unit": "pages", "fits": True, "problem": None,
            "encoding": "GSM-7", "units": 2, "pages": 1, "units_left": 158, "outside_gsm": [],
        }  # fmt: skip
        assert command("measure", "ç\u2019ç", "--json").json["outside_gsm"] == ["ç", "\u2019"]
        assert command("measure", "--json", "--channel", "whatsapp", stdin=b"hi\n").json == {
            "channel": "whatsapp", "characters": 2, "limit": 4096, "limit_unit": "characters", "fits": True,
            "problem": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("channel", "size"), [("sms", 1531), ("whatsapp", 4097), ("rcs", 1001), ("sms", 0)]
    )
    def test_what_does_not_fit_was_measured_all_the_same(
        self, command: Command, channel: str, size: int
    ) -> None:
        said = command("measure", "a" * size, "--channel", channel)
        assert said.code == 0
        assert "The text " in said.out
        facts = command("measure", "a" * size, "--channel", channel, "--json").json
        assert (facts["fits"], facts["characters"]) == (False, size)
        assert facts["problem"].startswith("The text ")


class TestDemo:
    @pytest.mark.parametrize("worked", [True, False])
    def test_it_tells_whether_it_worked(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, worked: bool
    ) -> None:
        def run(print_line: object) -> bool:
            assert callable(print_line)
            print_line("one")
            print_line("")
            return worked

        monkeypatch.setattr("ecall_facade.sandbox.demo.run", run)
        code = Exit.DONE if worked else Exit.FAILED
        assert command("demo") == (code, "one\n\n", "")
        said = command("demo", "--json")
        assert (said.code, said.json) == (code, {"worked": worked, "lines": ["one", ""]})


def test_a_sandbox_of_its_own_serves_them_all(command: Command) -> None:
    Path("plan.pdf").write_bytes(b"%PDF a plan")
    said = command("send", NUMBER, TEXT, "--sandbox", "--wait", "--json")
    assert (said.code, said.err, said.json["state"], said.json["simulated"]) == (
        0,
        NOTICE,
        "Delivered",
        True,
    )
    said = command("media", "upload", "plan.pdf", "--sandbox", "--json")
    assert (said.code, said.err, said.json["simulated"]) == (0, NOTICE, True)
