"""What the environment says about connections: certificates and proxies."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Generator
from urllib.parse import urlsplit

import httpx

from ecall_facade._settings import Account
from ecall_facade.errors import InvalidConfiguration


def make_tls_context(account: Account) -> ssl.SSLContext:
    # One for all connections. What is not encrypted needs no certificates, which take time to load.
    needs_none = account.base_url.startswith("http://")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if needs_none else httpx.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def find_proxy(account: Account) -> httpx.Proxy | None:
    """Return the proxy that the environment names; none for this machine's own addresses."""
    from urllib.request import getproxies, proxy_bypass

    host = urlsplit(account.base_url).hostname or ""
    if account.is_loopback or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy:
        return None
    return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")


@contextlib.contextmanager
def named_setting() -> Generator[None, None, None]:
    """Turn what a bad setting raises into an error of ours."""
    try:
        yield
    except InvalidConfiguration:
        raise
    except Exception as error:  # noqa: BLE001
        kind = type(error).__name__
        raise InvalidConfiguration(
            f"No connection can be made with the environment's settings ({kind})"
        ) from None
