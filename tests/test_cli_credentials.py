"""Where credentials come from, and which files are private enough to hold them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from _cli import NUMBER, TEXT, Command

from ecall_facade import ECall
from ecall_facade.cli._credentials import find_settings
from ecall_facade.cli._failures import Exit, Failure
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

posix = pytest.mark.skipif(os.name != "posix", reason="there are no such modes")
as_root = pytest.mark.skipif(getattr(os, "geteuid", bool)() != 0, reason="only root may do that")
SECRET = "hunter2-hunter2"


def write(path: Path, text: str | None = None, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or f'username = "anna"\npassword = "{SECRET}"\n', encoding="utf-8")
    path.chmod(mode)
    return path


def read_username_after(script: str, path: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Read a credentials file in a namespace of its own, after a script mounted something in it."""
    code = (
        "from pathlib import Path; from ecall_facade.cli._credentials import find_settings\n"
        f"print(find_settings(Path({path!r}))['username'])"
    )
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-ec",
            f"{script}\nexec {sys.executable} -c {shlex.quote(code)}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("nothing can be mounted here")
    return done


def test_a_credentials_file_replaces_the_environment(command: Command, tmp_path: Path) -> None:
    with Sandbox(username="anna", password=SECRET) as sandbox:
        text = f'username = "anna"\npassword = "{SECRET}"\nsender = "ACME"\nbase_url = "{sandbox.url}"\n'
        file = write(tmp_path / "my.toml", text)
        result = command("send", NUMBER, TEXT, "--credentials", file)
        assert result.code == 0
        assert sandbox.messages[0].sender == "ACME"
        with ECall(**find_settings(file)) as ecall:
            assert SECRET not in repr(ecall)
        write(file, text.replace(SECRET, "wrong-wrong"))
        result = command("send", NUMBER, TEXT, "--credentials", file)
        assert result.code == Exit.REJECTED
        assert "wrong-wrong" not in result.out + result.err


