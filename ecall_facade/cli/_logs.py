"""What the library logs, shown by the command."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecall_facade.cli._output import write_note

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def log_on_stderr(name: str, level: int) -> Generator[None, None, None]:
    """Write what is logged by this name to stderr."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            write_note(record.getMessage())

    logger = logging.getLogger(name)
    handler = Handler(level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
