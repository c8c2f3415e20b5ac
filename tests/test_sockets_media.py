"""Files up and down: streamed with little memory, complete or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

import anyio
import pytest
from _clients import NUMBER, PASSWORD, TEXT, USERNAME
from _servers import (
    REQUEST_ID,
    Exchange,
    Hangup,
    Response,
    Server,
    cut,
    drop,
    reply,
    reset,
    sent,
    then,
)

from ecall_facade import (
    AsyncECall,
    ECallError,
    InvalidMedia,
    NotFound,
    OutcomeUnknown,
    ServerError,
    ServiceUnreachable,
    TooLarge,
    UnreadableResponse,
)

if TYPE_CHECKING:
    from _clients import OpenClient
    from _typeshed import ReadableBuffer, WriteableBuffer

CHUNK = 256 * 1024  # of the library
DATA = bytes(range(256)) * 4096 + b"end"  # five chunks


class Pipe(io.RawIOBase):
    """A stream that can be read once and whose length nobody knows."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._data.readinto(buffer)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def a_path(folder: Path) -> Path:
    path = folder / "plan.pdf"
    path.write_bytes(DATA)
    return path


Source: TypeAlias = str | Path | bytes | BinaryIO
SOURCES: dict[str, Callable[[Path], Source]] = {
    "path": a_path,
    "str": lambda folder: str(a_path(folder)),
    "bytes": lambda _: DATA,
    "BytesIO": lambda _: io.BytesIO(DATA),
    "pipe": lambda _: cast("BinaryIO", Pipe(DATA)),
}
every_source = pytest.mark.parametrize("kind", SOURCES)
both = {"retry_after": "0"}


@every_source
def test_an_upload_has_its_content_length_and_progress(
    open_client: OpenClient, tmp_path: Path, kind: str
) -> None:
    """With its length where there is one, and with progress to the end."""
    progress: list[tuple[int, int | None]] = []
    total = None if kind == "pipe" else len(DATA)
    with Server() as server:
        ecall = open_client(server)
        media = ecall.media.upload(
            SOURCES[kind](tmp_path), on_progress=lambda *now: progress.append(now)
        )
        (request,) = server.requests
        assert request.body == DATA
        assert request.headers.get("content-length") == (None if total is None else str(total))
        assert request.headers.get("transfer-encoding") == ("chunked" if total is None else None)
        assert (media.media_id, media.size, media.request_id) == ("f-1", len(DATA), REQUEST_ID)
    steps = [*range(CHUNK, len(DATA), CHUNK), len(DATA)]
    assert progress == [(step, total) for step in steps]


class SlowFile(io.BytesIO):
    """A file on a slow disk: `read` and `write` wait until the event loop has done something else."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(data)
        self.may_go_on = threading.Event()

    def _wait(self) -> None:
        if not self.may_go_on.wait(timeout=10):
            raise AssertionError("the event loop was blocked")

    def read(self, size: int | None = -1, /) -> bytes:
        self._wait()
        return super().read(size)

    def write(self, data: ReadableBuffer, /) -> int:
        self._wait()
        return super().write(data)


def test_opening_a_slow_file_does_not_block_the_event_loop() -> None:
    uploaded, downloaded = SlowFile(DATA), SlowFile()

    async def work_meanwhile() -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=server.url) as ecall:
            for file, call in (
                (uploaded, ecall.media.upload(uploaded)),
                (downloaded, ecall.media.download("f-1", to=downloaded)),
            ):
                task = asyncio.create_task(call)
                await asyncio.sleep(0.05)
                file.may_go_on.set()
                await task

    with Server(sent(), reply(200, DATA)) as server:
        asyncio.run(work_meanwhile())
        assert server.requests[0].body == DATA
    assert downloaded.getvalue() == DATA


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_completing_a_download_does_not_block_the_event_loop(tmp_path: Path) -> None:
    """An empty file into a pipe: only its end opens the pipe, which waits for a reader."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    has_answered, loop_went_on, is_done = threading.Event(), threading.Event(), threading.Event()

    def read() -> bool:
        """Open the pipe once the event loop went on, or after some seconds; return which of them."""
        went_on = loop_went_on.wait(timeout=5)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        is_done.wait(timeout=10)
        os.close(descriptor)
        return went_on

    def respond(exchange: Exchange) -> None:
        exchange.send(reply(200, b""))
        has_answered.set()

    async def download() -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=server.url) as ecall:
            task = asyncio.create_task(ecall.media.download("f-1", to=path))
            await asyncio.to_thread(has_answered.wait, 10)
            await asyncio.sleep(0.1)
            loop_went_on.set()
            assert (await task).size == 0

    with Server(respond) as server, ThreadPoolExecutor() as threads:
        reader = threads.submit(read)
        try:
            asyncio.run(download())
        finally:
            is_done.set()
        assert reader.result(timeout=10), "the event loop was blocked"


