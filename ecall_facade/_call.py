"""Calls as data: effect, request, and how to read the response. The clients perform them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Generic, TypeVar

import attrs

from ecall_client.operations import OperationRequest, OperationResponse

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

REQUEST_ID = "x-f24-request-id"


class Effect(Enum):
    """The effect of a call; it decides what may be repeated, and what an error means."""

    SEND_ONE = auto()
    SEND_MANY = auto()
    UPLOAD = auto()
    READ_STATUS = auto()  # of a message that was sent
    READ = auto()  # of anything else

    @property
    def is_send(self) -> bool:
        return self in {Effect.SEND_ONE, Effect.SEND_MANY}

    @property
    def is_read(self) -> bool:
        return self in {Effect.READ_STATUS, Effect.READ}


class CallerErrors:
    """Exceptions of the caller's own code that ran while a request was made: a stream, a callback.

    They are remembered where they are raised, so that they can be told from those of the transport.
    """

    def __init__(self) -> None:
        self.first: BaseException | None = None

    def remember(self, error: BaseException) -> None:
        if self.first is None:
            self.first = error


@attrs.frozen(repr=False)  # its request holds message text and numbers
class Call(Generic[T_co]):
    """One operation with its arguments.

    Attributes:
        effect: What the call does.
        request: The request, as the generated code describes it.
        read: Returns the result for a response with a 2xx status.
        private: Texts and recipients; errors do not quote them.
        headers: Headers beside those of the request.
        is_json: Whether a response is read as JSON.
        is_repeatable: Whether the body can be sent twice.
        caller_errors: What the caller's own code raised while the body was read.
    """

    effect: Effect
    request: OperationRequest
    read: Callable[[OperationResponse], T_co]
    private: tuple[str, ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    is_json: bool = True
    is_repeatable: bool = True
    caller_errors: CallerErrors = attrs.field(factory=CallerErrors)


def request_id_of(response: OperationResponse) -> str | None:
    """Return the id of a request, which support asks for (documented)."""
    return response.headers.get(REQUEST_ID) or None
