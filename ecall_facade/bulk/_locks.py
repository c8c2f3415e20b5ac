"""Locks that a process's death releases, by which it is known whether a sender still lives."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from sqlalchemy import Connection


class HeldLock(Protocol):
    """A lock that this process has."""

    name: str

    def release(self) -> None:
        """Release the lock."""
        ...


class Locks(Protocol):
    """The locks of one ledger."""

    def acquire(self, connection: Connection) -> HeldLock:
        """Take a new lock, which lasts as long as this process and the connection."""
        ...

    @contextmanager
    def dead(self, name: str) -> Generator[bool, None, None]:
        """Return whether nobody has a lock; while the block runs, nobody takes it."""
        ...

    def is_free(self, connection: Connection, name: str) -> bool:
        """Tell, within the transaction that declares its owner dead, whether nobody has a lock."""
        ...


class _HeldFile:
    def __init__(self, name: str, lock: BaseFileLock, path: Path) -> None:
        self.name = name
        self._lock = lock
        self._path = path

    def release(self) -> None:
        # Removed while it is locked. Its name is never used again, and whoever opened it before
        # finds a sender that is marked as gone already.
        with suppress(OSError):
            self._path.unlink()
        self._lock.release()


class FileLocks:
    """A locked file for each sender, in a folder beside an SQLite ledger."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def acquire(self, connection: Connection) -> HeldLock:
        """Take a new lock."""
        del connection  # a file lock is the process's
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = secrets.token_hex(16)
        lock = self._lock(name)
        lock.acquire(timeout=0)
        return _HeldFile(name, lock, self._path(name))

    @contextmanager
    def dead(self, name: str) -> Generator[bool, None, None]:
        """Return whether nobody has a lock."""
        from filelock import Timeout

        path = self._path(name)
        if not path.exists():  # released properly, or the ledger was moved without the folder
            yield True
            return
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
            with suppress(OSError):
                path.unlink()
        finally:
            lock.release()

    def is_free(self, connection: Connection, name: str) -> bool:
        """Return whether nobody has a lock; `dead` has made sure of it."""
        del connection, name
        return True

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _lock(self, name: str) -> BaseFileLock:
        from filelock import FileLock

        # Only a lock of the system's is released by death. thread_local: the thread that releases
        # it need not be the one that took it.
        return FileLock(self._path(name), mode=0o600, thread_local=False, fallback_to_soft=False)


class _HeldKey:
    def __init__(self, name: str) -> None:
        self.name = name

    def release(self) -> None:
        pass  # closing the connection releases it


class AdvisoryLocks:
    """An advisory lock of PostgreSQL for each sender, on the connection that it claims by."""

    def acquire(self, connection: Connection) -> HeldLock:
        """Take a new lock."""
        key = secrets.randbits(62)
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        return _HeldKey(str(key))

    @contextmanager
    def dead(self, name: str) -> Generator[bool, None, None]:
        """Leave it to `is_free`, as one transaction has to ask and to act."""
        del name
        yield True

    def is_free(self, connection: Connection, name: str) -> bool:
        """Return whether nobody has a lock, and take it until the transaction ends."""
        statement = text("SELECT pg_try_advisory_xact_lock(:key)")
        return bool(connection.execute(statement, {"key": int(name)}).scalar_one())


_sockets: set[int] = set()
"""Of connections that hold a lock."""


def hold_socket(descriptor: int) -> None:
    """Let no forked child keep a connection open, and the lock on it, when this process dies."""
    _sockets.add(descriptor)


def drop_socket(descriptor: int) -> None:
    """Forget a connection before it is closed."""
    _sockets.discard(descriptor)


def _release_in_child() -> None:
    # Not closed, as the number would be taken by another file, which the child might close.
    if not _sockets:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in _sockets:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    _sockets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