@pytest.mark.parametrize("cancel", ["a task", "a scope"])
def test_a_cancelled_download_leaves_nothing_behind(tmp_path: Path, cancel: str) -> None:
    half = reply(200, DATA[:CHUNK], Content_Length=str(len(DATA)))

    async def download() -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=server.url) as ecall:
            await ecall.media.download("f-1", to=tmp_path / "new.png")

    async def cancel_midway() -> None:
        with anyio.CancelScope() as scope:
            task = asyncio.current_task() if cancel == "a scope" else None
            running = asyncio.create_task(download()) if task is None else None
            asyncio.get_running_loop().call_later(0.3, running.cancel if running else scope.cancel)
            with contextlib.suppress(asyncio.CancelledError):
                await (running or download())

    with Server(then(half, lambda exchange: exchange.wait_for_end())) as server:
        asyncio.run(cancel_midway())
        assert len(server.requests) == 1
    assert names_in(tmp_path) == []


def write_slowly(pipe: BinaryIO) -> None:
    with pipe:
        for part in (DATA[:1000], DATA[1000:]):
            time.sleep(0.05)
            pipe.write(part)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
@pytest.mark.parametrize("form", ["path", "non-blocking"])
@pytest.mark.parametrize("response", [sent(), reply(503, **both)], ids=["taken", "refused"])
def test_a_pipe_is_uploaded_as_it_comes(
    open_client: OpenClient, tmp_path: Path, pauses: list[float], form: str, response: bytes
) -> None:
    """Also one that has nothing yet; and once only, as nobody can read it again."""
    with contextlib.ExitStack() as stack:
        source: Path | BinaryIO
        if form == "path":
            source = tmp_path / "pipe"
            os.mkfifo(source)
            writer = threading.Thread(target=lambda: write_slowly((tmp_path / "pipe").open("wb")))
        else:
            reading, writing_end = os.pipe()
            os.set_blocking(reading, False)
            raw = stack.enter_context(os.fdopen(reading, "rb", buffering=0))
            source = cast("BinaryIO", raw)
            writer = threading.Thread(target=lambda: write_slowly(os.fdopen(writing_end, "wb")))
        server = stack.enter_context(Server(response))
        ecall = open_client(server)
        writer.start()
        if response == sent():
            assert ecall.media.upload(source).size == len(DATA)
        else:
            with pytest.raises(ECallError) as caught:
                ecall.media.upload(source)
            assert not caught.value.may_have_been_sent
        writer.join(timeout=10)
        assert [request.body for request in server.requests] == [DATA]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scan.jpg", "ImageContent"),
        ("scan.jpg.gz", "DocumentContent"),
        ("film.3gp", "VideoContent"),
        ("sound.m4a", "AudioContent"),
        ("letter.docx", "DocumentContent"),
        ("date.ics", "DocumentContent"),
        ("plan.unknown", "DocumentContent"),
    ],
)
def test_send_file_sends_the_content_that_fits_the_name(
    open_client: OpenClient, tmp_path: Path, name: str, kind: str
) -> None:
    """Anything that is no image, sound or video goes out as a document."""
    path = tmp_path / name
    path.write_bytes(b"data")
    with Server(sent()) as server:
        open_client(server).whatsapp.send_file(NUMBER, path)
        message = json.loads(server.requests[-1].body)
    assert message["content"]["type"] + "Content" == kind


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_download_into_a_pipe_is_whole(open_client: OpenClient, tmp_path: Path) -> None:
    """Into one that a path names, and into an open one that takes a part at a time."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []

    def read_slowly() -> None:
        time.sleep(0.05)
        with path.open("rb") as pipe:
            read.append(pipe.read())

    with Server(reply(200, DATA)) as server:
        ecall = open_client(server)
        reader = threading.Thread(target=read_slowly)
        reader.start()
        assert ecall.media.download("f-1", to=path).size == len(DATA)
        reader.join(timeout=10)
        reader = threading.Thread(target=read_slowly)
        reader.start()
        with path.open("wb", buffering=0) as raw:
            os.set_blocking(raw.fileno(), False)
            target = cast("BinaryIO", raw)
            assert ecall.media.download("f-1", to=target).size == len(DATA)
        reader.join(timeout=10)
    assert read == [DATA, DATA]
    assert path.is_fifo()


def test_an_open_file_is_uploaded_from_its_position_at_each_try(
    open_client: OpenClient, tmp_path: Path, pauses: list[float]
) -> None:
    """Also the second time, and it stays open."""
    with Server(reply(503, **both), sent()) as server, a_path(tmp_path).open("rb") as file:
        file.seek(1000)
        assert open_client(server).media.upload(file).size == len(DATA) - 1000
        assert [request.body for request in server.requests] == [DATA[1000:]] * 2
        assert not file.closed


@every_source
@pytest.mark.parametrize("first", [reply(503, **both), reply(429)])
def test_a_second_try_sends_the_whole_file_again(
    open_client: OpenClient, tmp_path: Path, pauses: list[float], kind: str, first: bytes
) -> None:
    """But for a stream that cannot be read again: that is left to the caller."""
    progress: list[int] = []
    with Server(first, first, sent()) as server:
        ecall = open_client(server)
        if kind == "pipe":
            with pytest.raises(ECallError) as caught:
                ecall.media.upload(SOURCES[kind](tmp_path))
            assert not caught.value.may_have_been_sent
            assert len(server.requests) == 1
        else:
            ecall.media.upload(
                SOURCES[kind](tmp_path), on_progress=lambda done, _: progress.append(done)
            )
            assert [request.body for request in server.requests] == [DATA] * 3
            assert progress == [*range(CHUNK, len(DATA), CHUNK), len(DATA)] * 3
        for request in server.requests:
            assert request.checksum == zlib.crc32(DATA)


@pytest.mark.parametrize(
    "response", [drop, reset, cut(b"HTTP/1.1 2"), reply(500), reply(503), reply(200, b"<html>")]
)
def test_an_upload_of_unknown_outcome_is_not_repeated(
    open_client: OpenClient, pauses: list[float], response: Response
) -> None:
    with Server(response) as server:
        with pytest.raises((OutcomeUnknown, ServerError, UnreadableResponse)) as caught:
            open_client(server).media.upload(DATA)
        assert not caught.value.may_have_been_sent
        assert "message" not in str(caught.value)
        assert len(server.requests) == 1


def test_an_upload_that_is_refused_midway_raises_the_refusal(
    open_client: OpenClient, pauses: list[float]
) -> None:
    """The response counts, though the service did not take the whole file."""

    def refuse(exchange: Exchange) -> None:
        exchange.send(reply(413, {"errorCode": "TooLarge"}, Connection="close"))
        exchange.wait_for_end()
        raise Hangup

    with Server(refuse, reads=False) as server:
        with pytest.raises(TooLarge) as caught:
            open_client(server).media.upload(DATA)
        assert caught.value.request_id == REQUEST_ID
        assert len(server.requests) == 1


class Shrinking(io.BytesIO):
    """A file that somebody cuts off while it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) if self.tell() < CHUNK else b""


