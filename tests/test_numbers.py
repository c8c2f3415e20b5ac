from __future__ import annotations

import contextlib
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecall_facade import numbers, text
from ecall_facade.errors import InvalidConfiguration, InvalidNumber, InvalidSender
from ecall_facade.numbers import (
    RawAddress,
    check_region,
    mask,
    mask_numbers_in,
    normalize,
    normalize_all,
    normalize_sender,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

NUMBER = "+41791234567"
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
SEPARATORS = [
    " ",
    "\t",
    "\u00a0",
    "\u2007",
    "\u2009",
    "\u202f",
    "\u3000",
    ".",
    "-",
    "\u2010",
    "\u2011",
    "\u2013",
    "\u2212",
    "/",
    " / ",
]


class TestNormalize:
    """What people write becomes E.164, or is refused with the reason."""

    @pytest.mark.parametrize(
        "written",
        [
            "+41791234567",
            "+41 79 123 45 67",
            "0041791234567",
            "0041 79 123 45 67",
            "41791234567",
            "079 123 45 67",
            "0791234567",
            "791234567",
            "079/123 45 67",
            "079.123.45.67",
            "079-123-45-67",
            "079 \u2013 123 45 67",
            "079\u2011123\u201145\u221267",
            "(079) 123 45 67",
            "+41 (0)79 123 45 67",
            "0041 (0) 79 123 45 67",
            "(+41) 79 123 45 67",
            "+(41) 79 123 45 67",
            "079\u00a0123\u202f45\u200967",
            "\u2007079\u3000123\u20024567",
            "  079 123 45 67\r\n",
            "\u202a+41 79 123 45 67\u202c",
            "\u200e079 123 45 67\u200f",
            "\ufeff079\u2060123\u200b45\u00ad67",
            "+41 79 123 45 67.",
            "tel:+41-79-123-45-67",
            "tel: 079 123 45 67",
            "\uff10\uff17\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
            "\uff0b\uff14\uff11\uff08\uff10\uff09\uff17\uff19\uff0f\uff11\uff12\uff13\uff0d\uff14\uff15\uff0d\uff16\uff17",
            "\u0660\u0667\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
        ],
    )
    def test_a_swiss_number_is_read_in_every_way_people_write_it(self, written: str) -> None:
        assert normalize(written) == NUMBER

    @pytest.mark.parametrize(
        ("written", "region", "number"),
        [
            ("044 123 45 67", "CH", "+41441234567"),
            ("0800 123 456", "CH", "+41800123456"),
            ("+49 151 12345678", "CH", "+4915112345678"),
            ("0049 (0)151 12345678", "CH", "+4915112345678"),
            ("0151 12345678", "DE", "+4915112345678"),
            ("0151 12345678", "de", "+4915112345678"),
            ("06 12345678", "IT", "+390612345678"),  # an Italian zero belongs to the number
            ("+39 06 1234 5678", "CH", "+390612345678"),
            ("(201) 555-0123", "US", "+12015550123"),
            ("1 201 555 0123", "US", "+12015550123"),
            ("011 41 79 123 45 67", "US", NUMBER),
            ("+41 79 123 45 67", "US", NUMBER),
            (
                "0041 79 123 45 67",
                "US",
                NUMBER,
            ),  # the service's own form, also where people dial 011
            ("+423 660 12 34 56", "CH", "+423660123456"),
            ("+883 510 000 012 345", "CH", "+883510000012345"),  # of no country
            ("079 000 00 00", "CH", "+41790000000"),  # possible, whether assigned or not
        ],
    )
    def test_a_number_is_read_in_its_region(self, written: str, region: str, number: str) -> None:
        assert normalize(written, region) == number

    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            ("", "empty"),
            (" \u200e\n", "empty"),
            ("tel:", "empty"),
            ("+", "signs that no number has"),
            ("SOS", "letters"),
            ("0800 FLOWERS", "letters"),
            ("1-800-FLOWERS", "letters"),
            ("079 123 45 6O", "letters"),
            ("Tel. 079 123 45 67", "letters"),
            ("079 123 45 67 ext 5", "extension"),
            ("079 123 45 67 x5", "extension"),
            ("079 123 45 67#5", "extension"),
            ("079 123 45 67,5", "extension"),
            ("tel:+41791234567;ext=5", "extension"),
            ("tel:0791234567;phone-context=+41", "signs"),
            ("079 123 45 67; 078 765 43 21", "signs"),
            ("079 123 45 67\n078 765 43 21", "signs"),
            ("079*123*45*67", "signs"),
            ("079_123_45_67", "signs"),
            ("079 123 45 6²", "signs"),
            ("079 123 45 67 🙂", "signs"),
            ("00+41 79 123 45 67", "signs"),
            ("++41 79 123 45 67", "signs"),
            ("5", "too short"),
            ("117", "too short for CH"),
            ("1414", "too short for CH"),
            ("079 123 45 6", "a digit too few or too many"),
            ("079 123 45 67 8", "of a length that is not in use for CH"),
            ("079 123 45 67 / 078 765 43 21", "too long"),
            ("0151 123 456 789 0", "too long for CH"),
            ("+41 79 123 45", "too short for its country"),
            ("+41 79 123 45 67 89 01", "too long for its country"),
            ("+999 123 456 789", "no country has its code"),
            ("00999 123 456 789", "no country has its code"),
            ("+0041 79 123 45 67", "no country has its code"),
            ("000 41 79 123 45 67", "no country has its code"),
            ("+4", "too short"),
            ("00", "too short"),
            ("1" * 400, "too long"),
            ("079 123 45 67 89", "a digit too few or too many"),
            ("+41 (0)79 123 45 6", "a digit too few or too many"),
            ("+43 0 0 1 234 567", "a digit too few or too many"),
            (
                "+55 0 909 2975 5128",
                "a digit too few or too many",
            ),  # 90 could be a trunk prefix once more
        ],
    )
    def test_a_number_that_cannot_be_used_is_refused_with_the_reason(
        self, written: str, reason: str
    ) -> None:
        with pytest.raises(InvalidNumber) as caught:
            normalize(written)

        assert reason in str(caught.value)
        assert reason in caught.value.problems[0].reason

    def test_a_number_without_its_area_code_is_refused(self) -> None:
        with pytest.raises(InvalidNumber, match="without area code for US"):
            normalize("555-0123", "US")

    @pytest.mark.parametrize(
        "value", [None, 41791234567, 79.0, True, b"+41791234567", ["+41791234567"], {"to": NUMBER}]
    )
    def test_a_number_that_is_no_str_is_refused(self, value: Any) -> None:
        with pytest.raises(
            InvalidNumber, match=f"must be a str, not {type(value).__name__}"
        ) as caught:
            normalize(value)

        assert "1791234567" not in str(caught.value)

    @given(st.sampled_from(REGIONS), st.text("0123456789", min_size=1, max_size=17), st.data())
    @settings(deadline=None, max_examples=500)
    def test_a_normalized_number_stays_as_it_is_anywhere(
        self, region: str, digits: str, data: st.DataObject
    ) -> None:
        code = str(phonenumbers.country_code_for_region(region))
        start = data.draw(
            st.sampled_from(
                ["", "0", "00", "000", "8", "1", "06", "+", f"+{code}", f"+{code}0", f"00{code}"]
            )
        )
        try:
            number = normalize(start + digits, region)
        except InvalidNumber:
            return

        other = data.draw(st.sampled_from(REGIONS))
        assert normalize(number, other) == number
        assert normalize(f"00{number[1:]}", other) == number
        assert phonenumbers.is_possible_number(phonenumbers.parse(number))

    @given(
        st.sampled_from(REGIONS), st.lists(st.sampled_from(SEPARATORS), min_size=20, max_size=20)
    )
    @settings(deadline=None)
    def test_separators_in_a_number_make_no_difference(
        self, region: str, separators: list[str]
    ) -> None:
        example = phonenumbers.example_number(region) or phonenumbers.parse(NUMBER)
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)

        written = "".join(
            character + separator for character, separator in zip(number, separators, strict=False)
        )
        assert normalize(written, region) == number

    @given(st.text())
    @settings(deadline=None)
    def test_any_text_is_a_number_in_e164_or_an_invalid_number(self, written: str) -> None:
        with contextlib.suppress(InvalidNumber):
            assert re.fullmatch(r"\+[1-9][0-9]{4,16}", normalize(written))


