"""Names in JSON are read in any letter case, and have the spelling of the spec from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from strategies import json_values

from ecall_client.tables import JSON_NAMES
from ecall_facade._json import normalize_names


@pytest.mark.parametrize(
    "change", [str.upper, str.lower, str.swapcase, lambda name: name[0].upper() + name[1:]]
)
def test_a_known_name_in_another_letter_case_gets_the_spelling_of_the_spec(
    change: Callable[[str], str],
) -> None:
    names = list(JSON_NAMES.values())
    assert [normalize_names({change(name): 1}) for name in names] == [{name: 1} for name in names]


@pytest.mark.parametrize(
    "data",
    [
        {"messageId": "right", "MessageId": "wrong"},
        {"MessageId": "wrong", "messageId": "right"},
        {"MESSAGEID": "wrong", "messageId": "right", "messageid": "wrong"},
    ],
)
def test_of_several_spellings_of_a_name_that_of_the_spec_wins(data: Any) -> None:
    assert normalize_names(data) == {"messageId": "right"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"Messages": [{"MessageID": {"Error": [[{"ERRORCODE": 1}]]}}], "Other": {"To": None}},
            {"messages": [{"messageId": {"error": [[{"errorCode": 1}]]}}], "Other": {"to": None}},
        ),
        (
            {"MESSAGES": [], "messages": [{"MessageId": "wrong", "messageId": "right"}]},
            {"messages": [{"messageId": "right"}]},
        ),
    ],
)
def test_names_are_normalized_at_every_depth(data: Any, expected: Any) -> None:
    assert normalize_names(data) == expected


@pytest.mark.parametrize(
    "data", [{"Kanal": 1, "kanal": 2, "\u017ftate": 3}, [1, "To", None], "To", 5, None]
)
def test_unknown_names_and_all_values_stay_as_they_are(data: Any) -> None:
    assert normalize_names(data) == data


@given(json_values)
def test_normalizing_a_second_time_changes_nothing(data: Any) -> None:
    once = normalize_names(data)
    assert repr(normalize_names(once)) == repr(once)
