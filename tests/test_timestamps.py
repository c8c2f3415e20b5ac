from __future__ import annotations

import email.utils
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from dateutil import tz
from hypothesis import given, settings
from hypothesis import strategies as st

from ecall_facade._timestamps import read_timestamp

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        # ISO 8601, as v2 writes it (documented), and what .NET and others make of it
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00z",
        "2026-11-23t12:00:00z",
        "2026-11-23T12:00Z",
        "2026-11-23T12:00:00.0000000Z",
        "2026-11-23T12:00:00.0000000+00:00",
        "2026-11-23T12:00:00,000Z",
        "2026-11-23T13:00:00+01:00",
        "2026-11-23T13:00:00+0100",
        "2026-11-23T13:00:00+01",
        "2026-11-23T13:00:00 +01:00",
        "2026-11-23 12:00:00Z",
        "2026-11-23T06:30:00-05:30",
        "20261123T120000Z",
        "2026-W48-1T12:00:00Z",
        " 2026-11-23T12:00:00Z\n",
        # Swiss time, said or not said
        "2026-11-23T13:00:00",
        "2026-11-23 13:00",
        "2026-11-23 13:00:00 CET",
        "2026-11-23 13:00:00 MEZ",
        "2026-11-23T14:00:00 MESZ",
        "2026-11-23 14:00:00 cest",
        "2026-11-23 12:00:00 UTC",
        "2026-11-23 12:00:00 GMT",
        # of the sibling interfaces
        "23.11.2026 13:00:00",
        "23.11.2026 13:00",
        "23.11.2026, 13:00",
        "23.11.2026 13:00 MEZ",
        "23.11.2026 12:00:00Z",
        "23.11.2026 12:00:00 +00:00",
        # since 1970
        1795435200,
        1795435200.0,
        1795435200000,
        1795435200000.0,
        "1795435200",
        "1795435200000",
        "/Date(1795435200000)/",
        "/Date(1795435200000+0100)/",
        # RFC 2822, HTTP, JavaScript, and other ways with a month by name
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "Mon, 23 Nov 2026 13:00:00 +0100",
        "Mon, 23 Nov 2026 13:00:00 +0100 (CET)",
        "23 Nov 2026 12:00:00 -0000",
        "Mon Nov 23 2026 13:00:00 GMT+0100 (Central European Standard Time)",
        "Monday, November 23, 2026 1:00:00 PM",
        "23-Nov-2026 13:00",
        "Mon Nov 23 13:00:00 2026",
        # what a generated model has read already
        NOON,
        datetime(2026, 11, 23, 13, 0, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 11, 23, 13, 0),  # noqa: DTZ001
    ],
)
def test_a_time_is_read_in_every_format_of_the_service(value: object) -> None:
    moment = read_timestamp(value)

    assert moment == NOON
    assert moment is not None
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "microsecond"),
    [
        ("2026-11-23T12:00:00.5Z", 500_000),
        ("2026-11-23T12:00:00.123Z", 123_000),
        ("2026-11-23T12:00:00.1234567Z", 123_456),
        ("2026-11-23T13:00:00.123456789+01:00", 123_456),
        (1795435200.5, 500_000),
        (1795435200123, 123_000),
        ("1795435200123", 123_000),
        ("/Date(1795435200123)/", 123_000),
    ],
)
def test_fractions_of_seconds_are_read_to_the_microsecond(value: object, microsecond: int) -> None:
    assert read_timestamp(value) == NOON.replace(microsecond=microsecond)


