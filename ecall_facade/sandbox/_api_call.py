"""A request to the API: who sent it, which version it is for, and its body."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import re
from typing import TYPE_CHECKING

import attrs

from ecall_facade.sandbox._errors import RefusedError
from ecall_facade.sandbox._http import KEPT_BYTES, OCTET_STREAM

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._faults import Fault

_FORM = "application/x-www-form-urlencoded"
_VERSIONS = {"1": 1, "1.0": 1, "2": 2, "2.0": 2}
_VERSION_HEADER = "X-API-Version"


@attrs.define
class ApiCall:
    """A request to the API, and what becomes of it.

    Attributes:
        request: The request.
        request_id: The id that its response has.
        at: When it came.
        version: The version of the API, 1 or 2.
        id: The id in the path, or an empty string.
        body: The body, or None until it is read; of a long one the beginning.
        is_cut: Whether `body` is only the beginning.
        fault: The fault that its response has.
        refused: The messages of a list that were refused: place, message and error.
    """

    request: Request
    request_id: str
    at: datetime
    version: int = 1
    id: str = ""
    body: bytes | None = attrs.field(default=None, repr=False)
    is_cut: bool = False
    fault: Fault | None = None
    refused: list[tuple[int, JSON, dict[str, JSON]]] = attrs.field(factory=list, repr=False)

    async def read_json(self, limit: int) -> bytes:
        """Read the body, which must be declared as JSON.

        Raises:
            RefusedError: It is declared as something else, or it has more bytes than the limit.
        """
        _require_json(self.request)
        body = bytearray()
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > limit:
                self.body, self.is_cut = bytes(body[:KEPT_BYTES]), True
                raise RefusedError(413, f"The body is larger than {limit} bytes.")
        self.body = bytes(body)
        return self.body

    async def read_unread(self, timeout: float) -> None:
        """Read the body of a request that was refused without reading it, so that the page can show it."""
        body, has_more = b"", True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while has_more and len(body) <= KEPT_BYTES:
                    message = await self.request.receive()
                    body += message.get("body", b"")
                    has_more = message.get("more_body", False)
        self.body, self.is_cut = body, has_more


def check_credentials(request: Request, expected: bytes | None) -> None:
    """Check the credentials of a request.

    Args:
        request: The request.
        expected: `username:password`, or None to accept any.

    Raises:
        RefusedError: They are missing or wrong.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = b""
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            given = base64.b64decode(token.strip(), validate=True)
    is_right = b":" in given if expected is None else hmac.compare_digest(given, expected)
    if not is_right:
        challenge = {"WWW-Authenticate": 'Basic realm="eCall sandbox", charset="UTF-8"'}
        raise RefusedError(401, "The credentials are missing or wrong.", headers=challenge)


def read_version(in_path: str | None, in_header: list[str]) -> int:
    """Return the version of a request, which is 1 if it names none (documented).

    Raises:
        RefusedError: It names an unknown version, or different ones (inferred).
    """
    named = {*in_header, *([] if in_path is None else [in_path])}
    unknown = sorted(named - _VERSIONS.keys())
    versions = {_VERSIONS[name] for name in named if name in _VERSIONS}
    if unknown:
        problem = f"There is no version {', '.join(unknown)[:40]}; there are 1 and 2."
    elif len(versions) > 1:
        problem = "The path and the header name different versions."
    else:
        return versions.pop() if versions else 1
    raise RefusedError(
        400, problem, code="SandboxUnknownVersion", errors={_VERSION_HEADER: [problem]}
    )


def require_file_type(request: Request) -> None:
    """Refuse forms. Which media types the service accepts is not known, but it accepts a binary file.

    Raises:
        RefusedError: The content type is missing, or that of a form.
    """
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if "/" not in given or given.startswith("multipart/") or given == _FORM:
        raise RefusedError(415, f"The content type must be that of a file, such as {OCTET_STREAM}.")


def _require_json(request: Request) -> None:
    given, _, parameters = request.headers.get("Content-Type", "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    is_utf_8 = charset is None or charset[1].lower() in {"utf-8", "utf8"}
    if given.strip().lower() != "application/json" or not is_utf_8:
        raise RefusedError(415, "The content type must be application/json.")
