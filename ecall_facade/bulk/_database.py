"""The database of a ledger: how it is opened, and how transactions on it begin and end."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ecall_facade.bulk import _schema
from ecall_facade.bulk._errors import LedgerError, translate_sqlite, translated
from ecall_facade.bulk._locks import AdvisoryLocks, FileLocks, Locks
from ecall_facade.errors import InvalidConfiguration

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, TextClause

BUSY_SECONDS = 60.0
"""How long a transaction waits for another one on SQLite, as for the loading of a large job."""
_CREATING = 7_306_521_944_021
"""Key of the advisory lock under which the tables are made."""

_FOR_UPDATE = re.compile(r"\{for_update( [A-Za-z ]+)?\}")

_abandoned: list[Engine] = []
"""Engines of a parent process; to collect them would close the parent's connections."""


class Database:
    """One database, for many threads, and in each process by connections of its own."""

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self._url = _read_url(url)
        self.is_sqlite: bool = self._url.get_backend_name() == "sqlite"
        self.is_read_only: bool = False
        self.locks: Locks
        self._path = Path(self._url.database or "").absolute()
        if self.is_sqlite:
            self.locks = FileLocks(self._path.with_name(f"{self._path.name}.locks"))
            self.is_read_only = _prepare_file(self._path)
            self._now = "((julianday('now') - 2440587.5) * 86400.0)"
        else:
            self.locks = AdvisoryLocks()
            self._now = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"
        self._statements: dict[str, TextClause] = {}
        self._owner = os.getpid()
        self._engine = self._make_engine()
        try:
            self._check_schema()
        except BaseException:
            self._engine.dispose()
            raise

    def __repr__(self) -> str:
        if self.is_sqlite:
            return f"sqlite:///{self._path}"
        return self._url.render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """The engine of this process; a forked child must not use its parent's connections."""
        if self._owner != os.getpid():
            _abandoned.append(self._engine)
            self._engine, self._owner = self._make_engine(), os.getpid()
        return self._engine

    @contextmanager
    def write(self) -> Generator[Connection, None, None]:
        """Open a transaction that writes, and commit it durably at the end of the block.

        Raises:
            LedgerError: The database cannot be used.
        """
        if self.is_read_only:
            raise LedgerError(
                "The ledger is read-only, or on a read-only file system: it can be looked at, but"
                " nothing can be sent from it."
            )
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Generator[Connection, None, None]:
        """Open a transaction that reads.

        Raises:
            LedgerError: The database cannot be used.
        """
        with (
            translated(),
            self.engine.connect().execution_options(ecall_reads=True) as connection,
            connection.begin(),
        ):
            yield connection

    def sql(self, statement: str) -> TextClause:
        """Return a statement in the database's dialect: {now}, {for_update} and {for_update SKIP LOCKED}.

        {now} is the database's clock, in seconds since 1970; no other one decides anything.
        """
        found = self._statements.get(statement)
        if found is None:
            words = statement.replace("{now}", self._now)
            # On SQLite, a transaction that writes has the whole database.
            lock = "" if self.is_sqlite else r"FOR UPDATE\1"
            found = self._statements[statement] = text(_FOR_UPDATE.sub(lock, words))
        return found

    def connect(self) -> Connection:
        """Return a connection that belongs to no pool, so that closing it ends its locks."""
        with translated():
            connection = self.engine.connect()
            connection.detach()
        return connection

    def wipe(self) -> None:
        """Write the SQLite file anew, as what was removed from it stays in its free space."""
        self._execute_alone("VACUUM")
        self.shorten_log()

    def shorten_log(self) -> None:
        """Free the space of SQLite's write-ahead log, if nobody else uses it now.

        It grows up to 4 MB otherwise, or as far as the largest transaction needed it.
        """
        if self.is_sqlite:
            self._execute_alone("PRAGMA wal_checkpoint(TRUNCATE)")

    def _execute_alone(self, statement: str) -> None:
        with translated(), self.engine.connect() as connection:
            driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            try:
                driver.execute(statement).fetchall()
            except sqlite3.Error as error:
                raise translate_sqlite(error) from None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        if self._owner == os.getpid():
            self._engine.dispose()

    def _connect_to_file(self) -> sqlite3.Connection:
        return sqlite3.connect(
            _sqlite_uri(self._path, read_only=self.is_read_only),
            timeout=BUSY_SECONDS,
            uri=True,
            check_same_thread=False,
        )

    def _make_engine(self) -> Engine:
        if self.is_sqlite:
            engine = sqlalchemy.create_engine(
                "sqlite://",
                creator=self._connect_to_file,
                poolclass=sqlalchemy.QueuePool,
                hide_parameters=True,
            )
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        try:
            engine = sqlalchemy.create_engine(
                self._url,
                hide_parameters=True,
                pool_pre_ping=True,
                isolation_level="READ COMMITTED",
                connect_args=_postgresql_arguments(self._url),
            )
        except ImportError:
            raise InvalidConfiguration(
                "A ledger on PostgreSQL needs psycopg 3: install ecall-facade[postgresql]"
            ) from None
        event.listen(engine, "connect", _set_up_postgresql)
        return engine

    def _check_schema(self) -> None:
        """Make the tables in an empty database; refuse a ledger of another version."""
        version = self._read_version()
        if version is None:
            with self.write() as connection:
                if not self.is_sqlite:
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATING}
                    )
                if self._has_ledger(connection):
                    pass  # another process has made it
                elif self.is_sqlite and sqlalchemy.inspect(connection).get_table_names():
                    raise InvalidConfiguration(
                        "The file is a database of another program: use one of its own for a ledger"
                    )
                else:
                    _schema.metadata.create_all(connection)
                    connection.execute(
                        _schema.ledger.insert(), {"id": 1, "version": _schema.VERSION}
                    )
            version = self._read_version()
        if version != _schema.VERSION:
            raise InvalidConfiguration(
                f"The ledger has schema version {version}, and this version of ecall-facade uses"
                f" {_schema.VERSION}: finish its jobs with the version that made it"
            )

    def _read_version(self) -> int | None:
        with self.read() as connection:
            if not self._has_ledger(connection):
                return None
            return connection.execute(sqlalchemy.select(_schema.ledger.c.version)).scalar()

    @staticmethod
    def _has_ledger(connection: Connection) -> bool:
        return sqlalchemy.inspect(connection).has_table(_schema.ledger.name)


