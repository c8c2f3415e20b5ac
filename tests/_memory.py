"""Moves a large file up and down, and prints how much more memory each way took at its peak than before.

python _memory.py sync|async URL FILE TARGET; for Linux. It is `test_sockets_media` that runs it.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import zlib
from pathlib import Path
from typing import Any, cast

from ecall_facade import AsyncECall, ECall

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+) kB", STATUS.read_text())
    assert found
    return int(found[1]) * 1024


class Pipe(io.RawIOBase):
    """A stream that can be read once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def checksum(path: Path) -> int:
    result = 0
    with path.open("rb") as file:
        while part := file.read(65536):
            result = zlib.crc32(part, result)
    return result


class Measured:
    """Measures a step, and notes what it took and what came out."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, int]] = {}
        self._before = self._peak = 0

    def __enter__(self) -> None:
        CLEAR.write_text("5")  # the peak begins anew, at what is in use
        self._before = memory("VmRSS")

    def __exit__(self, *_: object) -> None:
        self._peak = memory("VmHWM")

    def note(self, name: str, seen: int) -> None:
        self.found[name] = (self._peak - self._before, seen)


def run_sync(url: str, source: Path, target: Path) -> Measured:
    measured = Measured()
    with ECall("user", "password", base_url=url, sender="ACME") as ecall:
        ecall.messages.status("m-1")
        with measured:
            seen = ecall.media.upload(source).size
        measured.note("upload of a path", seen or 0)
        with source.open("rb") as file, measured:
            seen = ecall.media.upload(file).size
        measured.note("upload of a file", seen or 0)
        with Pipe(source) as pipe, measured:
            seen = ecall.media.upload(cast("Any", pipe)).size
        measured.note("upload of a stream", seen or 0)
        with measured:
            ecall.media.download("f-1", to=target)
        measured.note("download to a path", checksum(target))
        with target.open("wb") as file, measured:
            ecall.media.download("f-1", to=file)
        measured.note("download to a file", checksum(target))
        with measured, ecall.media.stream("f-1") as chunks:
            size = sum(len(chunk) for chunk in chunks)
        measured.note("download as a stream", size)
    return measured


async def run_async(url: str, source: Path, target: Path) -> Measured:
    measured = Measured()
    async with AsyncECall("user", "password", base_url=url, sender="ACME") as ecall:
        await ecall.messages.status("m-1")
        with measured:
            seen = (await ecall.media.upload(source)).size
        measured.note("upload of a path", seen or 0)
        with source.open("rb") as file, measured:
            seen = (await ecall.media.upload(file)).size
        measured.note("upload of a file", seen or 0)
        with Pipe(source) as pipe, measured:
            seen = (await ecall.media.upload(cast("Any", pipe))).size
        measured.note("upload of a stream", seen or 0)
        with measured:
            await ecall.media.download("f-1", to=target)
        measured.note("download to a path", checksum(target))
        with target.open("wb") as file, measured:
            await ecall.media.download("f-1", to=file)
        measured.note("download to a file", checksum(target))
        with measured:
            async with ecall.media.stream("f-1") as chunks:
                size = 0
                async for chunk in chunks:
                    size += len(chunk)
        measured.note("download as a stream", size)
    return measured


if __name__ == "__main__":
    mode, url, source, target = sys.argv[1:]
    if mode == "sync":
        result = run_sync(url, Path(source), Path(target))
    else:
        result = asyncio.run(run_async(url, Path(source), Path(target)))
    print(json.dumps(result.found))  # noqa: T201
