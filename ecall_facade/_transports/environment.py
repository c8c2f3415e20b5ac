"""Settings of the environment for connections: certificates and proxies."""

from __future__ import annotations

import errno
import ipaddress
import os
import ssl
import stat
from importlib.util import find_spec
from pathlib import Path
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import httpx

from ecall_facade._settings import Account
from ecall_facade.errors import InvalidConfiguration


def make_tls_context(account: Account) -> ssl.SSLContext:
    """Return the TLS settings of a client, with the certificates that the environment names.

    Raises:
        InvalidConfiguration: `SSL_CERT_FILE` or `SSL_CERT_DIR` cannot be used.
    """
    if account.base_url.startswith("http://"):
        # What is not encrypted needs no certificates, which take time to load.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = _make_trusting_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _make_trusting_context() -> ssl.SSLContext:
    file = os.environ.get("SSL_CERT_FILE")
    folders = os.environ.get("SSL_CERT_DIR")
    # Looked at here as well, as neither OpenSSL nor every version of httpx says what is missing.
    if file:
        _check_is_readable(file)
    elif folders and not any(_is_folder(folder) for folder in folders.split(os.pathsep)):
        raise InvalidConfiguration(
            f"SSL_CERT_DIR names {folders!r}, which is not a folder; correct or unset it"
        )
    try:
        return httpx.create_ssl_context()
    except ssl.SSLError:
        if not file:
            raise
        raise InvalidConfiguration(
            f"SSL_CERT_FILE names {file!r}, which holds no certificates in PEM form; "
            "correct or unset it"
        ) from None


def _check_is_readable(file: str) -> None:
    # Not opened: it may be a pipe, which can be read only once.
    try:
        mode = Path(file).stat().st_mode
        reason = "it is a folder" if stat.S_ISDIR(mode) else os.strerror(errno.EACCES)
        if os.access(file, os.R_OK) and not stat.S_ISDIR(mode):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
    raise InvalidConfiguration(
        f"SSL_CERT_FILE names {file!r}, which cannot be read ({reason}); correct or unset it"
    )


def _is_folder(folder: str) -> bool:
    try:
        return Path(folder).is_dir()
    except (OSError, ValueError):
        return False


def find_proxy(account: Account) -> httpx.Proxy | None:
    """Return the proxy that the environment names for the service; none for a loopback address.

    `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` mean what they mean to an `httpx.Client`.

    Raises:
        InvalidConfiguration: The proxy cannot be used. The message names the variable, and not its
            value, which may hold a password.
    """
    if account.is_loopback:
        return None
    # Exceptions of the system's own settings, on Windows and macOS, which httpx does not read.
    if not getproxies_environment() and proxy_bypass(httpx.URL(account.base_url).host):
        return None
    found = _find_entry(httpx.URL(account.base_url))
    if found is None:
        return None
    scheme, url = found
    return _read_proxy(url, _source_of(scheme))


def _find_entry(url: httpx.URL) -> tuple[str, str] | None:
    """Return scheme and proxy of the entry for a URL, or None if it needs no proxy."""
    proxies = getproxies()
    exempt = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if any(entry == "*" or _matches(entry, url) for entry in exempt if entry):
        return None
    for scheme in (url.scheme, "all"):
        proxy = proxies.get(scheme)
        if proxy:
            return scheme, proxy if "://" in proxy else f"http://{proxy}"
    return None


def _matches(entry: str, url: httpx.URL) -> bool:
    """Return whether an entry of `NO_PROXY` names a URL, by the rules of httpx.

    `example.ch` is the domain and all below it, `.example.ch` only what is below it.
    """
    try:
        pattern = httpx.URL(_as_pattern(entry))
    except httpx.InvalidURL:  # such as [::1]
        return False
    if pattern.scheme not in {"all", url.scheme} or pattern.port not in {None, url.port}:
        return False
    host = pattern.host
    if host.startswith("*."):
        return url.host.endswith(host[1:])
    if host.startswith("*"):
        return url.host == host[1:] or url.host.endswith(f".{host[1:]}")
    return host in {"", url.host}


def _as_pattern(entry: str) -> str:
    if "://" in entry:
        return entry
    if _is_address(entry):
        return f"all://[{entry}]" if ":" in entry else f"all://{entry}"
    return "all://localhost" if entry.lower() == "localhost" else f"all://*{entry}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _source_of(scheme: str) -> str:
    names = [name for name in os.environ if name.lower() == f"{scheme}_proxy" and os.environ[name]]
    # In lower case it wins, as for httpx.
    return max(names, default="The system's proxy setting", key=str.islower)


def _read_proxy(url: str, source: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(url)
        host, port = proxy.url.host, proxy.url.port
    except (httpx.InvalidURL, ValueError):
        raise _unusable(source) from None
    # httpx escapes in a host what cannot be in one, and takes any number for a port.
    if not host or "%" in host or not 0 < (port or 1) <= 65535:
        raise _unusable(source)
    # What httpx needs for SOCKS, and does not bring along.
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise InvalidConfiguration(
            f"{source} names a SOCKS proxy, which needs a package: pip install 'httpx[socks]'"
        )
    return proxy


def _unusable(source: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"{source} does not name a proxy that can be used; "
        "it has the form http://host:port, https://host:port or socks5://host:port"
    )