# What tables, phones and people write, in the region where they do, with the number that it is
# or a part of the reason why it is refused.
ABROAD = "without + and its country code it is not a valid number in"
TWO = "without + it could be two numbers"
ODD = "of a length that no landline or mobile in its country has"
AFTER = "digits after a whole number"
DECIMAL = "it looks like a decimal number; read the column as text"
SCIENTIFIC = "scientific notation, which loses digits; read the column as text"
AMOUNT = "signs between the thousands, as an amount has; read the column as text"
DATE = "it looks like a date; read the column as text"
VERDICTS: dict[str, list[tuple[str, str]]] = {
    "CH": [
        # A person writes
        ("079 123 45 67", "+41791234567"),
        ("079.123.45.67", "+41791234567"),
        ("+41.791234567", "+41791234567"),
        ("044/123 45 67", "+41441234567"),
        ("0800 123 456", "+41800123456"),
        ("0860 79 123 45 67", "+41860791234567"),  # a voicemail, which has twelve digits
        ("+41 860 79 123 45 67", "+41860791234567"),
        ("+41 99 123 45 67", "+41991234567"),  # possible and not assigned
        ("099 123 45 67", "+41991234567"),
        ("044 123 45 67/789", ODD),
        ("+41 44 123 45 67 789", ODD),
        ("044 123 45 67 - 789", ODD),
        # A phone or a messenger writes
        ("+41791234567", "+41791234567"),
        ("41791234567", "+41791234567"),
        ("tel:+41-79-123-45-67", "+41791234567"),
        ("491711234567", ABROAD),
        ("436641234567", ABROAD),
        ("393331234567", ABROAD),
        ("447911123456", ABROAD),
        ("351912345678", ABROAD),
        ("33612345678", "of a length that is not in use for CH"),
        ("423660123456", ABROAD),
        ("+491711234567", "+491711234567"),
        ("00491711234567", "+491711234567"),
        # A table holds
        ("791234567", "+41791234567"),  # which lost its 0
        ("441234567", "+41441234567"),
        ("'0791234567", "+41791234567"),
        ("'+41791234567", "+41791234567"),
        ("41.791.234.567", "+41791234567"),
        ("991234567", ABROAD),
        ("4.179E+10", SCIENTIFIC),
        ("4,179E+10", SCIENTIFIC),
        ("4.1791234567E10", SCIENTIFIC),
        ("4.1791234567e+010", SCIENTIFIC),
        ("4.36641234567E+11", SCIENTIFIC),
        ("4E10", SCIENTIFIC),
        ("4.179 x 10^10", SCIENTIFIC),
        ("4.179E 10", SCIENTIFIC),
        ("+436641234567.0", DECIMAL),
        ("41791234567.0", DECIMAL),
        ("41791234567,0", DECIMAL),
        ("41791234567.00", DECIMAL),
        ("791234567.0", DECIMAL),
        (" 791234567.0 ", DECIMAL),
        ("'791234567.0", DECIMAL),
        ("0791234567.0", DECIMAL),
        ("0041791234567.0", DECIMAL),
        ("079 123 45 67.0", DECIMAL),
        ("7912345.67", DECIMAL),
        ("\ufeff41791234567.000", DECIMAL),
        ("\uff14\uff11791234567\uff0e0", DECIMAL),
        ("41 791 234 567,00", DECIMAL),
        ("41\u202f791\u202f234\u202f567,00", DECIMAL),
        ("41,791,234,567.00", DECIMAL),
        ("41'791'234'567.00", DECIMAL),
        ("41.791.234.567,00", DECIMAL),
        ("41'791'234'567", AMOUNT),
        ("41\u2019791\u2019234\u2019567", AMOUNT),
        ("41,791,234,567", AMOUNT),
        ("2026-11-27", DATE),
        ("27.11.2026", DATE),
        ("''0791234567", "other signs"),
        ('="0791234567"', "other signs"),
        ("#N/A", "other signs"),
        ("nan", "letters"),
    ],
    "LI": [
        ("234 12 34", "+4232341234"),
        ("2341234", "+4232341234"),
        ("660 123 456", "+423660123456"),
        ("423 660 123 456", "+423660123456"),
        ("+423 660 123 456", "+423660123456"),
        ("+423 999 99 99", "+4239999999"),
        ("999 99 99", f"{ABROAD} LI"),
        ("+41 79 123 45 67", "+41791234567"),
        ("079 123 45 67", f"{ABROAD} LI"),  # a Swiss number; numbers here have no leading 0
        ("081 123 45 67", f"{ABROAD} LI"),
        ("791234567", f"{ABROAD} LI"),
        ("41791234567", "too long for LI"),
        ("491711234567", "too long for LI"),
        ("234 12 34/78", f"{ABROAD} LI"),
        ("+423 234 12 34/78", AFTER),
        ("4232341234.0", DECIMAL),
        ("4.232341234E9", SCIENTIFIC),
    ],
    "DE": [
        ("0171 1234567", "+491711234567"),
        ("01512 3456789", "+4915123456789"),
        ("030/123456", "+4930123456"),
        ("033841.12345", "+493384112345"),
        ("0999 1234567", "+499991234567"),
        ("1711234567", "+491711234567"),
        ("15202345678", "+4915202345678"),
        ("491711234567", "+491711234567"),  # and not 0491 711234567, a landline
        ("4915123456789", "+4915123456789"),
        ("49 30 123456", "+4930123456"),
        ("49421123456", TWO),  # 0421 or 04942, both landlines
        ("41791234567", TWO),  # a Swiss mobile, or 04179 1234567
        ("436641234567", TWO),
        ("33612345678", TWO),
        ("393331234567", TWO),
        ("041791234567", "+4941791234567"),
        ("+41791234567", "+41791234567"),
        ("72345", f"{ABROAD} DE"),
        ("0171 1234567/789", AFTER),
        ("0171 3 12345678", AFTER),  # a mobile's voicemail
        ("+49 171 1234567 89", AFTER),
        ("1711234567.0", DECIMAL),
        ("+491711234567.0", DECIMAL),
        ("4.91711E+11", SCIENTIFIC),
        ("4,91711E+11", SCIENTIFIC),
    ],
    "AT": [
        ("0664 1234567", "+436641234567"),
        ("+43 664 1234567.00", DECIMAL),
        ("0664 1234567,0", DECIMAL),
        ("01 234567", "+431234567"),
        ("6641234567", "+436641234567"),
        ("6642345678", "+436642345678"),
        ("436641234567", "+436641234567"),
        ("43 664 1234567", "+436641234567"),
        ("491711234567", f"{ABROAD} AT"),
        ("41791234567", f"{ABROAD} AT"),
        ("393331234567", f"{ABROAD} AT"),
        ("33612345678", TWO),  # 033612 345678 as well
        ("0711 1234567", "+437111234567"),
        ("436641234567.0", DECIMAL),
        ("6641234567,0", DECIMAL),
        ("4.36641234567E+11", SCIENTIFIC),
    ],
    "FR": [
        ("06 12 34 56 78", "+33612345678"),
        ("06.12.34.56.78", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "+33612345678"),
        ("612345678", "+33612345678"),
        ("33612345678", "+33612345678"),
        ("00 33 6 12 34 56 78", "+33612345678"),
        ("41791234567", "too long for FR"),
        ("491711234567", "too long for FR"),
        ("06 12 34 56 78 90", "too long for FR"),
        ("612345678.0", DECIMAL),
        ("3,36123E+10", SCIENTIFIC),
    ],
    "IT": [
        ("333 1234567", "+393331234567"),
        ("3281234567", "+393281234567"),  # could be +32 81234567; read as written here
        ("06 1234 5678", "+390612345678"),
        ("393331234567", "+393331234567"),
        ("390612345678", "+390612345678"),
        ("+39 06 1234 5678", "+390612345678"),
        ("491711234567", f"{ABROAD} IT"),
        ("41791234567", f"{ABROAD} IT"),
        ("436641234567", f"{ABROAD} IT"),
        ("33612345678", TWO),  # as long as an Italian voicemail
        ("32470123456", TWO),
        ("333 1234567/8", AFTER),
        ("+39 333 1234567 89", AFTER),
        ("3331234567.0", DECIMAL),
        ("3,33123E+9", SCIENTIFIC),
    ],
    "GB": [
        ("07911 123456", "+447911123456"),
        ("7911123456", "+447911123456"),
        ("447911123456", "+447911123456"),
        ("41791234567", "too long for GB"),
    ],
    "US": [
        ("(201) 555-0123", "+12015550123"),
        ("201.555.0123", "+12015550123"),
        ("2015550123", "+12015550123"),
        ("12015550123", "+12015550123"),
        ("41791234567", "too long for US"),
        ("2015550123.0", DECIMAL),
    ],
    "SE": [("46701234567", "+46701234567"), ("491711234567", f"{ABROAD} SE")],
    "CZ": [("601 123 456", "+420601123456"), ("491711234567", f"{ABROAD} CZ")],
    "GR": [("6912345678", "+306912345678"), ("491711234567", f"{ABROAD} GR")],
    "TR": [("0532 123 45 67", "+905321234567"), ("491711234567", f"{ABROAD} TR")],
    "NG": [("0803 123 4567", "+2348031234567"), ("491711234567", f"{ABROAD} NG")],
}


