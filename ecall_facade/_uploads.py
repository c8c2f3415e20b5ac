"""Uploads: files, bytes and streams, read in chunks."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from ecall_facade._call import CallerErrors
from ecall_facade._media_types import guess_type
from ecall_facade._ready import can_wait_for, wait_until_readable
from ecall_facade._threads import in_thread
from ecall_facade.errors import InvalidMedia

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
Progress: TypeAlias = Callable[[int, int | None], object]

CHUNK = 256 * 1024

_NOT_READABLE = "The file must be a path, bytes, or a binary file that is open for reading"


class Upload:
    """A file to upload; opened late, and read again from its start for a retry if that is possible.

    `size` is None for a stream whose length cannot be known; `done` is the number of bytes sent.
    """

    def __init__(
        self,
        source: Source,
        content_type: str | None,
        on_progress: Progress | None,
        chunk_size: int = CHUNK,
    ) -> None:
        self._file: Path | BinaryIO
        self._first = b""  # read ahead from a stream, which cannot be read twice
        self._start = 0
        self._on_progress = on_progress
        self._chunk_size = chunk_size
        self.name: str | None = None
        self.caller_errors = CallerErrors()
        self.size: int | None = None
        self.done = 0
        is_empty = False
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._file = io.BytesIO(source)
            self.size = memoryview(source).nbytes
        elif isinstance(source, (str, os.PathLike)):
            self._file = Path(source)
            self.name = self._file.name
            self.size = _size_of(self._file)
        else:
            self._file = source
            self.name = _name_of(source)
            is_empty = self._measure_stream(source)
        # The size is negative if the file was sought beyond its end.
        if is_empty or (self.size is not None and self.size <= 0):
            raise self._empty()
        self.content_type = content_type or (None if self.name is None else guess_type(self.name))

    def _measure_stream(self, file: BinaryIO) -> bool:
        """Find the size of an open file, and return whether it is known to be empty."""
        try:
            nothing = cast("object", file.read(0))
        except (AttributeError, OSError, TypeError, ValueError):
            raise InvalidMedia(_NOT_READABLE) from None
        if isinstance(nothing, str):
            raise InvalidMedia("The file was opened as text; open it with mode 'rb'")
        if not isinstance(nothing, (bytes, type(None))):
            raise InvalidMedia(_NOT_READABLE)
        try:
            self._start = file.tell()
            file.seek(0, os.SEEK_END)
            end = file.tell()  # not what seek returns, which is None for some kinds of file
            file.seek(self._start)
        except (AttributeError, OSError, ValueError):
            first = self._read_some(file)
            if first is None and not can_wait_for(file):
                raise InvalidMedia(
                    "The file has nothing to read yet (read returned None); "
                    "open it in blocking mode"
                ) from None
            self._first = first or b""
            return first == b""  # not None: something may come later
        self.size = end - self._start
        return False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content from its start, and report the progress."""
        try:
            yield from self._read()
        except Exception as error:
            # The caller's file or callback failed, and not the transport.
            self.caller_errors.remember(error)
            raise

    def _read(self) -> Iterator[bytes]:
        self.done = 0
        with self._open() as file:
            chunk = self._first or self._read_next(file)
            if not chunk and self.size is None:
                raise self._empty()
            while chunk:
                yield chunk
                self.done += len(chunk)  # only now has it been sent
                if self._on_progress is not None:
                    self._on_progress(self.done, self.size)
                chunk = self._read_next(file)

    @contextmanager
    def _open(self) -> Generator[BinaryIO, None, None]:
        if isinstance(self._file, Path):
            with self._file.open("rb") as file:
                yield file
            return
        if self.size is not None:
            self._file.seek(self._start)
        yield self._file

    def _read_some(self, file: BinaryIO) -> bytes | None:
        """Return a chunk; None for a file in non-blocking mode that has nothing yet."""
        return cast("bytes | None", file.read(self._chunk_size))

    def _read_next(self, file: BinaryIO) -> bytes:
        """Return a chunk, waiting for one if the file has nothing yet; b"" at its end only."""
        while (chunk := self._read_some(file)) is None:
            wait_until_readable(file)
        return chunk

    def _empty(self) -> InvalidMedia:
        return InvalidMedia(
            "The file is empty" if self.name is None else f"The file {self.name!r} is empty"
        )


def open_upload(source: Source, content_type: str | None, on_progress: Progress | None) -> Upload:
    """Return the upload of a file.

    Raises:
        InvalidMedia: The file cannot be read, or is empty.
    """
    return Upload(source, content_type, on_progress)


async def open_upload_in_thread(
    source: Source, content_type: str | None, on_progress: Progress | None
) -> Upload:
    """Return the upload of a file, without blocking the event loop."""
    return await in_thread(partial(open_upload, source, content_type, on_progress))


class Chunks:
    """The chunks of an upload for a sync client."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._upload)


class AsyncChunks:
    """The chunks of an upload for an async client; files are read in a thread."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self._upload)

        def following() -> bytes:
            return next(chunks, b"")

        while chunk := await in_thread(following):
            yield chunk


def _name_of(file: BinaryIO) -> str | None:
    name = cast("object", getattr(file, "name", None))
    if not isinstance(name, (str, bytes, os.PathLike)):  # such as the number of a pipe
        return None
    text = os.fsdecode(cast("str | bytes | os.PathLike[str]", name))
    return None if text.startswith("<") or not text else text  # such as "<stdin>"


def _size_of(path: Path) -> int | None:
    try:
        return _measure(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InvalidMedia(f"The file {path.name!r} cannot be read: {reason}") from None


def _measure(path: Path) -> int | None:
    """Return the size of a file, or None for one without a size, such as a pipe or a device."""
    mode = path.stat().st_mode
    if stat.S_ISSOCK(mode):
        raise OSError(errno.ENXIO, "it is a socket")
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            # Files of /proc say that they are empty, and are not.
            return None if size == 0 and file.read(1) else size
    # Not opened here: a pipe would wait for a writer, and what was read could not be read again.
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return None
