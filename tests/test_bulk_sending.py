"""Sending over real sockets: what is sent, in which order of states, and how a sending ends."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from _bulk import CountingService, messages
from _servers import Exchange, Response, Server, closed_port, drop, reply

from ecall_facade import AsyncECall, ECall, InvalidConfiguration, RawAddress, UsageError
from ecall_facade.bulk import Job, Ledger, Message, SendProgress, SendReport


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def client(url: str) -> ECall:
    return ECall("tester", "secret", base_url=url, sender="ACME", timeout=(2, 5))


def by_text(responses: dict[str, Response], seen: list[str] | None = None) -> Response:
    """Respond by the message's text; all others are accepted."""

    def respond(exchange: Exchange) -> None:
        text: str = json.loads(exchange.request.body)["content"]["text"]
        if seen is not None:
            seen.append(text)
        chosen = responses.get(text, reply(200, {"messageId": f"id-{text}"}))
        if isinstance(chosen, bytes):
            exchange.send(chosen)
        else:
            chosen(exchange)

    return respond


def refusal(status: int, parameter: str = "To", **headers: str) -> bytes:
    body = {
        "errorCode": "InvalidContent",
        "errorMessage": "no",
        "errorDetails": {"errors": [{"parameter": parameter, "messages": ["bad"]}]},
    }
    return reply(status, body, **headers)


def some(*texts: str) -> list[Message]:
    return [Message(f"+4179{number:07d}", text) for number, text in enumerate(texts)]


class TestOutcomes:
    """Each response of the service has its state."""

    def test_each_message_is_sent_once(self, ledger: Ledger) -> None:
        with CountingService(latency=0) as service, client(service.url) as ecall:
            job = ledger.job("a", messages(100))
            report = job.send(ecall, concurrency=5)
            assert report == SendReport(
                {
                    "pending": 0,
                    "sending": 0,
                    "accepted": 100,
                    "rejected": 0,
                    "unknown": 0,
                    "duplicate": 0,
                },
                accepted=100,
                rejected=0,
                unknown=0,
            )
            assert job.send(ecall).accepted == 0
        assert service.requests == 100
        assert not service.twice
        assert [row.message_id for row in job.rows()] == [f"id-{n}" for n in range(100)]

    def test_what_is_sent_is_what_the_row_says(self, ledger: Ledger) -> None:
        rows = [
            Message("079 123 45 67", "a"),
            Message(RawAddress("963"), "b", sender="OTHER"),
            Message("+41791234567", "c", channel="whatsapp", sender="+41791111111"),
            Message("+41791234567", "d", channel="rcs", sender="brand"),
        ]
        with Server(reply(200, {"messageId": "m"})) as server, client(server.url) as ecall:
            ledger.job("a", rows).send(ecall, concurrency=1)
        bodies = [json.loads(request.body) for request in server.requests]
        assert [(b["channel"], b["from"], b["to"], b["content"]["text"]) for b in bodies] == [
            ("Sms", "ACME", "+41791234567", "a"),
            ("Sms", "OTHER", "963", "b"),
            ("Whatsapp", "0041791111111", "+41791234567", "c"),
            ("Rcs", "brand", "+41791234567", "d"),
        ]

    def test_a_refused_row_is_rejected_and_the_others_go_on(self, ledger: Ledger) -> None:
        responses: dict[str, Response] = {
            "b": refusal(400),
            "c": refusal(422),
            "d": refusal(413),
        }
        with Server(by_text(responses)) as server, client(server.url) as ecall:
            job = ledger.job("a", some("a", "b", "c", "d", "e"))
            report = job.send(ecall, concurrency=2)
        assert [row.state for row in job.rows()] == [
            "accepted", "rejected", "rejected", "rejected", "accepted",
        ]  # fmt: skip
        assert (report.accepted, report.rejected) == (2, 3)
        assert all("The service answered" in (row.reason or "") for row in job.rows("rejected"))

    @pytest.mark.parametrize(
        "response",
        [
            drop,
            reply(500),
            reply(502),
            reply(408),
            reply(307, location="/x"),
            reply(200, b"<html>"),
        ],
        ids=["dropped", "500", "502", "408", "307", "unreadable"],
    )
    def test_what_may_have_been_taken_is_unknown_and_never_sent_again(
        self, ledger: Ledger, response: Response
    ) -> None:
        seen: list[str] = []
        with Server(by_text({"b": response}, seen)) as server, client(server.url) as ecall:
            job = ledger.job("a", some("a", "b", "c"))
            assert job.send(ecall).unknown == 1
            assert job.send(ecall).counts["unknown"] == 1
        assert [row.state for row in job.rows()] == ["accepted", "unknown", "accepted"]
        assert sorted(seen) == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("response", "status_code"),
        [
            (refusal(401), 401),
            (refusal(403), 403),
            (refusal(404), 404),
            (refusal(405), 405),
            (refusal(415), 415),
            (refusal(400, "From"), 400),
        ],
        ids=["401", "403", "404", "405", "415", "400 about the sender"],
    )
    def test_a_refusal_that_concerns_all_messages_stops_the_job_and_leaves_the_rest(
        self, ledger: Ledger, response: Response, status_code: int
    ) -> None:
        seen: list[str] = []
        responses = {"b": response}
        with Server(by_text(responses, seen)) as server, client(server.url) as ecall:
            job = ledger.job("a", some("a", "b", "c", "d"))
            report = job.send(ecall, concurrency=1)
            assert report.stopped is not None
            assert (report.stopped.cause, report.stopped.status_code) == ("refused", status_code)
            assert "The service answered" in report.stopped.reason
            assert report.counts["pending"] == 3
            assert seen == ["a", "b"]
            # A person has put it right, and starts it again.
            responses.clear()
            assert job.send(ecall).stopped is None
        assert job.counts()["accepted"] == 4

    def test_a_missing_sender_stops_the_job_before_anything_is_sent(self, ledger: Ledger) -> None:
        with Server() as server, ECall("u", "p", base_url=server.url) as ecall:
            job = ledger.job("a", some("a", "b"))
            report = job.send(ecall)
        assert report.stopped is not None
        assert (report.stopped.cause, report.stopped.status_code) == ("usage", None)
        assert "No sender" in report.stopped.reason
        assert report.counts["pending"] == 2
        assert not server.requests

    def test_a_hundred_unknown_outcomes_in_a_row_stop_the_job(self, ledger: Ledger) -> None:
        with Server(reply(502)) as server, client(server.url) as ecall:
            job = ledger.job("a", messages(300))
            report = job.send(ecall, concurrency=10)
        assert report.stopped is not None
        assert report.stopped.cause == "unknown outcomes"
        assert "one after the other" in report.stopped.reason
        assert 100 <= report.unknown <= 110
        assert report.counts["pending"] == 300 - report.unknown


