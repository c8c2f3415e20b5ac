"""The clock of deadlines, retries and connection pools, and the only module that sleeps."""

from __future__ import annotations

import time
from functools import partial

if hasattr(time, "clock_gettime"):
    # Tests of applications freeze `time.monotonic` (freezegun does); a deadline has to pass anyway.
    monotonic = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
else:
    monotonic = partial(time.monotonic)

wall_time = time.time
sleep = time.sleep


async def sleep_async(seconds: float) -> None:
    import anyio  # late: a sync program does not need it

    await anyio.sleep(seconds)
