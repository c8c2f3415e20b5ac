"""`ecall completion`, in each shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from _processes import environment, run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_parses_its_completion_script(shell: str, tmp_path: Path) -> None:
    done = run(tmp_path, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("send", "broadcast", "doctor", "listen"):
        assert name in done.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(done.stdout, encoding="utf-8")
    checked = subprocess.run(
        [program, "-n", tmp_path / "script"], capture_output=True, encoding="utf-8", check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(tmp_path_factory.mktemp("bash"), "completion", "bash").stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ecall", "bro"], {"broadcast"}),
        (["ecall", "send", "--chan"], {"--channel"}),
        (["ecall", "send", "--channel", "wh"], {"whatsapp"}),
        (["ecall", "media", "up"], {"upload"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    words: list[str], expected: set[str], bash_script: str, tmp_path: Path
) -> None:
    line = f"""
        {bash_script}
        COMP_WORDS=({" ".join(words)})
        COMP_CWORD={len(words) - 1}
        _ecall
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", line],
        env=environment(tmp_path),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert {word.strip() for word in done.stdout.split()} == expected


def test_completion_for_an_unknown_shell_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "completion", "tcsh")
    assert done.returncode == 2
    assert "bash" in done.stderr
