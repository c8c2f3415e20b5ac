from __future__ import annotations

import sys
import unicodedata

import pytest
import smsutil
from gsm0338 import Codec
from hypothesis import given, settings
from hypothesis import strategies as st

from ecall_facade.errors import InvalidText
from ecall_facade.text import (
    LENGTH_LIMITS,
    SMS_PAGE_LIMIT,
    Measurement,
    check_text,
    measure,
    to_gsm,
)

BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà"
EXTENSION = "\f^{}\\[~]|€"
ESC = "\x1b"

gsm_texts = st.text(st.sampled_from(BASIC + EXTENSION), max_size=900)
ucs_texts = st.text(st.sampled_from("aä€[ç\u2019😀🇨漢" + ESC), max_size=900)
any_texts = st.one_of(gsm_texts, ucs_texts, st.text(max_size=300))


@pytest.mark.parametrize(
    ("text", "encoding", "units", "pages", "units_left"),
    [
        ("", "GSM-7", 0, 0, 160),
        ("a", "GSM-7", 1, 1, 159),
        ("Grüezi, Ihr Termin: 14:00", "GSM-7", 25, 1, 135),
        ("a" * 160, "GSM-7", 160, 1, 0),
        ("a" * 161, "GSM-7", 161, 2, 145),
        ("a" * 306, "GSM-7", 306, 2, 0),
        ("a" * 307, "GSM-7", 307, 3, 152),
        ("a" * 1530, "GSM-7", 1530, 10, 0),
        ("a" * 1531, "GSM-7", 1531, 11, 152),
        # An extension character takes two units …
        ("€", "GSM-7", 2, 1, 158),
        (EXTENSION, "GSM-7", 20, 1, 140),
        ("€" * 80, "GSM-7", 160, 1, 0),
        ("a" + "€" * 80, "GSM-7", 161, 2, 145),
        # … and goes to the next page whole, which leaves the last unit of a page of 153 empty.
        ("a" * 152 + "€" + "a" * 8, "GSM-7", 162, 2, 143),
        ("a" * 151 + "€" + "a" * 8, "GSM-7", 161, 2, 145),
        ("€" * 153, "GSM-7", 306, 3, 151),
        # One character out of the alphabet, and all is UCS-2, where the extension characters are like any other.
        ("ç", "UCS-2", 1, 1, 69),
        ("ç€[]", "UCS-2", 4, 1, 66),
        ("\u2019" + "a" * 69, "UCS-2", 70, 1, 0),
        ("\u2019" + "a" * 70, "UCS-2", 71, 2, 63),
        ("ê" * 134, "UCS-2", 134, 2, 0),
        ("ê" * 135, "UCS-2", 135, 3, 66),
        ("ê" * 670, "UCS-2", 670, 10, 0),
        ("ê" * 671, "UCS-2", 671, 11, 66),
        # A surrogate pair is not split either.
        ("😀", "UCS-2", 2, 1, 68),
        ("😀" * 35, "UCS-2", 70, 1, 0),
        ("😀" * 36, "UCS-2", 72, 2, 61),
        ("a" * 66 + "😀" + "a" * 3, "UCS-2", 71, 2, 62),
        ("a" * 65 + "😀" + "a" * 4, "UCS-2", 71, 2, 63),
        ("👨\u200d👩\u200d👧", "UCS-2", 8, 1, 62),
        # What is not a character of the alphabet although it has a code in it, and what is not a character at all.
        (ESC, "UCS-2", 1, 1, 69),
        ("\ud83d", "UCS-2", 1, 1, 69),
        ("\ud83d\ude00", "UCS-2", 2, 1, 68),
    ],
)
def test_measure(text: str, encoding: str, units: int, pages: int, units_left: int) -> None:
    size = measure(text)

    assert (size.encoding, size.units, size.pages, size.units_left) == (
        encoding,
        units,
        pages,
        units_left,
    )


def test_whole_alphabet_is_gsm() -> None:
    others = [one for one in BASIC + EXTENSION if measure(one).encoding != "GSM-7"]
    assert others == []


def test_what_is_common_in_switzerland_and_not_gsm() -> None:
    common = "çâêîôûëïÀÈÊ\u2019\u2013…„“«»\t\u00a0`\u00b4°²"
    assert [one for one in common if measure(one).encoding != "UCS-2"] == []


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("Grüezi [€]", ()),
        ("ça va?", ("ç",)),
        ("„Ça“ à la façon d'août, bientôt…", ("„", "“", "ç", "û", "ô", "…")),
        ("😀🇨🇭😀", ("😀", "🇨", "🇭")),
        ("a" * 200 + "漢" + "b" * 200 + "ê", ("漢", "ê")),
        (ESC, (ESC,)),
        ("\ud83d", ("\ud83d",)),
    ],
)
def test_measure_names_each_character_outside_gsm_once_in_order(
    text: str, outside: tuple[str, ...]
) -> None:
    assert measure(text).outside_gsm == outside