@pytest.mark.parametrize(
    ("region", "written", "verdict"),
    [(region, *row) for region, rows in VERDICTS.items() for row in rows],
)
def test_what_tables_phones_and_people_write_is_read_or_refused(
    region: str, written: str, verdict: str
) -> None:
    if verdict.startswith("+"):
        assert normalize(written, region) == verdict
        return
    with pytest.raises(InvalidNumber) as caught:
        normalize(written, region)
    assert verdict in caught.value.problems[0].reason
    assert "A foreign number needs + and its country code" in str(caught.value)


def test_a_mobile_number_without_its_plus_is_read_in_its_own_country_only() -> None:
    home = {
        "491711234567": {"DE"},
        "436641234567": {"AT"},
        "393331234567": {"IT", "VA"},
        "33612345678": {"FR"},
        "41791234567": {"CH"},
    }
    for digits, regions in home.items():
        read = {region: normalized_or_none(digits, region) for region in REGIONS}
        assert {region: number for region, number in read.items() if number} == dict.fromkeys(
            regions, f"+{digits}"
        )


def normalized_or_none(written: str, region: str) -> str | None:
    with contextlib.suppress(InvalidNumber):
        return normalize(written, region)
    return None


def test_examples_of_landlines_and_mobiles_are_read_as_written_at_home() -> None:
    expected: dict[tuple[str, str], str] = {}
    for region in REGIONS:
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            if example := phonenumbers.example_number_for_type(region, kind):
                number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                at_home = phonenumbers.format_number(
                    example, phonenumbers.PhoneNumberFormat.NATIONAL
                )
                expected["CH", number] = expected[region, at_home] = number
    assert len(expected) > 900
    assert {
        (region, written): normalize(written, region) for region, written in expected
    } == expected


