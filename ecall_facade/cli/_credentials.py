"""Credentials of the command: from the environment, or from a private TOML file."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from ecall_facade._settings import CHANNELS, SENDER_VARIABLES
from ecall_facade.cli._failures import Exit, Failure, usage_error
from ecall_facade.cli._private_file import read_private_file

if TYPE_CHECKING:
    from ecall_facade._settings import ChannelName

_KEYS = ("username", "password", "sender", "base_url")


class Settings(TypedDict, total=False):
    """Arguments for a client, which takes those that are missing from the environment."""

    username: str
    password: str
    base_url: str
    sender: dict[ChannelName, str]


def find_settings(named: Path | None) -> Settings:
    """Return the settings for a client.

    A file named on the command line wins over the environment. The environment wins over the default
    file, and credentials are never taken half from one and half from the other.

    Args:
        named: The file named on the command line.
    """
    if named is not None:
        return read_settings(named)
    if os.environ.get("ECALL_USERNAME") or os.environ.get("ECALL_PASSWORD"):
        return {}
    path = _default_file()
    if path is None:
        raise Failure(
            Exit.USAGE,
            "MissingCredentials",
            "No credentials: set ECALL_USERNAME and ECALL_PASSWORD, or pass a file with --credentials; "
            "--sandbox needs none",
        )
    settings = read_settings(path)
    if os.environ.get("ECALL_BASE_URL"):
        settings.pop("base_url", None)
    senders = settings.get("sender", {})
    settings["sender"] = {
        name: value for name, value in senders.items() if not os.environ.get(SENDER_VARIABLES[name])
    }
    return settings


def _default_file() -> Path | None:
    if named := os.environ.get("ECALL_CREDENTIALS"):
        return Path(named)
    folder = os.environ.get("XDG_CONFIG_HOME")
    try:
        path = (Path(folder) if folder else Path.home() / ".config") / "ecall" / "credentials.toml"
    except RuntimeError:  # there is no home directory
        return None
    return path if path.exists() else None


def read_settings(path: Path) -> Settings:
    """Return the settings in a private TOML file; error messages never quote its content."""
    try:
        data = tomllib.loads(read_private_file(path).decode())
    except UnicodeDecodeError:
        raise usage_error(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        position = re.search(r"at (?:line \d+, column \d+|end of document)", str(error))
        suffix = f" ({position[0]})" if position else ""
        raise usage_error(f"{path} is not valid TOML{suffix}") from None
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
    is_known = senders.keys() <= set(CHANNELS)
    if not is_known or not all(isinstance(value, str) for value in senders.values()):
        raise usage_error(
            f"{path}: sender must be a string (for SMS) or a table with strings for {', '.join(CHANNELS)}"
        )
    return cast("dict[str, str]", senders)
