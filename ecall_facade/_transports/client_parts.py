"""The parts of an HTTP client beside its transport: credentials, a cookie jar, a response hook."""

from __future__ import annotations

from collections.abc import Generator
from http.cookiejar import CookieJar

import httpx

from ecall_facade._settings import Account


class FixedAuth(httpx.Auth):
    """The account's credentials, set last, so that no frame above holds them."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._account.authorization
        yield request


class NoCookies(CookieJar):
    """A cookie jar that keeps nothing."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Keep no cookie of a response."""


def hide_location(response: httpx.Response) -> None:
    """Hide `Location` from httpx.

    httpx parses it although redirects are off, and loses the response when it cannot. Nothing here
    reads it, as redirects are never followed.
    """
    if response.has_redirect_location:  # httpx does not parse that of other responses
        del response.headers["location"]


async def hide_location_async(response: httpx.Response) -> None:
    hide_location(response)
