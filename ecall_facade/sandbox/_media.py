"""The files that were uploaded, in a folder that is removed with the sandbox."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ecall_facade.sandbox._bounded import Bounded


class MediaFiles:
    """Keeps files by id. All methods may be called from any thread.

    Args:
        limit: How many files are kept.
    """

    def __init__(self, limit: int) -> None:
        self._paths: Bounded[Path] = Bounded(limit)
        self._folder: Path | None = None
        self._lock = threading.Lock()

    @contextmanager
    def write(self, media_id: str) -> Generator[BinaryIO]:
        """Open a new file. It is stored when the block ends without an exception, and removed otherwise."""
        path = self._make_folder() / media_id
        try:
            with path.open("wb") as file:
                yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            dropped = self._paths.put(media_id, path)
        if dropped is not None:
            dropped.unlink(missing_ok=True)

    def __contains__(self, media_id: str) -> bool:
        return media_id in self._paths

    def path(self, media_id: str) -> Path | None:
        """Return the path of a file, or None if it is not kept."""
        with self._lock:
            return self._paths.get(media_id)

    def open(self, media_id: str) -> BinaryIO | None:
        """Open a file, or return None if it is not kept."""
        with self._lock:
            path = self._paths.get(media_id)
            return path.open("rb") if path else None

    def clear(self) -> None:
        """Remove all files."""
        with self._lock:
            for path in self._paths.values():
                path.unlink(missing_ok=True)
            self._paths.clear()

    def _make_folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="ecall-sandbox-"))
                weakref.finalize(self, _remove, self._folder, os.getpid())
            return self._folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not when a forked process ends
        shutil.rmtree(folder, ignore_errors=True)
