"""Read a file only if its content has been kept private, or is a secret mounted for a service."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ecall_facade.cli._failures import usage_error


def read_private_file(path: Path) -> bytes:
    """Return the content of a file, unless other users can read or change it.

    The permissions are those of the opened file, so that it cannot be replaced after the check.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:  # Path.open has no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise usage_error(f"{path} is not a regular file")
            if sys.platform != "win32":
                _check_permissions(path, file.fileno())
            return file.read()
    except OSError as error:
        raise usage_error(f"{path} cannot be read: {error.strerror}") from None


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a named pipe would otherwise wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_permissions(path: Path, descriptor: int) -> None:
    """Refuse a file that other users can use, unless that is how a secret is handed to a service.

    Kubernetes, systemd and Docker give their secrets modes that let more than the owner read, and
    mount them read-only, so that nobody can change the mode.
    """
    found = os.fstat(descriptor)
    mode = found.st_mode
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    is_mine = found.st_uid == os.geteuid()
    is_mounted = _is_read_only(descriptor)
    if not mode & (stat.S_IWGRP | stat.S_IWOTH):
        if is_mounted or _is_in_secrets_folder(path):
            return
        # Left open to a group on purpose: no usual umask takes writing from the owner, and the
        # owner of a file for another user's service has to let that service read it.
        is_for_a_group = not mode & (stat.S_IXGRP | stat.S_IRWXO)
        if is_for_a_group and not (is_mine and mode & stat.S_IWUSR):
            return
    if is_mounted:
        advice = "mount it with mode 0400 or 0440"
    elif is_mine or os.geteuid() == 0:
        advice = f"run: chmod 600 {path}"
    else:
        advice = f"ask its owner to run: chmod 440 {path}"
    raise usage_error(f"{path} is accessible to other users; {advice}")


def _is_read_only(descriptor: int) -> bool:
    return bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)


def _is_in_secrets_folder(path: Path) -> bool:
    """Return whether the file is where systemd or a container engine puts secrets."""
    folders = ["/run/secrets"]
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        folders.append(folder)
    real_path = Path(os.path.realpath(path))
    return any(real_path.is_relative_to(os.path.realpath(folder)) for folder in folders)