class TestPauses:
    """Not taken, so sent again, after a pause of all."""

    @pytest.mark.long
    @pytest.mark.parametrize(
        "response", [refusal(429), refusal(429, retry_after="0.2"), refusal(503, retry_after="0.2")]
    )
    def test_a_service_that_asks_for_a_pause_gets_the_message_once(
        self, ledger: Ledger, response: bytes
    ) -> None:
        taken: list[str] = []
        left = [3]

        def respond(exchange: Exchange) -> None:
            text: str = json.loads(exchange.request.body)["content"]["text"]
            if left[0] > 0:
                left[0] -= 1
                exchange.send(response)
                return
            taken.append(text)
            exchange.send(reply(200, {"messageId": "m"}))

        with Server(respond) as server, client(server.url) as ecall:
            job = ledger.job("a", messages(20))
            report = job.send(ecall, concurrency=4)
        assert report.accepted == 20
        assert sorted(taken) == sorted(f"message {number}" for number in range(20))
        assert job.counts()["accepted"] == 20

    @pytest.mark.long
    def test_a_pause_is_never_shorter_than_asked(self, ledger: Ledger) -> None:
        times: list[float] = []

        def respond(exchange: Exchange) -> None:
            times.append(time.monotonic())
            exchange.send(
                refusal(429, retry_after="1") if len(times) == 1 else reply(200, {"messageId": "m"})
            )

        with Server(respond) as server, client(server.url) as ecall:
            ledger.job("a", messages(5)).send(ecall, concurrency=1)
        assert times[1] - times[0] >= 1

    @pytest.mark.long
    def test_a_service_that_is_away_gets_the_messages_when_it_is_back(self, ledger: Ledger) -> None:
        with closed_port() as port, client(f"http://127.0.0.1:{port}") as ecall:
            job = ledger.job("a", messages(20))
            servers: list[Server] = []

            def come_back() -> None:
                time.sleep(0.3)
                servers.append(Server(reply(200, {"messageId": "m"}), port=port))
                servers[0].__enter__()

            thread = threading.Thread(target=come_back)
            thread.start()
            report = job.send(ecall, concurrency=4)
            thread.join()
            servers[0].__exit__()
        assert report.accepted == 20
        assert len(servers[0].requests) == 20

    @pytest.mark.long
    def test_a_service_that_stays_away_stops_the_job(self, ledger: Ledger) -> None:
        seen: list[SendProgress] = []
        with closed_port() as port, client(f"http://127.0.0.1:{port}") as ecall:
            job = ledger.job("a", messages(20))
            report = job.send(ecall, give_up_after=0.5, on_progress=seen.append)
        assert report.stopped is not None
        assert report.stopped.cause == "unreachable"
        assert report.stopped.status_code is None
        assert "No connection" in report.stopped.reason
        assert report.counts["pending"] == 20
        pauses = {progress.pause.cause for progress in seen if progress.pause}
        assert pauses == {"unreachable"}

    def test_a_chunk_does_not_wait_out_a_long_pause(self, ledger: Ledger) -> None:
        with Server(refusal(429, retry_after="100")) as server, client(server.url) as ecall:
            job = ledger.job("a", messages(20), chunk_size=7)
            report = ledger.send_chunk(ecall, job.id, 1)
        assert report.pause is not None
        assert report.pause.cause == "busy"
        assert "The service answered 429" in report.pause.reason
        assert 90 < report.pause.seconds <= 100
        assert report.retry_in == report.pause.seconds
        assert report.stopped is None
        assert report.counts["pending"] == 20


