"""Which callbacks have been handled, for receivers in several processes."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from ecall_facade.bulk import _schema
from ecall_facade.bulk._runs import Run
from ecall_facade.bulk._turn import bury

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database
    from ecall_facade.webhooks._deduplication import Claim

_abandoned: list[Run] = []
"""Runs of a parent process, which only the parent may end."""


class LedgerSeen:
    """A deduplicator of callbacks over a ledger, for `WebhookApp(seen=…)` in many processes.

    An event that a process was handling when it died is handled again at its next delivery.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._run: Run | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def claim(self, key: str) -> Claim:
        """Take a key for handling: "new"; or tell that it is "done", or "in progress" in another handler.

        Raises:
            LedgerError: The database cannot be used.
        """
        run_id = self._run_id()
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        statement = (
            insert(_schema.event)
            .values(key=key, run_id=run_id, recorded_at=self._database.sql("{now}"))
            .on_conflict_do_nothing()
        )
        with self._database.write() as connection:
            if connection.execute(statement).rowcount:
                return "new"
            owner = self._owner_of(connection, key)
        if owner is None:
            return "done"
        if owner == run_id:
            return "in progress"
        return self._take_over(key, owner, run_id)

    def succeed(self, key: str) -> None:
        """Record that the handler of a claimed key is done."""
        with self._database.write() as connection:
            connection.execute(
                self._database.sql(
                    "UPDATE ecall_event SET run_id = NULL, recorded_at = {now} WHERE key = :key"
                ),
                {"key": key},
            )

    def fail(self, key: str) -> None:
        """Release a claimed key, so that the next delivery is handled."""
        with self._database.write() as connection:
            connection.execute(
                text("DELETE FROM ecall_event WHERE key = :key AND run_id IS NOT NULL"),
                {"key": key},
            )

    def close(self) -> None:
        """End this process's part; keys that it has not finished are free for others."""
        with self._lock:
            run, self._run = self._run, None
            if run is not None and self._owner == os.getpid():
                run.finish()

    @staticmethod
    def _owner_of(connection: Connection, key: str) -> int | None:
        owner = connection.execute(
            text("SELECT run_id FROM ecall_event WHERE key = :key"), {"key": key}
        ).one_or_none()
        return None if owner is None else owner.run_id

    def _take_over(self, key: str, owner: int, run_id: int) -> Claim:
        """Take a key from a process that has died."""
        with self._database.read() as connection:
            lock_name = connection.execute(
                text("SELECT lock_name FROM ecall_run WHERE id = :run"), {"run": owner}
            ).scalar_one()
        with self._database.locks.dead(lock_name) as is_dead:
            if not is_dead:
                return "in progress"
            with self._database.write() as connection:
                if not self._database.locks.is_free(connection, lock_name):
                    return "in progress"
                taken = connection.execute(
                    text(
                        "UPDATE ecall_event SET run_id = :run WHERE key = :key AND run_id = :owner"
                    ),
                    {"run": run_id, "key": key, "owner": owner},
                ).rowcount
                bury(connection, self._database, owner)
                return "new" if taken else "in progress"

    def _run_id(self) -> int:
        """Return the run of this process, whose lock says that its keys are in good hands."""
        with self._lock:
            if self._run is not None and self._owner != os.getpid():
                _abandoned.append(self._run)
                self._run = None
            if self._run is not None and not self._run.is_alive():
                self._run.abandon()
                self._run = None
            if self._run is None:
                self._run, self._owner = Run(self._database), os.getpid()
            return self._run.id
