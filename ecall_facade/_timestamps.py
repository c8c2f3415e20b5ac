"""Read the times that the service writes, whatever their shape."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_EPOCH = re.compile(r"(\d{10}|\d{13})|/DATE\((\d{13})(?:[+-]\d{4})?\)/", re.ASCII)
_ISO = re.compile(
    r"\d{4}-?(?:\d\d-?\d\d|W\d\d-?\d)[T ](?:[01]\d|2[0-3]):?\d\d[\d:.,]*(?:Z|[+-][\d:]+)?", re.ASCII
)
# dateutil reads only what matches this: of 01/02/2026 it would guess which part is the day.
_OTHER = re.compile(
    r"[0-3]?\d\.(?:0?[1-9]|1[0-2])\.\d{4}\b.*|.*(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC).*",
    re.ASCII,
)
# Replaced before dateutil reads it: it reads GMT+0100 as an hour behind GMT, as POSIX does, and does
# not know MESZ.
_ZONE = re.compile(
    r"\s*(?:\b(UTC|GMT|CET|MEZ|CEST|MESZ))?\s*([+-]\d\d:?\d\d)?\s*(?:\(.*\))?$", re.ASCII
)
_OFFSETS = {
    None: "",
    "UTC": "Z",
    "GMT": "Z",
    "CET": "+01:00",
    "MEZ": "+01:00",
    "CEST": "+02:00",
    "MESZ": "+02:00",
}
# dateutil fills the gaps of an incomplete time from a default.
_DEFAULTS = (datetime(2001, 1, 1), datetime(2002, 2, 2, 1, 1))  # noqa: DTZ001  # the zone is in the text


def read_timestamp(value: object) -> datetime | None:
    """Return a time in UTC, or None if the value is not a complete time.

    Never raises: an accepted message must not get lost because of the time in its response.

    Args:
        value: ISO 8601 (documented for v2), `dd.mm.yyyy hh:mm:ss`, RFC 2822, epoch seconds or
            milliseconds, or .NET's `/Date(…)/` (inferred). A time without an offset is Swiss time
            (inferred): in autumn the first of the two hours of the same name, and in spring the hour
            that is left out is read as winter time.

    Returns:
        None as well for a date alone, a two-digit year, `01/02/2026`, which has two meanings, and the
        year 1, which .NET writes where there is no time.
    """
    try:
        moment = _read(value)
        if moment and moment.tzinfo is None:
            from dateutil import tz

            swiss = tz.gettz("Europe/Zurich") or tz.tzstr("CET-1CEST,M3.5.0,M10.5.0/3")
            moment = moment.replace(tzinfo=swiss)
        return moment.astimezone(UTC) if moment and moment.year > 1 else None
    except Exception:  # noqa: BLE001  # whatever a library raises, the value is no time
        return None


def _read(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, (int, float)):
        return _from_epoch(value)
    if not isinstance(value, str) or len(value) > 100:
        return None
    text = value.strip().upper()
    if found := _EPOCH.fullmatch(text):
        return _from_epoch(int(found[1] or found[2]))
    if not _ISO.fullmatch(text):
        text = _ZONE.sub(lambda zone: zone[2] or _OFFSETS[zone[1]], text)
    if _ISO.fullmatch(text):
        return datetime.fromisoformat(text)
    return _parse(text) if _OTHER.fullmatch(text) else None


def _from_epoch(number: float) -> datetime | None:
    if 1e9 <= number < 1e10:
        number *= 1000
    return (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
        if 1e12 <= number < 1e13
        else None
    )


def _parse(text: str) -> datetime | None:
    from dateutil.parser import parse

    def zone(name: str | None, offset: int | None) -> timezone | None:
        if name not in (None, "UTC"):
            raise ValueError(name)
        return None if offset is None else timezone(timedelta(seconds=offset))

    # Two defaults that give two times show that the text is incomplete.
    first, second = (
        parse(text, default=default, dayfirst=True, tzinfos=zone) for default in _DEFAULTS
    )
    return first if first == second and str(first.year) in text else None
