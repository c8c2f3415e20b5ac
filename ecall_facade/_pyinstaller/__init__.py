"""Hooks for PyInstaller, which finds them by the entry point `pyinstaller40`; nothing here runs in a program.

PyInstaller collects what is imported by name. Much of this package is loaded only when it is first used, so that an
import is cheap, and the sandbox serves files; the hooks name both.
"""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folders that hold hooks."""
    return [str(Path(__file__).parent)]
