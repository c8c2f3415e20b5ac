"""What the sandbox carries: sends a second over loopback, memory after many of them, how long it takes to start.

    .venv/bin/python benchmarks/sandbox.py            # two minutes or so
    .venv/bin/python benchmarks/sandbox.py --quick    # a few seconds, for a first impression

The sandbox runs in a process of its own. The client is a row of plain sockets that stay open: it writes bytes that were
made before and looks at nothing but the length of an answer, so that the time is the sandbox's. With a page open,
somebody follows `/inbox/events` as a browser does. Nothing is asserted: times on somebody else's machine are theirs.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ecall_facade import __version__
from ecall_facade.sandbox import Sandbox

USERNAME, PASSWORD = "benchmark", "not a secret"
TEXT = "Your code is 481 516"
ADDRESS = ("127.0.0.1", 0)


def serve() -> None:
    """Run a sandbox; for each line that comes, say how much memory it has."""
    with Sandbox(username=USERNAME, password=PASSWORD) as sandbox:
        print(sandbox.url.rpartition(":")[2], flush=True)
        for _ in sys.stdin:
            print(memory(), flush=True)


def memory() -> int:
    """Return the memory of this process in bytes, or its peak where the present value is not available."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


class Server:
    """A sandbox in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout
        self.port = int(self._out.readline())

    def memory(self) -> int:
        print(file=self._in, flush=True)
        return int(self._out.readline())


@contextlib.contextmanager
def server() -> Iterator[Server]:
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            process.terminate()


def request(number: int) -> bytes:
    """Write a send to a number that differs from the others, so that no cache helps."""
    to = f"+4179{1_234_567 + number % 7_000_000:07d}"
    body = json.dumps(
        {"channel": "Sms", "from": "ACME", "to": to, "content": {"type": "Text", "text": TEXT}}
    ).encode()
    token = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    head = (
        f"POST /api/v2/message HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_answer(sock: socket.socket) -> bytes:
    """Read one answer; give its body."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _receive(sock)
    assert received.startswith(b"HTTP/1.1 200 "), received
    _, _, after = received[:end].lower().partition(b"content-length:")
    missing = end + 4 + int(after.partition(b"\r\n")[0]) - len(received)
    parts = [received[end + 4 :]]
    while missing:
        parts.append(_receive(sock))
        missing -= len(parts[-1])
    return b"".join(parts)


def _receive(sock: socket.socket) -> bytes:
    received = sock.recv(2**18)
    assert received, "the connection ended"
    return received


def send(port: int, connections: int, count: int) -> float:
    """Send so many messages over so many connections, each with one request under way; give the seconds."""
    requests = [request(number) for number in range(count)]
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection((ADDRESS[0], port)))
            for _ in range(connections)
        ]
        for sock in socks:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.perf_counter()
        for at, data in enumerate(requests):
            sock = socks[at % connections]
            if at >= connections:
                read_answer(sock)
            sock.sendall(data)
        for sock in socks[: min(count, connections)]:
            read_answer(sock)
        return time.perf_counter() - begun


def look(port: int) -> tuple[float, int]:
    """Ask for the items of the page; give the seconds and the size of the answer."""
    with socket.create_connection((ADDRESS[0], port)) as sock:
        begun = time.perf_counter()
        sock.sendall(b"GET /inbox/items HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        size = len(read_answer(sock))
        return time.perf_counter() - begun, size


@contextlib.contextmanager
def open_page(port: int) -> Iterator[list[int]]:
    """Follow what happens; the list grows by the size of each piece that comes."""
    pieces: list[int] = []
    with socket.create_connection((ADDRESS[0], port)) as sock:
        sock.sendall(b"GET /inbox/events?since=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

        def follow() -> None:
            with contextlib.suppress(OSError):
                while piece := sock.recv(2**20):
                    pieces.append(len(piece))

        thread = threading.Thread(target=follow)
        thread.start()
        yield pieces
        sock.shutdown(socket.SHUT_RDWR)
        thread.join()


def report_rate(port: int, connections: int, count: int, rounds: int, words: str = "") -> None:
    rates = [count / send(port, connections, count) for _ in range(rounds)]
    name = f"{connections} connection{'s' * (connections > 1)}{words}"
    print(
        f"  {name:28}{statistics.median(rates):8,.0f} sends a second, {min(rates):,.0f} to {max(rates):,.0f}"
    )


def report_look(port: int, messages: int) -> None:
    looks = [look(port) for _ in range(7)]
    seconds = statistics.median(each for each, _ in looks)
    print(f"  {messages:>8,} messages: {seconds * 1000:6.0f} ms, {looks[-1][1] / 1e6:.1f} MB")


def starting() -> list[float]:
    times: list[float] = []
    for _ in range(21):
        begun = time.perf_counter()
        with Sandbox():
            pass
        times.append(time.perf_counter() - begun)
    return times


def fresh() -> float:
    """Return the seconds until a fresh process has a sandbox that runs."""
    code = "from ecall_facade.sandbox import Sandbox\nwith Sandbox(): pass"
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of the work")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return

    many, count, rounds = (5_000, 500, 3) if options.quick else (100_000, 4_000, 5)
    print(f"ecall_facade {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")

    print("\nThroughput (target: at least 1,000 sends a second)")
    with server() as sandbox:
        for connections in (1, 8):
            report_rate(sandbox.port, connections, count, rounds)
        with open_page(sandbox.port) as pieces:
            report_rate(sandbox.port, 8, count, rounds, ", a page open")
        print(f"  {'':28}{sum(pieces) / 1e6:8.1f} MB went to the page")

    print(f"\nMemory of its process (target: below 150 MB after {100_000:,} messages)")
    with server() as sandbox:
        print(f"  {0:>8,} messages: {sandbox.memory() / 1e6:6.1f} MB")
        send(sandbox.port, 8, 2_000)
        before = sandbox.memory()
        print(f"  {2_000:>8,} messages: {before / 1e6:6.1f} MB")
        small = statistics.median(look(sandbox.port)[0] for _ in range(7))
        send(sandbox.port, 8, many - 2_000)
        print(f"  {many:>8,} messages: {sandbox.memory() / 1e6:6.1f} MB")
        print("\nThe page's first look, GET /inbox/items")
        print(f"  {2_000:>8,} messages: {small * 1000:6.0f} ms")
        report_look(sandbox.port, many)

    times = starting()
    print("\nStart and stop of `with Sandbox()` (target: below 150 ms)")
    figures = " ".join(f"{of(times) * 1000:.1f}" for of in (statistics.median, min, max))
    print(f"  median, lowest, highest: {figures} ms")
    times = [fresh() for _ in range(5)]
    print("In a fresh process, with all imports (target: below 1 s)")
    figures = " ".join(f"{of(times):.2f}" for of in (statistics.median, min, max))
    print(f"  median, lowest, highest: {figures} s")


if __name__ == "__main__":
    main()
