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

ApiVersion: TypeAlias = Literal["v1", "v2"]
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
DEFAULT_TIMEOUT = (5.0, 30.0)  # seconds: to connect, and of each read


@attrs.frozen  # no tuple, which a tracker of errors would walk through
class Account:
    """The part of the settings that a copy of a client cannot change: where requests go, and as whom."""

    base_url: str
    is_loopback: bool
    authorization: str = attrs.field(repr=False)

    @classmethod
    def of(cls, username: str | None, password: str | None, base_url: str | None) -> Account:
        username = username if username is not None else os.environ.get("ECALL_USERNAME")
        password = password if password is not None else os.environ.get("ECALL_PASSWORD")
        missing = [
            name for name, value in (("username", username), ("password", password)) if not value
        ]
        if not username or not password:
            variables = " and ".join(f"ECALL_{name.upper()}" for name in missing)
            raise MissingCredentials(
                f"No {' and no '.join(missing)}: pass it to the client, or set {variables}"
            )
        if ":" in username or not (username + password).isprintable():
            raise InvalidConfiguration(
                "A username holds no colon, and neither it nor the password control characters"
            )
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        url, is_loopback = _check_base_url(
            base_url or os.environ.get("ECALL_BASE_URL") or "https://rest.ecall.ch"
        )
        return cls(url, is_loopback, f"Basic {token}")


class Options(NamedTuple):
    """The part of the settings that `with_options` can change."""

    api_version: ApiVersion
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
        api_version or old.api_version,
        version_in or old.version_in,
        read_senders(sender, old.senders),
        check_region(old.region if region is None else region),
        read_timeout(old.timeout if timeout is None else timeout),
        old.retry if retry is None else bool(retry),
    )
    if new.api_version not in get_args(ApiVersion):
        raise InvalidConfiguration(f"api_version is {new.api_version!r}; it is 'v1' or 'v2'")
    if new.version_in not in get_args(VersionIn):
        raise InvalidConfiguration(f"version_in is {new.version_in!r}; it is 'path' or 'header'")
    return new


def _of_environment() -> Options:
    version = os.environ.get("ECALL_API_VERSION") or "v2"
    senders: dict[ChannelName, str] = {
        channel: value
        for channel in CHANNELS
        if (value := os.environ.get(SENDER_VARIABLES[channel]))
    }
    return Options(cast("ApiVersion", version), "path", senders, "CH", DEFAULT_TIMEOUT, retry=True)


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
