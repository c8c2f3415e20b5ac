"""What the database says, in words that say what to do, and without what it quotes."""

from __future__ import annotations

import pickle
import sqlite3

import psycopg
import pytest
from psycopg import errors as postgresql
from sqlalchemy.exc import DBAPIError, OperationalError

from ecall_facade import ECallError
from ecall_facade.bulk import LedgerError
from ecall_facade.bulk._errors import translated

QUOTED = "DETAIL: Failing row contains (+41791234567, a secret)"


def of_postgresql(cls: type[psycopg.Error]) -> DBAPIError:
    return OperationalError("INSERT …", {}, cls(QUOTED))


def of_sqlite(code: str) -> DBAPIError:
    error = sqlite3.OperationalError(QUOTED)
    error.sqlite_errorname = code
    return OperationalError("INSERT …", {}, error)


@pytest.mark.parametrize(
    ("error", "words", "is_temporary"),
    [
        (of_sqlite("SQLITE_FULL"), "disk of the ledger is full", False),
        (of_sqlite("SQLITE_IOERR_WRITE"), "disk reports an error", False),
        (of_sqlite("SQLITE_READONLY_DIRECTORY"), "read-only", False),
        (of_sqlite("SQLITE_BUSY_SNAPSHOT"), "locked by another program", True),
        (of_sqlite("SQLITE_CANTOPEN"), "cannot be opened", False),
        (of_sqlite("SQLITE_NOTADB"), "not an SQLite database", False),
        (of_sqlite("SQLITE_CORRUPT"), "damaged", False),
        (of_sqlite("SQLITE_SOMETHING"), "SQLITE_SOMETHING", False),
        (of_postgresql(postgresql.DiskFull), "disk of the ledger is full", False),
        (of_postgresql(postgresql.AdminShutdown), "cannot be reached", True),
        (of_postgresql(postgresql.CannotConnectNow), "cannot be reached", True),
        (of_postgresql(postgresql.ConnectionFailure), "cannot be reached", True),
        (of_postgresql(postgresql.TooManyConnections), "no connection left", True),
        (of_postgresql(postgresql.DeadlockDetected), "40P01", True),
        (of_postgresql(postgresql.ReadOnlySqlTransaction), "read-only", False),
        (of_postgresql(postgresql.InvalidPassword), "refuses the user", False),
        (of_postgresql(postgresql.InvalidCatalogName), "does not exist", False),
        (of_postgresql(postgresql.InsufficientPrivilege), "may not read or write", False),
        (of_postgresql(postgresql.UniqueViolation), "23505", False),
        (OperationalError("", {}, psycopg.OperationalError("refused")), "be reached", True),
        (
            OperationalError(
                "", {}, psycopg.OperationalError('FATAL: database "x" does not exist')
            ),
            "does not exist: create it",
            False,
        ),
        (
            OperationalError("", {}, psycopg.OperationalError("password authentication failed")),
            "refuses the user",
            False,
        ),
    ],
)
def test_each_error_says_what_to_do_and_quotes_nothing(
    error: DBAPIError, words: str, is_temporary: bool
) -> None:
    with pytest.raises(LedgerError, match=words) as caught, translated():
        raise error
    assert caught.value.is_temporary is is_temporary
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)
    assert "1234567" not in str(caught.value)


def test_a_ledger_error_is_one_of_the_package_and_can_be_pickled() -> None:
    error = LedgerError("full", is_temporary=True, unrecorded=3, may_have_been_sent=True)
    assert isinstance(error, ECallError)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, LedgerError)
    assert (str(copy), copy.unrecorded, copy.may_have_been_sent) == ("full", 3, True)
