"""Files on their way up and down: the parts that need no network."""

from __future__ import annotations

import array
import asyncio
import io
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecall_facade import _media
from ecall_facade._media import CHUNK, AsyncChunks, Upload, in_thread, writing
from ecall_facade.errors import InvalidMedia

DATA = bytes(range(256)) * 2500  # two chunks and a half
NO_ROOT = pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may do everything")


def upload(source: Any, content_type: str | None = None) -> Upload:
    return Upload(source, content_type, None)


def unseekable(data: bytes, **more: object) -> Any:
    return SimpleNamespace(read=io.BytesIO(data).read, **more)


class TestSources:
    """A path, bytes, or a binary file; read from where it stands, in chunks, and again for a second try."""

    @pytest.mark.parametrize(
        "form", ["str", "path", "bytes", "bytearray", "memoryview", "file", "open file"]
    )
    def test_are_read_twice(self, tmp_path: Path, form: str) -> None:
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
    def test_begin_where_the_file_stands(self, position: int) -> None:
        file = io.BytesIO(b"01234")
        file.seek(position)
        source = upload(file)
        assert file.tell() == position
        assert source.size == 5 - position
        for _ in range(2):
            assert b"".join(source) == b"01234"[position:]

    @pytest.mark.parametrize("position", [5, 6, 100])
    def test_that_stand_at_their_end_are_empty(self, position: int) -> None:
        file = io.BytesIO(b"01234")
        file.seek(position)
        with pytest.raises(InvalidMedia, match="The file is empty"):
            upload(file)

    def test_of_several_bytes_an_item_are_counted_in_bytes(self) -> None:
        numbers = array.array("I", [1, 2, 3])
        source = upload(memoryview(numbers))
        assert source.size == len(b"".join(source)) == 3 * numbers.itemsize

    def test_that_cannot_be_sought_are_read_once(self) -> None:
        source = upload(unseekable(DATA))
        assert source.size is None
        assert b"".join(source) == DATA
        assert source.done == len(DATA)

    def test_that_cannot_be_sought_although_they_say_where_they_are(self) -> None:
        def refuse(*_: object) -> int:
            raise io.UnsupportedOperation("seek")

        source = upload(unseekable(b"data", tell=lambda: 0, seek=refuse))
        assert (source.size, b"".join(source)) == (None, b"data")

    def test_through_a_pipe(self) -> None:
        reading, writing_end = os.pipe()
        with os.fdopen(reading, "rb") as file:
            with os.fdopen(writing_end, "wb") as other:
                other.write(b"data")
            source = upload(file)  # its name is a number
            assert (source.size, source.content_type, b"".join(source)) == (None, None, b"data")

    def test_are_opened_late_and_closed_early(self, tmp_path: Path) -> None:
        path = tmp_path / "data.bin"
        path.write_bytes(b"before")
        source = upload(path)
        path.write_bytes(b"after!")
        chunks = iter(source)
        assert next(chunks) == b"after!"
        cast("Any", chunks).close()  # warns of a file that is left open, which fails the test
        assert b"".join(source) == b"after!"

    @given(st.binary(min_size=1, max_size=100), st.integers(0, 99), st.integers(1, 50))
    def test_come_out_as_they_went_in(self, data: bytes, start: int, chunk: int) -> None:
        file = io.BytesIO(data)
        file.seek(min(start, len(data) - 1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_media, "CHUNK", chunk)
            assert b"".join(upload(file)) == data[min(start, len(data) - 1) :]
            assert b"".join(upload(unseekable(data))) == data


class TestProgress:
    """Progress is told when a chunk is on its way, with the whole where that is known."""

    @pytest.mark.parametrize("source", [DATA, io.BytesIO(DATA)])
    def test_of_a_known_size(self, source: Any) -> None:
        seen: list[tuple[int, int | None]] = []
        chunks = iter(Upload(source, None, lambda done, total: seen.append((done, total))))
        next(chunks)
        assert seen == []
        next(chunks)
        assert seen == [(CHUNK, len(DATA))]
        list(chunks)
        assert seen[-1] == (len(DATA), len(DATA))

    def test_of_an_unknown_size(self) -> None:
        seen: list[tuple[int, int | None]] = []
        list(Upload(unseekable(b"data"), None, lambda done, total: seen.append((done, total))))
        assert seen == [(4, None)]

    def test_begins_anew_with_a_second_try(self) -> None:
        seen: list[int] = []
        source = Upload(b"data", None, lambda done, _: seen.append(done))
        assert list(source) + list(source) == [b"data", b"data"]
        assert seen == [4, 4]


class TestAsyncChunks:
    """For an async client files are read in a thread."""

    @pytest.mark.parametrize("source", [DATA, b"x"])
    def test_are_the_same(self, source: bytes) -> None:
        async def read() -> list[bytes]:
            return [chunk async for chunk in AsyncChunks(upload(source))]

        assert asyncio.run(read()) == list(upload(source))

    def test_errors_come_through(self, tmp_path: Path) -> None:
        path = tmp_path / "data.bin"
        path.write_bytes(b"data")
        source = upload(path)
        path.unlink()

        async def read() -> None:
            async for _ in AsyncChunks(source):
                pass

        with pytest.raises(FileNotFoundError):
            asyncio.run(read())

    def test_in_thread_gives_what_the_function_gives(self) -> None:
        async def call() -> int:
            return await in_thread(lambda: 7)

        assert asyncio.run(call()) == 7


class TestRefused:
    """What cannot be uploaded is refused at once."""

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidMedia) as caught:
            upload(tmp_path / "plan.pdf")
        assert str(caught.value) == "The file 'plan.pdf' cannot be read: No such file or directory"

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidMedia, match="cannot be read"):
            upload(str(tmp_path))

    @NO_ROOT
    def test_not_allowed(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.pdf"
        path.write_bytes(b"x")
        path.chmod(stat.S_IWUSR)
        with pytest.raises(InvalidMedia, match="cannot be read: Permission denied"):
            upload(path)

    @pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
    def test_no_path(self, path: str) -> None:
        with pytest.raises(InvalidMedia, match="cannot be read"):
            upload(path)

    @pytest.mark.parametrize(
        "source", [b"", bytearray(), memoryview(b""), io.BytesIO(), unseekable(b"")]
    )
    def test_empty(self, source: Any) -> None:
        with pytest.raises(InvalidMedia, match="The file is empty"):
            upload(source)

    def test_empty_with_a_name(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.pdf"
        path.touch()
        with pytest.raises(InvalidMedia, match=r"The file 'plan\.pdf' is empty"):
            upload(path)
        with path.open("rb") as file, pytest.raises(InvalidMedia, match="is empty"):
            upload(file)

    def test_text(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.txt"
        path.write_text("text", encoding="utf-8")
        with (
            path.open(encoding="utf-8") as file,
            pytest.raises(InvalidMedia, match=r"opened as text; .* mode 'rb'"),
        ):
            upload(file)
        with pytest.raises(InvalidMedia, match=r"opened as text; .* mode 'rb'"):
            upload(io.StringIO("text"))

    def test_closed_or_only_for_writing(self, tmp_path: Path) -> None:
        words = "an open binary file that can be read"
        with (tmp_path / "x").open("wb") as file, pytest.raises(InvalidMedia, match=words):
            upload(file)
        with pytest.raises(InvalidMedia, match=words):
            upload(file)

    @pytest.mark.parametrize(
        "source", [None, 5, 1.5, object(), ["a"], {"a": 1}, SimpleNamespace(read=5)]
    )
    def test_something_else(self, source: Any) -> None:
        with pytest.raises(
            InvalidMedia, match="A file is a path, bytes, or an open binary file that can be read"
        ):
            upload(source)


class TestContentType:
    """It is what was given, else it follows from the name, in the same way on every machine."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("photo.jpg", "image/jpeg"),
            ("PHOTO.JPG", "image/jpeg"),
            ("photo.png", "image/png"),
            ("photo.webp", "image/webp"),
            ("film.mp4", "video/mp4"),
            ("sound.mp3", "audio/mpeg"),
            ("plan.pdf", "application/pdf"),
            ("plan", None),
            ("plan.unknown", None),
        ],
    )
    def test_by_name(self, tmp_path: Path, name: str, expected: str | None) -> None:
        path = tmp_path / name
        path.write_bytes(b"data")
        assert upload(path).content_type == expected
        assert upload(str(path)).content_type == expected
        with path.open("rb") as file:
            assert upload(file).content_type == expected
        assert upload(path, "text/plain").content_type == "text/plain"

    def test_without_a_name(self) -> None:
        assert upload(b"data").content_type is None
        assert upload(io.BytesIO(b"data")).content_type is None
        assert upload(b"data", "image/png").content_type == "image/png"


class TestWriting:
    """A path is written completely or not at all; an open file is written as it comes."""

    @pytest.mark.parametrize("form", [str, Path])
    def test_to_a_path(self, tmp_path: Path, form: Any) -> None:
        target = tmp_path / "copy.bin"
        with writing(form(target)) as file:
            file.write(b"da")
            assert not target.exists()
            file.write(b"ta")
        assert target.read_bytes() == b"data"
        assert [path.name for path in tmp_path.iterdir()] == ["copy.bin"]

    def test_replaces_what_was_there(self, tmp_path: Path) -> None:
        target = tmp_path / "copy.bin"
        target.write_bytes(b"old")
        with writing(target) as file:
            file.write(b"new")
            assert target.read_bytes() == b"old"
        assert target.read_bytes() == b"new"

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
    def test_that_breaks_off_leaves_what_was_there(
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

    def test_to_an_open_file(self, tmp_path: Path) -> None:
        memory = io.BytesIO()
        with writing(memory) as file:
            file.write(b"data")
        assert memory.getvalue() == b"data"
        assert not memory.closed
        with (tmp_path / "x").open("wb") as target, writing(target) as file:
            file.write(b"data")
        assert (tmp_path / "x").read_bytes() == b"data"

    @staticmethod
    def refused(target: Any, message: str) -> None:
        with pytest.raises(InvalidMedia, match=message), writing(target):
            pytest.fail("it was opened")

    def test_to_what_cannot_be_written(self, tmp_path: Path) -> None:
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
    def test_where_it_is_not_allowed(self, tmp_path: Path) -> None:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        self.refused(tmp_path / "copy.bin", "'copy.bin' cannot be written: Permission denied")

    def test_to_what_is_no_binary_file(self, tmp_path: Path) -> None:
        words = "A target is a path, or a file opened for writing with mode 'wb'"
        (tmp_path / "x").write_bytes(b"x")
        with (tmp_path / "x").open("rb") as file:
            self.refused(file, words)
        closed = io.BytesIO()
        closed.close()
        targets: list[BinaryIO | object] = [io.StringIO(), closed, None, 5, object()]
        for target in targets:
            self.refused(target, words)