class TestChunks:
    """What a task of a queue calls."""

    def test_chunks_are_sent_apart_and_calling_twice_does_no_harm(self, ledger: Ledger) -> None:
        with CountingService(latency=0) as service, client(service.url) as ecall:
            job = ledger.job("a", messages(20), chunk_size=7)
            assert ledger.send_chunk(ecall, job.id, 2).accepted == 6
            assert ledger.send_chunk(ecall, job.id, 2).accepted == 0
            states = "".join(row.state[0] for row in job.rows())
            assert states == "p" * 14 + "a" * 6
            for chunk in (0, 1):
                assert ledger.send_chunk(ecall, job.id, chunk).accepted == 7
        assert not service.twice

    def test_a_chunk_of_a_stopped_job_sends_nothing(self, ledger: Ledger) -> None:
        with Server(refusal(401)) as server, client(server.url) as ecall:
            job = ledger.job("a", messages(20), chunk_size=7)
            assert ledger.send_chunk(ecall, job.id, 0, concurrency=1).stopped
            assert ledger.send_chunk(ecall, job.id, 1, concurrency=1).stopped
            assert len(server.requests) == 1
            # Enqueuing is what a person does.
            assert job.enqueue(lambda job_id, chunk: None) == 3
            ledger.send_chunk(ecall, job.id, 1, concurrency=1)
            assert len(server.requests) == 2

    @pytest.mark.parametrize(("job_id", "chunk"), [(1, 3), (1, -1), (1, True), (9, 0)])
    def test_a_chunk_that_is_not_there_is_refused(
        self, ledger: Ledger, job_id: int, chunk: int
    ) -> None:
        ledger.job("a", messages(20), chunk_size=7)
        with client("http://127.0.0.1:9") as ecall, pytest.raises(UsageError):
            ledger.send_chunk(ecall, job_id, chunk)


