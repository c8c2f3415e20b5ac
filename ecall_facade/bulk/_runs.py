"""Runs: one for each call that sends, alive as long as its lock is held."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ecall_facade.bulk import _schema
from ecall_facade.bulk._errors import LedgerError, translated
from ecall_facade.bulk._locks import drop_socket, hold_socket
from ecall_facade.bulk._turn import bury

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database
    from ecall_facade.bulk._locks import HeldLock


class Run:
    """A row of `ecall_run`, its lock, and the one connection by which it takes rows.

    The lock is taken before the row exists. A run never gets another connection: SQLAlchemy would
    connect again silently, and the lock of PostgreSQL would be gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connect()
        self._lock: HeldLock | None = None
        self._socket: int | None = None
        try:
            if not database.is_sqlite:
                self._socket = _socket_of(self._connection)
                hold_socket(self._socket)
            with translated(), self._connection.begin():
                self._lock = database.locks.acquire(self._connection)
            with translated(), self._connection.begin():
                self.id: int = self._connection.execute(
                    _schema.run.insert().returning(_schema.run.c.id),
                    {"lock_name": self._lock.name},
                ).scalar_one()
        except BaseException:
            self.abandon()
            raise

    @contextmanager
    def transaction(self) -> Generator[Connection, None, None]:
        """Open a transaction on the connection that the lock was taken with.

        Raises:
            LedgerError: The database cannot be used. The run must be abandoned then.
        """
        if self._connection.invalidated or self._connection.closed:
            raise LedgerError("The connection of a sender was lost", is_temporary=True)
        with translated(), self._connection.begin():
            yield self._connection

    def is_alive(self) -> bool:
        """Return whether the connection, and with it the lock, is still there."""
        if self._connection.invalidated or self._connection.closed:
            return False
        if self._database.is_sqlite:
            return True  # the lock is a file's
        try:
            with self.transaction() as connection:
                connection.execute(text("SELECT 1"))
        except LedgerError:
            return False
        return True

    def finish(self) -> None:
        """End the run properly; rows that it has not recorded become `unknown`."""
        try:
            with self.transaction() as connection:
                bury(connection, self._database, self.id)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Release the lock, as death would; the next sender finds the rows of the run."""
        if self._socket is not None:
            drop_socket(self._socket)
            self._socket = None
        with suppress(SQLAlchemyError):
            self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def recover(database: Database) -> int:
    """Make the rows of all senders that have died `unknown`; return how many there were.

    Raises:
        LedgerError: The database cannot be used.
    """
    with database.read() as connection:
        runs = connection.execute(
            text("SELECT id, lock_name FROM ecall_run WHERE NOT is_gone")
        ).all()
    count = 0
    for run in runs:
        with database.locks.dead(run.lock_name) as is_dead:
            if not is_dead:
                continue
            with database.write() as connection:
                if database.locks.is_free(connection, run.lock_name):
                    count += bury(connection, database, run.id)
    return count


def _socket_of(connection: Connection) -> int:
    descriptor = getattr(connection.connection.dbapi_connection, "fileno", None)
    if descriptor is None:
        raise LedgerError("The driver of the ledger's database does not show its connection")
    number: int = descriptor()
    return number
