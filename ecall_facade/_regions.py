"""Checks the country in which numbers without a country code are read."""

from __future__ import annotations

from ecall_facade.errors import InvalidConfiguration


def check_region(region: str) -> str:
    """Return a region, two letters of ISO 3166, in capitals.

    Raises:
        InvalidConfiguration: There is no such country.
    """
    if region == "CH":  # the default needs no look-up, which would load phonenumbers (30 ms)
        return region
    from ecall_facade._phone_numbers import is_region

    if not is_region(str(region).upper()):
        raise InvalidConfiguration("region must be a country's two letters, such as CH or DE")
    return region.upper()
