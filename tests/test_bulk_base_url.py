"""A job belongs to the service that it was begun with: another one does not know its messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from _bulk import CountingService, messages
from _servers import Server, closed_port, reply

from ecall_facade import AsyncECall, ECall, InvalidConfiguration, UsageError
from ecall_facade.bulk import Job, Ledger

OTHER = "https://ecall.example.org"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def client(url: str) -> ECall:
    return ECall("tester", "secret", base_url=url, sender="ACME")


@pytest.fixture
def begun(ledger: Ledger) -> Job:
    """A job of which a service on this machine has taken a chunk."""
    job = ledger.job("a", messages(4), chunk_size=2)
    with CountingService(latency=0) as service, client(service.url) as ecall:
        ledger.send_chunk(ecall, job.id, 0)
    assert job.counts()["accepted"] == 2
    return job


def test_a_job_knows_the_service_of_its_first_send_and_no_credentials(
    ledger: Ledger, begun: Job, tmp_path: Path
) -> None:
    assert begun.base_url == "loopback"
    assert ledger.job("b", messages(1)).base_url is None
    ledger.close()
    for file in tmp_path.iterdir():
        if file.is_file():
            assert b"secret" not in file.read_bytes()
            assert b"tester" not in file.read_bytes()


def test_another_service_is_refused_before_anything_is_sent_or_asked(
    ledger: Ledger, begun: Job
) -> None:
    # Nobody listens there: what is refused too late would be a `NotSent`.
    async def send_async() -> None:
        async with AsyncECall("u", "p", base_url=OTHER, sender="ACME") as ecall:
            await begun.send_async(ecall)

    async def track_async() -> None:
        async with AsyncECall("u", "p", base_url=OTHER, sender="ACME") as ecall:
            await begun.track_async(ecall)

    words = "a service on this machine.* is for https://ecall.example.org.*set_base_url"
    with client(OTHER) as ecall:
        for call in (
            lambda: begun.send(ecall),
            lambda: begun.track(ecall),
            lambda: ledger.send_chunk(ecall, begun.id, 1),
            lambda: anyio.run(send_async),
            lambda: anyio.run(track_async),
        ):
            with pytest.raises(UsageError, match=words):
                call()
    assert begun.counts()["pending"] == 2
    assert begun.deliveries() == {"": 2}


def test_sandboxes_of_this_machine_are_one_service_whatever_their_port(begun: Job) -> None:
    with CountingService(latency=0) as service, client(service.url) as ecall:
        assert begun.send(ecall).accepted == 2


def test_a_person_may_say_that_the_service_has_another_address(begun: Job) -> None:
    begun.set_base_url(f"{OTHER}/")
    assert begun.base_url == OTHER
    with (
        CountingService(latency=0) as service,
        client(service.url) as ecall,
        pytest.raises(UsageError, match="sent by https://ecall"),
    ):
        begun.send(ecall)
    begun.set_base_url("http://localhost:1")
    with CountingService(latency=0) as service, client(service.url) as ecall:
        assert begun.send(ecall).accepted == 2


@pytest.mark.parametrize("url", ["ecall.example.org", "http://example.org", "https://u:p@x.org"])
def test_an_address_that_is_none_is_refused(begun: Job, url: str) -> None:
    with pytest.raises(InvalidConfiguration):
        begun.set_base_url(url)
    assert begun.base_url == "loopback"


@pytest.mark.long
def test_a_wrong_address_that_took_nothing_can_be_corrected(ledger: Ledger) -> None:
    job = ledger.job("a", messages(2))
    job.set_base_url(OTHER)
    with Server(reply(401)) as server, client(server.url) as ecall:
        assert job.send(ecall, concurrency=1).stopped
    assert job.base_url == "loopback"
    with closed_port() as port, client(f"http://127.0.0.1:{port}") as ecall:
        job.send(ecall, give_up_after=0)
    job.set_base_url(OTHER)
    with CountingService(latency=0) as service, client(service.url) as ecall:
        assert job.send(ecall).accepted == 2