class TestTogether:
    """Several senders on one job."""

    @pytest.mark.long
    def test_two_senders_at_once_send_each_message_once(self, ledger_url: str) -> None:
        with (
            Ledger(ledger_url) as first,
            Ledger(ledger_url) as second,
            CountingService(latency=0.005) as service,
            client(service.url) as ecall,
        ):
            job = first.job("a", messages(400))
            reports: list[SendReport] = []
            threads = [
                threading.Thread(target=lambda job=job: reports.append(job.send(ecall)))
                for job in (job, job, second.job("a"))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert job.counts()["accepted"] == 400
            assert sum(report.accepted for report in reports) == 400
        assert not service.twice

    @pytest.mark.long
    def test_a_rate_holds_over_all_senders(self, ledger: Ledger) -> None:
        times: list[float] = []

        def respond(exchange: Exchange) -> None:
            times.append(time.monotonic())
            exchange.send(reply(200, {"messageId": "m"}))

        with Server(respond) as server, client(server.url) as ecall:
            job = ledger.job("a", messages(60))
            threads = [threading.Thread(target=lambda: job.send(ecall, rate=40)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        times.sort()
        assert len(times) == 60
        # 59 gaps of 25 ms. A loaded machine is late with some, which then come close to the next
        # ones, but never early with all; two rates would be 80 in a second.
        assert times[-1] - times[0] > 1.35
        assert max(sum(start <= t < start + 1 for t in times) for start in times) <= 55


class TestInterrupting:
    """The loop of the ledger ends by itself, whatever happens to the caller."""

    @pytest.mark.long
    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
    def test_what_is_under_way_is_recorded_before_the_exception_goes_on(
        self, ledger: Ledger, kind: type[BaseException]
    ) -> None:
        with CountingService(latency=0.1) as service, client(service.url) as ecall:
            job = ledger.job("a", messages(200))

            def fail(progress: SendProgress) -> None:
                if service.requests >= 10:
                    raise kind

            with pytest.raises(kind):
                job.send(ecall, concurrency=10, on_progress=fail)
            counts = job.counts()
            assert counts["sending"] == counts["unknown"] == 0
            assert counts["accepted"] == service.requests
            assert counts["pending"] > 0
            # Nothing is locked: it goes on.
            assert job.send(ecall, concurrency=50).counts["accepted"] == 200
        assert not service.twice

    @pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers of POSIX")
    def test_a_signal_handler_that_raises_ends_the_sending(self, ledger: Ledger) -> None:
        class SoftLimit(Exception):
            pass

        def handle(number: int, frame: object) -> None:
            raise SoftLimit

        before = signal.signal(signal.SIGALRM, handle)
        try:
            with CountingService(latency=0.05) as service, client(service.url) as ecall:
                job = ledger.job("a", messages(500))
                signal.setitimer(signal.ITIMER_REAL, 0.5)
                with pytest.raises(SoftLimit):
                    job.send(ecall, concurrency=5)
                counts = job.counts()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert counts["sending"] == counts["unknown"] == 0
        assert counts["accepted"] == service.requests

    def test_a_fault_of_a_transport_is_raised_and_its_row_is_unknown(self, ledger: Ledger) -> None:
        class Faulty(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                raise ZeroDivisionError

        with ECall("u", "p", sender="ACME", transport=Faulty()) as ecall:
            job = ledger.job("a", messages(50))
            try:
                report = job.send(ecall, concurrency=1)
            except ZeroDivisionError:
                report = None
            counts = job.counts()
        # The client may make it an OutcomeUnknown of its own, or let it through.
        assert counts["sending"] == 0
        assert counts["unknown"] == (1 if report is None else report.unknown)


class TestProgress:
    """What a progress bar shows."""

    def test_progress_is_told_while_a_job_is_sent(self, ledger: Ledger) -> None:
        seen: list[SendProgress] = []
        with CountingService(latency=0.05) as service, client(service.url) as ecall:
            job = ledger.job("a", messages(60))
            job.send(ecall, concurrency=5, on_progress=seen.append)
        assert len(seen) > 3
        assert all(progress.total == 60 for progress in seen)
        accepted = [progress.accepted for progress in seen]
        assert accepted == sorted(accepted)
        assert all(sum(progress.counts.values()) == 60 for progress in seen)


class TestArguments:
    """Refused before anything is sent."""

    @pytest.mark.parametrize("concurrency", [0, -1, 101, 1.5, True, "5"])
    def test_a_concurrency_that_cannot_work_is_refused(
        self, ledger: Ledger, concurrency: int
    ) -> None:
        job = ledger.job("a", messages(2))
        with client("http://127.0.0.1:9") as ecall, pytest.raises(InvalidConfiguration):
            job.send(ecall, concurrency=concurrency)

    @pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), True, "5"])
    def test_a_rate_that_cannot_work_is_refused(self, ledger: Ledger, rate: float) -> None:
        job = ledger.job("a", messages(2))
        with client("http://127.0.0.1:9") as ecall, pytest.raises(InvalidConfiguration):
            job.send(ecall, rate=rate)

    @pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "5", None])
    def test_a_time_to_give_up_that_cannot_work_is_refused(
        self, ledger: Ledger, seconds: float
    ) -> None:
        job = ledger.job("a", messages(2))
        with client("http://127.0.0.1:9") as ecall, pytest.raises(InvalidConfiguration):
            job.send(ecall, give_up_after=seconds)

    async def send_by_wrong_client(self, job: Job) -> None:
        with client("http://127.0.0.1:9") as ecall:
            await job.send_async(ecall)  # type: ignore[arg-type]

    def test_a_client_of_the_other_kind_is_refused(self, ledger: Ledger) -> None:
        job = ledger.job("a", messages(2))
        with pytest.raises(UsageError, match="send_async"):
            job.send(AsyncECall("u", "p"))  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="must be an AsyncECall"):
            anyio.run(self.send_by_wrong_client, job)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestAsync:
    """The same, in tasks of an event loop."""

    def run(self, backend: str, work: Callable[[AsyncECall], object], url: str) -> None:
        async def main() -> None:
            async with AsyncECall("u", "p", base_url=url, sender="ACME") as ecall:
                await work(ecall)  # type: ignore[misc]

        anyio.run(main, backend=backend)

    def test_send_async_sends_each_message_once(self, ledger: Ledger, backend: str) -> None:
        seen: list[SendProgress] = []
        job = ledger.job("a", messages(100))

        async def work(ecall: AsyncECall) -> None:
            report = await job.send_async(ecall, concurrency=10, on_progress=seen.append)
            assert report.accepted == 100

        with CountingService(latency=0.01) as service:
            self.run(backend, work, service.url)
        assert not service.twice
        assert service.requests == 100
        assert seen

    @pytest.mark.long
    def test_a_cancelled_send_async_records_what_is_under_way(
        self, ledger: Ledger, backend: str
    ) -> None:
        job = ledger.job("a", messages(500))

        async def work(ecall: AsyncECall) -> None:
            with anyio.move_on_after(0.5):
                await job.send_async(ecall, concurrency=10)
            counts = job.counts()
            assert counts["sending"] == counts["unknown"] == 0
            assert 0 < counts["accepted"] == service.requests < 500

        with CountingService(latency=0.1) as service:
            self.run(backend, work, service.url)

    @pytest.mark.long
    def test_send_async_pauses_as_the_service_asks(self, ledger: Ledger, backend: str) -> None:
        job = ledger.job("a", messages(10))

        async def work(ecall: AsyncECall) -> None:
            report = await job.send_async(ecall, concurrency=3, rate=200)
            assert report.accepted == 10

        with Server(refusal(429, retry_after="0.1"), reply(200, {"messageId": "m"})) as server:
            self.run(backend, work, server.url)
        assert len(server.requests) == 11


def test_a_send_async_that_asyncio_cancels_records_what_is_under_way(ledger: Ledger) -> None:
    import asyncio

    job = ledger.job("a", messages(500))

    async def main(url: str) -> None:
        async with AsyncECall("u", "p", base_url=url, sender="ACME") as ecall:
            task = asyncio.create_task(job.send_async(ecall, concurrency=10))
            await asyncio.sleep(0.4)
            task.cancel()
            await asyncio.sleep(0.01)
            task.cancel()  # an impatient caller
            with pytest.raises(asyncio.CancelledError):
                await task

    with CountingService(latency=0.1) as service:
        asyncio.run(main(service.url))
        counts = job.counts()
        assert counts["sending"] == counts["unknown"] == 0
        assert 0 < counts["accepted"] == service.requests


def test_nothing_about_people_is_logged(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Server(by_text({"a secret": refusal(400)})) as server, client(server.url) as ecall:
        job = ledger.job("a", [Message("+41791234567", "a secret"), *some("x")])
        job.send(ecall)
    words = caplog.text + repr(list(job.rows()))
    assert "secret" not in words
    assert "1234567" not in words