class TestPlaces:
    def test_a_default_credentials_file_is_used_if_the_environment_has_no_credentials(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(name, str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        with pytest.raises(Failure, match="No credentials: set ECALL_USERNAME") as caught:
            find_settings(None)
        assert (caught.value.code, caught.value.data["type"]) == (Exit.USAGE, "MissingCredentials")
        write(
            tmp_path / ".config" / "ecall" / "credentials.toml", 'username = "home"\npassword = "p"'
        )
        assert find_settings(None).get("username") == "home"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        write(tmp_path / "xdg" / "ecall" / "credentials.toml", 'username = "xdg"\npassword = "p"')
        assert find_settings(None).get("username") == "xdg"
        monkeypatch.setenv(
            "ECALL_CREDENTIALS",
            str(write(tmp_path / "named", 'username = "named"\npassword = "p"')),
        )
        assert find_settings(None).get("username") == "named"
        monkeypatch.setenv(
            "ECALL_USERNAME", "environment"
        )  # half of them is not mixed with half of a file
        assert find_settings(None) == {}
        option = write(tmp_path / "option", 'username = "option"\npassword = "p"')
        assert find_settings(option).get("username") == "option"

    def test_a_missing_home_directory_means_no_credentials(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def homeless() -> Path:
            raise RuntimeError

        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.setattr(Path, "home", homeless)
        with pytest.raises(Failure, match="No credentials"):
            find_settings(None)

    def test_a_missing_file_that_ecall_credentials_names_is_not_replaced_by_the_default_file(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        write(tmp_path / ".config" / "ecall" / "credentials.toml")
        monkeypatch.setenv("ECALL_CREDENTIALS", str(tmp_path / "missing.toml"))
        result = command("status", "m-1")
        assert (result.code, "missing.toml cannot be read" in result.err) == (Exit.USAGE, True)

    def test_a_sender_of_a_credentials_file_that_is_a_string_is_for_sms_only(
        self, tmp_path: Path
    ) -> None:
        file = write(tmp_path / "my.toml", 'username = "u"\npassword = "p"\nsender = "ACME"')
        assert find_settings(file).get("sender") == {"sms": "ACME"}

    @pytest.mark.parametrize("name", ["ECALL_USERNAME", "ECALL_PASSWORD"])
    def test_half_of_the_credentials_in_the_environment_is_not_completed_by_the_default_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
    ) -> None:
        file = write(tmp_path / "named", 'username = "u"\npassword = "p"')
        monkeypatch.setenv("ECALL_CREDENTIALS", str(file))
        monkeypatch.setenv(name, "one")
        assert find_settings(None) == {}

    def test_the_environment_wins_over_the_default_credentials_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        text = """
            username = "u"
            password = "p"
            base_url = "https://rest.ecall.ch"
            sender = {sms = "FILE", rcs = "file"}
        """
        file = write(tmp_path / "named", text)
        monkeypatch.setenv("ECALL_CREDENTIALS", str(file))
        monkeypatch.setenv(
            "ECALL_BASE_URL", "http://127.0.0.1:8398"
        )  # who is testing must not reach the service
        monkeypatch.setenv("ECALL_SENDER", "MINE")
        assert find_settings(None) == {"username": "u", "password": "p", "sender": {"rcs": "file"}}
        assert find_settings(file).get("sender") == {"sms": "FILE", "rcs": "file"}
        assert find_settings(file).get("base_url") == "https://rest.ecall.ch"


class TestRefusals:
    @posix
    def test_send_refuses_a_credentials_file_that_others_can_use(
        self, command: Command, tmp_path: Path
    ) -> None:
        file = write(tmp_path / "my.toml", mode=0o644)
        result = command("send", NUMBER, TEXT, "--credentials", file)
        problem = f"ecall: {file} is accessible to other users; run: chmod 600 {file}\n"
        assert (result.code, result.err) == (Exit.USAGE, problem)

    @posix
    @pytest.mark.parametrize(
        "mode",
        [0o640, 0o604, 0o644, 0o620, 0o601, 0o666, 0o444, 0o404, 0o441, 0o450, 0o460],
        ids="{:o}".format,
    )
    def test_a_credentials_file_that_others_can_use_is_refused(
        self, tmp_path: Path, mode: int
    ) -> None:
        file = write(tmp_path / "my.toml", mode=mode)
        with pytest.raises(Failure, match=f"{file} is accessible .*; run: chmod 600 {file}"):
            find_settings(file)
        file.chmod(0o400)
        assert find_settings(file).get("username") == "anna"

    @posix
    def test_a_read_only_credentials_file_of_a_group_is_read(self, tmp_path: Path) -> None:
        """As Kubernetes gives it with an fsGroup, and systemd with its access list."""
        file = write(tmp_path / "my.toml", mode=0o440)
        assert find_settings(file).get("username") == "anna"

    @as_root
    @pytest.mark.parametrize("mode", [0o440, 0o640])
    def test_a_credentials_file_of_another_owner_may_be_readable_by_a_group(
        self, tmp_path: Path, mode: int
    ) -> None:
        file = write(tmp_path / "my.toml", mode=mode)
        os.chown(file, 12345, 12345)
        assert find_settings(file).get("username") == "anna"
        file.chmod(0o644)
        with pytest.raises(Failure, match=f"accessible to other users; run: chmod 600 {file}"):
            find_settings(file)  # root need not ask the owner

    @as_root
    def test_the_advice_for_a_credentials_file_of_another_user_names_its_owner(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            file = write(Path(folder) / "my.toml", mode=0o644)
            os.chown(file, 12345, 12345)
            os.seteuid(54321)
            try:
                with pytest.raises(Failure, match=f"ask its owner to run: chmod 440 {file}"):
                    find_settings(file)
            finally:
                os.seteuid(0)

    @posix
    @pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o644])
    def test_a_systemd_credential_is_read(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
    ) -> None:
        file = write(tmp_path / "credentials" / "ecall.toml", mode=mode)
        (tmp_path / "link").symlink_to(tmp_path / "credentials")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
        assert find_settings(file).get("username") == "anna"
        assert find_settings(tmp_path / "link" / "ecall.toml").get("username") == "anna"
        elsewhere = write(tmp_path / "credentials.toml", mode=0o644)
        with pytest.raises(Failure, match=f"chmod 600 {elsewhere}"):
            find_settings(elsewhere)
        file.chmod(0o646)
        with pytest.raises(Failure, match="is accessible to other users"):
            find_settings(file)

    @as_root
    @pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
    @pytest.mark.parametrize("mode", ["0444", "0644", "0666"])
    def test_a_read_only_mounted_secret_is_read(self, tmp_path: Path, mode: str) -> None:
        """As Docker and Kubernetes do, with links as Kubernetes makes them."""
        (tmp_path / "mount").mkdir()
        write(tmp_path / "my.toml")
        script = f"""
            mount -t tmpfs tmpfs mount
            mkdir mount/..2026
            cp my.toml mount/..2026/ecall.toml
            chmod {mode} mount/..2026/ecall.toml
            ln -s ..2026 mount/..data
            ln -s ..data/ecall.toml mount/ecall.toml
            mount -o remount,ro mount
        """
        done = read_username_after(script, "mount/ecall.toml", tmp_path)
        if int(mode, 8) & 0o022:  # others could write it by another way
            assert "is accessible to other users; mount it with mode 0400 or 0440" in done.stderr
        else:
            assert (done.stdout, done.stderr) == ("anna\n", "")

    @as_root
    @pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
    def test_a_secret_in_run_secrets_is_read_although_everybody_may_read_it(
        self, tmp_path: Path
    ) -> None:
        """As Docker gives it by default, which is not mounted read-only everywhere."""
        write(tmp_path / "my.toml")
        script = """
            mount -t tmpfs tmpfs /run
            mkdir /run/secrets
            cp my.toml /run/secrets/ecall
            chmod 0444 /run/secrets/ecall
        """
        done = read_username_after(script, "/run/secrets/ecall", tmp_path)
        assert (done.stdout, done.stderr) == ("anna\n", "")

    @posix
    def test_the_mode_of_a_credentials_file_is_that_of_a_links_target(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(write(tmp_path / "my.toml", mode=0o644))
        with pytest.raises(Failure, match="chmod 600"):
            find_settings(tmp_path / "link")

    @posix
    def test_a_credentials_path_that_is_not_a_regular_file_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(Failure, match="pipe is not a regular file"):
            find_settings(tmp_path / "pipe")
        with pytest.raises(Failure, match="cannot be read: Is a directory"):
            find_settings(tmp_path)
        with pytest.raises(Failure, match="cannot be read: No such file"):
            find_settings(tmp_path / "missing")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (f'username = "{SECRET}', r"is not valid TOML \(at (line 1|end)"),
            (f"{SECRET} = ", r"is not valid TOML \(at (line 1|end)"),
            ('username = "u"', "has no password"),
            ('password = "p"\nusername = ""', "has no username"),
            ('username = "u"\npassword = 7', "password must be in quotes"),
            ('username = "u"\npassword = "p"\nbase_url = 7', "base_url must be in quotes"),
            (
                'username = "u"\npassword = "p"\nuser = 1\nhost = 2',
                "unknown keys: host, user; it may have username",
            ),
            ('username = "u"\npassword = "p"\nsender = 7', "sender must be a string"),
            ('username = "u"\npassword = "p"\nsender = {fax = "a"}', "sender must be a string"),
            ('username = "u"\npassword = "p"\nsender = {sms = 7}', "sender must be a string"),
        ],
    )
    def test_a_credentials_file_with_wrong_content_is_refused_without_quoting_it(
        self, tmp_path: Path, text: str, words: str
    ) -> None:
        with pytest.raises(Failure, match=words) as caught:
            find_settings(write(tmp_path / "my.toml", text))
        assert caught.value.code == Exit.USAGE
        assert SECRET not in str(caught.value)

    def test_a_credentials_file_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        file = write(tmp_path / "my.toml")
        file.write_bytes(b'username = "\xff"')
        with pytest.raises(Failure, match="is not UTF-8"):
            find_settings(file)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_a_default_credentials_file_that_others_can_use_is_refused(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / ".config" / "ecall" / "credentials.toml", mode=0o644)
    result = command("status", "id")
    assert result.code == 2
    assert "chmod 600" in result.err
