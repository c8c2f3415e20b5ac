"""The ASGI app that the sandbox's server runs: the origin check first, then the inbox or the API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ecall_facade._call import REQUEST_ID
from ecall_facade.sandbox._errors import error_json
from ecall_facade.sandbox._http import SIMULATION_HEADER, SIMULATION_NOTICE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ecall_facade.sandbox._inbox import Inbox
    from ecall_facade.sandbox._origin_check import OriginCheck


class Root:
    """Refuses what the origin check refuses, and passes everything else on.

    Args:
        api: Takes the requests of the API.
        inbox: Takes those of the page.
        origin_check: Decides which requests may come in.
    """

    def __init__(self, api: ASGIApp, inbox: Inbox, origin_check: OriginCheck) -> None:
        self._api = api
        self._inbox = inbox
        self._origin_check = origin_check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        app: ASGIApp
        if reason := self._origin_check.reason_against(request):
            app = self._refusal(request, reason)
        elif self._inbox.takes(request):
            app = self._inbox
        else:
            app = self._api
        await app(scope, receive, send)

    def _refusal(self, request: Request, reason: str) -> Response:
        headers = {SIMULATION_HEADER: SIMULATION_NOTICE}
        if not self._inbox.takes(request):
            # Not an id of the store: with a seed, those are counted.
            headers[REQUEST_ID] = str(uuid.uuid4())
        body = {"error": reason, **error_json("SandboxForeignSite", reason)}
        return JSONResponse(body, 403, headers)
