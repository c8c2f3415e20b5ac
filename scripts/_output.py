"""What a script says at last, whatever is in it and whoever reads it. Standard library only."""

import io
import os
import sys


def show(text: str) -> None:
    """Print the result; the exit code tells it, too, to a reader that has left, such as `head`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # there may be letters that cannot be written here
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is left in the buffer would fail once more at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
