"""Read the values of a response tolerantly: ids, states, times, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from ecall_client.models.delivery_state import DeliveryState
from ecall_client.tables import ErrorDetailsSpec, ErrorSpec, ParameterErrorSpec
from ecall_facade._json import JSON, as_dict, as_list, normalize_names
from ecall_facade._timestamps import read_timestamp
from ecall_facade.results import ErrorDetail, FailureReason

# The send states of the sibling interfaces; that REST uses them is inferred.
_STATE_NUMBERS = {
    0: DeliveryState.PENDING,
    1: DeliveryState.SENT,
    2: DeliveryState.FAILED,
    3: DeliveryState.SCHEDULED,
    8: DeliveryState.DELIVERED,
    9: DeliveryState.SENT,
    10: DeliveryState.SENT,
}
_STATE_WORDS = {state.value.lower(): state for state in DeliveryState}
_FINAL_STATES = {DeliveryState.DELIVERED, DeliveryState.UNDELIVERED, DeliveryState.FAILED}
_SENT_WITHOUT_REPORT = 10
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"


def read_id(value: object) -> str | None:
    """Return an id as a string; None if there is none, which .NET writes as 0 or the empty Guid."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value or "")
    return None if text.strip().strip("{}") in {"", _EMPTY_GUID} else text


def read_state(value: object) -> tuple[DeliveryState, bool]:
    """Return a state, and whether it is final, from a word in any letter case or a number."""
    is_numeric = isinstance(value, str) and value.strip().isdecimal() and len(value) < 10
    if is_numeric or (isinstance(value, float) and value.is_integer()):
        value = int(cast("str | float", value))
    if isinstance(value, int) and not isinstance(value, bool):
        state = _STATE_NUMBERS.get(value) or DeliveryState(cast("str", value))
        return state, state in _FINAL_STATES or value == _SENT_WITHOUT_REPORT
    if isinstance(value, str) and value.strip():
        state = _STATE_WORDS.get(value.strip().lower()) or DeliveryState(value)
        return state, state in _FINAL_STATES
    return DeliveryState.UNKNOWN, False


def read_time(named: object, others: Mapping[str, object]) -> datetime | None:
    """Return a time in UTC.

    Args:
        named: The value under the name of the spec, which is inferred.
        others: The values under names that the spec does not know; if exactly one of them is a time,
            it is taken.
    """
    time = read_timestamp(named)
    if time is not None:
        return time
    # A mere number could be anything.
    candidates = [value for value in others.values() if isinstance(value, str) and ":" in value]
    times = [time for value in candidates if (time := read_timestamp(value))]
    return times[0] if len(times) == 1 else None


def read_error(value: object) -> FailureReason | None:
    """Return why a message failed, or None if it did not.

    Args:
        value: The service's error object, a text, a list of texts, or a number.
    """
    if value is True:
        return FailureReason(code="true")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return FailureReason(code=str(value))
    items = as_list(value)
    if items:  # not documented, but its texts are kept
        words = [
            item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            for item in items
        ]
        value = " ".join(words)
    if not value or not isinstance(value, (dict, str)):
        return None
    return FailureReason(*read_error_shape(normalize_names(cast("JSON", value))))


def read_error_shape(data: object) -> tuple[str | None, str | None, tuple[ErrorDetail, ...]]:
    """Return code, message and details of the service's error object, as far as it has them.

    Args:
        data: JSON with normalized names, or a text.
    """
    if isinstance(data, str):
        return None, data, ()
    shape = as_dict(data)
    listed = as_dict(shape.get(ErrorSpec.error_details)).get(ErrorDetailsSpec.errors)
    details = [
        ErrorDetail(
            _words(entry.get(ParameterErrorSpec.parameter)),
            tuple(str(text) for text in as_list(entry.get(ParameterErrorSpec.messages))),
        )
        for entry in map(as_dict, as_list(listed))
    ]
    code, message = shape.get(ErrorSpec.error_code), shape.get(ErrorSpec.error_message)
    return _words(code), _words(message), tuple(details)


def _words(value: object) -> str | None:
    return None if value is None else str(value)
