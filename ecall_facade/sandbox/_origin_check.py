"""Which requests of a browser are refused, so that other web sites can neither read nor write.

Any web site can make a browser on this machine send requests to a loopback port. Two checks keep it out:

- While the sandbox listens on this machine only, `Host` must be a name of this machine, or one of `allowed_hosts`.
  A site that gives its own name this machine's address (DNS rebinding) cannot change `Host`.
- A write must come from the sandbox's own page, or from a program, which sends neither `Origin` nor `Sec-Fetch-Site`.

Behind a reverse proxy the scheme is another one, and `Host` may be another one too. So the scheme is not compared, and
the host may be that of `X-Forwarded-Host`: a browser sends this header to another site only if that site allows it
(CORS), which the sandbox never does. Go's `http.CrossOriginProtection` follows the same rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ecall_facade._settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ORIGIN = re.compile(r"(https?)://([^/?#@\\\s]+)", re.IGNORECASE)
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_DEFAULT_PORTS = {"http": 80, "https": 443}

_FOREIGN_NAME = (
    "The sandbox answers only to names of this machine, such as 127.0.0.1 and localhost. "
    "To reach it under another name, through a reverse proxy, allow that name: Sandbox(allowed_hosts=[…]), or "
    "ecall sandbox --allowed-host NAME"
)
_FOREIGN_SITE = (
    "Another web site sent this request. Only the sandbox's own page and programs may write. "
    "A reverse proxy must pass Host on, or set X-Forwarded-Host"
)


class OriginCheck:
    """Decides whether a request may come in.

    Args:
        is_local: Whether the sandbox listens on this machine only.
        allowed_hosts: Further names that `Host` may have then, without a port.

    Raises:
        ValueError: One of `allowed_hosts` is not the name of a host.
    """

    def __init__(self, is_local: bool, allowed_hosts: Collection[str]) -> None:
        for name in allowed_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise ValueError(
                    f"allowed_hosts must contain host names without scheme and port, not {name!r}"
                )
        self._is_local = is_local
        self._allowed_hosts = frozenset(name.lower() for name in allowed_hosts)

    def reason_against(self, request: Request) -> str | None:
        """Return why a request is refused, or None if it may come in."""
        host = request.headers.get("host", "")
        if self._is_local and host and not self._is_own_name(host):
            return _FOREIGN_NAME
        if request.method in _SAFE_METHODS:
            return None
        sites = request.headers.getlist("sec-fetch-site")
        if sites:
            # Set by the browser itself; no script can change it.
            return None if set(sites) <= {"none", "same-origin"} else _FOREIGN_SITE
        origins = request.headers.getlist("origin")
        if not origins:
            return None
        hosts = [host, *_forwarded_hosts(request)]
        return None if all(_is_of(origin, hosts) for origin in origins) else _FOREIGN_SITE

    def _is_own_name(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback_host(name) or name.rstrip(".") in self._allowed_hosts


def _forwarded_hosts(request: Request) -> list[str]:
    """Return the values of `Host` that the proxies on the way received."""
    lines = request.headers.getlist("x-forwarded-host")
    hosts = [host.strip() for line in lines for host in line.split(",")]
    return [host for host in hosts if host]


def _is_of(origin: str, hosts: list[str]) -> bool:
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    scheme = match[1].lower()
    wanted = _split(match[2], scheme)
    return wanted is not None and any(_split(host, scheme) == wanted for host in hosts)


def _split(host: str, scheme: str) -> tuple[str, int] | None:
    """Return name and port; without one, the port is that of the scheme."""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname, _DEFAULT_PORTS[scheme] if port is None else port
