"""The outcome of one try of a request."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import httpx

from ecall_client.operations import OperationResponse

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a decoded response that is read as a whole; a compressed one can hide far more."""


class BodyTooLargeError(httpx.DecodingError):
    """The body of a response is larger than any that the service sends."""

    def __init__(self) -> None:
        super().__init__(f"the body is larger than {MAX_BODY // 1024 // 1024} MB")


@attrs.frozen(repr=False)
class Received:
    """A response.

    Attributes:
        data: Status, headers and, unless it is a download, the body.
        http: The HTTP response; of a download it is open, and its body still to be read.
    """

    data: OperationResponse
    http: httpx.Response


@attrs.frozen(repr=False)
class Failed:
    """An error of the transport.

    Attributes:
        error: What the transport raised.
        is_unsent: Whether it proves that the service saw nothing of the request.
        data: Status and headers, if the response broke off after them.
    """

    error: Exception
    is_unsent: bool = False
    data: OperationResponse | None = None


Attempt: TypeAlias = Received | Failed
"""The outcome of one try."""
