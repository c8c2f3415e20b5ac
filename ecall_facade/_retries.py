"""The rules for retries: what may be repeated, when, and what an error says about the message."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC

import httpx

from ecall_facade import _clock
from ecall_facade._attempt import Attempt, Failed
from ecall_facade._call import REQUEST_ID, Effect

MAX_RETRIES = 2
RETRY_WINDOW = 30.0
"""Seconds from the first try in which a retry may begin."""
MAX_RETRY_AFTER = 10.0
"""Seconds; a longer pause is left to the caller."""

_TRANSIENT = {408, 429, 500, 502, 503, 504}


def backoff(number: int) -> float:
    """Return the pause after a try, in seconds; it doubles with each.

    Args:
        number: How many retries there were before, from 0.
    """
    jitter = random.uniform(1, 1.25)  # noqa: S311  # keeps clients apart, protects nothing
    return 0.25 * 2.0**number * jitter


def pause_before_retry(effect: Effect, attempt: Attempt, number: int) -> float | None:
    """Return how long to pause before the next try, in seconds; None where there must be none.

    Args:
        effect: What the call does.
        attempt: What came of the try.
        number: How many retries there were before, from 0.
    """
    response = attempt.data
    if response is None:
        may_retry = isinstance(attempt, Failed) and _may_retry_error(effect, attempt)
        return backoff(number) if may_retry else None
    asked = retry_after(response.headers)
    if effect.is_read:
        may_retry = response.status_code in _TRANSIENT or isinstance(attempt, Failed)
    elif response.status_code == 429:
        # Of many recipients some may have been taken before the quota ended.
        may_retry = effect is not Effect.SEND_MANY
    else:
        may_retry = is_refused_unseen(response.status_code, response.headers)
    pause = backoff(number) if asked is None else asked
    return pause if may_retry and pause <= MAX_RETRY_AFTER else None


def _may_retry_error(effect: Effect, failed: Failed) -> bool:
    if "certificate" in str(failed.error):
        return False  # one that is refused now will be refused in a second
    if effect.is_read:
        return True
    # A pool timeout has waited for long enough.
    return failed.is_unsent and not isinstance(failed.error, httpx.PoolTimeout)


def is_refused_unseen(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether a 503 proves that the service did not take the request.

    A proxy in front of the service answers 503 as well, after having passed the request on; only the
    service sends both headers (inferred).
    """
    return status == 503 and retry_after(headers) is not None and bool(headers.get(REQUEST_ID))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the pause that `Retry-After` asks for, in seconds from now; None where there is none.

    Args:
        headers: Of the response; the value is a number of seconds or an HTTP date.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), 1e9)
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
        # The format of asctime names no zone; every HTTP date is in GMT.
        moment = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(moment.timestamp() - _clock.wall_time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def may_have_been_sent(effect: Effect, status: int, headers: Mapping[str, str]) -> bool:
    """Return whether the message could have been sent although the response is an error.

    Args:
        effect: What the call does; the message of a status is out already.
        status: Of the response.
        headers: Of the response.
    """
    if not effect.is_send:
        return effect is Effect.READ_STATUS
    if status in {403, 429}:
        return effect is Effect.SEND_MANY  # credit or quota may end midway
    if is_refused_unseen(status, headers):
        return False
    return status not in {400, 401, 404, 405, 413, 415, 422}
