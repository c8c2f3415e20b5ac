"""A progress bar for uploads and downloads."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from ecall_facade._uploads import Progress


@contextmanager
def progress(label: str) -> Generator[Progress | None, None, None]:
    """Yield a progress callback that draws a bar on stderr if it is a terminal, else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=None)

        def on_progress(done: int, total: int | None) -> None:
            bars.update(task, completed=done, total=total)

        yield on_progress
