"""What a ledger stores, shows, exports, forgets and refuses."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ecall_facade import DeliveryState, InvalidConfiguration, RawAddress, UsageError
from ecall_facade.bulk import InvalidMessages, Job, Ledger, LedgerError, Message
from ecall_facade.bulk._database import Database
from ecall_facade.webhooks import ReceivedMessage, StatusUpdate

TO = "+41791234567"
POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger(ledger_url) as ledger:
        yield ledger


def some(count: int = 3) -> list[Message]:
    return [Message(f"+4179{number:07d}", f"text {number}") for number in range(count)]


def set_states(url: str, states: dict[int, str]) -> None:
    """Play a sender that has brought rows into these states."""
    database = Database(url)
    with database.write() as connection:
        for position, state in states.items():
            connection.execute(
                database.sql(
                    "UPDATE ecall_message SET state = :state, recorded_at = {now},"
                    " message_id = :id WHERE position = :position"
                ),
                {
                    "state": state,
                    "position": position,
                    "id": f"id-{position}" if state == "accepted" else None,
                },
            )
    database.close()


class TestJobs:
    """The same name with the same messages is the same job."""

    def test_a_job_is_known_again_by_its_messages(self, ledger: Ledger) -> None:
        first = ledger.job("a", some())
        again = ledger.job("a", iter(some()))
        assert (again.id, again.name, len(again)) == (first.id, "a", 3)
        assert ledger.job("a").id == first.id
        assert ledger.job("b", some()).id != first.id
        assert [job.name for job in ledger.jobs()] == ["a", "b"]
        assert first.counts()["pending"] == 3

    def test_lines_and_file_names_make_no_other_job(self, ledger: Ledger) -> None:
        first = ledger.job("a", [Message(TO, "x", line=2, source="people.csv")])
        assert ledger.job("a", [Message(TO, "x", line=7, source="copy.csv")]).id == first.id

    @pytest.mark.parametrize(
        ("others", "reason"),
        [
            (some(4), "3 messages and these are 4"),
            ([*some(2), Message("+41790000002", "another text")], "differ"),
            ([*some(2), Message("+41790000003", "text 2")], "differ"),
            ([*some(2), Message("+41790000002", "text 2", channel="rcs")], "differ"),
            ([*some(2), Message("+41790000002", "text 2", sender="ACME")], "differ"),
            ([*some(2), Message("+41790000002", "text 2", reference="7")], "differ"),
            ([*some(2), Message(RawAddress("+41790000002"), "text 2")], "differ"),
            (list(reversed(some())), "differ"),
        ],
    )
    def test_the_same_name_with_other_messages_is_refused(
        self, ledger: Ledger, others: list[Message], reason: str
    ) -> None:
        ledger.job("a", some())
        with pytest.raises(UsageError, match=reason):
            ledger.job("a", others)
        assert len(ledger.job("a")) == 3

    def test_a_job_with_another_region_or_chunk_size_is_refused(self, ledger: Ledger) -> None:
        ledger.job("a", some())
        with pytest.raises(UsageError, match="region='CH', not 'DE'"):
            ledger.job("a", some(), region="DE")
        with pytest.raises(UsageError, match="chunk_size=500, not 100"):
            ledger.job("a", some(), chunk_size=100)

    @pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
    def test_a_job_name_that_cannot_be_shown_is_refused(self, ledger: Ledger, name: str) -> None:
        with pytest.raises(UsageError, match="name"):
            ledger.job(name, some())

    def test_a_job_that_is_not_there_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(UsageError, match="no such job"):
            ledger.job("a")

    @pytest.mark.parametrize("size", [0, -1, 1.5, True, 200_000])
    def test_a_chunk_size_that_cannot_work_is_refused(self, ledger: Ledger, size: int) -> None:
        with pytest.raises(InvalidConfiguration, match="chunk_size"):
            ledger.job("a", some(), chunk_size=size)

    def test_an_unknown_region_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidConfiguration, match="region"):
            ledger.job("a", some(), region="XX")


class TestStoring:
    """All or nothing, and all problems at once."""

    def test_recipients_of_a_job_are_normalized(self, ledger: Ledger) -> None:
        job = ledger.job("a", [Message("079 123 45 67", "x"), Message(RawAddress("963"), "x")])
        assert [row.to for row in job.rows()] == [TO, "963"]

    def test_all_problems_are_named_and_nothing_is_stored(self, ledger: Ledger) -> None:
        messages = [
            Message(TO, "fine", line=2, source="people.csv"),
            Message("079 123", "x", line=3, source="people.csv"),
            Message(TO, "x" * 2000, line=4, source="people.csv"),
            Message(TO, " ", line=5, source="people.csv"),
            Message(TO, "x", channel="fax", line=6, source="people.csv"),
            Message(TO, "x", sender="much too long for one", line=7, source="people.csv"),
            Message(TO, "x", reference="a\0b", line=8, source="people.csv"),
            Message("abc", "\ud800", line=9, source="people.csv"),
        ]
        with pytest.raises(InvalidMessages) as caught:
            ledger.job("a", messages)
        assert [problem.line for problem in caught.value.problems] == [3, 4, 5, 6, 7, 8, 9]
        assert "people.csv, line 3: to cannot be a number: it is too short" in str(caught.value)
        assert ";" in caught.value.problems[-1].reason  # the number and the text
        with pytest.raises(UsageError, match="no such job"):
            ledger.job("a")

    def test_problems_of_the_file_and_of_the_messages_are_named_together(
        self, ledger: Ledger
    ) -> None:
        from ecall_facade.bulk import RowProblem

        def messages() -> Iterator[Message]:
            yield Message("079 123", "x", line=5)
            yield Message(TO, "x", line=6)
            raise InvalidMessages([RowProblem("people.csv", 3, "to is empty")])

        with pytest.raises(InvalidMessages) as caught:
            ledger.job("a", messages())
        assert [problem.line for problem in caught.value.problems] == [3, 5]
        assert not ledger.jobs()

    def test_messages_that_break_off_while_they_are_read_leave_nothing_stored(
        self, ledger: Ledger
    ) -> None:
        def messages() -> Iterator[Message]:
            yield from some(5000)
            raise OSError("the share is gone")

        with pytest.raises(OSError, match="gone"):
            ledger.job("a", messages())
        assert not ledger.jobs()
        assert len(ledger.job("a", some())) == 3

    def test_a_job_without_messages_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(UsageError, match="no messages"):
            ledger.job("a", [])
        with pytest.raises(UsageError, match="iterable of Message"):
            ledger.job("a", ["+41791234567"])  # type: ignore[list-item]

    def test_duplicates_are_marked_and_not_sent(self, ledger: Ledger) -> None:
        job = ledger.job(
            "a",
            [
                Message(TO, "x"),
                Message("079 123 45 67", "x"),
                Message("0041791234567", "x", reference="other", sender="ACME"),
                Message(TO, "y"),
                Message(TO, "x", channel="rcs"),
                Message("+41791234568", "x"),
            ],
        )
        states = [row.state for row in job.rows()]
        assert states == ["pending", "duplicate", "duplicate", "pending", "pending", "pending"]

    def test_no_text_and_no_whole_number_is_in_a_repr_of_bulk(self, ledger: Ledger) -> None:
        job = ledger.job("a", [Message(TO, "a secret", reference="Huber")])
        shown = repr([ledger, job, list(job.rows()), job.counts()])
        assert not [word for word in ("1234567", "secret", "Huber") if word in shown]


class TestFile:
    """An SQLite ledger is a file of its owner's alone."""

    @POSIX
    def test_nobody_else_can_read_a_ledger_file_or_what_lies_beside_it(
        self, tmp_path: Path
    ) -> None:
        before = os.umask(0)
        try:
            with Ledger(tmp_path / "a.db") as ledger:
                ledger.job("a", some())
                modes = {
                    path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()
                }
        finally:
            os.umask(before)
        assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}

    @POSIX
    def test_a_ledger_file_that_others_can_read_is_closed_to_them(self, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        Ledger(path).close()
        path.chmod(0o644)
        Ledger(path).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+pysqlite:///{}", "{}"])
    def test_a_url_and_a_path_open_the_same_ledger(self, tmp_path: Path, form: str) -> None:
        path = tmp_path / "with space # and ? and %41.db"
        with Ledger(path) as ledger:
            ledger.job("a", some())
        if form != "{}":
            return  # such a name cannot be written in a URL
        with Ledger(form.format(path)) as ledger:
            assert ledger.jobs()

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("", "empty"),
            ("sqlite://", "must outlive"),
            ("sqlite:///:memory:", "must outlive"),
            ("sqlite:///a.db?mode=ro", "must outlive"),
            ("mysql://user:secret@host/db", "must be sqlite:///FILE"),
            ("postgresql+asyncpg://user:secret@host/db", "must be sqlite:///FILE"),
            ("postgresql://user:secret@host:port/db", "must be sqlite:///FILE"),
            ("nonsense://", "must be sqlite:///FILE"),
            ("sqlite:////no/such/folder/a.db", "does not exist"),
            ("sqlite:////tmp", "is a folder"),
        ],
    )
    def test_a_ledger_url_that_cannot_work_is_refused_without_its_password(
        self, url: str, reason: str
    ) -> None:
        with pytest.raises(InvalidConfiguration, match=reason) as caught:
            Ledger(url)
        assert "secret" not in str(caught.value)

    def test_the_password_of_a_ledger_is_not_in_its_repr(self, ledger: Ledger) -> None:
        database = Database.__new__(Database)
        from sqlalchemy.engine import make_url

        database.__dict__["_url"] = make_url("postgresql+psycopg://u:secret@h/d")
        database.__dict__["is_sqlite"] = False
        assert "secret" not in repr(database)

    def test_a_ledger_whose_server_is_not_there_says_so(self) -> None:
        with pytest.raises(LedgerError, match="cannot be reached") as caught:
            Ledger("postgresql+psycopg://user:secret@127.0.0.1:1/db?connect_timeout=2")
        assert caught.value.is_temporary
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_a_ledger_of_another_schema_version_is_refused(self, ledger_url: str) -> None:
        Ledger(ledger_url).close()
        database = Database(ledger_url)
        with database.write() as connection:
            connection.execute(database.sql("UPDATE ecall_ledger SET version = 99"))
        database.close()
        with pytest.raises(InvalidConfiguration, match="schema version 99"):
            Ledger(ledger_url)

    def test_a_database_of_another_program_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "app.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE person (name TEXT)")
        connection.close()
        with pytest.raises(InvalidConfiguration, match="another program"):
            Ledger(path)

    def test_a_file_that_is_no_database_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "people.csv"
        path.write_text("to,text\n" * 1000)
        with pytest.raises(LedgerError, match="not an SQLite database"):
            Ledger(path)
        assert path.read_text().startswith("to,text")

    def test_a_ledger_that_cannot_be_written_can_be_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.db"
        with Ledger(path) as ledger:
            ledger.job("a", some())
        # As for a mount that is read-only; root may write everywhere else.
        access: Callable[[str | Path, int], bool] = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
        with Ledger(path) as ledger:
            job = ledger.job("a")
            assert job.counts()["pending"] == 3
            assert len(list(job.rows())) == 3
            with pytest.raises(LedgerError, match="read-only"):
                ledger.job("b", some())
            with pytest.raises(LedgerError, match="read-only"):
                job.resolve("pending")