def test_numbers_near_a_countrys_mobiles_are_read_as_phonenumbers_reads_them() -> None:
    differing = {}
    for region, written in near_mobiles():
        if number := normalized_or_none(written, region):
            parsed = phonenumbers.parse(written, region)
            expected = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
            if number != expected:
                differing[region, written] = number
    assert differing == {}


def near_mobiles() -> Iterator[tuple[str, str]]:
    """Yield the example of a mobile number of each region with one digit changed, in several forms."""
    for region in REGIONS:
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is None:
            continue
        digits = phonenumbers.national_significant_number(example)
        for at in range(len(digits)):
            for other in "1259":
                varied = digits[:at] + other + digits[at + 1 :]
                yield region, f"+{example.country_code}{varied}"
                yield region, f"0{varied}"
                yield region, f"0{varied}5"


class TestNormalizeAll:
    """A call's recipients: each once, in order, or one error that names all that are bad."""

    def test_recipients_keep_their_order_and_duplicates_are_named(self) -> None:
        written: list[str | RawAddress] = [
            "078 765 43 21",
            "+41 79 123 45 67",
            "0041787654321",
            RawAddress("1414"),
            "079/123 45 67",
            "078 765 43 21",
        ]

        recipients, duplicates = normalize_all(written)

        assert recipients == ("+41787654321", "+41791234567", "1414")
        assert sorted(duplicates) == ["+41787654321", "+41787654321", "+41791234567"]

    def test_recipients_can_be_any_iterable(self) -> None:
        assert normalize_all(iter(["079 123 45 67"])) == ((NUMBER,), ())
        assert normalize_all({"079 123 45 67": "Anna"}) == ((NUMBER,), ())

    def test_raw_addresses_are_compared_as_they_are_sent(self) -> None:
        recipients, duplicates = normalize_all(
            [RawAddress("0791234567"), "079 123 45 67", RawAddress(NUMBER)]
        )

        assert recipients == ("0791234567", NUMBER)
        assert duplicates == (NUMBER,)

    def test_one_error_names_all_bad_recipients(self) -> None:
        with pytest.raises(InvalidNumber) as caught:
            normalize_all(["079 123 45 67", "079 123 45 67 8", "+41 79 123 45 67", "abc", ""])

        assert [(bad.position, bad.value) for bad in caught.value.problems] == [
            (1, "079 123 45 67 8"),
            (3, "abc"),
            (4, ""),
        ]
        assert str(caught.value) == (
            "3 of 5 recipients cannot be used: 079…78 (position 1): it is of a length that is not in use for CH; "
            "… (position 3): it has letters, an extension or other signs that no number has; "
            "… (position 4): it is empty. "
            "A foreign number needs + and its country code, a short code is a RawAddress"
        )

    @pytest.mark.long
    def test_the_error_about_ten_thousand_recipients_is_short(self) -> None:
        with pytest.raises(InvalidNumber) as caught:
            normalize_all(["079 123 45"] * 10_000)

        assert len(caught.value.problems) == 10_000
        assert str(caught.value).startswith("10000 of 10000 recipients")
        assert len(str(caught.value)) < 2_000

    def test_the_error_about_recipients_shows_no_whole_number(self) -> None:
        with pytest.raises(InvalidNumber) as caught:
            normalize_all(["079 123 45 678", "call +41 79 123 45 67 now"])

        for shown in (str(caught.value), repr(caught.value), repr(caught.value.problems)):
            assert "123" not in shown

    @pytest.mark.parametrize(
        "values", ["079 123 45 67", b"0791234567", RawAddress("1414"), None, 41791234567]
    )
    def test_recipients_that_are_no_list_are_refused(self, values: Any) -> None:
        with pytest.raises(InvalidNumber, match="must be a list"):
            normalize_all(values)

    @pytest.mark.parametrize("values", [[], (), iter([])])
    def test_an_empty_list_of_recipients_is_refused(self, values: Iterable[str]) -> None:
        with pytest.raises(InvalidNumber, match="There are no recipients"):
            normalize_all(values)

    @given(
        st.lists(
            st.sampled_from(
                ["079 123 45 67", NUMBER, "0041791234567", "078 765 43 21", "+41787654321", "1414"]
            )
        )
    )
    @settings(deadline=None)
    def test_each_recipient_is_sent_to_or_named_as_a_duplicate(self, written: list[str]) -> None:
        values: list[str | RawAddress] = [
            RawAddress(value) if value == "1414" else value for value in written
        ]
        if not values:
            return

        recipients, duplicates = normalize_all(values)

        assert sorted(recipients + duplicates) == sorted(normalize(value) for value in values)
        assert len(set(recipients)) == len(recipients)


