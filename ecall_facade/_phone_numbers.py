"""Reads phone numbers as people, phones and tables write them.

phonenumbers (libphonenumber) knows which lengths a country's numbers can have.
That alone lets wrong numbers pass, as many countries have rare services with long numbers:
Switzerland has twelve digits for voicemail, so that `491711234567`, a German number that lost its +,
would become `+41491711234567`.
So more is asked of a number that phonenumbers does not know as valid:

- Digits without + or a leading 0 have to be valid in the region.
- Its length must be one that landlines or mobiles of the country have.
- It must not begin with a whole landline or mobile number, as with an extension that was left in.

This module is imported late, as phonenumbers takes about 30 ms to load.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from ecall_facade._number_characters import DIGITS, GAPS, INVISIBLE

_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_ORDINARY = (*_MOBILE, PhoneNumberType.FIXED_LINE)
_SHORTEST_WHOLE_NUMBER = 7
_REGIONS = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
_NOTHING = re.compile(r"(?!)")

_TEXT_COLUMN = "read the column as text"
_SPOILT_BY_A_TABLE = {
    f"it looks like a decimal number; {_TEXT_COLUMN}": re.compile(
        r"[+\uff0b]?\d{7,}\s?[.,\uff0c\uff0e\u066b]\s?\d{1,3}"
        r"|[+\uff0b]?\d{5,}[.,\uff0c\uff0e\u066b]0+"
        r"|[+\uff0b]?[\d \xa0\u2009\u202f]{8,}\d[.,]0{1,3}"
        r"|[1-9]\d{0,2}(?:([ \xa0\u2009\u202f.,'\u2019])\d{3})(?:\1\d{3})+(?!\1)[.,]\d{1,3}"
    ),
    "it has letters: it looks like scientific notation, which loses digits; "
    + _TEXT_COLUMN: re.compile(
        r"[+-]?\d+(?:[.,]\d+)?\s*(?:e|[x\xd7*\xb7]\s*10\s*\^?)\s*[+-]?\s*\d+", re.IGNORECASE
    ),
    f"it has signs between the thousands, as an amount has; {_TEXT_COLUMN}": re.compile(
        r"[1-9]\d{0,2}(?:([,'\u2019])\d{3})(?:\1\d{3})+"
    ),
    f"it looks like a date; {_TEXT_COLUMN}": re.compile(
        r"(?:19|20)\d\d([-./])[01]\d\1[0-3]\d|[0-3]?\d([-./])[01]?\d\2(?:19|20)\d\d"
    ),
}


class UnusableNumber(ValueError):
    """A number cannot be used; `reason` says why, without the number itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SpoiltNumber(UnusableNumber):
    """A spreadsheet has changed a number."""


def is_region(region: str) -> bool:
    """Return whether two capital letters are a country."""
    return region in phonenumbers.SUPPORTED_REGIONS


def read_recipient(value: object, region: str) -> str:
    """Return the number of a recipient in E.164.

    Raises:
        UnusableNumber: The value is no str, or cannot be used as a number.
    """
    if not isinstance(value, str):
        kind = type(value).__name__
        raise UnusableNumber(f"it must be a str, not {kind}; pass several recipients to broadcast")
    return read_number(value, region)


def read_number(written: str, region: str) -> str:
    """Return a number in E.164.

    Args:
        written: A number as somebody in the region writes it.
        region: Two capital letters of ISO 3166.

    Raises:
        UnusableNumber: The number cannot be one, or may be somebody else's.
    """
    digits = _read_digits(written)
    has_country_code = digits.startswith("+")
    if mobile := _read_mobile(digits, region):
        return mobile
    number = _parse(digits, None if has_country_code else region)
    kind = phonenumbers.number_type(number)
    if not has_country_code and not (digits.startswith("0") and _people_write_a_zero(region)):
        number, kind = _read_bare_digits(digits, number, kind, region)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    _check_trunk_prefix(digits, number, e164)
    _check_length(number, kind)
    return e164


def _read_digits(written: str) -> str:
    """Return a number without gaps, in ASCII digits, with + in front where it has a country code."""
    digits = written if DIGITS.fullmatch(written) else _remove_gaps(written)
    in_ascii = (
        digits.removeprefix("+") if digits.isascii() else phonenumbers.normalize_digits_only(digits)
    )
    if not digits[0].isdecimal():
        return f"+{in_ascii}"
    # The service itself takes 00 (documented), so it is read in countries as well that dial 011.
    return f"+{in_ascii[2:]}" if in_ascii.startswith("00") else in_ascii


def _remove_gaps(written: str) -> str:
    text = INVISIBLE.sub("", written).strip()
    text = text.removeprefix("'")  # marks text in a spreadsheet's cell
    if not DIGITS.fullmatch(text):
        for reason, form in _SPOILT_BY_A_TABLE.items():
            if form.fullmatch(text):
                raise SpoiltNumber(reason)
    digits = GAPS.sub("", text).strip().removeprefix("tel:")
    if not digits:
        raise UnusableNumber("it is empty")
    if not DIGITS.fullmatch(digits):
        raise UnusableNumber("it has letters, an extension or other signs that no number has")
    return digits


def _read_mobile(digits: str, region: str) -> str:
    """Return an ordinary mobile in E.164, or the empty string.

    Most numbers of a list are such. phonenumbers finds the same, and takes thirty times as long.
    """
    code, form = _mobile_form(_country_of(digits[:4]) if digits.startswith("+") else region)
    found = form.fullmatch(digits)
    return f"+{code}{found[1]}" if found else ""