class Broken(io.BytesIO):
    """A file on a disk that fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= CHUNK:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_an_upload_whose_file_gets_shorter_has_an_unknown_outcome(
    open_client: OpenClient, pauses: list[float]
) -> None:
    with Server() as server:
        ecall = open_client(server)
        with pytest.raises(OutcomeUnknown) as caught:
            ecall.media.upload(Shrinking(DATA))
        assert not caught.value.may_have_been_sent
        assert server.requests == []
        assert ecall.media.upload(DATA).media_id == "f-1"
        assert pauses == []


def test_an_error_of_the_disk_comes_through_an_upload(
    open_client: OpenClient, pauses: list[float]
) -> None:
    with Server() as server:
        ecall = open_client(server)
        with pytest.raises(OSError, match="Input/output error"):
            ecall.media.upload(Broken(DATA))
        assert server.requests == []
        assert ecall.media.upload(DATA).media_id == "f-1"
        assert pauses == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_responses_are_read(open_client: OpenClient, encoding: str) -> None:
    response = json.dumps({"messageId": "m-1", "mediaId": "f-1", "state": "Sent"}).encode()
    packed = gzip.compress(response) if encoding == "gzip" else zlib.compress(response)
    refusal = gzip.compress(b'{"errorCode": "NoSuchThing"}')
    script = [
        *[reply(200, packed, Content_Encoding=encoding)] * 4,
        reply(404, refusal, Content_Encoding="gzip"),
    ]
    with Server(*script) as server:
        ecall = open_client(server)
        assert ecall.media.upload(DATA).media_id == "f-1"
        assert ecall.sms.send(NUMBER, TEXT).raw["messageId"] == "m-1"
        assert ecall.messages.status("m-1").state == "Sent"
        assert ecall.request("GET", "/api/account").raw == json.loads(response)
        with pytest.raises(NotFound, match="NoSuchThing"):
            ecall.messages.status("m-1")
        assert all("gzip" in request.headers["accept-encoding"] for request in server.requests)


def chunked(data: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nx-f24-request-id: {REQUEST_ID}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    parts = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


@pytest.mark.parametrize(
    ("response", "size"),
    [
        (reply(200, DATA, Content_Type="image/png"), len(DATA)),
        (chunked(DATA), None),
        (cut(f"HTTP/1.0 200 OK\r\nx-f24-request-id: {REQUEST_ID}\r\n\r\n".encode() + DATA), None),
        (reply(200, gzip.compress(DATA), Content_Encoding="gzip"), None),
    ],
    ids=["length", "chunked", "until closed", "gzip"],
)
def test_a_download_is_whole_in_every_way_to_read_it(
    open_client: OpenClient, tmp_path: Path, response: Response, size: int | None
) -> None:
    """To a path, into a file, as a stream: byte for byte, with progress."""
    progress: list[tuple[int, int | None]] = []
    with Server(response) as server:
        ecall = open_client(server)
        target = tmp_path / "copy.png"
        target.write_bytes(b"what was there before")
        media = ecall.media.download(
            "f/1", to=target, on_progress=lambda *now: progress.append(now)
        )
        assert target.read_bytes() == DATA
        assert (media.media_id, media.size, media.request_id) == ("f/1", len(DATA), REQUEST_ID)
        assert progress[-1] == (len(DATA), size)
        assert [done for done, _ in progress] == sorted({done for done, _ in progress})
        assert {total for _, total in progress} == {size}

        file = io.BytesIO()
        ecall.media.download("f/1", to=file)
        assert file.getvalue() == DATA
        assert not file.closed

        with ecall.media.stream("f/1") as chunks:
            assert chunks.size == size
            assert chunks.request_id == REQUEST_ID
            assert b"".join(chunks) == DATA

        assert names_in(tmp_path) == ["copy.png"]
        assert {request.path for request in server.requests} == {"/api/v2/media/f%2F1"}
        assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


@pytest.mark.parametrize(
    "response",
    [
        cut(reply(200, DATA[: len(DATA) // 2], Content_Length=str(len(DATA)))),
        cut(chunked(DATA)[:-100]),
        then(reply(200, DATA[:5000], Content_Length=str(len(DATA))), reset),
        pytest.param(
            then(
                reply(200, DATA[:5000], Content_Length=str(len(DATA))),
                lambda exchange: exchange.wait_for_end(),
            ),
            marks=pytest.mark.long,
        ),
        reply(200, b"not gzip", Content_Encoding="gzip"),
    ],
    ids=["cut", "cut chunks", "reset", "hangs", "not gzip"],
)
def test_a_download_that_breaks_off_leaves_no_file(
    open_client: OpenClient, tmp_path: Path, pauses: list[float], response: Response
) -> None:
    """No file, no part of one, and what was there before stays."""
    with Server(response) as server:
        ecall = open_client(server, timeout=(5, 1))
        old = tmp_path / "old.png"
        old.write_bytes(b"what was there before")
        for target in (old, tmp_path / "new.png"):
            with pytest.raises(ServiceUnreachable, match="broke off") as caught:
                ecall.media.download("f-1", to=target)
            assert caught.value.request_id == REQUEST_ID
            assert not caught.value.may_have_been_sent
            # The transport's frames have what was read of the file in their variables.
            assert "httpx" not in "".join(traceback.format_exception(caught.value))
        assert names_in(tmp_path) == ["old.png"]
        assert old.read_bytes() == b"what was there before"
        with pytest.raises(ServiceUnreachable), ecall.media.stream("f-1") as chunks:
            for _ in chunks:
                pass
        assert len(server.requests) == 3
        assert pauses == []


def test_a_download_that_is_refused_leaves_no_file(open_client: OpenClient, tmp_path: Path) -> None:
    with Server(reply(404, {"errorCode": "Expired", "errorMessage": "Deleted"})) as server:
        ecall = open_client(server)
        with pytest.raises(NotFound) as caught:
            ecall.media.download("f-1", to=tmp_path / "new.png")
        assert (caught.value.code, caught.value.message) == ("Expired", "Deleted")
        assert names_in(tmp_path) == []
        with pytest.raises(InvalidMedia):
            ecall.media.download("f-1", to=tmp_path / "no such folder" / "new.png")
        assert len(server.requests) == 1  # the second was not made


class Full(io.BytesIO):
    """A disk with no room left."""

    def write(self, data: ReadableBuffer, /) -> int:
        if len(bytes(data)) == 0:
            return 0
        raise OSError(28, "No space left on device")


class Mine(Exception):
    """An exception of the caller's own."""


