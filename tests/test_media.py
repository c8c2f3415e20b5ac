"""Files on their way up and down: the parts that need no network."""

from __future__ import annotations

import array
import asyncio
import io
import mimetypes
import mmap
import os
import shlex
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecall_facade._downloads import writing
from ecall_facade._threads import in_thread
from ecall_facade._uploads import CHUNK, AsyncChunks, Upload
from ecall_facade.errors import InvalidMedia

DATA = bytes(range(256)) * 2500  # two chunks and a half
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
NO_ROOT = pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may do everything")


def upload(source: Any, content_type: str | None = None) -> Upload:
    return Upload(source, content_type, None)


def unseekable(data: bytes, **more: object) -> Any:
    return SimpleNamespace(read=io.BytesIO(data).read, **more)


TYPES = {
    # images
    "photo.jpg": "image/jpeg",
    "PHOTO.JPG": "image/jpeg",
    "scan.old.jpeg": "image/jpeg",
    "photo.jfif": "image/jpeg",
    "photo.png": "image/png",
    "photo.webp": "image/webp",
    "photo.heic": "image/heic",
    "photo.avif": "image/avif",
    "scan.tif": "image/tiff",
    # video
    "film.mp4": "video/mp4",
    "film.m4v": "video/x-m4v",
    "film.3gp": "video/3gpp",
    "film.3GPP": "video/3gpp",
    "film.3g2": "video/3gpp2",
    "film.mov": "video/quicktime",
    "film.mkv": "video/matroska",
    "film.avi": "video/x-msvideo",
    # sound
    "sound.mp3": "audio/mpeg",
    "sound.ogg": "audio/ogg",
    "sound.oga": "audio/ogg",
    "sound.opus": "audio/opus",
    "sound.m4a": "audio/mp4",
    "sound.amr": "audio/amr",
    "sound.aac": "audio/aac",
    "sound.wav": "audio/x-wav",
    "sound.flac": "audio/flac",
    "sound.mid": "audio/midi",
    # documents
    "plan.pdf": "application/pdf",
    "letter.doc": "application/msword",
    "letter.docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "sheet.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "slides.pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "letter.odt": "application/vnd.oasis.opendocument.text",
    "sheet.ods": "application/vnd.oasis.opendocument.spreadsheet",
    "slides.odp": "application/vnd.oasis.opendocument.presentation",
    "letter.rtf": "application/rtf",
    "date.ics": "text/calendar",
    "person.vcf": "text/vcard",
    "table.csv": "text/csv",
    "notes.md": "text/markdown",
    "page.js": "text/javascript",
    "subtitles.ass": "text/x-ssa",
    "book.epub": "application/epub+zip",
    "all.zip": "application/zip",
    # compressed, whatever is in them
    "scan.jpg.gz": "application/gzip",
    "SCAN.JPG.GZ": "application/gzip",
    "film.mp4.bz2": "application/x-bzip2",
    "sound.mp3.xz": "application/x-xz",
    "scan.jpg.Z": "application/x-compress",
    "scan.png.br": "application/x-brotli",
    "scan.png.zst": "application/zstd",
    "drawing.svgz": "application/gzip",
    "all.tar.gz": "application/gzip",
    "all.tgz": "application/gzip",
    # anything else
    "plan.unknown": "application/octet-stream",
    "plan.draft 2": "application/octet-stream",
    "photo#1.jpg": "image/jpeg",
    "photo?x.jpg": "image/jpeg",
    "data:,photo.jpg": "image/jpeg",
}


class Raw(io.RawIOBase):
    """A raw file that takes or has `step` bytes at a time, and every other time nothing yet."""

    def __init__(self, data: bytes = b"", step: int = 3) -> None:
        self.data = bytearray(data)
        self._step = step
        self._is_ready = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._is_ready = not self._is_ready
        if not self._is_ready:
            return None
        taken = bytes(self.data[: min(self._step, len(buffer))])
        del self.data[: len(taken)]
        buffer[: len(taken)] = taken
        return len(taken)

    def write(self, data: Any, /) -> int | None:
        self._is_ready = not self._is_ready
        if not self._is_ready:
            return None
        self.data += bytes(data)[: self._step]
        return min(self._step, len(bytes(data)))