class TestRawAddress:
    """Recipients that are not numbers are sent as they are."""

    @pytest.mark.parametrize(
        "value", ["1414", "117", "Pager 12", "0791234567", "x" * 64, "pager@example.com"]
    )
    def test_a_raw_address_is_not_changed(self, value: str) -> None:
        assert RawAddress(value).value == value
        assert normalize(RawAddress(value)) == value

    @pytest.mark.parametrize(
        "value",
        ["", " ", " 1414", "1414\n", "14\n14", "14\x0014", "14\u202e14", "\ud83d", "x" * 65],
    )
    def test_a_raw_address_that_is_not_printable_or_too_long_is_refused(self, value: str) -> None:
        with pytest.raises(InvalidNumber, match="1 to 64 printable characters"):
            RawAddress(value)

    @pytest.mark.parametrize("value", [None, 1414, b"1414"])
    def test_a_raw_address_that_is_no_str_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidNumber, match="RawAddress"):
            RawAddress(value)

    def test_a_raw_address_is_frozen_hashable_and_can_be_pickled(self) -> None:
        address = RawAddress("0791234567")

        assert address == RawAddress("0791234567")
        assert len({address, RawAddress("0791234567")}) == 1
        assert pickle.loads(pickle.dumps(address)) == address
        with pytest.raises(AttributeError):
            address.value = "117"  # type: ignore[misc]

    def test_the_repr_of_a_raw_address_is_masked(self) -> None:
        assert repr(RawAddress("0791234567")) == "RawAddress(value=079…67)"
        assert repr(RawAddress("1414")) == "RawAddress(value=…)"


