"""One row of the benchmark in a process and an environment of its own; does what it is told, one line of JSON a job.

python worker.py NAME URL SLOW_URL

It says first what it took to import the library and make a client, and which id the first send gave.
"""

import sys
import time

BEGUN = time.process_time()

import clients

NAME, *URLS = sys.argv[1:]


def make_async(url: str) -> clients.Client:
    return runner().run(clients.ASYNC[NAME](url))


def runner() -> "asyncio.Runner":
    """Return the only event loop, made when it is first needed, as most rows need none."""
    global RUNNER
    if RUNNER is None:
        import asyncio

        RUNNER = asyncio.Runner()
    return RUNNER


RUNNER: "asyncio.Runner | None" = None
FIRST = ("sync" if NAME in clients.SYNC else "async", 0)
try:
    MADE = {FIRST: clients.SYNC[NAME](URLS[0]) if NAME in clients.SYNC else make_async(URLS[0])}
    PROBLEM = None
except Exception as error:  # noqa: BLE001  # the table says why there is no such row
    PROBLEM = f"{type(error).__name__}: {error}"
SPENT = time.process_time() - BEGUN
sys.path.pop(0)  # whose modules have names that a library might use

# What is below is ours, and not in the time above.
import contextlib
import itertools
import json
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

NUMBERS = itertools.count(1_234_567)
STATUS = Path("/proc/self/status")


def recipients(count: int) -> Iterator[str]:
    """Return numbers that were not used before, so that no cache helps."""
    return iter([f"+4179{next(NUMBERS) % 10_000_000:07d}" for _ in range(count)])


def client(kind: str, latency: int) -> clients.Client:
    if (kind, latency) not in MADE:
        url = URLS[bool(latency)]
        MADE[kind, latency] = clients.SYNC[NAME](url) if kind == "sync" else make_async(url)
    return MADE[kind, latency]


class Clock:
    """Counts sends, and measures from the end of a first lap to the begin of a last one, so that all are at work."""

    def __init__(self, concurrency: int, count: int) -> None:
        self.numbers = recipients(count + 2 * concurrency)
        self.sent = itertools.count(1)  # which threads can share
        self.first, self.last = concurrency, concurrency + count

    def tick(self) -> None:
        sent = next(self.sent)
        if sent == self.first:
            self.begun = times()
        elif sent == self.last:
            self.ended = times()

    def taken(self) -> dict[str, float]:
        return took(self.begun, self.ended)


def times() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def took(begun: tuple[float, float], ended: tuple[float, float]) -> dict[str, float]:
    return {"seconds": ended[0] - begun[0], "cpu": ended[1] - begun[1]}


def send_sync(send: Any, concurrency: int, count: int) -> dict[str, float]:
    clock = Clock(concurrency, count)

    def work() -> None:
        for to in clock.numbers:
            send(to)
            clock.tick()

    with ThreadPoolExecutor(concurrency) as pool:
        done = [pool.submit(work) for _ in range(concurrency)]
    for each in done:
        each.result()
    return clock.taken()


async def send_async(send: Any, concurrency: int, count: int) -> dict[str, float]:
    import asyncio

    clock = Clock(concurrency, count)

    async def work() -> None:
        for to in clock.numbers:
            await send(to)
            clock.tick()

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return clock.taken()


def memory(name: str) -> int:
    """Return the memory in use ("VmRSS") or its peak ("VmHWM") in bytes; outside Linux always the peak."""
    with contextlib.suppress(OSError):
        return 1024 * int(re.findall(rf"{name}:\s*(\d+) kB", STATUS.read_text())[0])
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


def move(kind: str, way: str, path: str) -> dict[str, float]:
    """Upload or download a file; tell what it took and how much more memory was in use at the peak than before."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to what is in use
    before, begun = memory("VmRSS"), times()
    job = getattr(client(kind, 0), way)(Path(path))
    if kind == "async":
        runner().run(job)
    return {**took(begun, times()), "extra": memory("VmHWM") - before}


def perform(job: dict[str, Any]) -> dict[str, float]:
    kind = job["kind"]
    if job["do"] != "send":
        return move(kind, job["do"], job["path"])
    send = client(kind, job["latency"]).send
    if kind == "sync":
        taken = send_sync(send, job["concurrency"], job["count"])
    else:
        taken = runner().run(send_async(send, job["concurrency"], job["count"]))
    return {**taken, "memory": memory("VmRSS")}


def first_send() -> str:
    kind, latency = FIRST
    sent = client(kind, latency).send(next(recipients(1)))
    return str(sent if kind == "sync" else runner().run(sent))


def say(answer: object) -> None:
    print(json.dumps(answer), file=TO_COORDINATOR, flush=True)


# A pool that is smaller than the number of threads makes urllib3 warn at every call; writing that is not measured.
logging.getLogger("urllib3").setLevel(logging.ERROR)
TO_COORDINATOR, sys.stdout = sys.stdout, sys.stderr  # a library that prints disturbs nothing
try:
    say({"error": PROBLEM} if PROBLEM else {"cpu": SPENT, "id": first_send()})
except Exception as error:  # noqa: BLE001  # the table says why there is no such row
    say({"error": f"{type(error).__name__}: {error}"})
for line in sys.stdin:
    try:
        say(perform(json.loads(line)))
    except Exception as error:  # noqa: BLE001  # the table shows it
        say({"error": f"{type(error).__name__}: {error}"})
os._exit(0)  # the open connections are meant to be, and nobody wants to be warned of them
