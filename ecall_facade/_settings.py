"""The settings of a client: account and options, from its arguments first, then from the environment."""

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
"""The ways to write a version; `ClientOptions` has "v1" or "v2"."""
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
"""The names of the channels in arguments."""
SENDER_VARIABLES: dict[ChannelName, str] = {
    "sms": "ECALL_SENDER",
    "whatsapp": "ECALL_SENDER_WHATSAPP",
    "rcs": "ECALL_SENDER_RCS",
}
VERSION_VARIABLE = "ECALL_API_VERSION"
VERSIONS: Mapping[str, Literal["v1", "v2"]] = {
    "v1": "v1",
    "1": "v1",
    "1.0": "v1",
    "v2": "v2",
    "2": "v2",
    "2.0": "v2",
}
DEFAULT_TIMEOUT = (5.0, 30.0)  # seconds: (connect, read)


@attrs.frozen  # not a NamedTuple: Sentry serialises tuples in frame locals
class Account:
    """Where requests go, and with which credentials; the same for all copies of a client.

    Attributes:
        base_url: Without a slash at its end.
        is_loopback: Whether the host is this machine.
        authorization: The header of that name.
    """

    base_url: str
    is_loopback: bool
    authorization: str = attrs.field(repr=False)

    @classmethod
    def from_arguments(
        cls, username: str | None, password: str | None, base_url: str | None
    ) -> Account:
        """Return the account that the arguments name, or the environment if they are None.

        Raises:
            MissingCredentials: No username or no password.
            InvalidConfiguration: A value cannot be used.
        """
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
        # Joined with +: an f-string calls `__format__`, and some subclasses of str return another text.
        if ":" in username or not (username + password).isprintable():
            raise InvalidConfiguration(
                "username must not contain ':'; neither username nor password may contain"
                " control characters"
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
        raise InvalidConfiguration(f"{name} must be a str, not {type(value).__name__}: {remedy}")


class ClientOptions(NamedTuple):
    """The settings that `with_options` can change.

    Attributes:
        api_version: The version of the API.
        version_in: Where requests state it.
        senders: The sender for each channel that has one.
        region: The country whose numbers are written without a country code.
        timeout: A (connect, read) pair, in seconds.
        retry: Whether to repeat what cannot act twice.
    """

    api_version: Literal["v1", "v2"]
    version_in: VersionIn
    senders: Mapping[ChannelName, str]
    region: str
    timeout: tuple[float, float]
    retry: bool

    def sender(self, channel: Channel, given: str | None) -> str:
        """Return the sender of a message as it goes out.

        Args:
            channel: By which the message is sent.
            given: The sender of this message, or None for that of the client.

        Raises:
            InvalidSender: There is no sender, or it breaks the rules of the channel.
        """
        from ecall_facade.numbers import normalize_sender

        name = SENDER_NAMES[channel]
        sender = given if given is not None else self.senders.get(name)
        if sender is None:
            variable = SENDER_VARIABLES[name]
            raise InvalidSender(
                f"No sender for {channel}: pass sender=… to the call or to the client, or set {variable}"
            )
        return normalize_sender(sender, channel.value, self.region)


def make_options(
    old: ClientOptions | None,
    *,
    api_version: ApiVersion | None,
    version_in: VersionIn | None,
    sender: Senders | None,
    region: str | None,
    timeout: Timeout | None,
    retry: bool | None,
) -> ClientOptions:
    """Return checked options.

    Args:
        old: The options that stay where an argument is None; default those of the environment.
        api_version: As the client takes it.
        version_in: As the client takes it.
        sender: As the client takes it; a mapping replaces only the channels that it names.
        region: As the client takes it.
        timeout: As the client takes it.
        retry: As the client takes it.

    Raises:
        InvalidConfiguration: A value cannot be used.
    """
    from ecall_facade.numbers import check_region

    old = old or _options_from_environment(is_version_given=api_version not in (None, ""))
    new = ClientOptions(
        api_version=old.api_version if api_version in (None, "") else read_version(api_version),
        version_in=version_in or old.version_in,
        senders=read_senders(sender, old.senders),
        region=check_region(old.region if region is None else region),
        timeout=read_timeout(old.timeout if timeout is None else timeout),
        retry=old.retry if retry is None else bool(retry),
    )
    if new.version_in not in get_args(VersionIn):
        raise InvalidConfiguration(f"version_in must be 'path' or 'header', not {new.version_in!r}")
    return new


def _options_from_environment(*, is_version_given: bool) -> ClientOptions:
    # An argument wins, also over a value that cannot be used.
    named = None if is_version_given else os.environ.get(VERSION_VARIABLE)
    version = read_version(named or "v2", VERSION_VARIABLE)
    senders: dict[ChannelName, str] = {
        channel: value
        for channel in CHANNELS
        if (value := os.environ.get(SENDER_VARIABLES[channel]))
    }
    return ClientOptions(version, "path", senders, "CH", DEFAULT_TIMEOUT, retry=True)


def read_version(given: object, variable: str | None = None) -> Literal["v1", "v2"]:
    """Return the version that a value stands for.

    Args:
        given: A str, or a number if it comes from a configuration file.
        variable: The environment variable that it comes from, or None.

    Raises:
        InvalidConfiguration: There is no such version.
    """
    version = VERSIONS.get(str(given)) if isinstance(given, (str, int, float)) else None
    if version is None:
        origin = f"; it comes from {variable}" if variable else ""
        raise InvalidConfiguration(
            f"api_version must be 'v1' or 'v2' (or 1, 1.0, 2, 2.0), not {given!r}{origin}"
        )
    return version


def read_senders(sender: object, senders: Mapping[ChannelName, str]) -> dict[ChannelName, str]:
    """Return the sender for each channel.

    Args:
        sender: A sender for SMS, or a mapping from channels to senders, or None.
        senders: The senders of the channels that `sender` does not name.

    Raises:
        InvalidConfiguration: `sender` is something else.
    """
    if isinstance(sender, str):
        return {**senders, "sms": sender}
    if sender is None:
        return dict(senders)
    if not isinstance(sender, Mapping) or not set(cast("Mapping[object, object]", sender)) <= set(
        CHANNELS
    ):
        raise InvalidConfiguration(
            f"sender must be a str (for SMS), or a mapping from {', '.join(CHANNELS)} to senders"
        )
    return {**senders, **cast("Mapping[ChannelName, str]", sender)}


def read_timeout(timeout: object) -> tuple[float, float]:
    """Return a (connect, read) pair, in seconds.

    Raises:
        InvalidConfiguration: The value is neither a number of seconds nor a pair of them.
    """
    seconds = (
        [*cast("tuple[object, ...]", timeout)] if isinstance(timeout, tuple) else [timeout, timeout]
    )
    good = [
        float(value) for value in seconds if isinstance(value, (int, float)) and 0 < value < 1e6
    ]
    if len(good) != 2 or len(seconds) != 2:
        raise InvalidConfiguration(
            "timeout must be a positive number of seconds, or a (connect, read) pair"
        )
    return good[0], good[1]


def _check_base_url(given: object) -> tuple[str, bool]:
    # No message quotes the URL: it may contain a password.
    base_url = given.strip() if isinstance(given, str) else ""
    if re.match(r"[^/]*//[^/?#]*@", base_url):
        raise InvalidConfiguration(
            "base_url must not contain credentials; pass username and password"
        )
    if re.search(r"[^!-~]|[\\?#]", base_url):
        raise InvalidConfiguration(
            "base_url must not contain a query, a fragment, or characters that no URL has"
        )
    try:
        # As requests will spell it. Twice, as HTTPS://…:443 loses first its capitals, then its port.
        url = httpx.URL(str(httpx.URL(base_url)))
        is_loopback = is_loopback_host(url.host)
    except (httpx.InvalidURL, ValueError):
        url, is_loopback = httpx.URL(), False
    if url.scheme not in {"http", "https"} or not url.host or (url.port or 0) > 65535:
        raise InvalidConfiguration("base_url must be a URL such as https://rest.ecall.ch")
    if url.scheme == "http" and not is_loopback:
        raise InvalidConfiguration(
            "base_url must begin with https://; plain http:// is for this machine only"
        )
    return str(url).rstrip("/"), is_loopback


def is_loopback_host(host: str) -> bool:
    """Return whether a name or address is this machine's, without a DNS query."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