@pytest.mark.parametrize(
    ("swiss", "utc"),
    [
        ("2026-07-01T12:00", "2026-07-01T10:00"),
        ("2026-12-01T12:00", "2026-12-01T11:00"),
        ("2040-07-01T12:00", "2040-07-01T10:00"),
        # The hour that comes twice is always the first, in summer time.
        ("2026-10-25T01:59", "2026-10-24T23:59"),
        ("2026-10-25T02:00", "2026-10-25T00:00"),
        ("2026-10-25T02:59", "2026-10-25T00:59"),
        ("2026-10-25T03:00", "2026-10-25T02:00"),
        # The hour that is left out is read as if summer time began after it.
        ("2026-03-29T01:59", "2026-03-29T00:59"),
        ("2026-03-29T02:30", "2026-03-29T01:30"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
    ],
)
def test_a_time_without_an_offset_is_swiss(swiss: str, utc: str) -> None:
    day, clock = swiss.split("T")

    assert read_timestamp(swiss) == datetime.fromisoformat(utc + "Z")
    assert read_timestamp(
        f"{'.'.join(reversed(day.split('-')))} {clock}"
    ) == datetime.fromisoformat(utc + "Z")


@pytest.mark.parametrize(
    "value",
    [
        # not times
        None,
        True,
        False,
        {},
        {"date": "2026-11-23T12:00:00Z"},
        [],
        ["2026-11-23T12:00:00Z"],
        b"2026-11-23T12:00:00Z",
        object(),
        0,
        1,
        -1795435200,
        20261123,
        10**18,
        10**400,
        -(10**400),
        float("nan"),
        float("inf"),
        float("-inf"),
        1e308,
        "",
        " ",
        "now",
        "DELIVERED",
        "May I?",
        "0",
        "3",
        "117",
        "0041791234567",
        "+41791234567",
        "0000000000",
        "\u0662\u0660\u0662\u0666-\u0661\u0661-\u0662\u0663T12:00:00Z",
        "2026-11-23T12:00:00Z" + "0" * 100,
        "2026-11-23T12:00:00Z" + " " * 100,  # no time is as long, and a parser may need long for it
        "9" * 1_000_000,
        "Nov " * 100_000,
        "\ud83d\x00",
        # parts of a time, the rest of which would be invented
        "10",
        "May",
        "12:30",
        "2026",
        "2026-11",
        "2026-11-23",
        "20261123",
        "2026-W48",
        "2026-11-23T12",
        "2026-11-23T",
        "23.11.2026",
        "23.11.2026 12",
        "23.11. 12:00",
        "23.11.26 12:00",
        "23 Nov 12:00",
        "23 Nov 26 12:00",
        "23 Nov 2026",
        "Nov 2026 12:00",
        "Monday 12:00",
        date(2026, 11, 23),
        # the day or the month?
        "01/02/2026 12:00",
        "11/23/2026 12:00:00 PM",
        "01-02-2026 12:00",
        "11.23.2026 12:00",
        # times that do not exist
        "2026-02-30T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T12:60:00Z",
        "2026-11-23T12:00:00+99:00",
        "31.02.2026 12:00",
        "23.11.2026 25:00",
        "23 Nov 2026 12:00 +99:99",
        # zones that are not known, so that the time is not
        "2026-11-23 12:00:00 EST",
        "Mon, 23 Nov 2026 12:00:00 EST",
        "Mon, 23 Nov 2026 12:00:00 EST-0500",
        # how .NET says that there is no time, and what does not fit
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.9999999-01:00",
        datetime(1, 1, 1),  # noqa: DTZ001
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_value_that_is_not_a_complete_time_is_none(value: object) -> None:
    assert read_timestamp(value) is None


class Hostile(str):
    """A str that can be asked nothing."""

    __slots__ = ()

    def strip(self, *_: object) -> str:
        raise RuntimeError

    __len__ = strip  # type: ignore[assignment]


class Nameless:
    """An object that does not even say what it is."""

    def __getattribute__(self, _: str) -> Any:
        raise RuntimeError


def test_objects_that_raise_when_they_are_asked_are_no_times() -> None:
    assert read_timestamp(Hostile("2026-11-23T12:00:00Z")) is None
    assert read_timestamp(Nameless()) is None


PARTS = [
    *[
        "2026",
        "23",
        "11",
        "1",
        "0",
        "07",
        "12:00",
        "12:00:00",
        "Nov",
        "MAY",
        "Mon",
        "T",
        "Z",
        "+",
        "-",
        ".",
        ",",
        ":",
        "/",
        "(",
    ],
    *[
        ")",
        " ",
        "CET",
        "GMT",
        "EST",
        "PM",
        "h",
        "e",
        "/Date(",
        ")/",
        "\x00",
        "٢",
        "W48",
        "1795435200",
    ],
]


@given(
    st.one_of(
        st.lists(st.sampled_from(PARTS)).map("".join),
        st.text(),
        st.integers(),
        st.floats(),
        st.decimals(),
        st.binary(),
        st.datetimes(),
        st.dates(),
        st.complex_numbers(),
        st.dictionaries(st.text(), st.none()),
    )
)
@settings(deadline=None, max_examples=1000)
def test_no_text_makes_reading_a_time_raise_or_warn(value: object) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        moment = read_timestamp(value)

    assert moment is None or moment.tzinfo is UTC
    assert caught == []


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones))  # noqa: DTZ001
@settings(deadline=None)
def test_what_strftime_and_isoformat_write_is_read(moment: datetime) -> None:
    assert read_timestamp(moment.isoformat()) == moment
    assert read_timestamp(moment.isoformat(" ")) == moment
    assert read_timestamp(moment.isoformat(timespec="minutes")) == moment.replace(
        second=0, microsecond=0
    )
    assert read_timestamp(email.utils.format_datetime(moment)) == moment.replace(microsecond=0)


@given(st.datetimes(datetime(2001, 9, 10), datetime(2200, 1, 1)))  # noqa: DTZ001
@settings(deadline=None)
def test_swiss_time_is_the_same_in_every_format(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    expected = moment.replace(tzinfo=tz.gettz("Europe/Zurich")).astimezone(UTC)

    assert read_timestamp(moment) == expected
    assert read_timestamp(moment.isoformat()) == expected
    assert read_timestamp(f"{moment:%d.%m.%Y %H:%M:%S}") == expected
    assert read_timestamp(int(expected.timestamp())) == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-07-01T12:00",
        "2026-12-01T12:00",
        "2026-10-25T02:30",
        "2026-03-29T03:00",
        "2026-03-25T12:00",  # between the last Sunday but one and the last
        "2027-10-27T12:00",
    ],
)
def test_swiss_time_is_known_without_any_time_zone_data(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_timestamp(value)
    monkeypatch.setattr(tz, "gettz", lambda _: None)

    assert expected is not None
    assert read_timestamp(value) == expected


def test_swiss_time_is_known_without_the_systems_time_zone_data() -> None:
    code = (
        "from ecall_facade._timestamps import read_timestamp as read; "
        "print(read('2026-07-01 12:00'), read('1.7.2026 12:00 CET'))"
    )
    environment = {**os.environ, "PYTHONTZPATH": "", "TZ": "CET-9"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "2026-07-01 10:00:00+00:00 2026-07-01 11:00:00+00:00\n"


def test_many_threads_read_the_same_times() -> None:
    values = [
        "2026-11-23T13:00:00",
        "23.11.2026 13:00",
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "2026-11-23 13:00 MEZ",
    ] * 100
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(read_timestamp, values)) == {NOON}


def test_dateutil_is_loaded_late() -> None:
    code = (
        "import sys, ecall_facade._timestamps as t; t.read_timestamp('2026-11-23T12:00:00Z'); "
        "sys.exit('dateutil' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
