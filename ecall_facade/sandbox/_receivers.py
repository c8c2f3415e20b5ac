"""The HTTP calls to receivers: for delivery reports and for inbound messages.

Only URLs on this machine or on named hosts are called: a callback URL that was copied from production must not be
called by a simulation.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx

from ecall_facade._settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON

SUCCESS = 200
"""The only status that the service accepts from a receiver (documented)."""
EXCERPT = 2_000  # bytes of a receiver's response that are kept


class Receivers:
    """Calls receivers over bare transports: no proxies, no redirects, no cookies, no log lines with the URL.

    Args:
        hosts: Lower-case names of hosts that may be called, besides this machine.
        timeout: Seconds for a whole call.
    """

    def __init__(self, hosts: frozenset[str], timeout: float) -> None:
        self._hosts = hosts
        self._timeout = timeout
        self._transport: httpx.AsyncHTTPTransport | None = None

    def check(self, target: str) -> httpx.URL:
        """Return a URL that may be called.

        Raises:
            ValueError: It is not a URL, or its host must not be called.
        """
        try:
            url = httpx.URL(target)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("The URL of a receiver must be http://… or https://…")
        # The system would connect to a larger port modulo 65536.
        if url.port is not None and not 0 < url.port < 65536:
            raise ValueError("The URL of a receiver must have a port from 1 to 65535")
        if reason := self.reason_against(url):
            raise ValueError(reason)
        return url

    def reason_against(self, url: httpx.URL) -> str | None:
        """Return why the host of a URL must not be called, or None if it may be."""
        if is_loopback_host(url.host) or url.host.lower() in self._hosts:
            return None
        return f"{url.host} is not this machine; name it in callback_hosts if it may be called"

    def make_request(
        self, method: str, url: httpx.URL, json: Mapping[str, JSON] | None = None
    ) -> httpx.Request:
        """Return a request. A name and password in the URL become Basic credentials (inferred)."""
        timeout = httpx.Timeout(self._timeout).as_dict()
        request = httpx.Request(method, url, json=json, extensions={"timeout": timeout})
        if not url.userinfo:
            return request
        return next(httpx.BasicAuth(url.username, url.password).auth_flow(request))

    def post(self, target: str, body: Mapping[str, JSON]) -> tuple[int, str]:
        """Post to a receiver, and return the status code and the beginning of the body of its response.

        Raises:
            ValueError: The URL must not be called.
            ConnectionError: There is no response.
        """
        request = self.make_request("POST", self.check(target), json=body)
        try:
            return self.call(request)
        except httpx.TransportError as error:
            raise ConnectionError(f"The receiver did not answer: {describe(error)}") from None

    def call(self, request: httpx.Request) -> tuple[int, str]:
        """Send a request from any thread, and return the status code and the beginning of the body of the response."""
        # Loading certificates, which plain HTTP does not need, would take longer than all the rest.
        verify = request.url.scheme == "https"
        with httpx.HTTPTransport(verify=verify, trust_env=False) as transport:
            response = transport.handle_request(request)
            excerpt = self._read_excerpt(response)
            response.close()
        return response.status_code, excerpt

    async def call_async(self, request: httpx.Request) -> int:
        """Send a request in the server's event loop, and return the status code of the response."""
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(trust_env=False)
        async with asyncio.timeout(self._timeout):
            response = await self._transport.handle_async_request(request)
            await response.aclose()
        return response.status_code

    async def aclose(self) -> None:
        """Close the connections of the server's event loop."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    def _read_excerpt(self, response: httpx.Response) -> str:
        """Return the beginning of a body, as far as it comes in time; nothing if it cannot be decoded."""
        body = b""
        deadline = time.monotonic() + self._timeout
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) >= EXCERPT or time.monotonic() > deadline:
                    break
        except httpx.DecodingError:
            return ""
        return body[:EXCERPT].decode(errors="replace")


def describe(error: Exception) -> str:
    """Return why a call got no response."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
