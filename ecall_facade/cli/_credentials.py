"""Who the command is for the service: from the environment, or from a file that nobody else can read."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from ecall_facade._settings import CHANNELS, SENDER_VARIABLES
from ecall_facade.cli._output import Exit, Failure, usage

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
        raise usage(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at (?:line \d+, column \d+|end of document)", str(error))
        raise usage(f"{path} is not TOML{f' ({place[0]})' if place else ''}") from None
    if unknown := sorted(data.keys() - set(_KEYS)):
        raise usage(
            f"{path} has unknown keys: {', '.join(unknown)}; it may have {', '.join(_KEYS)}"
        )
    if bad := [key for key in _KEYS if key != "sender" and not isinstance(data.get(key, ""), str)]:
        raise usage(f"{path}: {' and '.join(bad)} must be in quotes")
    if missing := [key for key in ("username", "password") if not data.get(key)]:
        raise usage(f"{path} has no {' and no '.join(missing)}")
    if "sender" in data:
        data["sender"] = _read_senders(path, data["sender"])
    return cast("Settings", data)


def _read_senders(path: Path, given: object) -> dict[str, str]:
    senders = cast("dict[str, object]", given if isinstance(given, dict) else {"sms": given})
    if not senders.keys() <= set(CHANNELS) or not all(
        isinstance(value, str) for value in senders.values()
    ):
        raise usage(
            f"{path}: sender is a text (for SMS), or a table with a text for {', '.join(CHANNELS)}"
        )
    return cast("dict[str, str]", senders)


def _read_own(path: Path) -> bytes:
    """Read a file that is its owner's alone; looked at after it was opened, so that no other can take its place."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:  # Path.open has no opener
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise usage(f"{path} is not a regular file")
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise usage(f"{path} can be used by others: chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}") from None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(
        path, flags | getattr(os, "O_NONBLOCK", 0)
    )  # a pipe would wait for somebody to write
