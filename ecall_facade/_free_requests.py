"""Requests to paths that the caller names: the escape hatch."""

from __future__ import annotations

import re
from urllib.parse import unquote

from ecall_client.operations import OperationRequest, OperationResponse
from ecall_client.tables import OPERATIONS
from ecall_facade._call import Call, Effect, request_id_of
from ecall_facade._json import JSON, iterate_strings
from ecall_facade._json_input import check_json
from ecall_facade._requests import VERSION_IN_PATH
from ecall_facade.errors import UsageError
from ecall_facade.results import RawResponse

_READING = {"GET", "HEAD", "OPTIONS"}


def free_call(method: object, path: object, json: JSON) -> Call[RawResponse]:
    """Return the call for a path that the caller names.

    Args:
        method: Such as GET.
        path: Below the base URL, with one slash in front; may have a version and a query.
        json: The body, or None.

    Raises:
        UsageError: The path could lead elsewhere, or is no path, or the body is not JSON.
    """
    if not isinstance(path, str) or not path.startswith("/") or path[1:2] == "/" or "\\" in path:
        raise UsageError(
            "path must begin with one slash, as in /api/message; other hosts cannot be called"
        )
    if not path.isprintable():
        raise UsageError("path must not contain control characters or line breaks")
    if not isinstance(method, str) or not method.isalpha() or not method.isascii():
        raise UsageError("method must be the name of an HTTP method, such as GET")
    plain = path.partition("?")[0]
    if {".", ".."} & set(unquote(plain).split("/")):
        # The path would not be the one that was checked.
        raise UsageError("path must not contain '.' or '..' segments")
    check_json(json, "json")
    method = method.upper()
    request = OperationRequest(_operation_at(method, plain), method, path, json=json)
    effect = Effect.READ if method in _READING else Effect.SEND_MANY
    return Call(effect, request, _read, tuple(iterate_strings(json)), is_json=False)


def _read(response: OperationResponse) -> RawResponse:
    headers = dict(response.headers)
    return RawResponse(response.status_code, headers, response.content, request_id_of(response))


def _operation_at(method: str, path: str) -> str:
    """Return the name of the operation at a path, for the hint that its path is inferred."""
    plain = VERSION_IN_PATH.sub("/api/", path, count=1).lower().rstrip("/")
    for operation in OPERATIONS.values():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", operation.path.lower())
        if operation.method == method and re.fullmatch(pattern, plain):
            return operation.name
    return ""
