"""What a client is told once: where, as whom, and how; from arguments first, then from the environment."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias, cast, get_args

import attrs
import httpx

from ecall_client.models.channel import Channel
from ecall_facade.errors import InvalidConfiguration, InvalidSender, MissingCredentials

ApiVersion: TypeAlias = Literal["v1", "v2", "1", "1.0", "2", "2.0"]
"""A version as it may be given; `Options` holds "v1" or "v2"."""
VersionIn: TypeAlias = Literal["path", "header"]
ChannelName: TypeAlias = Literal["sms", "whatsapp", "rcs"]
Senders: TypeAlias = str | Mapping[ChannelName, str]
Timeout: TypeAlias = float | tuple[float, float]

CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)
SENDER_NAMES: dict[Channel, ChannelName] = {
    Channel.SMS: "sms",
    Channel.WHATSAPP: "whatsapp",
    Channel.RCS: "rcs",
}
"""What callers call the channels."""
SENDER_VARIABLES = dict(
    zip(CHANNELS, ("ECALL_SENDER", "ECALL_SENDER_WHATSAPP", "ECALL_SENDER_RCS"), strict=True)
)
VERSION_VARIABLE = "ECALL_API_VERSION"
VERSIONS: Mapping[str, Literal["v1", "v2"]] = {
    "v1": "v1",
    "1": "v1",
    "1.0": "v1",
    "v2": "v2",
    "2": "v2",
    "2.0": "v2",
}
DEFAULT_TIMEOUT = (5.0, 30.0)  # seconds: to connect, and of each read


@attrs.frozen  # no tuple, which a tracker of errors would walk through
class Account:
    """The part of the settings that a copy of a client cannot change: where requests go, and as whom."""

    base_url: str
    is_loopback: bool
    authorization: str = attrs.field(repr=False)

    @classmethod
    def of(cls, username: str | None, password: str | None, base_url: str | None) -> Account:
        given = {
            "username": username if username is not None else os.environ.get("ECALL_USERNAME"),
            "password": password if password is not None else os.environ.get("ECALL_PASSWORD"),
        }
        _check_types(given)
        username, password = given["username"], given["password"]
        missing = [name for name, value in given.items() if not value]
        if not username or not password:
            variables = " and ".join(f"ECALL_{name.upper()}" for name in missing)
            raise MissingCredentials(
                f"No {' and no '.join(missing)}: pass it to the client, or set {variables}"
            )
        # Joined with +, as the format of a str's subclass, such as an enum's, can be another text.
        if ":" in username or not (username + password).isprintable():
            raise InvalidConfiguration(
                "A username holds no colon, and neither it nor the password control characters"
            )
        token = base64.b64encode((username + ":" + password).encode()).decode()
        url, is_loopback = _check_base_url(
            base_url or os.environ.get("ECALL_BASE_URL") or "https://rest.ecall.ch"
        )
        return cls(url, is_loopback, f"Basic {token}")


def _check_types(credentials: Mapping[str, object]) -> None:
    """Refuse credentials of another type than str, without showing them."""
    for name, value in credentials.items():
        if value is None or isinstance(value, str):
            continue
        remedies = {
            "int": "put it in quotes in the configuration file",
            "float": "put it in quotes in the configuration file",
            "bool": "put it in quotes in the configuration file",
            "bytes": "decode it",
            "bytearray": "decode it",
        }
        remedy = remedies.get(type(value).__name__, "pass its value as a str")
        if hasattr(type(value), "get_secret_value"):  # as pydantic's SecretStr has
            remedy = f"pass {name}.get_secret_value()"
        raise InvalidConfiguration(
            f"{name} must be a str, and it is of type {type(value).__name__}: {remedy}"
        )


class Options(NamedTuple):
    """The part of the settings that `with_options` can change."""

    api_version: Literal["v1", "v2"]
    version_in: VersionIn
    senders: Mapping[ChannelName, str]
    region: str
    timeout: tuple[float, float]  # to connect, and of each read, in seconds
    retry: bool

    def sender(self, channel: Channel, given: str | None) -> str:
        """Give the sender as the channel wants it written, or raise."""
        from ecall_facade.numbers import normalize_sender

        name = SENDER_NAMES[channel]
        sender = given if given is not None else self.senders.get(name)
        if sender is None:
            variable = SENDER_VARIABLES[name]
            raise InvalidSender(
                f"No sender for {channel}: pass sender=…, give the client one for it, or set {variable}"
            )
        return normalize_sender(sender, channel.value, self.region)


def make_options(
    old: Options | None,
    api_version: ApiVersion | None,
    version_in: VersionIn | None,
    sender: Senders | None,
    region: str | None,
    timeout: Timeout | None,
    retry: bool | None,
) -> Options:
    """Check options; what is None is as in the old ones, or in the environment."""
    from ecall_facade.numbers import check_region

    old = old or _of_environment()
    new = Options(
        old.api_version if api_version in (None, "") else read_version(api_version),
        version_in or old.version_in,
        read_senders(sender, old.senders),
        check_region(old.region if region is None else region),
        read_timeout(old.timeout if timeout is None else timeout),
        old.retry if retry is None else bool(retry),
    )
    if new.version_in not in get_args(VersionIn):
        raise InvalidConfiguration(f"version_in is {new.version_in!r}; it is 'path' or 'header'")
    return new


def _of_environment() -> Options:
    version = read_version(os.environ.get(VERSION_VARIABLE) or "v2", VERSION_VARIABLE)
    senders: dict[ChannelName, str] = {
        channel: value
        for channel in CHANNELS
        if (value := os.environ.get(SENDER_VARIABLES[channel]))
    }
    return Options(version, "path", senders, "CH", DEFAULT_TIMEOUT, retry=True)


def read_version(given: object, variable: str | None = None) -> Literal["v1", "v2"]:
    """Return the version that was given, in any of the ways to write one.

    Args:
        given: A str, or a number, as a configuration file may hold it.
        variable: The environment variable that it comes from.

    Raises:
        InvalidConfiguration: There is no such version.
    """
    version = VERSIONS.get(str(given)) if isinstance(given, (str, int, float)) else None
    if version is None:
        origin = f". It comes from {variable}" if variable else ""
        raise InvalidConfiguration(
            f"api_version is {given!r}; it is 'v1' or 'v2' (also written 1, 1.0, 2, 2.0){origin}"
        )
    return version


def read_senders(sender: object, senders: Mapping[ChannelName, str]) -> dict[ChannelName, str]:
    """Give the senders by channel: those given, else the others."""
    if isinstance(sender, str):
        return {**senders, "sms": sender}
    if sender is None:
        return dict(senders)
    if not isinstance(sender, Mapping) or not set(cast("Mapping[object, object]", sender)) <= set(
        CHANNELS
    ):
        raise InvalidConfiguration(
            f"sender is a str (for SMS), or a mapping from {', '.join(CHANNELS)} to senders"
        )
    return {**senders, **cast("Mapping[ChannelName, str]", sender)}


def read_timeout(timeout: object) -> tuple[float, float]:
    seconds = (
        [*cast("tuple[object, ...]", timeout)] if isinstance(timeout, tuple) else [timeout, timeout]
    )
    good = [
        float(value) for value in seconds if isinstance(value, (int, float)) and 0 < value < 1e6
    ]
    if len(good) != 2 or len(seconds) != 2:
        raise InvalidConfiguration(
            "timeout is a positive number of seconds, or a pair (to connect, of each read)"
        )
    return good[0], good[1]


def _check_base_url(given: object) -> tuple[str, bool]:
    # What is wrong is told without the URL itself: it may hold a password.
    base_url = given.strip() if isinstance(given, str) else ""
    if re.match(r"[^/]*//[^/?#]*@", base_url):
        raise InvalidConfiguration("base_url holds credentials; pass them as username and password")
    if re.search(r"[^!-~]|[\\?#]", base_url):
        raise InvalidConfiguration(
            "base_url holds a character that has no place in a URL without query and fragment"
        )
    try:
        # In the spelling that requests will have; twice, as HTTPS://…:443 loses first its capitals and then its port.
        url = httpx.URL(str(httpx.URL(base_url)))
        is_loopback = is_loopback_host(url.host)
    except (httpx.InvalidURL, ValueError):
        url, is_loopback = httpx.URL(), False
    if url.scheme not in {"http", "https"} or not url.host or (url.port or 0) > 65535:
        raise InvalidConfiguration("base_url is not a URL such as https://rest.ecall.ch")
    if url.scheme == "http" and not is_loopback:
        raise InvalidConfiguration(
            "base_url has to begin with https://; plain http:// is for this machine only"
        )
    return str(url).rstrip("/"), is_loopback


def is_loopback_host(host: str) -> bool:
    """Tell whether a name or address is this machine's own, without looking it up."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