@lru_cache(1000)
def _country_of(start: str) -> str:
    """Return the country, or the largest one, of the code that a number begins with."""
    codes = [int(start[1:end]) for end in range(2, len(start) + 1)]
    return next((_REGIONS[code][0] for code in codes if code in _REGIONS), "")


@lru_cache(300)
def _mobile_form(region: str) -> tuple[int, re.Pattern[str]]:
    """Return the code of a country, and the form of its mobiles with the code or a leading 0.

    Nothing has the form where prefixes or lengths leave any doubt.
    """
    country = PhoneMetadata.metadata_for_region(region)
    if country is None or country.mobile is None:
        return 0, _NOTHING
    code = country.country_code or 0
    lengths = set(country.mobile.possible_length)
    if country.voicemail is not None:
        lengths -= set(country.voicemail.possible_length)
    trunk_prefix = country.national_prefix_for_parsing
    if not lengths or trunk_prefix not in {None, "0"} or _REGIONS[code][0] != region:
        return 0, _NOTHING
    begin = rf"\+{code}" + ("|0" if trunk_prefix else "")
    length = "|".join(f"[0-9]{{{length}}}" for length in lengths)
    number = country.mobile.national_number_pattern
    return code, re.compile(rf"(?:{begin})((?!0)(?=(?:{length})\Z)(?:{number}))")


def _parse(digits: str, home: str | None) -> PhoneNumber:
    try:
        number = phonenumbers.parse(digits, home)
    except NumberParseException as error:
        reasons = {
            NumberParseException.INVALID_COUNTRY_CODE: "no country has its code",
            NumberParseException.TOO_LONG: "it is too long",
        }
        raise UnusableNumber(reasons.get(error.error_type, "it is too short")) from None
    result = phonenumbers.is_possible_number_with_reason(number)
    if result != ValidationResult.IS_POSSIBLE:
        reasons = {
            ValidationResult.TOO_SHORT: "too short",
            ValidationResult.TOO_LONG: "too long",
            ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "without area code",
        }
        what = reasons.get(result, "of a length that is not in use")
        raise UnusableNumber(f"it is {what} for {home or 'its country'}")
    return number


@lru_cache(32)
def _people_write_a_zero(region: str) -> bool:
    """Return whether numbers in a region begin with 0 as people there write them."""
    example = phonenumbers.example_number(region)
    if example is None:
        return False
    written = phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL)
    return phonenumbers.normalize_digits_only(written).startswith("0")


def _read_bare_digits(
    digits: str, at_home: PhoneNumber, kind: int, region: str
) -> tuple[PhoneNumber, int]:
    """Return the number, and its kind, that digits without country code and leading 0 stand for.

    A table has lost either the leading 0 of `at_home` or the + of another number.
    """
    if kind == PhoneNumberType.UNKNOWN:
        raise UnusableNumber(f"without + and its country code it is not a valid number in {region}")
    if kind in _MOBILE:
        return at_home, kind
    try:
        with_plus = phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return at_home, kind
    kind_with_plus = phonenumbers.number_type(with_plus)
    if with_plus == at_home or kind_with_plus == PhoneNumberType.UNKNOWN:
        return at_home, kind
    in_same_country = with_plus.country_code == at_home.country_code
    if kind_with_plus in _MOBILE and in_same_country:
        return with_plus, kind_with_plus  # 491711234567 in Germany; texts go to mobiles
    if kind_with_plus in _MOBILE or in_same_country:
        raise UnusableNumber("without + it could be two numbers; write + and the country code")
    return at_home, kind


def _check_trunk_prefix(digits: str, number: PhoneNumber, e164: str) -> None:
    # phonenumbers leaves the trunk 0 of 079 123 45 6 in, as the length is then right.
    # Where numbers may begin with 0, as in Italy, there is no trunk prefix.
    # Nor is a number right from which a second reading takes more digits off.
    country = phonenumbers.region_code_for_country_code(number.country_code or 0)
    trunk_prefix = phonenumbers.ndd_prefix_for_region(country, strip_non_digits=True)
    is_in = number.italian_leading_zero and trunk_prefix
    may_lose_more = country != "CH" and e164 != digits
    if is_in or (may_lose_more and phonenumbers.parse(e164) != number):
        raise UnusableNumber("it has a digit too few or too many")


def _check_length(number: PhoneNumber, kind: int) -> None:
    if kind not in {PhoneNumberType.UNKNOWN, PhoneNumberType.VOICEMAIL}:
        return
    is_of_a_country = (
        phonenumbers.region_code_for_country_code(number.country_code or 0)
        != phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
    )
    has_ordinary_length = phonenumbers.is_possible_number_for_type(
        number, PhoneNumberType.FIXED_LINE_OR_MOBILE
    )
    if kind == PhoneNumberType.UNKNOWN and is_of_a_country and not has_ordinary_length:
        raise UnusableNumber("it is of a length that no landline or mobile in its country has")
    digits = phonenumbers.national_significant_number(number)
    for end in range(_SHORTEST_WHOLE_NUMBER, len(digits)):
        begin = phonenumbers.parse(f"+{number.country_code}{digits[:end]}")
        if phonenumbers.number_type(begin) in _ORDINARY:
            raise UnusableNumber("it has digits after a whole number, perhaps an extension")