@given(any_texts)
@settings(deadline=None)
def test_a_text_is_gsm_exactly_if_no_character_is_outside_of_it(text: str) -> None:
    size = measure(text)

    assert (size.encoding == "GSM-7") == (not size.outside_gsm)
    assert measure("".join(c for c in text if c not in size.outside_gsm)).encoding == "GSM-7"


@given(any_texts)
@settings(deadline=None)
def test_units_are_those_of_the_codec(text: str) -> None:
    """gsm0338 encodes ESC as a character of its own; a phone would take it for the start of an extension character."""
    size = measure(text)

    try:
        septets = Codec().encode(text)[0]
    except UnicodeEncodeError:
        septets = None
    if septets is None or ESC in text:
        assert (size.encoding, size.units) == (
            "UCS-2",
            len(text.encode("utf-16-le", "surrogatepass")) // 2,
        )
    else:
        assert (size.encoding, size.units) == ("GSM-7", len(septets))


@given(any_texts.filter(lambda text: bool(text) and ESC not in text))
@settings(deadline=None)
def test_pages_are_those_of_smsutil(text: str) -> None:
    """Left out is what it counts otherwise: an empty text as a page of UCS-2, and ESC as a GSM character."""
    size = measure(text)
    split = smsutil.split(text)

    assert size.pages == len(split.parts)
    assert size.units == (split.total_bytes if size.encoding == "GSM-7" else split.total_bytes // 2)


@given(any_texts)
@settings(deadline=None)
def test_units_left_fit_and_one_more_does_not(text: str) -> None:
    size = measure(text)

    full = measure(text + "a" * size.units_left)
    assert (full.pages, full.units_left) == (max(size.pages, 1), 0)
    assert measure(text + "a" * (size.units_left + 1)).pages == max(size.pages, 1) + 1


@given(any_texts, any_texts)
@settings(deadline=None)
def test_a_longer_text_never_takes_fewer_pages(text: str, more: str) -> None:
    assert measure(text).pages <= measure(text + more).pages


@pytest.mark.parametrize(
    ("text", "channel", "page_limit"),
    [
        ("a" * 1530, "Sms", None),
        ("a" * 1530, "Sms", 10),
        ("a" * 160, "Sms", 1),
        ("ê" * 70, "Sms", 1),
        ("ê" * 670, "Sms", None),
    ],
)
def test_check_gives_the_size_of_an_sms(text: str, channel: str, page_limit: int | None) -> None:
    assert check_text(text, channel, page_limit) == measure(text)


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("a" * LENGTH_LIMITS["Whatsapp"], "Whatsapp"),
        ("😀" * LENGTH_LIMITS["Whatsapp"], "Whatsapp"),
        ("a" * LENGTH_LIMITS["Rcs"], "Rcs"),
        ("a" * 9999, "Fax"),
    ],
)
def test_check_counts_no_pages_for_other_channels(text: str, channel: str) -> None:
    assert check_text(text, channel) is None


@pytest.mark.parametrize(
    ("text", "channel", "page_limit", "message"),
    [
        ("", "Sms", None, "not empty"),
        (" \n\t\u00a0", "Whatsapp", None, "white space"),
        (None, "Sms", None, "must be a str"),
        (b"hello", "Rcs", None, "must be a str"),
        (
            "hello \ud83d",
            "Sms",
            None,
            "Character 7 of the text is an unpaired surrogate; the text was decoded wrongly",
        ),
        ("a" * 1531, "Sms", None, "needs 11 SMS pages (1531 units of GSM-7), page_limit is 10"),
        ("a" * 161, "Sms", 1, "needs 2 SMS pages (161 units of GSM-7), page_limit is 1"),
        (
            "aç" * 336,
            "Sms",
            10,
            "11 SMS pages (672 units of UCS-2, as character 2 is not in the GSM alphabet)",
        ),
        ("a" * 4097, "Whatsapp", None, "has 4097 characters, Whatsapp takes 4096"),
        ("a" * 1001, "Rcs", None, "has 1001 characters, Rcs takes 1000"),
    ],
)
def test_check_refuses(text: object, channel: str, page_limit: int | None, message: str) -> None:
    with pytest.raises(InvalidText) as caught:
        check_text(text, channel, page_limit)

    assert message in str(caught.value)


@pytest.mark.parametrize("channel", ["Sms", "Whatsapp", "Rcs"])
@pytest.mark.parametrize(
    "text",
    [
        "\u200b",  # zero width space
        "\u200b \n\u200b",
        "\ufeff",  # byte order mark
        "\u2060\u200d\u200c",  # joiners
        "\xad",  # soft hyphen
        "\u200e\u202a\u202c\u2066\u2069\u061c",  # marks of direction
        "\ufe0f",  # variation selector
        "\U000e0100",
        "\U000e0041\U000e007f",  # tags
        "\u3164",  # Hangul filler
        "\u115f\u1160\uffa0",
        "\u2800",  # Braille without dots
        "\u034f\u180e",
        "\x00",
        "\x1b\x07\x7f\x85\x1c",
    ],
)
def test_a_text_in_which_nothing_is_visible_is_refused(text: str, channel: str) -> None:
    with pytest.raises(InvalidText, match=r"no visible character|only white space"):
        check_text(text, channel)


