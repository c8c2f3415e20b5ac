"""Download targets, written so that a broken download leaves no half a file behind."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, cast

from ecall_facade._ready import wait_until_writable
from ecall_facade._threads import in_thread
from ecall_facade.errors import InvalidMedia

Target: TypeAlias = str | os.PathLike[str] | BinaryIO


class Writer(Protocol):
    """An object that the chunks of a download are written to."""

    def write(self, data: bytes, /) -> object:
        """Write all of the data."""


def write(writer: Writer, chunk: bytes) -> None:
    """Write a chunk."""
    writer.write(chunk)


async def write_in_thread(writer: Writer, chunk: bytes) -> None:
    """Write a chunk without blocking the event loop."""
    await in_thread(partial(write, writer, chunk))


class _Output(Writer, Protocol):
    """A target that is being written: `close` without `complete` leaves what was there before."""

    def complete(self) -> None: ...

    def close(self) -> None: ...


@contextmanager
def writing(target: Target) -> Generator[Writer, None, None]:
    """Open the target of a download.

    A path is written completely or not at all: the download goes to a file beside it, which replaces
    it at the end. Links stay links, and an existing file keeps its mode.
    If the file cannot be replaced, or would lose something by it (its owner, its other names, its
    access list), the content is copied into it at the end.
    A pipe, a device and an open file are written while the download arrives.

    Raises:
        InvalidMedia: The target cannot be written.
    """
    output = _open(target)
    try:
        yield output
        output.complete()
    finally:
        output.close()


@asynccontextmanager
async def writing_in_thread(target: Target) -> AsyncGenerator[Writer, None]:
    """Open the target of a download as `writing` does, without blocking the event loop."""
    import anyio  # late: a sync program does not need it

    output = await in_thread(partial(_open, target))
    try:
        yield output
        await in_thread(output.complete)
    finally:
        with anyio.CancelScope(shield=True):  # a cancelled download is closed as well
            await in_thread(output.close)


def _open(target: Target) -> _Output:
    if not isinstance(target, (str, os.PathLike)):
        try:
            target.write(b"")
        except (AttributeError, OSError, TypeError, ValueError):
            raise InvalidMedia(
                "The target must be a path, or a file that was opened with mode 'wb'"
            ) from None
        return _OpenFile(target)
    path = Path(target)
    try:
        return _open_path(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InvalidMedia(f"{path.name!r} cannot be written: {reason}") from None


def _open_path(path: Path) -> _Output:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _Replacement(_without_links(path), None)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.ENXIO, "it is a socket")
    if not stat.S_ISREG(found.st_mode):
        return _PipeOrDevice(path)
    os.close(os.open(path, os.O_WRONLY))  # refused if the file is protected from writing
    place = _without_links(path)
    if found.st_nlink == 1 and not _has_access_list(path) and _is_same_file(place, found):
        with suppress(OSError):  # nothing may be put beside it, or its owner would change
            return _Replacement(place, found)
    return _Copy(path, place.parent)


class _OpenFile:
    """An open file of the caller's, whose `write` may take less than it is given."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes, /) -> None:
        while data:
            data = data[self._write_some(data) :]

    def _write_some(self, data: bytes) -> int:
        try:
            taken = cast("object", self._file.write(data))
        except BlockingIOError as error:
            wait_until_writable(self._file)
            return getattr(error, "characters_written", 0)
        if taken is None and isinstance(self._file, io.RawIOBase):
            wait_until_writable(self._file)
            return 0
        if not isinstance(taken, int) or isinstance(taken, bool):
            return len(data)  # an object that writes everything and does not count
        if taken <= 0:
            raise OSError(errno.EIO, "The target took nothing of the data")
        return taken

    def complete(self) -> None:
        """Leave the file to its owner, who may write more to it."""

    def close(self) -> None:
        """Leave the file open."""


class _Replacement:
    """A new file, or one that takes the place of another when it is complete."""

    def __init__(self, place: Path, found: os.stat_result | None) -> None:
        self._place = place
        self._found = found
        # Not of the target's name, which may be as long as a name can be.
        self._part = place.with_name(f".{secrets.token_hex(4)}.part")
        opener = None if found is None else _open_private
        self._file = open(self._part, "xb", opener=opener)  # noqa: SIM115  # `close` closes it
        # A task that is cancelled while a thread opens the target never sees this object.
        self._remove = weakref.finalize(self, self._part.unlink, missing_ok=True)
        self._remove.atexit = False  # a child process must not remove the file of its parent
        try:
            if found is not None:
                _give_to_owner_of(found, self._file.fileno())
        except OSError:
            self.close()
            raise

    def write(self, data: bytes, /) -> None:
        self._file.write(data)

    def complete(self) -> None:
        self._file.close()
        if self._found is None:
            self._part.replace(self._place)
            return
        with suppress(OSError):  # a file system without modes
            self._part.chmod(self._found.st_mode & 0o777)
        try:
            self._part.replace(self._place)
        except OSError:  # such as a single file that is mounted into a container
            with self._part.open("rb") as source:
                _copy(source, self._place)

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            self._remove()


class _Copy:
    """A file that stays and gets the content when it is complete."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        try:
            self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # `close` closes it
        except OSError:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115  # `close` closes it

    def write(self, data: bytes, /) -> None:
        self._spool.write(data)

    def complete(self) -> None:
        self._spool.seek(0)
        _copy(self._spool, self._path)

    def close(self) -> None:
        self._spool.close()


class _PipeOrDevice:
    """A file without content that could be replaced; opened late, as a pipe waits for a reader."""

    def __init__(self, path: Path) -> None:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._path = path
        self._file: BinaryIO | None = None

    def write(self, data: bytes, /) -> None:
        _OpenFile(self._opened()).write(data)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = cast(
                "BinaryIO",
                open(self._path, "wb", buffering=0, opener=_open_existing),  # noqa: SIM115  # see `close`
            )
        return self._file

    def complete(self) -> None:
        self._opened()  # so that a reader also sees the end of an empty file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _open_existing(path: str, _: int) -> int:
    return os.open(path, os.O_WRONLY)


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("r+b") as file:
        shutil.copyfileobj(source, file)
        file.truncate()


def _without_links(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_same_file(place: Path, found: os.stat_result) -> bool:
    """Return whether a path without links leads to the same file; that of `/dev/fd/…` may not."""
    try:
        return os.path.samestat(place.stat(), found)
    except OSError:
        return False


def _give_to_owner_of(found: os.stat_result, descriptor: int) -> None:
    if sys.platform == "win32":
        return
    created = os.fstat(descriptor)
    if (created.st_uid, created.st_gid) != (found.st_uid, found.st_gid):
        os.chown(descriptor, found.st_uid, found.st_gid)


def _has_access_list(path: Path) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except OSError:  # a file system without attributes
        return False