def test_what_the_caller_raises_during_a_download_comes_through(
    open_client: OpenClient, tmp_path: Path
) -> None:
    """Untouched, from inside a stream and from a progress function; and the client goes on working."""
    with Server(reply(200, DATA)) as server:
        ecall = open_client(server)
        mine = Mine()
        with pytest.raises(Mine) as caught, ecall.media.stream("f-1"):
            raise mine
        assert caught.value is mine
        assert mine.__cause__ is None

        def use(chunks: Iterable[bytes]) -> None:
            for _ in chunks:
                raise mine

        with pytest.raises(Mine), ecall.media.stream("f-1") as chunks:
            use(chunks)

        def stop(done: int, total: int | None) -> None:
            raise mine

        with pytest.raises(Mine) as caught:
            ecall.media.download("f-1", to=tmp_path / "new.png", on_progress=stop)
        assert caught.value is mine
        with pytest.raises(OSError, match="No space left") as full:
            ecall.media.download("f-1", to=Full())
        assert full.type is OSError
        assert names_in(tmp_path) == []
        assert ecall.media.download("f-1", to=io.BytesIO()).size == len(DATA)


def test_a_stream_that_is_left_early_closes_its_connection(open_client: OpenClient) -> None:
    """Its connection is closed, as the rest is still in it; the next call has one of its own."""
    big = DATA * 8

    def respond(exchange: Exchange) -> None:
        exchange.send(reply(200, big))

    with Server(respond, sent()) as server:
        ecall = open_client(server)
        with ecall.media.stream("f-1") as chunks:
            iterator = iter(chunks)
            assert big.startswith(next(iterator))
        for _ in range(2):
            assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert [request.connection for request in server.requests] == [1, 2, 2]