@pytest.mark.parametrize("channel", ["Sms", "Whatsapp", "Rcs"])
@pytest.mark.parametrize(
    "text",
    [".", "a\u200b", "\u200bä", "\U0001f600", "\u0301", "\u2764\ufe0f", "\u0600", "\ue000", "漢"],
)
def test_a_text_with_something_to_see_among_what_is_invisible_passes(
    text: str, channel: str
) -> None:
    check_text(text, channel)


@pytest.mark.parametrize("page_limit", [0, 11, -1, True, 1.0, "3"])
def test_check_refuses_a_page_limit_that_is_none(page_limit: int) -> None:
    with pytest.raises(
        InvalidText, match=f"page_limit must be a whole number from 1 to {SMS_PAGE_LIMIT}"
    ):
        check_text("hello", "Sms", page_limit)


@pytest.mark.parametrize("channel", ["Sms", "Whatsapp", "Rcs"])
def test_errors_do_not_hold_the_text(channel: str) -> None:
    with pytest.raises(InvalidText) as caught:
        check_text("Ihr Code ist geheim ç " * 400, channel)

    assert "Code" not in str(caught.value)
    assert "geheim" not in repr(caught.value)


def test_measurements_compare_and_do_not_change() -> None:
    size = measure("hello")

    assert size == Measurement("GSM-7", 5, 1, 155)
    with pytest.raises(AttributeError):
        size.units = 6  # type: ignore[misc]


def test_the_repr_of_a_measurement_shows_no_character_of_the_text() -> None:
    assert "ç" not in repr(measure("ça va?"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Grüezi [€] £ ¡ § ¿ Ω", "Grüezi [€] £ ¡ § ¿ Ω"),
        ("8\u201312 Uhr \u2014 morgen \u2212 \u2011", "8-12 Uhr - morgen - -"),
        ("\u201eTermin\u201c \u00abMontag\u00bb \u201cnow\u201d", '"Termin" "Montag" "now"'),
        ("l\u2019h\u00f4tel \u2018x\u2019 \u203ay\u2039 5\u2032 3\u2033 `z\u00b4", "l'h\u00f4tel 'x' 'y' 5' 3\" 'z'"),
        ("079\u00a0123\u202f45\u200967\tx\u3000y", "079 123 45 67 x y"),
        ("Bis bald\u2026 1\u2025 2\u2024", "Bis bald... 1.. 2."),
        ("\u2022 Pass\n\u2022 Ticket", "* Pass\n* Ticket"),
        ("a\u2028b\x0bc\u2029d", "a\nb\nc\nd"),
        ("Kranken\u00adhaus\u200b\ufeff\u2060", "Krankenhaus"),
        ("24\u20447", "24/7"),
        # Letters stay, in GSM-7 or not.
        *(
            (name, name)
            for name in (
                "François Hoël Ngô",
                "Łukasz Şă",
                "\u02bbOkina",  # a letter of Hawaiian, not an apostrophe
                "col·lecció",
            )
        ),
        # An accent that is a character of its own, as in file names of macOS.
        ("Zu\u0308rich, Gene\u0300ve, Malmo\u0308, A\u030alesund", "Zürich, Genève, Malmö, Ålesund"),
        ("Franc\u0327ois", "Franc\u0327ois"),
        ("x\u0308", "x\u0308"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)  # fmt: skip
def test_to_gsm_replaces_typography_and_no_letter(text: str, expected: str) -> None:
    assert to_gsm(text) == expected


def test_to_gsm_changes_no_letter_mark_or_digit_of_unicode() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character)[0] in "LMN":
            assert to_gsm(character) == character, f"U+{code:04X}"


@pytest.mark.long
def test_what_to_gsm_replaces_is_outside_the_alphabet_and_its_replacement_is_in_it() -> None:
    codec = Codec()
    replaced = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if to_gsm(character) != character
    ]
    assert len(replaced) > 50
    for character in replaced:
        with pytest.raises(UnicodeEncodeError):
            codec.encode(character)
        assert codec.decode(codec.encode(to_gsm(character))[0])[0] == to_gsm(character)


@given(any_texts)
@settings(deadline=None)
def test_to_gsm_keeps_what_is_gsm_and_doing_it_twice_changes_nothing(text: str) -> None:
    once = to_gsm(text)

    assert to_gsm(once) == once
    assert measure(text).encoding == "UCS-2" or once == text
