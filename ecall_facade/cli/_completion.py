"""`ecall completion`."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ecall_facade.cli._failures import Exit

app = App(
    name="completion",
    help_epilogue="""\
Write the output to the file where your shell looks for completions, and start a new shell. Repeat this after an \
upgrade.

  bash        ~/.local/share/bash-completion/completions/ecall
  zsh         a file named _ecall in a directory of $fpath
  fish        ~/.config/fish/completions/ecall.fish

Examples:
  ecall completion bash
  ecall completion zsh
  ecall completion fish
""",
)


@app.default
def print_completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Your shell.")], /
) -> Exit:
    """Print the completion script of a shell."""
    from ecall_facade.cli._app import make_app

    sys.stdout.write(make_app().generate_completion(prog_name="ecall", shell=shell))
    sys.stdout.flush()
    return Exit.DONE