class TestNormalizeSender:
    """Each channel has rules of its own for who a message is from."""

    @pytest.mark.parametrize(
        ("written", "sender"),
        [
            ("+41 79 123 45 67", "0041791234567"),
            ("079 123 45 67", "0041791234567"),
            ("0041791234567", "0041791234567"),
            ("tel:+41791234567", "0041791234567"),
            ("0800 123 456", "0041800123456"),
            ("+883 510 000 012 34", "0088351000001234"),  # 16 digits, as many as there may be
            ("1414", "1414"),
            ("117", "117"),
            ("1234567890123456", "1234567890123456"),
            ("12345678", "12345678"),  # too few digits for a number
            ("123456789", None),
            ("ACME", "ACME"),
            (" ACME\n", "ACME"),
            ("ACME Zurich", "ACME Zurich"),
            ("Fire & Co.~", "Fire & Co.~"),
            ("24/7", "24/7"),
            ("+plus", None),
            ("+1414", None),
            ("+41 79 123", None),
            ("+883 510 000 012 345", None),
            ("12345678901234567", None),
            ("ACME Schweiz", None),
            ("Zürich", None),
            ("A\tB", None),
            ("A\x7fB", None),
            ("\u0663\u0664\u0665", None),
            ("", None),
            (" ", None),
            (None, None),
            (1414, None),
        ],
    )
    def test_the_sender_of_an_sms_is_a_number_a_short_code_or_a_name(
        self, written: object, sender: str | None
    ) -> None:
        if sender is None:
            with pytest.raises(InvalidSender):
                normalize_sender(written, "Sms")
        else:
            assert normalize_sender(written, "Sms") == sender

    @pytest.mark.parametrize("region", ["CH", "DE", "AT", "IT"])
    @pytest.mark.parametrize("code", ["72345", "117", "1414", "723456"])
    def test_a_short_code_stays_one_where_numbers_may_be_short(
        self, code: str, region: str
    ) -> None:
        assert normalize_sender(code, "Sms", region) == code

    @pytest.mark.parametrize(
        ("written", "channel", "region", "sender"),
        [
            ("6112345", "Sms", "IS", "003546112345"),
            ("211234", "Sms", "FO", "211234"),
            ("211234", "Whatsapp", "FO", "00298211234"),  # which has no short codes
        ],
    )
    def test_a_short_code_has_at_most_six_digits_and_is_for_sms(
        self, written: str, channel: str, region: str, sender: str
    ) -> None:
        assert normalize_sender(written, channel, region) == sender

    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            ("491711234567", "not a valid number in CH"),
            ("436641234567", "not a valid number in CH"),
            ("49 171 123 45 67", "not a valid number in CH"),
            ("12345678901234", "too long"),
            ("079 123 45", "too short"),
            ("079-123-45", "too short"),
            ("044 123 45 67/789", "no landline or mobile in its country has"),
            ("791234567.0", "looks like a decimal number; read the column as text"),
            ("41791234567,0", "looks like a decimal number; read the column as text"),
            ("12345.0", "looks like a decimal number; read the column as text"),
            ("4.179E+10", "scientific notation"),
            ("4,179E+10", "scientific notation"),
            ("27.11.2026", "looks like a date"),
        ],
    )
    @pytest.mark.parametrize("channel", ["Sms", "Whatsapp"])
    def test_a_number_that_no_recipient_could_be_is_refused_as_a_sender(
        self, channel: str, written: str, reason: str
    ) -> None:
        with pytest.raises(InvalidSender) as caught:
            normalize_sender(written, channel)

        assert reason in str(caught.value)
        assert "1234567" not in str(caught.value).replace(" ", "")

    @pytest.mark.parametrize(
        "written", ["+41 79 123 45 67", "079 123 45 67", "0041791234567", "41791234567"]
    )
    def test_a_sender_of_whatsapp_is_a_number(self, written: str) -> None:
        assert normalize_sender(written, "Whatsapp") == "0041791234567"

    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            ("ACME", "letters"),
            ("1414", "too short"),
            ("+883 510 000 012 345", "too long"),
            ("", "empty"),
            (None, "not a str"),
        ],
    )
    def test_a_sender_of_whatsapp_that_is_no_number_is_refused(
        self, written: object, reason: str
    ) -> None:
        with pytest.raises(InvalidSender, match=reason):
            normalize_sender(written, "Whatsapp")

    @pytest.mark.parametrize("written", ["acme_agent_7x", "079 123 45 67", "Zürich"])
    def test_a_sender_of_rcs_is_not_changed(self, written: str) -> None:
        assert normalize_sender(written, "Rcs") == written

    @pytest.mark.parametrize("written", ["", "  ", None])
    def test_an_empty_sender_of_rcs_is_refused(self, written: object) -> None:
        with pytest.raises(InvalidSender, match="The sender for Rcs is empty"):
            normalize_sender(written, "Rcs")

    @pytest.mark.parametrize(
        ("written", "region", "sender"),
        [("0151 12345678", "DE", "004915112345678"), ("(201) 555-0123", "us", "0012015550123")],
    )
    def test_a_sender_that_is_a_number_is_read_in_its_region(
        self, written: str, region: str, sender: str
    ) -> None:
        assert normalize_sender(written, "Sms", region) == sender

    def test_the_error_about_a_sender_shows_no_number(self) -> None:
        with pytest.raises(InvalidSender) as caught:
            normalize_sender("+41 79 123 45 67 89", "Whatsapp")

        assert "123" not in str(caught.value)