@contextmanager
def another_thread(function: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=function, daemon=True)  # one that hangs lets pytest end
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=10)
        assert not thread.is_alive()


def device(folder: Path, name: str, number: int) -> Path:
    """Return a device that may be written to: for root one of its own, as root could replace it."""
    path = Path("/dev") / name
    if os.geteuid() != 0:
        return path
    path = folder / name
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, number))
        path.open("wb").close()
    except OSError:
        pytest.skip("no device can be made here")
    return path


class TestSources:
    """A path, bytes, or a binary file; read from where it stands, in chunks, and again for a second try."""

    @pytest.mark.parametrize(
        "form", ["str", "path", "bytes", "bytearray", "memoryview", "file", "open file"]
    )
    def test_a_source_of_any_kind_can_be_read_twice(self, tmp_path: Path, form: str) -> None:
        path = tmp_path / "data.bin"
        path.write_bytes(DATA)
        with path.open("rb") as file:
            sources: dict[str, Any] = {
                "str": str(path),
                "path": path,
                "bytes": DATA,
                "bytearray": bytearray(DATA),
                "memoryview": memoryview(DATA),
                "file": io.BytesIO(DATA),
                "open file": file,
            }
            source = upload(sources[form])
            assert (source.size, source.done) == (len(DATA), 0)
            for _ in range(2):
                chunks = list(source)
                assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, len(DATA) - 2 * CHUNK]
                assert b"".join(chunks) == DATA
                assert source.done == len(DATA)
            assert not file.closed

    @pytest.mark.parametrize("position", [1, 3])
    def test_an_open_file_is_read_from_its_position(self, position: int) -> None:
        file = io.BytesIO(b"01234")
        file.seek(position)
        source = upload(file)
        assert file.tell() == position
        assert source.size == 5 - position
        for _ in range(2):
            assert b"".join(source) == b"01234"[position:]

    @pytest.mark.parametrize("position", [5, 6, 100])
    def test_an_open_file_at_its_end_is_empty(self, position: int) -> None:
        file = io.BytesIO(b"01234")
        file.seek(position)
        with pytest.raises(InvalidMedia, match="The file is empty"):
            upload(file)

    def test_an_array_of_numbers_is_measured_in_bytes(self) -> None:
        numbers = array.array("I", [1, 2, 3])
        source = upload(memoryview(numbers))
        assert source.size == len(b"".join(source)) == 3 * numbers.itemsize

    def test_a_stream_that_cannot_seek_has_no_size(self) -> None:
        source = upload(unseekable(DATA))
        assert source.size is None
        assert b"".join(source) == DATA
        assert source.done == len(DATA)

    def test_a_stream_that_can_tell_but_not_seek_has_no_size(self) -> None:
        def refuse(*_: object) -> int:
            raise io.UnsupportedOperation("seek")

        source = upload(unseekable(b"data", tell=lambda: 0, seek=refuse))
        assert (source.size, b"".join(source)) == (None, b"data")

    def test_a_pipe_has_neither_a_size_nor_a_media_type(self) -> None:
        reading, writing_end = os.pipe()
        with os.fdopen(reading, "rb") as file:
            with os.fdopen(writing_end, "wb") as other:
                other.write(b"data")
            source = upload(file)  # its name is a number
            assert (source.size, source.content_type, b"".join(source)) == (None, None, b"data")

    @POSIX
    @pytest.mark.parametrize("buffering", [0, -1])
    def test_a_stream_with_nothing_yet_has_not_ended(self, buffering: int) -> None:
        reading, writing_end = os.pipe()
        os.set_blocking(reading, False)

        def write_late() -> None:
            with os.fdopen(writing_end, "wb", buffering=0) as other:
                for part in (b"da", b"ta"):
                    time.sleep(0.05)
                    other.write(part)

        with another_thread(write_late), os.fdopen(reading, "rb", buffering=buffering) as file:
            source = upload(file)
            assert source.size is None
            assert b"".join(source) == b"data"

    @POSIX
    def test_a_stream_with_nothing_yet_is_waited_for_without_using_the_processor(self) -> None:
        reading, writing_end = os.pipe()
        os.set_blocking(reading, False)

        def write_late() -> None:
            with os.fdopen(writing_end, "wb", buffering=0) as other:
                time.sleep(0.3)
                other.write(b"data")

        with another_thread(write_late), os.fdopen(reading, "rb", buffering=0) as file:
            source = upload(file)
            used = time.thread_time()
            assert b"".join(source) == b"data"
            assert time.thread_time() - used < 0.1

    @POSIX
    def test_a_stream_that_ends_without_anything_is_empty(self) -> None:
        reading, writing_end = os.pipe()
        os.set_blocking(reading, False)
        with os.fdopen(reading, "rb", buffering=0) as file:
            source = upload(file)
            os.close(writing_end)
            with pytest.raises(InvalidMedia, match="The file is empty"):
                list(source)

    def test_a_raw_file_without_a_descriptor_is_waited_for(self) -> None:
        assert b"".join(upload(Raw(b"some data"))) == b"some data"

    def test_an_object_with_nothing_yet_that_cannot_be_waited_for_is_refused(self) -> None:
        nothing_yet: Any = SimpleNamespace(read=lambda size: None)
        with pytest.raises(InvalidMedia, match=r"nothing to read yet .* open it in blocking mode"):
            upload(nothing_yet)
        parts = [b"", b"da", None]
        late: Any = SimpleNamespace(read=lambda size: parts.pop(0))
        source = upload(late)
        with pytest.raises(BlockingIOError, match="open it in blocking mode"):
            list(source)

    def test_a_file_whose_seek_returns_nothing_has_a_size(self, tmp_path: Path) -> None:
        path = tmp_path / "data.bin"
        path.write_bytes(b"01234")

        class Silent(io.BytesIO):
            def seek(self, *where: Any) -> Any:
                super().seek(*where)

        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            mapped.seek(1)
            for opened in (mapped, Silent(b"1234")):
                source = upload(opened)
                assert source.size == 4
                assert [b"".join(source) for _ in range(2)] == [b"1234"] * 2

    @POSIX
    @pytest.mark.parametrize("data", [b"data", DATA])
    def test_a_pipe_given_as_a_path_is_streamed(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "pipe.pdf"
        os.mkfifo(path)
        with another_thread(lambda: path.write_bytes(data)):
            source = upload(path)
            assert (source.size, source.content_type) == (None, "application/pdf")
            assert b"".join(source) == data
        with another_thread(lambda: path.write_bytes(b"")):
            source = upload(path)
            with pytest.raises(InvalidMedia, match=r"The file 'pipe\.pdf' is empty"):
                list(source)

    @pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
    def test_a_file_of_proc_that_says_it_is_empty_is_streamed(self) -> None:
        source = upload("/proc/self/status")
        assert source.size is None
        assert b"".join(source).startswith(b"Name:")

    def test_a_path_is_opened_late_and_closed_when_reading_stops(self, tmp_path: Path) -> None:
        path = tmp_path / "data.bin"
        path.write_bytes(b"before")
        source = upload(path)
        path.write_bytes(b"after!")
        chunks = iter(source)
        assert next(chunks) == b"after!"
        cast("Any", chunks).close()  # warns of a file that is left open, which fails the test
        assert b"".join(source) == b"after!"

    @given(st.binary(min_size=1, max_size=100), st.integers(0, 99), st.integers(1, 50))
    def test_the_chunks_of_a_source_are_its_content(
        self, data: bytes, start: int, chunk: int
    ) -> None:
        file = io.BytesIO(data)
        file.seek(min(start, len(data) - 1))
        seekable = Upload(file, None, None, chunk_size=chunk)
        assert b"".join(seekable) == data[min(start, len(data) - 1) :]
        chunks = list(Upload(unseekable(data), None, None, chunk_size=chunk))
        assert b"".join(chunks) == data
        assert {len(one) for one in chunks[:-1]} <= {chunk}


class TestProgress:
    """Progress is told when a chunk is on its way, with the whole where that is known."""

    @pytest.mark.parametrize("source", [DATA, io.BytesIO(DATA)])
    def test_progress_of_a_known_size_has_the_total(self, source: Any) -> None:
        seen: list[tuple[int, int | None]] = []
        chunks = iter(Upload(source, None, lambda done, total: seen.append((done, total))))
        next(chunks)
        assert seen == []
        next(chunks)
        assert seen == [(CHUNK, len(DATA))]
        list(chunks)
        assert seen[-1] == (len(DATA), len(DATA))

    def test_progress_of_an_unknown_size_has_no_total(self) -> None:
        seen: list[tuple[int, int | None]] = []
        list(Upload(unseekable(b"data"), None, lambda done, total: seen.append((done, total))))
        assert seen == [(4, None)]

    def test_progress_starts_again_with_a_retry(self) -> None:
        seen: list[int] = []
        source = Upload(b"data", None, lambda done, _: seen.append(done))
        assert list(source) + list(source) == [b"data", b"data"]
        assert seen == [4, 4]


class TestAsyncChunks:
    """For an async client files are read in a thread."""

    @pytest.mark.parametrize("source", [DATA, b"x"])
    def test_an_async_client_reads_the_same_chunks(self, source: bytes) -> None:
        async def read() -> list[bytes]:
            return [chunk async for chunk in AsyncChunks(upload(source))]

        assert asyncio.run(read()) == list(upload(source))

    def test_an_error_of_reading_a_file_reaches_the_async_client(self, tmp_path: Path) -> None:
        path = tmp_path / "data.bin"
        path.write_bytes(b"data")
        source = upload(path)
        path.unlink()

        async def read() -> None:
            async for _ in AsyncChunks(source):
                pass

        with pytest.raises(FileNotFoundError):
            asyncio.run(read())

    def test_in_thread_returns_what_the_function_returns(self) -> None:
        async def call() -> int:
            return await in_thread(lambda: 7)

        assert asyncio.run(call()) == 7

    def test_in_thread_leaves_the_event_loop_to_other_tasks(self) -> None:
        async def call() -> int:
            return await in_thread(threading.get_ident)

        assert asyncio.run(call()) != threading.get_ident()


class TestRefused:
    """What cannot be uploaded is refused at once."""

    def test_uploading_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidMedia) as caught:
            upload(tmp_path / "plan.pdf")
        assert str(caught.value) == "The file 'plan.pdf' cannot be read: No such file or directory"

    def test_uploading_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidMedia, match="cannot be read"):
            upload(str(tmp_path))

    @POSIX
    def test_uploading_a_socket_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)  # a path of a socket must be short
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("socket")
            with pytest.raises(InvalidMedia, match="cannot be read: it is a socket"):
                upload("socket")

    @NO_ROOT
    def test_uploading_a_pipe_without_permission_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", stat.S_IWUSR)
        with pytest.raises(InvalidMedia, match="cannot be read: Permission denied"):
            upload(tmp_path / "pipe")

    @NO_ROOT
    def test_uploading_a_file_without_permission_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.pdf"
        path.write_bytes(b"x")
        path.chmod(stat.S_IWUSR)
        with pytest.raises(InvalidMedia, match="cannot be read: Permission denied"):
            upload(path)

    @pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
    def test_uploading_a_text_that_is_no_path_is_refused(self, path: str) -> None:
        with pytest.raises(InvalidMedia, match="cannot be read"):
            upload(path)

    @pytest.mark.parametrize(
        "source", [b"", bytearray(), memoryview(b""), io.BytesIO(), unseekable(b"")]
    )
    def test_uploading_an_empty_file_is_refused(self, source: Any) -> None:
        with pytest.raises(InvalidMedia, match="The file is empty"):
            upload(source)

    def test_the_error_about_an_empty_file_has_its_name(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.pdf"
        path.touch()
        with pytest.raises(InvalidMedia, match=r"The file 'plan\.pdf' is empty"):
            upload(path)
        with path.open("rb") as file, pytest.raises(InvalidMedia, match="is empty"):
            upload(file)

    def test_uploading_a_text_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.txt"
        path.write_text("text", encoding="utf-8")
        with (
            path.open(encoding="utf-8") as file,
            pytest.raises(InvalidMedia, match=r"opened as text; .* mode 'rb'"),
        ):
            upload(file)
        with pytest.raises(InvalidMedia, match=r"opened as text; .* mode 'rb'"):
            upload(io.StringIO("text"))

    def test_uploading_a_closed_or_write_only_file_is_refused(self, tmp_path: Path) -> None:
        words = "a binary file that is open for reading"
        with (tmp_path / "x").open("wb") as file, pytest.raises(InvalidMedia, match=words):
            upload(file)
        with pytest.raises(InvalidMedia, match=words):
            upload(file)

    @pytest.mark.parametrize(
        "source", [None, 5, 1.5, object(), ["a"], {"a": 1}, SimpleNamespace(read=5)]
    )
    def test_uploading_an_object_that_is_no_file_is_refused(self, source: Any) -> None:
        with pytest.raises(
            InvalidMedia,
            match="The file must be a path, bytes, or a binary file that is open for reading",
        ):
            upload(source)


class TestContentType:
    """It is what was given, else it follows from the name, in the same way on every machine."""

    @pytest.mark.parametrize(("name", "expected"), TYPES.items())
    def test_the_type_follows_from_the_name_on_every_python(
        self, tmp_path: Path, name: str, expected: str
    ) -> None:
        path = tmp_path / name
        path.write_bytes(b"data")
        assert upload(path).content_type == expected
        assert upload(str(path)).content_type == expected
        with path.open("rb") as file:
            assert upload(file).content_type == expected
        assert upload(path, "text/plain").content_type == "text/plain"

    def test_the_tables_of_the_system_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(mimetypes.types_map, ".bmp", "image/x-of-this-system")
        assert upload(unseekable(b"data", name="photo.bmp")).content_type == "image/bmp"

    @pytest.mark.parametrize("name", ["plan", "plan.", ".jpg", "…"])
    def test_a_name_without_an_ending_has_no_type(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"data")
        assert upload(tmp_path / name).content_type is None

    @pytest.mark.parametrize("name", ["/folder.zip/photo.jpg", b"photo.jpg", Path("photo.jpg")])
    def test_the_name_of_an_open_file_may_be_any_form_of_path(self, name: object) -> None:
        assert upload(unseekable(b"data", name=name)).content_type == "image/jpeg"

    @pytest.mark.parametrize("name", [5, None, "<stdin>", "<fdopen>", ""])
    def test_an_open_file_whose_name_is_no_file_name_has_neither_name_nor_type(
        self, name: object
    ) -> None:
        source = upload(unseekable(b"data", name=name))
        assert (source.name, source.content_type) == (None, None)

    def test_bytes_have_no_media_type_unless_it_is_given(self) -> None:
        assert upload(b"data").content_type is None
        assert upload(io.BytesIO(b"data")).content_type is None
        assert upload(b"data", "image/png").content_type == "image/png"


class TestWriting:
    """A path is written completely or not at all; an open file is written as it comes."""

    @pytest.mark.parametrize("form", [str, Path])
    def test_a_target_appears_when_it_is_complete(self, tmp_path: Path, form: Any) -> None:
        target = tmp_path / "copy.bin"
        with writing(form(target)) as file:
            file.write(b"da")
            assert not target.exists()
            file.write(b"ta")
        assert target.read_bytes() == b"data"
        assert [path.name for path in tmp_path.iterdir()] == ["copy.bin"]

    def test_an_existing_file_is_replaced_when_the_download_is_complete(
        self, tmp_path: Path
    ) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")
        with writing(target) as file:
            file.write(b"new")
            assert target.read_bytes() == b"old"
        assert target.read_bytes() == b"new"

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
    def test_a_download_that_breaks_off_leaves_the_existing_file(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")

        def break_off() -> None:
            with writing(target) as file:
                file.write(b"new")
                raise error

        with pytest.raises(error):
            break_off()
        assert target.read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["copy.bin"]

    def test_an_open_file_is_written_and_stays_open(self, tmp_path: Path) -> None:
        memory = io.BytesIO()
        with writing(memory) as file:
            file.write(b"data")
        assert memory.getvalue() == b"data"
        assert not memory.closed
        with (tmp_path / "x").open("wb") as target, writing(target) as file:
            file.write(b"data")
        assert (tmp_path / "x").read_bytes() == b"data"

    @POSIX
    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
    def test_a_downloaded_file_keeps_the_mode_of_the_existing_one(
        self, tmp_path: Path, mode: int
    ) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")
        target.chmod(mode)
        with writing(target) as file:
            file.write(b"new")
            for path in tmp_path.iterdir():  # the part is no more open to others than the file
                assert stat.S_IMODE(path.stat().st_mode) | mode == mode
        assert target.read_bytes() == b"new"
        assert stat.S_IMODE(target.stat().st_mode) == mode

    @POSIX
    def test_a_downloaded_file_runs_as_nobody_else(self, tmp_path: Path) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")
        target.chmod(0o4755)
        with writing(target) as file:
            file.write(b"new")
        assert stat.S_IMODE(target.stat().st_mode) == 0o755

    @POSIX
    @pytest.mark.skipif(
        getattr(os, "geteuid", int)() != 0, reason="only root may give files to others"
    )
    @pytest.mark.parametrize("owner", [(4711, 4712), (4711, 0), (0, 4712)])
    def test_a_downloaded_file_keeps_the_owner_and_the_group_of_the_existing_one(
        self, tmp_path: Path, owner: tuple[int, int]
    ) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")
        os.chown(target, *owner)
        with writing(target) as file:
            file.write(b"new")
        found = target.stat()
        assert target.read_bytes() == b"new"
        assert (found.st_uid, found.st_gid) == owner

    @POSIX
    def test_a_new_file_has_the_mode_that_the_umask_leaves(self, tmp_path: Path) -> None:
        (tmp_path / "other").touch()
        with writing(tmp_path / "copy.bin") as file:
            file.write(b"new")
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert len(modes) == 1

    @POSIX
    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("links", [1, 2])
    def test_a_symbolic_link_stays_and_its_file_is_written(
        self, tmp_path: Path, there: bool, links: int
    ) -> None:
        (tmp_path / "folder").mkdir()
        target = tmp_path / "folder" / "copy.bin"
        if there:
            target.write_bytes(b"old")
        link = tmp_path / "folder" / "link"
        link.symlink_to("copy.bin")
        if links == 2:
            (tmp_path / "link").symlink_to(link)
            link = tmp_path / "link"
        with writing(link) as file:
            file.write(b"new")
            assert target.exists() == there
        assert link.is_symlink()
        assert target.read_bytes() == b"new"
        assert sorted(path.name for path in target.parent.iterdir()) == ["copy.bin", "link"]

    @POSIX
    def test_a_file_with_two_names_keeps_both(self, tmp_path: Path) -> None:
        target, other = tmp_path / "copy.bin", tmp_path / "other"
        target.write_bytes(b"old and longer than the new one")
        os.link(target, other)

        def break_off() -> None:
            with writing(target) as file:
                file.write(b"half")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            break_off()
        assert target.read_bytes() == b"old and longer than the new one"
        with writing(target) as file:
            file.write(b"new")
        assert target.samefile(other)
        assert other.read_bytes() == b"new"
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.skipif(sys.platform != "linux", reason="access lists as Linux has them")
    def test_a_file_with_an_access_list_keeps_it(self, tmp_path: Path) -> None:
        target, name = tmp_path / "copy.bin", "system.posix_acl_access"
        target.write_bytes(b"old and longer than the new one")
        # Each entry is who, what and which user: the owner, user 4711, the group, the mask, others.
        entries = [(1, 6, -1), (2, 4, 4711), (4, 4, -1), (16, 4, -1), (32, 0, -1)]
        given = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
        try:
            os.setxattr(target, name, given)
        except OSError as error:
            pytest.skip(f"there are no access lists here: {error.strerror}")
        with writing(target) as file:
            file.write(b"new")
        assert target.read_bytes() == b"new"
        assert os.getxattr(target, name) == given

    @pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
    @pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="only root may mount")
    @pytest.mark.parametrize("mounted", ["the file", "a read-only folder"])
    def test_a_file_that_nothing_can_be_put_beside_is_written_in_its_place(
        self, tmp_path: Path, mounted: str
    ) -> None:
        target = tmp_path / "folder" / "copy.bin"
        target.parent.mkdir()
        target.write_bytes(b"old and longer than the new one")
        (tmp_path / "source").write_bytes(b"old and longer than the new one")
        commands = [f"mount --bind {tmp_path}/source {target}"]
        if mounted == "a read-only folder":
            folder = target.parent
            commands.insert(0, f"mount --bind {folder} {folder}")
            commands.insert(1, f"mount -o remount,bind,ro {folder}")
        code = (
            "import sys; from ecall_facade._downloads import writing\n"
            "with writing(sys.argv[1]) as file: file.write(b'new')"
        )
        commands.append(f"{sys.executable} -c {shlex.quote(code)} {target}")
        run = ["unshare", "--mount", "sh", "-ec", "\n".join(commands)]
        done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip("nothing can be mounted here")
        assert done.stderr == ""
        assert (tmp_path / "source").read_bytes() == b"new"
        assert [path.name for path in target.parent.iterdir()] == ["copy.bin"]

    @NO_ROOT
    def test_a_file_in_a_folder_that_must_not_be_written_is_written(self, tmp_path: Path) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old and longer than the new one")
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            with writing(target) as file:
                file.write(b"new")
        finally:
            tmp_path.chmod(stat.S_IRWXU)
        assert target.read_bytes() == b"new"

    @NO_ROOT
    def test_a_file_that_is_protected_from_writing_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")
        target.chmod(stat.S_IRUSR)
        self.refused(target, "'copy.bin' cannot be written: Permission denied")

    @NO_ROOT
    def test_a_pipe_that_is_protected_from_writing_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", stat.S_IRUSR)
        self.refused(tmp_path / "pipe", "'pipe' cannot be written: Permission denied")

    @POSIX
    @pytest.mark.parametrize("data", [b"data", b"", DATA])
    def test_a_pipe_is_written_to_and_stays(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        read: list[bytes] = []
        with another_thread(lambda: read.append(path.read_bytes())), writing(path) as file:
            if data:
                file.write(data)
        assert read == [data]
        assert path.is_fifo()
        assert [found.name for found in tmp_path.iterdir()] == ["pipe"]

    @POSIX
    def test_a_device_is_written_to_and_stays(self, tmp_path: Path) -> None:
        null = device(tmp_path, "null", 3)
        (tmp_path / "link").symlink_to(null)
        for path in (null, tmp_path / "link"):
            with writing(path) as file:
                file.write(b"data")
            assert path.is_char_device()
        assert (tmp_path / "link").is_symlink()

    @pytest.mark.skipif(sys.platform != "linux", reason="there is no such device")
    def test_a_device_that_is_full_says_so(self, tmp_path: Path) -> None:
        full = device(tmp_path, "full", 7)
        with pytest.raises(OSError, match="No space left"), writing(full) as file:
            file.write(b"data")

    @pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
    def test_the_output_of_the_process_is_written_to(self) -> None:
        code = (
            "from ecall_facade._downloads import writing\n"
            "with writing('/proc/self/fd/1') as file: file.write(b'data')"
        )
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
        assert done.stdout == b"data"

    @POSIX
    def test_a_fork_during_a_download_leaves_the_file_to_its_parent(self, tmp_path: Path) -> None:
        code = (
            "import os, sys, threading; from ecall_facade._downloads import writing\n"
            "half, whole = threading.Event(), threading.Event()\n"
            "def download():\n"
            "    with writing(sys.argv[1]) as file:\n"
            "        file.write(b'new')\n"
            "        half.set()\n"
            "        whole.wait()\n"
            "thread = threading.Thread(target=download)\n"
            "thread.start()\n"
            "half.wait()\n"
            "if os.fork() == 0:\n"
            "    sys.exit()\n"
            "os.wait()\n"
            "whole.set()\n"
            "thread.join()"
        )
        target = tmp_path / "copy.bin"
        subprocess.run([sys.executable, "-c", code, target], timeout=60, check=True)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]

    @POSIX
    def test_a_download_that_breaks_off_on_a_full_disk_leaves_no_file(self, tmp_path: Path) -> None:
        code = (
            "import os, resource, sys; from ecall_facade._downloads import writing\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
            "try:\n"
            "    with writing(sys.argv[1] + '/copy.bin') as file:\n"
            "        file.write(b'more than ten bytes')\n"
            "        raise EOFError\n"
            "except OSError as error:\n"
            "    print(os.strerror(error.errno), os.listdir(sys.argv[1]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "File too large []\n"

    @POSIX
    def test_a_socket_or_a_link_to_itself_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("loop").symlink_to("loop")
        self.refused("loop", "'loop' cannot be written: Too many levels")
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("socket")
            self.refused("socket", "'socket' cannot be written: it is a socket")

    @pytest.mark.parametrize("name", ["n" * 255, "n" * 251 + ".pdf", "ä" * 127])
    @pytest.mark.parametrize("there", [True, False])
    def test_a_target_may_have_the_longest_possible_name(
        self, tmp_path: Path, name: str, there: bool
    ) -> None:
        target = tmp_path / name
        if there:
            target.write_bytes(b"old")
        with writing(target) as file:
            file.write(b"new")
        assert target.read_bytes() == b"new"

    @pytest.mark.parametrize("step", [1, 3, 1000])
    def test_what_a_raw_file_did_not_take_is_written_again(self, step: int) -> None:
        raw = Raw(step=step)
        with writing(cast("Any", raw)) as file:
            file.write(b"some data")
            file.write(b" and more")
        assert raw.data == b"some data and more"

    @POSIX
    @pytest.mark.parametrize("buffering", [0, -1])
    def test_a_pipe_that_is_full_for_a_while_gets_everything(self, buffering: int) -> None:
        reading, writing_end = os.pipe()
        os.set_blocking(writing_end, False)
        read: list[bytes] = []

        def read_late() -> None:
            time.sleep(0.05)
            with os.fdopen(reading, "rb") as file:
                read.append(file.read())

        with another_thread(read_late), os.fdopen(writing_end, "wb", buffering=buffering) as target:
            with writing(cast("Any", target)) as file:
                file.write(DATA)
            os.set_blocking(writing_end, True)  # what is left in the buffer
        assert read == [DATA]

    def test_a_target_whose_write_returns_no_count_gets_everything_once(self) -> None:
        for answer in (None, True, "written"):
            seen: list[bytes] = []

            def write(data: bytes, said: object = answer, to: list[bytes] = seen) -> object:
                to.append(data)
                return said

            target: Any = SimpleNamespace(write=write)
            with writing(target) as file:
                file.write(b"data")
            assert seen == [b"", b"data"]

    def test_a_target_that_takes_nothing_fails(self) -> None:
        answers = iter([0, 0, 0])  # the second is for the data; more are not asked for
        target: Any = SimpleNamespace(write=lambda data: next(answers))
        with pytest.raises(OSError, match="took nothing"), writing(target) as file:
            file.write(b"data")

    @staticmethod
    def refused(target: Any, message: str) -> None:
        with pytest.raises(InvalidMedia, match=message), writing(target):
            pytest.fail("it was opened")

    def test_a_target_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        self.refused(
            tmp_path / "no" / "copy.bin", "'copy.bin' cannot be written: No such file or directory"
        )
        self.refused(tmp_path, "cannot be written: it is a folder")
        self.refused("", "cannot be written")
        self.refused("a\0b", "cannot be written: ")
        (tmp_path / "file").write_bytes(b"x")
        self.refused(tmp_path / "file" / "copy.bin", "cannot be written: ")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    @NO_ROOT
    def test_a_target_in_a_folder_without_permission_is_refused(self, tmp_path: Path) -> None:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        self.refused(tmp_path / "copy.bin", "'copy.bin' cannot be written: Permission denied")

    def test_a_target_that_is_no_binary_file_is_refused(self, tmp_path: Path) -> None:
        words = "The target must be a path, or a file that was opened with mode 'wb'"
        (tmp_path / "x").write_bytes(b"x")
        with (tmp_path / "x").open("rb") as file:
            self.refused(file, words)
        closed = io.BytesIO()
        closed.close()
        targets: list[BinaryIO | object] = [io.StringIO(), closed, None, 5, object()]
        for target in targets:
            self.refused(target, words)
