"""What scripts print, whatever is in it and whether or not anybody reads it. Standard library only."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


def show(text: str) -> None:
    """Print a result, unless its reader has left, as `head` does; the exit code is the same in either case."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # there may be letters that cannot be written here
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is left in the buffer would fail once more at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Parser(argparse.ArgumentParser):
    """A parser of arguments that shows the script's docstring, and whose help may lose its reader."""

    def __init__(self, description: str | None) -> None:
        super().__init__(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        if file is None:
            show(self.format_help().rstrip())
        else:
            super().print_help(file)