class TestCheckRegion:
    """Numbers without country code need a country that exists."""

    @pytest.mark.parametrize(
        ("region", "known"), [("CH", "CH"), ("ch", "CH"), ("DE", "DE"), ("li", "LI")]
    )
    def test_a_region_is_written_in_either_letter_case(self, region: str, known: str) -> None:
        assert check_region(region) == known

    @pytest.mark.parametrize(
        "region", ["", "XX", "CHE", "Schweiz", "+41", "41", "001", "ZZ", None, 41]
    )
    def test_an_unknown_region_is_refused(self, region: Any) -> None:
        with pytest.raises(InvalidConfiguration, match="two letters, such as CH"):
            check_region(region)
        with pytest.raises(InvalidConfiguration):
            normalize("+41791234567", region)
        with pytest.raises(InvalidConfiguration):
            normalize_sender("079 123 45 67", "Sms", region)


class TestMask:
    """Whole numbers are shown nowhere."""

    @pytest.mark.parametrize(
        ("value", "masked"),
        [
            ("+41791234567", "+41…67"),
            ("+41 (0)79 123 45 67", "+41…67"),
            ("079 123 45 67", "079…67"),
            ("0041791234567", "004…67"),
            ("123456789", "123…89"),
            ("12345678", "…78"),
            ("12345", "…45"),
            ("1414", "…"),
            ("117", "…"),
            ("", "…"),
            ("Anna Muster", "…"),
            ("Your code is 481 516 23 42", "…"),
            ("079 123 45 67\n078 765 43 21", "…"),
        ],
    )
    def test_a_masked_number_shows_its_beginning_and_its_end(self, value: str, masked: str) -> None:
        assert mask(value) == masked

    @given(st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True))
    def test_a_masked_number_hides_at_least_three_digits(self, value: str) -> None:
        shown = mask(value)

        assert value not in shown
        assert sum(map(str.isdigit, shown)) <= max(0, len(value) - 3)

    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("To 0041791234567 is an invalid receiver", "To 004…67 is an invalid receiver"),
            ("To0041791234567, +41 79 123 45 67", "To004…67, +41…67"),
            ("receiver_0041791234567", "receiver_004…67"),
            ("(079) 123-45-67", "(079…67"),
            ("079.123.45.67", "079…67"),
            ("+41\u00a079\u2009123\u201145\u201167!", "+41…67!"),
            (
                "\uff0b\uff14\uff11\uff17\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
                "\uff0b\uff14\uff11…\uff16\uff17",
            ),
            ("1234567", "…67"),
            ("abcdef0041791234567fff", "abcdef004…67fff"),
            ("on 2026-11-23 0791234567", "on 2026-11-23 079…67"),
            ("07.12.2026.12", "071…12"),  # begins like a date
        ],
    )
    def test_numbers_in_a_text_are_masked(self, text: str, masked: str) -> None:
        assert mask_numbers_in(text) == masked

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "InvalidContent",
            "Code 481 516 at 14:00",
            "11102 AdrAdCMissing",
            "at most 1530",
            "3f2b8c1e-1234-4567-8901-123456789012",
            "12345678-1234-1234-1234-123456789012",
            "DEADBEEF00112233AABBCCDD",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "2026-11-23T12:00:00.1234567Z",
            "2026-11-23 12:00:00",
            "from 2026-11-23T12:00 on",
            "23.11.2026 12:00:00",
        ],
    )
    def test_identifiers_and_times_in_a_text_are_not_masked(self, text: str) -> None:
        assert mask_numbers_in(text) == text

    @given(
        st.lists(st.sampled_from(["", *SEPARATORS, " (", ") "]), min_size=11, max_size=11),
        st.sampled_from(["", "to ", "nr:", "<"]),
    )
    def test_a_number_in_a_text_is_masked_however_it_is_written(
        self, separators: list[str], before: str
    ) -> None:
        written = "".join(
            digit + separator for digit, separator in zip(NUMBER[1:], separators, strict=True)
        )

        assert "1234567" not in "".join(filter(str.isdigit, mask_numbers_in(f"{before}{written}")))

    @pytest.mark.parametrize(
        "text", ["a" * 50_000, "1 " * 50_000, "-1-" * 30_000, "abcdef12-" * 10_000, "20 " * 30_000]
    )
    def test_masking_takes_time_in_proportion_to_the_length_of_the_text(self, text: str) -> None:
        started = time.perf_counter()
        mask_numbers_in(text)

        assert time.perf_counter() - started < 2


