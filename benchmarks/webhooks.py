"""What receiving costs: a callback beside plain parsing, and the ASGI app beside a bare starlette endpoint.

    .venv/bin/python benchmarks/webhooks.py            # half a minute or so
    .venv/bin/python benchmarks/webhooks.py --quick    # a few seconds, for a first impression

First, CPU time in one process: `json.loads` and the generated `StatusNotification.from_dict` alone, beside
`Receiver.receive`, which also checks the peer and reads state, time and error.

Then two servers, both by uvicorn and each in a process of its own: an endpoint that reads JSON and says ok, and
`WebhookApp` with an async handler that does nothing. This process calls them on raw sockets, as fast as they answer.

Both sides take turns round by round, so that what else the machine does hits both. Nothing is asserted: times on
somebody else's machine are theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import starlette
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ecall_client.models import StatusNotification
from ecall_facade import __version__
from ecall_facade.webhooks import Event, Receiver, WebhookApp

PEER = "193.93.208.200"
SENT = {
    "messageId": "b1f5a2f0-0001-4c6e-9d3a-000000000001",
    "state": "Delivered",
    "to": "+41791234567",
    "timestamp": "2026-01-15T09:30:00Z",
}
FAILED = {
    **SENT,
    "state": "Failed",
    "error": {
        "errorCode": "InvalidContent",
        "errorMessage": "The number cannot be reached.",
        "errorDetails": {"errors": [{"parameter": "To", "messages": ["Not a receiver."]}]},
    },
}
PASCAL = {name[0].upper() + name[1:]: value for name, value in SENT.items()}
REQUEST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: benchmark\r\nAccept: */*\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(json.dumps(SENT)), json.dumps(SENT).encode())
)
CONNECTIONS = 16

Round = Callable[[int], float]
"""Does so much of the work; gives the seconds that it took."""


def plain(body: bytes) -> Round:
    def work(count: int) -> float:
        begun = time.process_time()
        for _ in range(count):
            StatusNotification.from_dict(json.loads(body))
        return time.process_time() - begun

    return work


def received(body: bytes, receiver: Receiver, headers: dict[str, str], peer: str = PEER) -> Round:
    def work(count: int) -> float:
        begun = time.process_time()
        for _ in range(count):
            receiver.receive(body, remote_addr=peer, headers=headers)
        return time.process_time() - begun

    return work


async def read_json(request: Request) -> PlainTextResponse:
    await request.json()
    return PlainTextResponse("ok\n")


async def do_nothing(event: Event) -> None:
    pass


def make_app(name: str) -> ASGIApp:
    if name == "bare":
        return Starlette(routes=[Route("/", read_json, methods=["POST"])])
    return WebhookApp(do_nothing, receiver=Receiver(sources=["127.0.0.1"]))


def serve(name: str) -> None:
    # The protocol is named, as asyncio sets TCP_NODELAY only then; without it every answer waits 40 ms for an ACK.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            make_app(name), log_level="critical", access_log=False, proxy_headers=False
        )
        uvicorn.Server(config).run([listener])


@contextlib.contextmanager
def server(name: str) -> Iterator[int]:
    command = [sys.executable, __file__, "--serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


class Caller(asyncio.Protocol):
    """Sends the next request when the answer to the last one is there; no more of HTTP than that."""

    def __init__(self, left: list[None], done: asyncio.Event) -> None:
        self.left = left
        self.done = done
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send()

    def send(self) -> None:
        if self.left:
            self.left.pop()
            self.transport.write(REQUEST)
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self.answer += data
        if self.answer.endswith(b"\r\n\r\nok\n"):
            assert self.answer.startswith(b"HTTP/1.1 200 "), self.answer
            self.answer = b""
            self.send()

    def connection_lost(self, _: Exception | None) -> None:
        self.done.set()


def called(port: int, runner: asyncio.Runner) -> Round:
    async def work(count: int) -> float:
        left: list[None] = [None] * count
        done = [asyncio.Event() for _ in range(CONNECTIONS)]
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        for event in done:
            await loop.create_connection(partial(Caller, left, event), "127.0.0.1", port)
        for event in done:
            await event.wait()
        return time.perf_counter() - begun

    return lambda count: runner.run(work(count))


def take_turns(jobs: dict[str, Round], rounds: int, count: int) -> dict[str, list[float]]:
    """Measure all in turn; who begins changes with each round. The first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for at in range(rounds + 1):
        for name in list(jobs) if at % 2 else reversed(jobs):
            seconds = jobs[name](count) / count
            if at:
                times[name].append(seconds)
    return times


def show(
    title: str,
    unit: str,
    times: dict[str, list[float]],
    figure: Callable[[float], float],
    target: str,
) -> None:
    """Print medians, and the ratio of each to the first: the median of the ratios of each round."""
    print(f"\n{title} ({target})\n  {'':34}{'median':>10}{'best':>10}{'ratio':>8}")
    first = next(iter(times.values()))
    for name, values in times.items():
        ratio = statistics.median(
            figure(one) / figure(base) for one, base in zip(values, first, strict=True)
        )
        print(
            f"  {name:34}{figure(statistics.median(values)):10.1f}{figure(min(values)):10.1f}{ratio:8.2f}   {unit}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--serve", choices=["bare", "app"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return

    python = platform.python_version()
    print(
        f"ecall_facade {__version__}, starlette {starlette.__version__}, uvicorn {uvicorn.__version__}, Python {python}"
    )
    rounds, count = (5, 400) if options.quick else (31, 1000)
    receiver = Receiver()
    behind = Receiver(trusted_proxies=["10.0.0.1"])
    headers = {"host": "a.test", "content-type": "application/json", "content-length": "150"}
    forwarded = {**headers, "x-forwarded-for": PEER}
    sent, pascal, failed = (json.dumps(data).encode() for data in (SENT, PASCAL, FAILED))
    status_update = {
        "json.loads and from_dict": plain(sent),
        "receive": received(sent, receiver, headers),
        "receive, names in PascalCase": received(pascal, receiver, headers),
        "receive, behind a named proxy": received(sent, behind, forwarded, "10.0.0.1"),
    }
    failure = {
        "json.loads and from_dict": plain(failed),
        "receive": received(failed, receiver, headers),
    }
    for title, jobs in (("A status update", status_update), ("One with an error", failure)):
        times = take_turns(jobs, rounds, count)
        show(
            title, "µs of CPU", times, lambda seconds: seconds * 1e6, "target: a ratio of at most 3"
        )

    rounds, count = (5, 500) if options.quick else (21, 1500)
    with server("bare") as bare, server("app") as app, asyncio.Runner() as runner:
        endpoints = {
            "bare starlette endpoint": called(bare, runner),
            "WebhookApp": called(app, runner),
        }
        times = take_turns(endpoints, rounds, count)
    title = f"Requests by {CONNECTIONS} connections"
    show(title, "requests/s", times, lambda seconds: 1 / seconds, "target: a ratio of at least 0.8")


if __name__ == "__main__":
    main()
