"""`ecall demo`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import App, Parameter

from ecall_facade.cli._failures import Exit
from ecall_facade.cli._output import write_json
from ecall_facade.cli._session import load_sandbox

if TYPE_CHECKING:
    from ecall_facade._json import JSON

app = App(
    name="demo",
    help_epilogue="""\
The demo needs no account, no credit and no phone. Nobody is texted.

Examples:
  ecall demo
  ecall demo --json
""",
)


@app.default
def demo(
    *,
    json: Annotated[
        bool, Parameter(help="Print one JSON object with the lines and whether the demo worked.")
    ] = False,
) -> Exit:
    """Watch messages being sent, delivered and reported, in a simulation."""
    load_sandbox()  # fails if a package is missing
    from ecall_facade.sandbox.demo import run

    lines: list[str] = []

    def print_line(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    worked = run(lines.append if json else print_line)
    if json:
        write_json({"worked": worked, "lines": cast("list[JSON]", lines)})
    return Exit.DONE if worked else Exit.FAILED
