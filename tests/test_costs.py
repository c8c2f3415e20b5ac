"""What a call costs, by what can be counted: function calls, memory that stays, copies of a body. Nothing is timed."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from _clients import PASSWORD, SENDERS, TEXT, USERNAME
from _counting import Count
from _servers import Server

from ecall_facade import AsyncECall, ECall

if TYPE_CHECKING:
    from _clients import OpenClient

pytestmark = pytest.mark.again

# Another number for each send, so that no memory of the last one helps.
NUMBERS = [f"+4179{1_000_000 + at}" for at in range(300)]

MAXIMUM = 1.3
"""How many functions a send calls at the most, with plain httpx as the unit."""


def body(number: str) -> dict[str, Any]:
    return {
        "channel": "Sms",
        "from": "ACME",
        "to": number,
        "content": {"type": "Text", "text": TEXT},
    }


def test_a_send_beside_plain_httpx() -> None:
    """Which checks nothing, and writes and reads the same JSON with the same credentials."""
    with (
        Server() as server,
        httpx.Client(base_url=server.url, auth=(USERNAME, PASSWORD), trust_env=False) as client,
        ECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS) as ecall,
    ):
        plain, ours = Count(), Count()
        for number in NUMBERS[:5]:
            with plain:
                response = client.post("/api/v2/message", json=body(number)).raise_for_status()
                assert response.json()["messageId"] == "m-1"
            with ours:
                assert ecall.sms.send(number, TEXT).message_id == "m-1"
    assert 100 < ours.calls < plain.calls * MAXIMUM


def test_an_async_send_beside_plain_httpx() -> None:
    async def main(url: str) -> None:
        async with (
            httpx.AsyncClient(base_url=url, auth=(USERNAME, PASSWORD), trust_env=False) as client,
            AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS) as ecall,
        ):
            plain, ours = Count(), Count()
            for number in NUMBERS[:5]:
                with plain:
                    response = (
                        await client.post("/api/v2/message", json=body(number))
                    ).raise_for_status()
                    assert response.json()["messageId"] == "m-1"
                with ours:
                    assert (await ecall.sms.send(number, TEXT)).message_id == "m-1"
        assert 100 < ours.calls < plain.calls * MAXIMUM

    with Server() as server:
        asyncio.run(main(server.url))


def test_the_last_of_many_costs_what_the_first_did(open_client: OpenClient) -> None:
    """And nothing of them stays: the benchmark shows it for 100,000."""
    with Server() as server:
        ecall = open_client(server)
        found: list[tuple[int, int]] = []
        count = Count()
        for first in (0, 100, 200):
            for number in NUMBERS[first : first + 100]:
                ecall.sms.send(number, TEXT)
            with count:
                ecall.sms.send(NUMBERS[first], TEXT)
            server.requests.clear()
            gc.collect()
            found.append((count.calls, sys.getallocatedblocks()))
    (early_calls, _), (_, early_blocks), (late_calls, late_blocks) = found
    assert late_calls <= early_calls + 5
    assert late_blocks < early_blocks + 100  # if each send kept anything, it would be 100 at least


def test_a_file_is_not_copied(open_client: OpenClient) -> None:
    """What it takes is a few chunks, whatever the size; the benchmark measures 100 MB."""
    file = bytes(20_000_000)
    with Server(keeps=False) as server:
        ecall = open_client(server)
        ecall.media.upload(file[:100])
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        ecall.media.upload(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert server.requests[-1].size == len(file)
    assert peak - before < 4_000_000
