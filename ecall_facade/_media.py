"""Files on their way: read in chunks from wherever they are, written so that no half file is left behind."""

from __future__ import annotations

import io
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, TypeAlias, TypeVar, cast

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

    def __init__(self, source: Source, content_type: str | None, on_progress: Progress | None) -> None:
        self._file: Path | BinaryIO
        self._first = b""  # read ahead, of what cannot be read twice
        self._start = 0
        self._on_progress = on_progress
        self.size: int | None = None
        self.done = 0
        name: object = None
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._file = io.BytesIO(source)
            self.size = len(source)
        elif isinstance(source, (str, os.PathLike)):
            self._file = Path(source)
            name = self._file.name
            self.size = _size_of(self._file)
        else:
            self._file, name = source, getattr(source, "name", None)
            self._measure_stream(source)
        if self.size == 0 or (self.size is None and not self._first):
            raise InvalidMedia("The file is empty" if name is None else f"The file {name!r} is empty")
        self.content_type = content_type or (_type_of(name) if isinstance(name, str) else None)

    def _measure_stream(self, file: BinaryIO) -> None:
        try:
            nothing = cast("object", file.read(0))
            if not isinstance(nothing, bytes):
                raise InvalidMedia("The file was opened as text; open it with mode 'rb'")
        except (AttributeError, OSError, ValueError):
            raise InvalidMedia("A file is a path, bytes, or an open binary file that can be read") from None
        try:
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)
        except (AttributeError, OSError, ValueError):
            self.size = None
            self._first = file.read(CHUNK)

    def __iter__(self) -> Iterator[bytes]:
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


class Download:
    """Where a download is written: beside a file first, which it replaces only when it is complete."""

    def __init__(self, target: Target) -> None:
        self._part: Path | None = None
        self._path: Path | None = None
        if isinstance(target, (str, os.PathLike)):
            self._path = Path(target)
            self._part = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.part")
            try:
                self._file: BinaryIO = self._part.open("xb")
            except OSError as error:
                raise InvalidMedia(f"{self._path.name!r} cannot be written: {error.strerror}") from None
        else:
            self._file = target

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def finish(self) -> None:
        if self._part is not None and self._path is not None:
            self._file.close()
            self._part.replace(self._path)
            self._part = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._part is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)
