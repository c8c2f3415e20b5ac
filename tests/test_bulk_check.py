"""`check_messages` finds what a ledger would refuse or leave out, without one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from ecall_facade import InvalidConfiguration, RawAddress
from ecall_facade.bulk import (
    CheckedMessage,
    InvalidMessages,
    Ledger,
    Message,
    RowProblem,
    check_messages,
    read_messages,
)

LIST = [
    Message("079 123 45 67", "Hello", line=2),
    Message("0041 79 123 45 67", "Hello", line=3),
    Message("123", "Hello", line=4, source="people.csv"),
    Message("078 765 43 21", "\N{SNOWMAN}" * 71, line=5),
    Message("078 765 43 21", "Hello", channel="whatsapp", line=6),
    Message(RawAddress("4321"), " ", channel="fax"),
    Message("078 765 43 21", " ", sender="A long company name", reference="\0"),
]


def problems_of(found: Iterable[CheckedMessage | RowProblem]) -> list[RowProblem]:
    return [each for each in found if isinstance(each, RowProblem)]


def test_each_message_comes_with_its_recipient_size_and_whether_it_is_a_duplicate() -> None:
    found = list(check_messages(LIST[:2] + LIST[3:5]))
    assert [
        (
            each.recipient,
            None if each.size is None else (each.size.encoding, each.size.pages),
            each.is_duplicate,
        )
        for each in found
        if isinstance(each, CheckedMessage)
    ] == [
        ("+41791234567", ("GSM-7", 1), False),
        ("+41791234567", ("GSM-7", 1), True),
        ("+41787654321", ("UCS-2", 2), False),
        ("+41787654321", None, False),
    ]


def test_all_problems_of_a_message_come_in_its_place_with_its_line() -> None:
    found = list(check_messages(LIST))
    assert [isinstance(each, RowProblem) for each in found] == [0, 0, 1, 0, 0, 1, 1]
    first, second, third = problems_of(found)
    assert (first.source, first.line) == ("people.csv", 4)
    assert "to cannot be a number" in first.reason
    assert (second.line, second.reason) == (6, "channel is none of sms, whatsapp, rcs")
    assert third.line == 7  # its place, as it is of no file
    for field in ("sender", "text", "reference"):
        assert f"{field} cannot be sent" in third.reason


def test_a_ledger_finds_the_same_problems_and_duplicates(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(InvalidMessages) as caught:
            ledger.job("bad", LIST)
        assert sorted(map(str, caught.value.problems)) == sorted(
            map(str, problems_of(check_messages(LIST)))
        )
        good = [message for message in LIST if not problems_of(check_messages([message]))]
        states = [row.state == "duplicate" for row in ledger.job("good", good).rows()]
        assert states == [
            each.is_duplicate for each in check_messages(good) if isinstance(each, CheckedMessage)
        ]


def test_problems_of_a_file_come_in_their_places_and_nothing_is_raised(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("to,text\n079 123 45 67,a\n4.1E+10,b\n123,c\n,d\n078 765 43 21,e\n")
    found = list(check_messages(read_messages(file)))
    assert [each.line for each in problems_of(found)] == [3, 4, 5]
    assert len(found) == 5


def test_numbers_are_read_in_the_region_that_is_given() -> None:
    (found,) = check_messages([Message("0151 12345678", "Hello")], region="DE")
    assert isinstance(found, CheckedMessage)
    assert found.recipient == "+4915112345678"
    with pytest.raises(InvalidConfiguration, match="region"):
        check_messages([], region="XX")


def test_no_text_and_no_whole_number_is_in_the_repr_of_what_was_checked() -> None:
    assert "1234567" not in repr(list(check_messages(LIST[:1])))
    assert "Hello" not in repr(list(check_messages(LIST[:1])))
