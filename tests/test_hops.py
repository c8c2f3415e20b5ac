"""The way of one send through the package: on the way down and on the way up, each file is visited once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from _hops import Hops
from _servers import Server, sent

from ecall_facade import ECall, Notify

# The body of a response is still to be read when its head is there, so reading it goes back to the socket, and closing
# it gives the connection back: both pass the connection's stream and the pool again.
RETURNS = {
    "ecall_facade/_transports/deadline.py": 2,
    "ecall_facade/_transports/pools.py": 3,
}


def send_a_text(ecall: ECall) -> None:
    ecall.sms.send("079 123 45 67", "hello")


NOTIFY = Notify("https://shop.example/status", for_event="All")


def send_with_a_sender_and_a_notification(ecall: ECall) -> None:
    ecall.sms.send("079 123 45 67", "hello", sender="ACME", page_limit=2, notify=NOTIFY)


def hops_of_a_second_send(send: Callable[[ECall], None]) -> Hops:
    with (
        Server(sent()) as server,
        ECall("user", "password", base_url=server.url, sender="ACME") as ecall,
    ):
        send(ecall)  # which opens the connection and fills the caches
        hops = Hops()
        hops.record(lambda: send(ecall))
        assert len(server.requests) == 2
        return hops


@pytest.mark.parametrize("send", [send_a_text, send_with_a_sender_and_a_notification])
def test_a_send_visits_each_file_once_on_the_way_down(send: Callable[[ECall], None]) -> None:
    hops = hops_of_a_second_send(send)
    assert hops.down[0] == "ecall_facade/_sync/_channels.py"
    assert hops.down[-1] == "ecall_facade/_transports/deadline.py"
    assert {name: count for name, count in Counter(hops.down).items() if count > 1} == {}


@pytest.mark.parametrize("send", [send_a_text, send_with_a_sender_and_a_notification])
def test_a_send_visits_each_file_once_on_the_way_up_but_for_the_connection(
    send: Callable[[ECall], None],
) -> None:
    hops = hops_of_a_second_send(send)
    assert hops.up[-1] == "ecall_facade/_call.py"
    assert {name: count for name, count in Counter(hops.up).items() if count > 1} == RETURNS


def test_a_file_that_is_entered_again_is_seen() -> None:
    hops = Hops()
    hops.record(lambda: [measure_and_mask() for _ in range(2)])
    assert [name for name in hops.down if name == "ecall_facade/text.py"] == [
        "ecall_facade/text.py"
    ] * 2


def measure_and_mask() -> str:
    from ecall_facade.numbers import mask
    from ecall_facade.text import measure

    measure("hello")
    return mask("+41791234567")
