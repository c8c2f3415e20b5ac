"""Build HTTP requests: where they go, in which version, with which headers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

import httpx

from ecall_facade import _clock
from ecall_facade._call import Call
from ecall_facade._settings import Account, ClientOptions
from ecall_facade._version import __version__
from ecall_facade.errors import UsageError

VERSION_IN_PATH = re.compile(r"/api/v[0-9][^/]*/", re.IGNORECASE)
_USER_AGENT = f"ecall-facade/{__version__}"


def build_http_request(
    account: Account, options: ClientOptions, call: Call[object], deadline: float | None = None
) -> httpx.Request:
    """Return the HTTP request of a call, without credentials.

    Args:
        account: Where it goes.
        options: The version, and the time limits.
        call: What is asked for.
        deadline: On the clock of `monotonic`; no phase of the request may go beyond it.

    Raises:
        UsageError: The request cannot be written.
    """
    request = call.request
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip, deflate"}
    headers |= request.headers
    headers |= call.headers
    path = request.path
    if not VERSION_IN_PATH.match(path):
        if options.version_in == "path" and path.startswith("/api/"):
            path = f"/api/{options.api_version}/{path.removeprefix('/api/')}"
        else:
            headers["X-API-Version"] = options.api_version.removeprefix("v")
    extensions: dict[str, object] = {"timeout": _time_limits(options, deadline)}
    if deadline is not None:
        extensions["deadline"] = deadline
    try:
        return httpx.Request(
            request.method,
            _url(account.base_url + path),
            params=request.params,
            headers=headers,
            cookies=dict(request.cookies) if request.cookies else None,
            content=request.content,
            data=request.data,
            files=cast("Any", request.files),  # as httpx understands them; its types are private
            json=request.json,
            extensions=extensions,
        )
    except httpx.InvalidURL:
        raise UsageError("The path, or the id in it, is too long for a URL") from None
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise UsageError(f"The message cannot be written as JSON ({kind})") from None


@lru_cache(64)  # most requests of a program go to the same few paths
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


def _time_limits(options: ClientOptions, deadline: float | None) -> dict[str, float]:
    connect, read = options.timeout
    if deadline is not None:
        left = max(deadline - _clock.monotonic(), 0.001)
        connect, read = min(connect, left), min(read, left)
    return {"connect": connect, "read": read, "write": read, "pool": read}