def make_job(url: str, barrier: Barrier) -> None:
    barrier.wait()
    with Ledger(url) as ledger:
        assert len(ledger.job("a", some(500))) == 500


@pytest.mark.long
def test_processes_that_make_one_job_at_once_make_one(ledger_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=make_job, args=(ledger_url, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with Ledger(ledger_url) as ledger:
        assert [len(job) for job in ledger.jobs()] == [500]


def _open_at_once(folder: Path, ready: Barrier) -> None:
    for number in range(10):
        ready.wait(20)
        Ledger(folder / f"ledger-{number}.db").close()


def test_processes_that_make_one_ledger_at_once_wait_for_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    processes = [context.Process(target=_open_at_once, args=(tmp_path, ready)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]


class TestRows:
    """Looking at a job."""

    def test_rows_of_a_job_are_chosen_by_state(self, ledger: Ledger, ledger_url: str) -> None:
        job = ledger.job("a", some(5))
        set_states(ledger_url, {0: "accepted", 1: "rejected", 2: "unknown"})
        assert [row.position for row in job.rows("unknown")] == [2]
        assert [row.position for row in job.rows(["accepted", "rejected"])] == [0, 1]
        assert job.counts() == {
            "pending": 2,
            "sending": 0,
            "accepted": 1,
            "rejected": 1,
            "unknown": 1,
            "duplicate": 0,
        }
        for wrong in ("lost", [], ["accepted", "lost"]):
            with pytest.raises(UsageError, match="state must be"):
                job.rows(wrong)  # type: ignore[arg-type]

    def test_rows_of_a_large_job_come_in_order(self, ledger: Ledger) -> None:
        job = ledger.job("a", some(2500))
        assert [row.position for row in job.rows()] == list(range(2500))

    def test_an_export_has_states_and_no_texts(
        self, ledger: Ledger, ledger_url: str, tmp_path: Path
    ) -> None:
        job = ledger.job(
            "a",
            [
                Message(TO, "secret", reference="=1+1", line=2),
                Message("+41791234568", "secret", reference="Zürich", line=3),
            ],
        )
        set_states(ledger_url, {0: "accepted", 1: "rejected"})
        path = tmp_path / "states.csv"
        assert job.export(path) == 2
        data = path.read_bytes()
        assert data.startswith(b"\xef\xbb\xbf")  # Excel needs it for the umlaut
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        assert [row["state"] for row in rows] == ["accepted", "rejected"]
        assert [row["line"] for row in rows] == ["2", "3"]
        assert [row["to"] for row in rows] == [TO, "+41791234568"]
        assert rows[0]["message_id"] == "id-0"
        assert rows[0]["reference"] == "'=1+1"  # no formula
        assert "secret" not in data.decode("utf-8-sig")
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = io.StringIO()
        assert job.export(text) == 2
        assert text.getvalue().startswith("line,to")


class TestResolve:
    """A person decides about what is unknown."""

    def test_unknown_rows_are_sent_again_only_if_a_person_says_so(
        self, ledger: Ledger, ledger_url: str
    ) -> None:
        job = ledger.job("a", some(5))
        set_states(ledger_url, {0: "accepted", 1: "unknown", 2: "unknown", 3: "rejected"})
        assert job.resolve("pending", rows=[0, 1, 3, 99]) == 1
        assert [row.state for row in job.rows()] == [
            "accepted", "pending", "unknown", "rejected", "pending",
        ]  # fmt: skip
        assert job.resolve("accepted") == 1
        assert job.resolve("pending", state="rejected") == 1
        assert job.counts()["accepted"] == 2
        assert job.counts()["pending"] == 3
        assert job.resolve("rejected") == 0

    @pytest.mark.parametrize(("to", "state"), [("sent", "unknown"), ("pending", "accepted")])
    def test_what_cannot_be_resolved_is_refused(self, ledger: Ledger, to: str, state: str) -> None:
        job = ledger.job("a", some())
        with pytest.raises(UsageError):
            job.resolve(to, state=state)  # type: ignore[arg-type]

    def test_more_rows_can_be_resolved_than_a_statement_takes(
        self, ledger: Ledger, ledger_url: str
    ) -> None:
        job = ledger.job("a", some(1300))
        set_states(ledger_url, dict.fromkeys(range(1300), "unknown"))
        assert job.resolve("pending", rows=range(1200)) == 1200


class TestReports:
    """Delivery states from callbacks."""

    def status(self, message_id: str | None, state: DeliveryState, *, final: bool) -> StatusUpdate:
        return StatusUpdate(
            message_id, state, final, TO, datetime(2026, 1, 15, tzinfo=UTC), key="k", raw={}
        )

    def test_a_delivery_report_is_shown_with_its_row(self, ledger: Ledger, ledger_url: str) -> None:
        job = ledger.job("a", some())
        # It may come before the response to the send is recorded.
        assert ledger.record(self.status("id-1", DeliveryState.DELIVERED, final=True))
        set_states(ledger_url, {0: "accepted", 1: "accepted"})
        rows = list(job.rows("accepted"))
        assert [(row.delivery, row.is_final) for row in rows] == [
            (None, False),
            (DeliveryState.DELIVERED, True),
        ]

    def test_a_late_delivery_report_does_not_undo_a_final_one(
        self, ledger: Ledger, ledger_url: str
    ) -> None:
        job = ledger.job("a", some())
        set_states(ledger_url, {0: "accepted"})
        ledger.record(self.status("id-0", DeliveryState.SENT, final=False))
        ledger.record(self.status("id-0", DeliveryState.DELIVERED, final=True))
        ledger.record(self.status("id-0", DeliveryState.SENT, final=False))
        assert next(job.rows("accepted")).delivery is DeliveryState.DELIVERED

    def test_an_event_that_is_no_delivery_report_is_not_recorded(self, ledger: Ledger) -> None:
        assert not ledger.record(self.status(None, DeliveryState.SENT, final=False))
        assert not ledger.record(ReceivedMessage("id-0", TO, text="hello", key="k", raw={}))


class TestForgetting:
    """Numbers and texts go, states and ids stay."""

    def test_forgetting_removes_numbers_and_texts_of_finished_jobs(
        self, ledger: Ledger, ledger_url: str
    ) -> None:
        job = ledger.job("a", [*some(2), some(1)[0]])
        other = ledger.job("b", some(4))
        set_states(ledger_url, {0: "accepted", 1: "rejected"})  # of both
        assert ledger.forget(older_than=timedelta(hours=1)).jobs == ()
        forgotten = ledger.forget(older_than=timedelta())
        assert (forgotten.jobs, forgotten.unfinished) == (("a",), ("b",))
        assert [(row.to, row.text, row.state) for row in job.rows()] == [
            (None, None, "accepted"),
            (None, None, "rejected"),
            (None, None, "duplicate"),
        ]
        assert next(job.rows()).message_id == "id-0"
        assert all(row.to for row in other.rows())
        assert ledger.job("a", [*some(2), some(1)[0]]).id == job.id
        with pytest.raises(UsageError, match="forgotten"):
            job.resolve("pending", state="rejected")

    def test_a_job_with_unknown_rows_is_not_forgotten(
        self, ledger: Ledger, ledger_url: str
    ) -> None:
        ledger.job("a", some(1))
        set_states(ledger_url, {0: "unknown"})
        assert ledger.forget(older_than=timedelta()).unfinished == ("a",)

    def test_nothing_that_was_forgotten_is_left_in_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        with Ledger(path) as ledger:
            ledger.job("a", [Message(TO, "a secret text", reference="r-1"), *some(500)])
            set_states(str(path), dict.fromkeys(range(501), "accepted"))
            ledger.forget(older_than=timedelta())
            content = b"".join(
                file.read_bytes() for file in tmp_path.glob("a.db*") if file.is_file()
            )
        assert b"r-1" in content
        assert b"secret text" not in content
        assert b"791234567" not in content

    @pytest.mark.parametrize("age", [timedelta(seconds=-1), 30, None])
    def test_an_age_that_is_no_duration_is_refused(self, ledger: Ledger, age: timedelta) -> None:
        with pytest.raises(UsageError, match="older_than"):
            ledger.forget(older_than=age)


def test_chunks_are_queued_as_long_as_they_have_pending_rows(
    ledger: Ledger, ledger_url: str
) -> None:
    job: Job = ledger.job("a", some(10), chunk_size=4)
    queued: list[tuple[int, int]] = []
    assert job.enqueue(lambda job_id, chunk: queued.append((job_id, chunk))) == 3
    assert queued == [(job.id, 0), (job.id, 1), (job.id, 2)]
    set_states(ledger_url, dict.fromkeys(range(4, 8), "accepted"))
    queued.clear()
    assert job.enqueue(lambda job_id, chunk: queued.append((job_id, chunk))) == 2
    assert queued == [(job.id, 0), (job.id, 2)]