def test_phonenumbers_is_loaded_late() -> None:
    code = "import sys, ecall_facade.numbers as n; n.check_region('CH'); sys.exit('phonenumbers' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_numbers_need_nothing_of_the_package_but_errors_and_modules_of_their_own() -> None:
    code = (
        "import sys; from ecall_facade.numbers import normalize; normalize('079 123 45 67');"
        "print(*sorted(name for name in sys.modules if name.startswith('ecall')))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    own = ["masking", "number_characters", "phone_numbers", "recipients", "regions", "senders"]
    # The errors need the results, which need the states of the generated package.
    base = ["ecall_facade", "ecall_facade._version", "ecall_facade._json", "ecall_facade.results"]
    assert {name for name in loaded if name.startswith("ecall_facade")} - set(base) == {
        "ecall_facade.errors",
        "ecall_facade.numbers",
        *[f"ecall_facade._{name}" for name in own],
    }


@given(
    begin=st.sampled_from(["0", "+41", "0041", "+41 (0)", "41", "00 41 0", "'0", "+", "\uff0b41"]),
    second=st.sampled_from("6789"),
    rest=st.text("0123456789", min_size=5, max_size=10),
    region=st.sampled_from(["CH", "LI", "DE", "IT", "US"]),
)
@settings(max_examples=300)
def test_swiss_mobile_numbers_are_those_that_phonenumbers_finds(
    begin: str, second: str, rest: str, region: str
) -> None:
    """They are recognised without it, as that is much faster."""
    written = f"{begin}7{second}{rest}"
    try:
        found = normalize(written, region)
    except InvalidNumber:
        found = None
    try:
        # phonenumbers does not know that 00 is dialled in the United States as well.
        read = re.sub(r"^00 ?", "+", written.removeprefix("'"))
        number = phonenumbers.parse(read, region)
    except phonenumbers.NumberParseException:
        assert found is None
        return
    is_swiss_mobile = (
        number.country_code == 41
        and not number.italian_leading_zero
        and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    )
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if found is not None:
        assert found == e164
    elif is_swiss_mobile:
        # Refused all the same: digits after a whole number, or without + and 0 in another region.
        assert len(e164) > len("+41791234567") or begin == "41"


@pytest.mark.parametrize("network", ["75", "76", "77", "78", "79"])
def test_every_number_of_a_swiss_mobile_network_is_one_to_phonenumbers(network: str) -> None:
    mobile = phonenumbers.PhoneNumberType.MOBILE
    for number in range(0, 10_000_000, 9973):
        national = f"{network}{number:07d}"
        assert phonenumbers.number_type(phonenumbers.parse(national, "CH")) == mobile
        assert normalize(f"0{national}") == f"+41{national}"


@pytest.mark.parametrize("module", [numbers, text], ids=lambda module: module.__name__)
def test_a_public_module_holds_public_names_only(module: ModuleType) -> None:
    private = [name for name in vars(module) if name.startswith("_") and not name.startswith("__")]
    made_here = {
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    }
    assert private == []
    assert made_here <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)
