"""The policy: a sans-I/O state machine that decides, after each try, what happens next."""

from __future__ import annotations

import json
import logging
from typing import cast

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade import _clock
from ecall_facade._attempt import Attempt, Received
from ecall_facade._call import Call, T, request_id_of
from ecall_facade._error_factory import error_from_attempt, unreadable
from ecall_facade._json import JSON, normalize_names
from ecall_facade._retries import MAX_RETRIES, RETRY_WINDOW, pause_before_retry
from ecall_facade.errors import ECallError

_log = logging.getLogger("ecall_facade")
# A response that does not match the spec raises these; anything else is a bug of this package.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Tries:
    """The tries of one call.

    Args:
        call: What is asked for.
        request: The HTTP request that is tried.
        retry: Whether to repeat what cannot act twice.
    """

    def __init__(self, call: Call[object], request: httpx.Request, *, retry: bool) -> None:
        self._call = call
        self._request = request
        self._retry = retry and call.is_repeatable
        self._started = _clock.monotonic()
        self._retries = 0

    def pause_after(self, attempt: Attempt) -> float | None:
        """Return the seconds before the next try; None if this one succeeded.

        Raises:
            ECallError: The call failed, and must not or need not be tried again.
        """
        if _log.isEnabledFor(logging.DEBUG):
            self._log(attempt)
        if isinstance(attempt, Received) and attempt.http.is_success:
            return None
        pause = self._pause(attempt)
        if pause is None:
            raise self.error(attempt)
        self._retries += 1
        return pause

    def error(self, attempt: Attempt) -> ECallError:
        """Return the error for a try that failed."""
        return error_from_attempt(self._call, self._request, attempt)

    def _pause(self, attempt: Attempt) -> float | None:
        if not self._retry or self._retries == MAX_RETRIES:
            return None
        pause = pause_before_retry(self._call.effect, attempt, self._retries)
        if pause is None or _clock.monotonic() - self._started + pause > RETRY_WINDOW:
            return None
        return pause

    def _log(self, attempt: Attempt) -> None:
        if attempt.data is None:
            outcome = "no response"
        else:
            outcome = f"{attempt.data.status_code}, request id {request_id_of(attempt.data)}"
        _log.debug("%s %s: %s", self._request.method, self._call.request.path, outcome)


def read_result(call: Call[T], response: OperationResponse) -> T:
    """Return the result that a successful response stands for.

    Raises:
        UnreadableResponse: The response does not match the spec.
    """
    if call.is_json:
        response = _with_json(call, response)
    try:
        return call.read(response)
    except _UNREADABLE as error:
        problem = f"the response does not match the spec ({type(error).__name__})"
        raise unreadable(problem, response, call.effect) from error


def _with_json(call: Call[T], response: OperationResponse) -> OperationResponse:
    problem = "the response is empty"
    if response.content:
        try:
            data = cast("JSON", json.loads(response.content))
            if isinstance(data, dict):
                return OperationResponse(
                    response.status_code,
                    response.headers,
                    response.content,
                    normalize_names(data),
                )
            problem = "the response is not a JSON object"
        except (ValueError, RecursionError) as error:
            problem = f"the response is not JSON ({type(error).__name__})"
    raise unreadable(problem, response, call.effect)
