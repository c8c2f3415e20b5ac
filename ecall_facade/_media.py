"""Files on their way: read in chunks from wherever they are, written so that no half file is left behind."""

from __future__ import annotations

import io
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar, cast

from ecall_facade._call import CallerErrors
from ecall_facade.errors import InvalidMedia

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
Target: TypeAlias = str | os.PathLike[str] | BinaryIO
Progress: TypeAlias = Callable[[int, int | None], object]

T = TypeVar("T")

CHUNK = 256 * 1024


class Upload:
    """What is uploaded: opened late, and read again from its start for a second try where that is possible.

    `size` is None for a stream whose length cannot be known; `done` is what has been read of it.
    """

    def __init__(
        self, source: Source, content_type: str | None, on_progress: Progress | None
    ) -> None:
        self._file: Path | BinaryIO
        self._first = b""  # read ahead, of what cannot be read twice
        self._start = 0
        self._on_progress = on_progress
        self.size: int | None = None
        self.done = 0
        self.caller_errors = CallerErrors()
        name: object = None
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._file = io.BytesIO(source)
            self.size = memoryview(source).nbytes
        elif isinstance(source, (str, os.PathLike)):
            self._file = Path(source)
            name = self._file.name
            self.size = _size_of(self._file)
        else:
            self._file, name = source, getattr(source, "name", None)
            self._measure_stream(source)
        if (
            not self._first if self.size is None else self.size <= 0
        ):  # less than 0 where it was sought beyond its end
            raise InvalidMedia(
                "The file is empty" if name is None else f"The file {name!r} is empty"
            )
        self.name = name if isinstance(name, str) else None
        self.content_type = content_type or (_type_of(name) if isinstance(name, str) else None)

    def _measure_stream(self, file: BinaryIO) -> None:
        try:
            nothing = cast("object", file.read(0))
        except (AttributeError, OSError, TypeError, ValueError):
            raise InvalidMedia(
                "A file is a path, bytes, or an open binary file that can be read"
            ) from None
        if not isinstance(nothing, bytes):
            raise InvalidMedia("The file was opened as text; open it with mode 'rb'")
        try:
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)
        except (AttributeError, OSError, ValueError):
            self.size = None
            self._first = file.read(CHUNK)

    def chunks(self) -> Iterator[bytes]:
        """Yield the content from its start, and report the progress."""
        try:
            yield from self._read()
        except Exception as error:
            self.caller_errors.remember(error)
            raise

    def _read(self) -> Iterator[bytes]:
        file = self._file.open("rb") if isinstance(self._file, Path) else self._file
        try:
            self.done = 0
            if file is self._file and self.size is not None:
                file.seek(self._start)
            chunk = self._first or file.read(CHUNK)
            while chunk:
                yield chunk
                self.done += len(chunk)  # only now it is on its way
                if self._on_progress is not None:
                    self._on_progress(self.done, self.size)
                chunk = file.read(CHUNK)
        finally:
            if file is not self._file:
                file.close()


class Chunks:
    """The content of an upload for a sync client."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __iter__(self) -> Iterator[bytes]:
        return self._upload.chunks()


class AsyncChunks:
    """The chunks of an upload for an async client; files are read in a thread."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._upload.chunks()

        def following() -> bytes:
            return next(chunks, b"")

        while chunk := await in_thread(following):
            yield chunk


def write(file: BinaryIO, chunk: bytes) -> None:
    file.write(chunk)


async def write_in_thread(file: BinaryIO, chunk: bytes) -> None:
    """Write without holding up the event loop."""
    await in_thread(partial(write, file, chunk))


async def in_thread(function: Callable[[], T]) -> T:
    """Call what blocks on a disk without holding up the event loop."""
    from anyio.to_thread import run_sync

    return await run_sync(function)


def _type_of(name: str) -> str | None:
    # Without the system's tables, so that the same file has the same type everywhere.
    types = mimetypes.MimeTypes()
    types.add_type("image/webp", ".webp")
    return types.guess_type(name)[0]


def _size_of(path: Path) -> int:
    try:
        with path.open("rb"):
            return path.stat().st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InvalidMedia(f"The file {path.name!r} cannot be read: {reason}") from None


@contextmanager
def writing(target: Target) -> Generator[BinaryIO, None, None]:
    """Open what a download is written to: for a path a file beside it, which replaces it only when it is complete."""
    if not isinstance(target, (str, os.PathLike)):
        try:
            target.write(b"")
        except (AttributeError, OSError, TypeError, ValueError):
            raise InvalidMedia(
                "A target is a path, or a file opened for writing with mode 'wb'"
            ) from None
        yield target
        return
    path = Path(target)
    if path.is_dir():
        raise InvalidMedia(f"{path.name!r} cannot be written: it is a folder")
    try:
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        file = part.open("xb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InvalidMedia(f"{path.name!r} cannot be written: {reason}") from None
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
