"""The commands by name; each is imported only when it is called, so that `ecall --help` is fast."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cyclopts import App, CycloptsError, Parameter

from ecall_facade._version import __version__
from ecall_facade.cli._failures import Exit, Failure, to_failure
from ecall_facade.cli._output import write_failure
from ecall_facade.cli._terminal import limit_width
from ecall_facade.cli._text import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "send": "Send one message to one recipient.",
    "broadcast": "Send one text to many recipients.",
    "bulk": "Send many messages from a file, each at most once.",
    "status": "Show the delivery status of messages.",
    "media": "Upload and download files for messages.",
    "measure": "Show the length of a text before sending it.",
    "sandbox": "Run a simulated eCall on this machine, to build and test against.",
    "listen": "Receive delivery reports and replies, and print them.",
    "doctor": "Find out what is wrong with a setup; sends nothing.",
    "completion": "Print the completion script of a shell.",
    "demo": "Watch messages being sent, delivered and reported, in a simulation.",
}

_EPILOGUE = """\
Credentials come from ECALL_USERNAME and ECALL_PASSWORD, or from a file that only you can read: --credentials PATH, or \
~/.config/ecall/credentials.toml.

Examples:
  ecall demo
  ecall measure "See you at 8"
  ecall send "079 123 45 67" "See you at 8" --sandbox

Exit codes:
"""


def make_app() -> App:
    """Return the app with all commands."""
    codes = "\n".join(f"  {code.value:<5}{code.meaning}" for code in Exit)
    app = App(
        name="ecall",
        help="Send SMS, WhatsApp and RCS messages through eCall, never the same one twice by accident.",
        help_epilogue=_EPILOGUE + codes,
        help_format="plaintext",
        version=__version__,
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for place, (name, summary) in enumerate(COMMANDS.items()):
        app.command(f"ecall_facade.cli._{name}:app", name=name, help=summary, sort_key=place)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code.

    Expected errors are printed; anything else is a bug and is raised.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the process was started with it closed
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # it lives as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show must not be an error.
            stream.reconfigure(errors="backslashreplace")
    limit_width()
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [STDIN if argument == "-" else argument for argument in arguments[:end]]
    try:
        # --help and --version return None.
        code = cast("Exit | None", make_app()([*options, *arguments[end:]]))
    except KeyboardInterrupt:
        failure = Failure(Exit.INTERRUPTED, "Interrupted", "Interrupted")
    except CycloptsError as error:
        failure = Failure(Exit.USAGE, "UsageError", f"{error} (see --help)")
    except Exception as error:
        if (known := to_failure(error)) is None:
            raise
        failure = known
    else:
        return code or Exit.DONE
    return write_failure(failure, as_json="--json" in options)
