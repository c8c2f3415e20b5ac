"""Errors of the ledger's database, in words that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ecall_facade.errors import ECallError

_NEVER_SENT_WITHOUT = "Nothing is sent that the ledger has not recorded; run the same again then."
_DISK_FULL = f"The disk of the ledger is full: free some space. {_NEVER_SENT_WITHOUT}"
_READ_ONLY = "The ledger cannot be written: it is read-only, or on a read-only file system."
_UNREACHABLE = f"The ledger's database cannot be reached. {_NEVER_SENT_WITHOUT}"
_BUSY = f"The ledger is locked by another program for too long. {_NEVER_SENT_WITHOUT}"

# By the beginning of SQLite's extended names.
_SQLITE_WORDS = {
    "SQLITE_FULL": _DISK_FULL,
    "SQLITE_IOERR": f"The ledger's disk reports an error, or is full. {_NEVER_SENT_WITHOUT}",
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_CANTOPEN": "The ledger's file cannot be opened: check the folder and its permissions."
    " A ledger on a read-only file system can be read only if it was closed properly.",
    "SQLITE_NOTADB": "The file is not an SQLite database, so it is not a ledger.",
    "SQLITE_CORRUPT": "The ledger's file is damaged: restore it, and read in the docs what a backup"
    " that is older than the last send means.",
    "SQLITE_PERM": "The ledger's file cannot be opened: check its permissions.",
}
# By the beginning of PostgreSQL's SQLSTATE.
_POSTGRESQL_WORDS = {
    "08": _UNREACHABLE,
    "57P": _UNREACHABLE,
    "53100": _DISK_FULL,
    "53300": "The ledger's database has no connection left: each sender needs one.",
    "25006": _READ_ONLY,
    "28": "The ledger's database refuses the user or the password in its URL.",
    "3D000": "The ledger's database does not exist: create it first.",
    "42501": "The user of the ledger's database may not read or write the tables (ecall_…).",
}
_TEMPORARY_STATES = ("08", "57P", "53300", "40", "55P03")


class LedgerError(ECallError):
    """The ledger's database cannot be used, so nothing more is sent; what was sent is recorded.

    `is_temporary` says that waiting may help, as it does while a database restarts.
    `unrecorded` is how many results of sends could not be stored; their rows will be `unknown`.
    """

    def __init__(
        self,
        explanation: str,
        *,
        is_temporary: bool = False,
        unrecorded: int = 0,
        may_have_been_sent: bool = False,
    ) -> None:
        super().__init__(explanation, may_have_been_sent=may_have_been_sent)
        self.is_temporary = is_temporary
        self.unrecorded = unrecorded


@contextmanager
def translated() -> Generator[None, None, None]:
    """Raise a `LedgerError` for what the database raises.

    Without a cause: a driver's words may quote a row, which has a number and a text.
    """
    try:
        yield
    except DBAPIError as error:
        translation = _translate(error)
    except sqlite3.Error as error:
        translation = translate_sqlite(error)
    except SQLAlchemyError as error:
        words = f"The ledger's database cannot be used ({type(error).__name__})."
        translation = LedgerError(words)
    else:
        return
    raise translation from None


def _translate(error: DBAPIError) -> LedgerError:
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return translate_sqlite(original)
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        words = next((w for key, w in _POSTGRESQL_WORDS.items() if state.startswith(key)), None)
        is_temporary = state.startswith(_TEMPORARY_STATES) or error.connection_invalidated
        return LedgerError(words or _unforeseen(original, state), is_temporary=is_temporary)
    if "invalid connection option" in str(original):
        return LedgerError("The ledger's URL has an option that PostgreSQL does not know.")
    # psycopg has no state for a connection that was refused, or that broke.
    is_gone = error.connection_invalidated or type(original).__name__ == "OperationalError"
    words = _connection_words(str(original)) if is_gone else _unforeseen(original, "")
    is_permanent = words != _UNREACHABLE
    return LedgerError(words, is_temporary=is_gone and not is_permanent)


def translate_sqlite(error: sqlite3.Error) -> LedgerError:
    """Return what an error of SQLite means."""
    name = getattr(error, "sqlite_errorname", "")
    words = next((words for key, words in _SQLITE_WORDS.items() if name.startswith(key)), None)
    is_busy = name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return LedgerError(words or _unforeseen(error, name), is_temporary=is_busy)


def _connection_words(said: str) -> str:
    """Return what to do about a connection that was not made, for which psycopg has only words."""
    for key, signs in {
        "28": ("authentication failed", "no password supplied", "no pg_hba.conf entry"),
        "3D000": ("does not exist",),
    }.items():
        if any(sign in said for sign in signs):
            return _POSTGRESQL_WORDS[key]
    return _UNREACHABLE


def _unforeseen(error: BaseException | None, code: str) -> str:
    named = ", ".join(part for part in (type(error).__name__, code) if part)
    return f"The ledger's database reports an error ({named}). {_NEVER_SENT_WITHOUT}"
