"""The way in: what a browser must not do is refused, then a request goes to the inbox or to the API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse

from ecall_facade._call import REQUEST_ID
from ecall_facade._settings import is_loopback_host
from ecall_facade.sandbox._app import SIGN

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ecall_facade.sandbox._inbox import Inbox


class Door:
    """Keeps other web sites out, which a browser on this machine would let in.

    A write that another site asks for is refused, and, while only this machine is listened to, any request for a name
    that is not this machine's (a site may give its own name this machine's address).
    """

    def __init__(self, api: ASGIApp, inbox: Inbox, host: str) -> None:
        self._api = api
        self._inbox = inbox
        self._is_local = is_loopback_host(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(Request(scope))
        if problem is not None:
            refusal = {"error": problem, "errorCode": "SandboxForeignSite", "errorMessage": problem}
            headers = {"x-ecall-sandbox": SIGN}
            if not self._inbox.takes(scope["path"]):
                headers[REQUEST_ID] = str(
                    uuid.uuid4()
                )  # not one of the store's, which may be counted
            await JSONResponse(refusal, 403, headers)(scope, receive, send)
        elif self._inbox.takes(scope["path"]):
            await self._inbox(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    def _problem(self, request: Request) -> str | None:
        host = request.headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if self._is_local and host and not is_loopback_host(name):
            return "The sandbox answers to this machine's own names only, such as 127.0.0.1 and localhost."
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return None
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() != f"{request.url.scheme}://{host}".lower():
            return "Another web site asks for this; only the sandbox's own page and programs may write."
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "Another web site asks for this; only the sandbox's own page and programs may write."
        return None
