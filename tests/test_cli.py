"""The parts that all commands share, and the exit code for each kind of error."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _cli import NOTICE, NUMBER, TEXT, Command, point_to
from _servers import REQUEST_ID, Server, drop, reply

import ecall_facade.cli
from ecall_facade.cli import _app, _measure, _output
from ecall_facade.cli._failures import Exit, Failure, to_failure
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

JSON_OR_NOT = pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("USERNAME", "PASSWORD", "SENDER"):
        monkeypatch.setenv(f"ECALL_{name}", "secret")
    return monkeypatch


def run_python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60, **options
    )


class TestHelp:
    def test_the_help_imports_neither_httpx_nor_a_command(self) -> None:
        code = "import sys; from ecall_facade.cli._app import run; assert run(['--help']) == 0; print(*sys.modules)"
        result = run_python(code)
        assert result.returncode == 0, result.stderr
        loaded = set(result.stdout.split())
        assert not {"httpx", "anyio", "markdown_it", "pygments", "phonenumbers", "uvicorn"} & loaded
        ours = {name for name in loaded if name.startswith(("ecall_facade.", "ecall_client"))}
        private = {
            f"ecall_facade.cli.{name}"
            for name in ("_app", "_failures", "_output", "_terminal", "_text")
        }
        assert ours == {"ecall_facade._version", "ecall_facade.cli"} | private

    def test_ecall_without_arguments_prints_the_help(self, command: Command) -> None:
        assert command() == command("--help")
        assert command().code == 0
        assert command().out.startswith("Usage: ecall COMMAND")

    def test_the_version_option_prints_the_version(self, command: Command) -> None:
        assert command("--version").out == f"{ecall_facade.__version__}\n"

    def test_a_missing_cli_extra_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delitem(sys.modules, "ecall_facade.cli._app")
        monkeypatch.delattr(ecall_facade.cli, "_app")
        monkeypatch.setitem(sys.modules, "cyclopts", None)
        with pytest.raises(SystemExit) as caught:
            ecall_facade.cli.main()
        assert caught.value.code == 2
        assert (
            capsys.readouterr().err
            == 'ecall: cyclopts and rich are not installed; run: pip install "ecall-facade[cli]"\n'
        )

    def test_a_missing_module_of_the_package_is_not_taken_for_a_missing_extra(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "ecall_facade.cli._app")
        monkeypatch.delattr(ecall_facade.cli, "_app")
        monkeypatch.setitem(sys.modules, "ecall_facade.cli._output", None)
        with pytest.raises(ModuleNotFoundError, match="_output"):
            ecall_facade.cli.main()

    def test_a_missing_sandbox_extra_is_named(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [name for name in sys.modules if name.startswith("ecall_facade.sandbox")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "starlette", None)
        for arguments in (["sandbox"], ["demo"], ["send", NUMBER, TEXT, "--sandbox"]):
            result = command(*arguments)
            assert result.code == 2
            assert 'pip install "ecall-facade[sandbox]"' in result.err


class TestUsage:
    """Wrong arguments are found before anything happens."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["fax"],
            ["media", "burn"],
            ["send"],
            ["send", NUMBER, TEXT, "again"],
            ["send", NUMBER, "--colour", "red"],
            ["send", NUMBER, TEXT, "--channel", "fax"],
            ["send", NUMBER, TEXT, "--page-limit", "many"],
            ["send", NUMBER, "--file", "photo.jpg"],
            ["send", NUMBER, TEXT, "--file", "photo.jpg", "--channel", "rcs"],
            ["send", NUMBER, TEXT, "--sandbox", "--credentials", "file"],
            ["send", NUMBER, TEXT],
            ["status"],
            ["status", "id", "--watch", "--timeout", "-1"],
            ["status", "id"],
            ["media", "upload"],
            ["media", "upload", "missing.pdf", "--sandbox"],
            ["media", "download", "id"],
            ["measure", TEXT, "--text-file", "file"],
            ["demo", "extra"],
            ["sandbox", "--port", "x"],
        ],
        ids=" ".join,
    )
    def test_a_usage_error_exits_with_2_and_prints_one_line(
        self, command: Command, arguments: list[str]
    ) -> None:
        result = command(*arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.removeprefix(NOTICE).startswith("ecall: ")
        assert result.err.removeprefix(NOTICE).count("\n") == 1
        result = command(*arguments, "--json")
        assert result.code == 2
        assert not result.error["may_have_been_sent"]

    def test_arguments_after_two_dashes_are_not_options(self, command: Command) -> None:
        assert "5 units" in command("measure", "--", "--hat").out
        assert "1 units" in command("measure", "--", "-").out
        assert command("measure", "--hat").code == 2
        assert command("measure", "a", "b", "--", "--json").out == ""

    def test_no_option_takes_a_password(self, command: Command) -> None:
        for name in ("send", "status", "sandbox"):
            assert "--password" not in command(name, "--help").out
            assert command(name, "id", "--password", "x").code == 2


class TestErrors:
    """Each kind of error, raised by a send and by reads."""

    @pytest.mark.parametrize(
        ("number", "code", "may_have_been_sent"),
        [
            ("+41 79 000 04 00", Exit.REJECTED, False),
            ("+41 79 000 04 01", Exit.REJECTED, False),
            ("+41 79 000 04 03", Exit.REJECTED, False),
            ("+41 79 000 05 00", Exit.UNKNOWN, True),
            ("+41 79 000 05 02", Exit.UNKNOWN, True),
            ("+41 79 000 09 02", Exit.UNKNOWN, True),
            ("079 123", Exit.USAGE, False),
        ],
    )
    def test_the_exit_code_of_a_failed_send_says_whether_it_may_have_been_sent(
        self, command: Command, number: str, code: Exit, may_have_been_sent: bool
    ) -> None:
        result = command("send", number, TEXT, "--sandbox", "--json")
        assert (result.code, result.err) == (code, NOTICE)
        assert result.error["may_have_been_sent"] is may_have_been_sent
        assert TEXT not in result.out

    def test_a_failed_send_prints_one_line_on_stderr(self, command: Command) -> None:
        result = command("send", "+41 79 000 05 00", TEXT, "--sandbox")
        assert (result.code, result.out) == (Exit.UNKNOWN, "")
        assert result.err.removeprefix(NOTICE).startswith("ecall: ")
        assert result.err.removeprefix(NOTICE).count("\n") == 1
        assert TEXT not in result.err

    def test_a_send_without_a_connection_was_not_sent(
        self, command: Command, environment: pytest.MonkeyPatch, closed_port: int
    ) -> None:
        environment.setenv("ECALL_BASE_URL", f"http://127.0.0.1:{closed_port}")
        result = command("send", NUMBER, TEXT, "--json")
        assert (result.code, result.error["type"]) == (Exit.NOT_SENT, "NotSent")
        assert "secret" not in result.out + result.err

    def test_a_send_whose_connection_drops_has_an_unknown_outcome(
        self, command: Command, environment: pytest.MonkeyPatch
    ) -> None:
        with Server(drop) as server:
            environment.setenv("ECALL_BASE_URL", server.url)
            result = command("send", NUMBER, TEXT, "--json")
            assert server.has_seen(1)
        assert (result.code, result.error["type"]) == (Exit.UNKNOWN, "OutcomeUnknown")
        assert result.error["may_have_been_sent"] is True

    def test_a_message_whose_upload_failed_was_not_sent(
        self, command: Command, environment: pytest.MonkeyPatch
    ) -> None:
        Path("photo.jpg").write_bytes(b"a picture")
        environment.setenv("ECALL_SENDER_RCS", "agent")
        with Server(drop) as server:
            environment.setenv("ECALL_BASE_URL", server.url)
            result = command("send", NUMBER, "--channel", "rcs", "--file", "photo.jpg", "--json")
            assert result.code == Exit.NOT_SENT  # the message never went, so it can be repeated
            assert not result.error["may_have_been_sent"]
            assert command("media", "upload", "photo.jpg").code == Exit.FAILED

    def test_an_interrupted_send_has_an_unknown_outcome(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ecall_facade._sync._channels.Sms.send", interrupt)
        result = command("send", NUMBER, TEXT, "--sandbox", "--json")
        assert result.code == Exit.UNKNOWN
        assert (result.error["type"], result.error["may_have_been_sent"]) == ("Interrupted", True)

    @JSON_OR_NOT
    def test_interrupting_a_command_that_sends_nothing_exits_with_130(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, as_json: bool
    ) -> None:
        monkeypatch.setattr(_measure, "read_text", interrupt)
        result = command("measure", *(["--json"] if as_json else []))
        assert result.code == Exit.INTERRUPTED
        assert (result.error["type"] if as_json else result.err) == (
            "Interrupted" if as_json else "ecall: Interrupted\n"
        )

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, Exit.REJECTED),
            (401, Exit.REJECTED),
            (404, Exit.REJECTED),
            (500, Exit.FAILED),
            (302, Exit.FAILED),
        ],
    )
    def test_the_exit_code_of_a_failed_read_follows_from_the_status(
        self, command: Command, environment: pytest.MonkeyPatch, status: int, code: Exit
    ) -> None:
        with Server(reply(status)) as server:
            environment.setenv("ECALL_BASE_URL", server.url)
            # Its retries would take their time.
            environment.setattr("ecall_facade._clock.sleep", lambda _: None)
            result = command("status", "id", "--json")
            assert (result.code, result.error["status_code"]) == (code, status)
            assert command("media", "download", "id", "--to", "file").code == code
        assert not Path("file").exists()

    def test_the_json_of_a_failure_has_what_the_service_asks_for(
        self, command: Command, environment: pytest.MonkeyPatch
    ) -> None:
        with Server(reply(429, {"errorCode": "TooMany"}, retry_after="20")) as server:
            environment.setenv("ECALL_BASE_URL", server.url)
            error = command("send", NUMBER, TEXT, "--json").error
        assert error["request_id"] == REQUEST_ID
        assert [error[name] for name in ("status_code", "code", "retry_after")] == [
            429,
            "TooMany",
            20,
        ]

    def test_a_read_without_a_connection_failed(
        self, command: Command, environment: pytest.MonkeyPatch, closed_port: int
    ) -> None:
        environment.setenv("ECALL_BASE_URL", f"http://127.0.0.1:{closed_port}")
        environment.setattr("ecall_facade._clock.sleep", lambda _: None)
        result = command("status", "id", "--json")
        assert (result.code, result.error["type"]) == (Exit.FAILED, "ServiceUnreachable")

    def test_an_upload_without_a_connection_was_not_sent(
        self, command: Command, environment: pytest.MonkeyPatch, closed_port: int
    ) -> None:
        Path("plan.pdf").write_bytes(b"%PDF a plan")
        environment.setenv("ECALL_BASE_URL", f"http://127.0.0.1:{closed_port}")
        environment.setattr("ecall_facade._clock.sleep", lambda _: None)
        result = command("media", "upload", "plan.pdf", "--json")
        assert (result.code, result.error["type"]) == (Exit.NOT_SENT, "NotSent")

    def test_an_error_of_the_operating_system_names_the_file_without_its_folder(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_room(*_: object) -> None:
            raise OSError(28, "No space left on device", "/somewhere/file")

        monkeypatch.setattr("ecall_facade.sandbox.demo.run", no_room)
        result = command("demo")
        assert (result.code, result.err) == (Exit.FAILED, "ecall: No space left on device: file\n")
        assert to_failure(OSError("words only")).message == "words only"  # type: ignore[union-attr]

    def test_an_unexpected_error_is_raised(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ecall_facade.sandbox.demo.run", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command("demo")


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


class FullDiskStream(io.TextIOWrapper):
    """Raises at each write; has the descriptor of a file, which the command replaces."""

    def __init__(self, file: Path) -> None:
        self.file = file.open("wb")
        super().__init__(self.file, write_through=True)
        self.is_full = True

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


class TestOutput:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("send", NUMBER, TEXT),
            ("send", NUMBER, TEXT, "--json"),
            ("send", NUMBER, TEXT, "--wait", "--json"),
            ("broadcast", NUMBER, "--text", TEXT),
            ("broadcast", NUMBER, "--text", TEXT, "--json"),
        ],
        ids=" ".join,
    )
    def test_an_accepted_message_is_said_on_stderr_if_stdout_cannot_be_written(
        self,
        command: Command,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        arguments: tuple[str, ...],
    ) -> None:
        full = FullDiskStream(tmp_path / "out")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            result = command(*arguments, "--sandbox")
        full.file.close()
        assert result.code == Exit.FAILED
        assert "The message was accepted" in result.err
        assert "No space left on device" in result.err

    def test_control_characters_are_not_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        _output.write_line(("a\x1b[31mb", ("\rc\n", "red")))
        _output.write_note("d\x1b]0;e\x07")
        assert capsys.readouterr() == ("a [31mb c \n", "d ]0;e \n")

    def test_colours_are_printed_on_terminals_only(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TERM", "xterm")
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        line = ("it is ", ("Delivered", "green"), " " * 100, "end")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        _output.write_line(line)
        assert "\x1b[32mDelivered\x1b[0m" in capsys.readouterr().out
        monkeypatch.setenv("NO_COLOR", "1")
        _output.write_line(line)
        assert capsys.readouterr().out.split("\n") == [f"it is Delivered{' ' * 100}end", ""]

    def test_characters_that_the_terminal_cannot_show_are_escaped(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with (tmp_path / "out").open("w", encoding="ascii") as file:
            monkeypatch.setattr(sys, "stdout", file)
            assert command("send", NUMBER, TEXT, "--sandbox").code == 0
        assert (
            (tmp_path / "out").read_text().startswith(r"Accepted for +41\u202667, 1 page: message ")
        )

    def test_json_output_is_ascii(self, capsys: pytest.CaptureFixture[str]) -> None:
        _output.write_json({"state": "Grüezi"})
        out = capsys.readouterr().out
        assert out.isascii()
        assert json.loads(out) == {"state": "Grüezi"}

    def test_the_message_of_a_failure_is_one_line(self) -> None:
        failure = Failure(Exit.FAILED, "Kind", "one\ntwo\0", details={"status_code": 500})
        assert failure.message == "one two"
        assert failure.data["status_code"] == 500


class TestEmbeddedSandbox:
    def test_an_embedded_sandbox_ignores_the_settings_of_the_environment(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "ECALL_BASE_URL": "https://nowhere.invalid",
            "ECALL_USERNAME": "somebody",
            "ECALL_PASSWORD": "secret",
            "ECALL_SENDER": "much too long a sender",
        }.items():
            monkeypatch.setenv(name, value)
        result = command("send", NUMBER, TEXT, "--sandbox", "--json")
        assert result.code == 0
        assert result.json["simulated"] is True

    @pytest.mark.parametrize("command_line", [["status", "id"], ["status", "id", "--watch"]])
    def test_an_id_that_an_embedded_sandbox_cannot_know_gets_advice(
        self, command: Command, command_line: list[str]
    ) -> None:
        result = command(*command_line, "--sandbox", "--json")
        assert result.code == Exit.REJECTED
        assert result.error["message"].count("set ECALL_BASE_URL") == 1
        result = command("media", "download", "id", "--to", "file", "--sandbox")
        assert result.code == Exit.REJECTED
        assert "set ECALL_BASE_URL" in result.err

    def test_an_embedded_sandbox_that_cannot_start_is_a_usage_error(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: Sandbox) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(Sandbox, "start", refuse)
        result = command("send", NUMBER, TEXT, "--sandbox")
        assert (result.code, result.err) == (Exit.USAGE, "ecall: Too many open files\n")


class TestVersions:
    def test_the_api_version_can_be_chosen(
        self, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Sandbox() as sandbox:
            point_to(monkeypatch, sandbox)
            for version in ("v1", "v2", "1", "1.0", "2", "2.0"):
                assert command("send", NUMBER, TEXT, "--api-version", version).code == 0
        assert command("send", NUMBER, TEXT, "--api-version", "v3").code == 2
        monkeypatch.setenv("ECALL_API_VERSION", "v9")
        assert command("send", NUMBER, TEXT, "--sandbox").code == 2
        assert command("send", NUMBER, TEXT, "--sandbox", "--api-version", "v1").code == 0


def test_the_command_runs_twice_in_one_process() -> None:
    assert _app.run(["measure", "a"]) == _app.run(["measure", "a"]) == 0
