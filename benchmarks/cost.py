"""What the library costs beside plain httpx: CPU per send, sync and async, and time to import.

    .venv/bin/python benchmarks/cost.py            # a minute or so
    .venv/bin/python benchmarks/cost.py --quick    # a few seconds, for a first impression

Both sides send the same JSON with the same credentials to a server on loopback, which runs in a process of its own so
that its work does not count. They take turns round by round, so that what else the machine does hits both. Only the
CPU time of the process counts, not the waiting. Nothing is asserted: times on somebody else's machine are theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import httpx

from ecall_facade import AsyncECall, ECall, __version__

ANSWER = b'{"messageId":"b1f5a2f0-0001-4c6e-9d3a-000000000001","timestamp":"2026-01-15T09:30:00Z"}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 15 Jan 2026 09:30:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"x-f24-request-id: b1f5a2f0-0004-4c6e-9d3a-000000000001\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
)
TEXT = "Your code is 481 516"
USERNAME, PASSWORD = "benchmark", "not a secret"

Round = Callable[[int], float]
"""Sends so many messages; gives the CPU seconds that it took."""


class Service(asyncio.Protocol):
    """Answers every complete request with the same bytes; no more of HTTP than that."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            _, _, after = self.received[:end].lower().partition(b"content-length:")
            length = end + 4 + int(after.partition(b"\r\n")[0] or 0)
            if len(self.received) < length:
                return
            self.received = self.received[length:]
            self.transport.write(HEAD + ANSWER)  # type: ignore[attr-defined]


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def recipients(count: int) -> list[str]:
    """Numbers that differ, so that no cache helps."""
    return [f"+4179{1_234_567 + at % 700_000:07d}" for at in range(count)]


def body(to: str) -> dict[str, object]:
    return {"channel": "Sms", "from": "ACME", "to": to, "content": {"type": "Text", "text": TEXT}}


def cpu_of(job: Callable[[], object]) -> float:
    begun = time.process_time()
    job()
    return time.process_time() - begun


def plain(url: str) -> Round:
    client = httpx.Client(base_url=url, auth=httpx.BasicAuth(USERNAME, PASSWORD), timeout=30, trust_env=False)

    def send(to: str) -> str:
        response = client.post("/api/v2/message", json=body(to))
        response.raise_for_status()
        return str(response.json()["messageId"])

    return lambda count: cpu_of(lambda: [send(to) for to in recipients(count)])


def facade(url: str) -> Round:
    ecall = ECall(USERNAME, PASSWORD, base_url=url, sender="ACME")
    return lambda count: cpu_of(lambda: [ecall.sms.send(to, TEXT).message_id for to in recipients(count)])


def plain_async(url: str, runner: asyncio.Runner) -> Round:
    client = httpx.AsyncClient(base_url=url, auth=httpx.BasicAuth(USERNAME, PASSWORD), timeout=30, trust_env=False)

    async def send_all(count: int) -> None:
        for to in recipients(count):
            response = await client.post("/api/v2/message", json=body(to))
            response.raise_for_status()
            str(response.json()["messageId"])

    return lambda count: cpu_of(lambda: runner.run(send_all(count)))


def facade_async(url: str, runner: asyncio.Runner) -> Round:
    ecall = AsyncECall(USERNAME, PASSWORD, base_url=url, sender="ACME")

    async def send_all(count: int) -> None:
        for to in recipients(count):
            _ = (await ecall.sms.send(to, TEXT)).message_id

    return lambda count: cpu_of(lambda: runner.run(send_all(count)))


def take_turns(one: Round, other: Round, rounds: int, count: int) -> tuple[list[float], list[float]]:
    """Measure both in turn; who begins changes with each round. The first round warms up and does not count."""
    times: tuple[list[float], list[float]] = [], []
    for at in range(rounds + 1):
        order = [(one, times[0]), (other, times[1])]
        for job, results in order if at % 2 else reversed(order):
            seconds = job(count) / count
            if at:
                results.append(seconds)
    return times


def report(title: str, unit: float, words: str, times: tuple[list[float], list[float]], target: float) -> None:
    ratios = [other / one for one, other in zip(*times, strict=True)]
    print(f"\n{title}")
    print(f"  {'':14}{'median':>10}{'lowest':>10}{'highest':>10}")
    for name, values in (("plain httpx", times[0]), ("ecall_facade", times[1])):
        figures = "".join(f"{of(values) / unit:10.1f}" for of in (statistics.median, min, max))
        print(f"  {name:14}{figures} {words}")
    of_columns = "".join(f"{of(times[1]) / of(times[0]):10.2f}" for of in (statistics.median, min))
    print(
        f"  {'ratio':14}{of_columns}   (target: at most {target}; turn by turn {min(ratios):.2f} to {max(ratios):.2f})"
    )


def importing(statement: str, cache: str) -> Round:
    """Measure an import in a fresh process, all of it compiled (the first round does that), wherever this runs."""
    # httpx imports the libraries of its own command line where they happen to be, which is for nothing here.
    code = "import sys, time; sys.modules['click'] = sys.modules['rich'] = None; "
    code += f"begun = time.process_time(); {statement}; print(time.process_time() - begun)"
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code]
    return lambda _: float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a thirtieth of the work")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return

    rounds, count, imports = (3, 100, 3) if options.quick else (21, 500, 31)
    print(f"ecall_facade {__version__}, httpx {httpx.__version__}, Python {platform.python_version()}")
    print(f"{rounds} rounds of {count} sends each, {imports} imports each; all figures are CPU time")
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            report("One send", 1e-6, "µs", take_turns(plain(url), facade(url), rounds, count), 1.25)
            with asyncio.Runner() as runner:
                times = take_turns(plain_async(url, runner), facade_async(url, runner), rounds, count)
            report("One send, async", 1e-6, "µs", times, 1.25)
        finally:
            server.terminate()

    # The package loads its parts late, so that its bare import says little; the others are what a program needs.
    with tempfile.TemporaryDirectory() as cache:
        plainly = importing("import httpx", cache)
        for name in ("import ecall_facade", "from ecall_facade import ECall", "from ecall_facade import AsyncECall"):
            times = take_turns(plainly, importing(name, cache), imports, 1)
            report(f"{name}, in fresh processes, beside import httpx", 1e-3, "ms", times, 1.4)


if __name__ == "__main__":
    main()