def _read_url(given: str | os.PathLike[str]) -> URL:
    if not isinstance(given, str):
        return URL.create("sqlite", database=os.fspath(given))
    if "://" not in given:
        if not given.strip():
            raise InvalidConfiguration("The ledger's URL is empty: sqlite:///reminders.db, say")
        return URL.create("sqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        url = None
    # Not quoted in errors, as it may hold a password.
    if url is None or url.drivername not in {
        "sqlite",
        "sqlite+pysqlite",
        "postgres",
        "postgresql",
        "postgresql+psycopg",
    }:
        raise InvalidConfiguration(
            "The ledger's URL must be sqlite:///FILE, or postgresql+psycopg://… where several"
            " machines share it"
        )
    if url.get_backend_name() == "sqlite":
        if not url.database or ":memory:" in url.database or url.query:
            raise InvalidConfiguration(
                "A ledger on SQLite is a file, as in sqlite:///reminders.db: it must outlive the"
                " process"
            )
        return url
    return url.set(drivername="postgresql+psycopg")


def _prepare_file(path: Path) -> bool:
    """Make the file for its owner only; return whether it can only be read.

    SQLite gives the files beside it (`-wal`, `-shm`) the same permissions.
    """
    if sqlite3.sqlite_version_info < (3, 35):
        raise InvalidConfiguration(
            f"A ledger needs SQLite 3.35 or later; this Python has {sqlite3.sqlite_version}"
        )
    if not path.parent.is_dir():
        raise InvalidConfiguration(f"The ledger's folder does not exist: {path.parent}")
    if path.is_dir():
        raise InvalidConfiguration(f"The ledger's path is a folder: {path}")
    if not path.exists():
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise LedgerError(
                f"The ledger's file cannot be made: {error.strerror}. Choose another folder."
            ) from None
        return False
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return True
    if os.name == "posix" and path.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # it is somebody else's
            path.chmod(0o600)
    return False


def _sqlite_uri(path: Path, *, read_only: bool) -> str:
    name = "file:" + quote(path.as_posix(), safe="/:")
    if not read_only:
        return f"{name}?mode=rw"
    # Without the files beside it, SQLite does not open a ledger where it may not make them. It may
    # be told that nobody writes, which is true only if there is nothing in -wal that is not in it.
    wal = path.with_name(f"{path.name}-wal")
    is_closed = not wal.exists() or not wal.stat().st_size
    return f"{name}?mode=ro{'&immutable=1' if is_closed else ''}"


def _set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    connection.isolation_level = None  # transactions begin where _begin_sqlite says
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose a commit when the power fails
    is_read_only = connection.execute("PRAGMA query_only").fetchone()[0] or _is_read_only(
        connection
    )
    if is_read_only:
        return
    if _begin_log(connection) != "wal":
        raise InvalidConfiguration(
            "SQLite cannot keep a write-ahead log here: put the ledger on a disk of this machine"
        )


def _begin_log(connection: sqlite3.Connection) -> str:
    """Ask for a write-ahead log; return the journal mode that SQLite keeps."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            # SQLite does not wait here for another process that begins the log of the new file.
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _is_read_only(connection: sqlite3.Connection) -> bool:
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    return bool(file) and not os.access(file, os.W_OK)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if somebody else wrote between.
    reads = connection.get_execution_options().get("ecall_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgresql_arguments(url: URL) -> dict[str, object]:
    """Return what lets both ends notice that the other one has lost its power."""
    defaults: dict[str, object] = {
        "connect_timeout": 10,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "application_name": "ecall-facade",
    }
    return {name: value for name, value in defaults.items() if name not in url.query}


def _set_up_postgresql(
    connection: sqlalchemy.engine.interfaces.DBAPIConnection, record: object
) -> None:
    del record
    cursor = connection.cursor()
    for setting in (
        "synchronous_commit = on",
        "tcp_keepalives_idle = 30",
        "tcp_keepalives_interval = 10",
        "tcp_keepalives_count = 3",
    ):
        cursor.execute(f"SET {setting}")
    cursor.close()
    connection.commit()
