"""Who the command is for the service: from the environment, or from a file that nobody else can use."""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from ecall_facade._settings import CHANNELS, SENDER_VARIABLES
from ecall_facade.cli._failures import Exit, Failure, usage_error

if TYPE_CHECKING:
    from ecall_facade._settings import ChannelName

_KEYS = ("username", "password", "sender", "base_url")


class Settings(TypedDict, total=False):
    """What a client is told; what is missing it takes from the environment."""

    username: str
    password: str
    base_url: str
    sender: dict[ChannelName, str]


def find_settings(named: Path | None) -> Settings:
    """Give what a file says: the one that was named, else, where the environment has no credentials, another.

    The environment wins over a file that the command line does not name, and never adds half of the credentials.
    """
    if named is not None:
        return read_file(named)
    if os.environ.get("ECALL_USERNAME") or os.environ.get("ECALL_PASSWORD"):
        return {}
    path = _usual_file()
    if path is None:
        raise Failure(
            Exit.USAGE,
            "MissingCredentials",
            "No credentials: set ECALL_USERNAME and ECALL_PASSWORD, or name a file with --credentials; "
            "--sandbox needs none",
        )
    settings = read_file(path)
    if os.environ.get("ECALL_BASE_URL"):
        settings.pop("base_url", None)
    senders = settings.get("sender", {})
    settings["sender"] = {
        name: value for name, value in senders.items() if not os.environ.get(SENDER_VARIABLES[name])
    }
    return settings


def _usual_file() -> Path | None:
    if named := os.environ.get("ECALL_CREDENTIALS"):
        return Path(named)
    folder = os.environ.get("XDG_CONFIG_HOME")
    try:
        path = (Path(folder) if folder else Path.home() / ".config") / "ecall" / "credentials.toml"
    except RuntimeError:  # no home
        return None
    return path if path.exists() else None


def read_file(path: Path) -> Settings:
    """Read a file of credentials, or refuse it. What it holds is in no message."""
    try:
        data = tomllib.loads(_read_own(path).decode())
    except UnicodeDecodeError:
        raise usage_error(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at (?:line \d+, column \d+|end of document)", str(error))
        raise usage_error(f"{path} is not TOML{f' ({place[0]})' if place else ''}") from None
    if unknown := sorted(data.keys() - set(_KEYS)):
        raise usage_error(
            f"{path} has unknown keys: {', '.join(unknown)}; it may have {', '.join(_KEYS)}"
        )
    if bad := [key for key in _KEYS if key != "sender" and not isinstance(data.get(key, ""), str)]:
        raise usage_error(f"{path}: {' and '.join(bad)} must be in quotes")
    if missing := [key for key in ("username", "password") if not data.get(key)]:
        raise usage_error(f"{path} has no {' and no '.join(missing)}")
    if "sender" in data:
        data["sender"] = _read_senders(path, data["sender"])
    return cast("Settings", data)


def _read_senders(path: Path, given: object) -> dict[str, str]:
    senders = cast("dict[str, object]", given if isinstance(given, dict) else {"sms": given})
    if not senders.keys() <= set(CHANNELS) or not all(
        isinstance(value, str) for value in senders.values()
    ):
        raise usage_error(
            f"{path}: sender is a text (for SMS), or a table with a text for {', '.join(CHANNELS)}"
        )
    return cast("dict[str, str]", senders)


def _read_own(path: Path) -> bytes:
    """Return the content of a file that nobody else can use, or that a secret mount hands out.

    The file is looked at after it was opened, so that no other can take its place.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:  # Path.open has no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise usage_error(f"{path} is not a regular file")
            if sys.platform != "win32":
                _check_rights(path, file.fileno())
            return file.read()
    except OSError as error:
        raise usage_error(f"{path} cannot be read: {error.strerror}") from None


def _check_rights(path: Path, descriptor: int) -> None:
    """Refuse a file that others can use, unless that is how a secret is handed to a service.

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
        if is_mounted or _is_in_folder_of_secrets(path):
            return
        # Left open to a group on purpose: no usual umask takes writing from the owner, and who owns
        # the file of another user's service has to let it read.
        is_for_a_group = not mode & (stat.S_IXGRP | stat.S_IRWXO)
        if is_for_a_group and not (is_mine and mode & stat.S_IWUSR):
            return
    if is_mounted:
        advice = "mount it with mode 0400 or 0440"
    elif is_mine or os.geteuid() == 0:
        advice = f"chmod 600 {path}"
    else:
        advice = f"ask its owner for chmod 440 {path}"
    raise usage_error(f"{path} can be used by others: {advice}")


def _is_read_only(descriptor: int) -> bool:
    return bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)


def _is_in_folder_of_secrets(path: Path) -> bool:
    """Return whether systemd or a container engine has put the file where it puts secrets."""
    folders = ["/run/secrets"]
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        folders.append(folder)
    place = Path(os.path.realpath(path))
    return any(place.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(
        path, flags | getattr(os, "O_NONBLOCK", 0)
    )  # a pipe would wait for somebody to write