def test_a_stream_that_is_left_by_an_exception_closes_its_connection(
    open_client: OpenClient,
) -> None:
    """Also while somebody keeps the exception, and with it all that the stream is made of."""
    with Server(reply(200, DATA * 8)) as server:
        ecall = open_client(server)
        with pytest.raises(Mine) as caught, ecall.media.stream("f-1"):
            raise Mine
        assert server.has_closed()
        assert caught.value.__traceback__ is not None


def test_a_stream_that_is_read_to_its_end_releases_its_connection(
    open_client: OpenClient,
) -> None:
    with Server(reply(200, DATA)) as server:
        ecall = open_client(server)
        for _ in range(3):
            with ecall.media.stream("f-1") as chunks:
                assert sum(len(chunk) for chunk in chunks) == len(DATA)
        ecall.media.download("f-1", to=io.BytesIO())
        assert server.connections == 1


# 100 MB

MEGABYTE = 1024 * 1024
SIZE = 100 * MEGABYTE
LIMIT = 8 * MEGABYTE
MEASURE = Path(__file__).with_name("_memory.py")


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large") / "large.bin"
    block = os.urandom(MEGABYTE - 1)
    with path.open("wb") as file:
        while file.tell() < SIZE:
            file.write(block[: SIZE - file.tell()])
    yield path
    path.unlink()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory from /proc")
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_100_mb_take_at_most_8_mb_of_memory(large_file: Path, tmp_path: Path, mode: str) -> None:
    """Up and down, in each form; in a process of its own, as the server is in this one."""
    with large_file.open("rb") as file:
        checksum = 0
        while block := file.read(MEGABYTE):
            checksum = zlib.crc32(block, checksum)

    def respond(exchange: Exchange) -> None:
        if exchange.request.method == "POST":
            exchange.send(sent())
        elif "/message/" in exchange.request.path:
            exchange.send(reply(200, {"state": "Sent"}))
        else:
            exchange.send(reply(200, Content_Length=str(SIZE)))
            with large_file.open("rb") as file:
                exchange.socket.sendfile(file)

    with Server(respond, keeps=False) as server:
        command = [
            sys.executable,
            "-W",
            "error",
            str(MEASURE),
            mode,
            server.url,
            str(large_file),
            str(tmp_path / "to"),
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert result.stderr == ""
        measured = json.loads(result.stdout)
        uploads = [request for request in server.requests if request.method == "POST"]
    print(mode, {name: f"{more / MEGABYTE:.1f} MB" for name, (more, _) in measured.items()})  # noqa: T201
    assert [(request.size, request.checksum) for request in uploads] == [(SIZE, checksum)] * 3
    assert len(measured) == 6
    for more, seen in measured.values():
        assert more <= LIMIT
        assert seen in {SIZE, checksum}
