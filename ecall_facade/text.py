"""Measure texts before they are sent: encoding, length in the network's units, SMS pages."""

from __future__ import annotations

from typing import Literal

import attrs

from ecall_client.models.channel import Channel
from ecall_client.tables import CHANNEL_RULES, TextOptionsSpec
from ecall_facade._characters import (
    DECOMPOSED,
    EXTENDED,
    INVISIBLE_TEXT,
    LOOK_ALIKES,
    NOT_GSM,
    UNPAIRED_SURROGATE,
    compose,
)
from ecall_facade.errors import InvalidText

__all__ = [
    "LENGTH_LIMITS",
    "SMS_PAGE_LIMIT",
    "Encoding",
    "Measurement",
    "check_text",
    "measure",
    "to_gsm",
]

SMS_PAGE_LIMIT = TextOptionsSpec.page_limit_maximum
"""The most pages an SMS may have (documented)."""
LENGTH_LIMITS: dict[str, int] = {
    channel: rules.max_text_length
    for channel, rules in CHANNEL_RULES.items()
    if channel != Channel.SMS
}
"""The longest texts of the other channels (documented), in code points (inferred: the unit is not documented)."""

Encoding = Literal["GSM-7", "UCS-2"]
"""How an SMS travels: in the GSM 03.38 alphabet, or in UCS-2 as soon as one character is not in it."""


@attrs.frozen
class Measurement:
    """The size of a text as an SMS."""

    encoding: Encoding
    """Either "GSM-7", or "UCS-2" if one character or more is not in the GSM alphabet."""
    units: int
    r"""Septets in GSM-7, where `€ [ ] { } ~ \ ^ |` and form feed take two; UTF-16 code units in
    UCS-2, where most emoji take two.
    """
    pages: int
    """SMS pages, by which the price usually goes."""
    units_left: int
    """Units that still fit before another page is needed."""
    outside_gsm: tuple[str, ...] = attrs.field(default=(), repr=False)
    """The characters that keep the text from GSM-7, in order, each once. They are part of the text,
    so the `repr` does not show them.
    """


def measure(text: str) -> Measurement:
    """Return the size of a text as an SMS.

    That is one page of 160 GSM-7 or 70 UCS-2 units, or several of 153 or 67 each (documented).
    No character is split over two pages, so that a page may end a unit early (3GPP TS 23.040;
    inferred for eCall). An empty text has no pages. An unpaired surrogate counts as one unit.
    """
    outside_gsm = tuple(dict.fromkeys(NOT_GSM.findall(text)))
    in_gsm = not outside_gsm
    encoding: Encoding = "GSM-7" if in_gsm else "UCS-2"
    single, several = (160, 153) if in_gsm else (70, 67)
    # An escape with its septet is as wide and as indivisible as a surrogate pair, so UTF-16 packs both encodings alike.
    packed = (EXTENDED.sub("\U00010000", text) if in_gsm else text).encode(
        "utf-16-le", "surrogatepass"
    )
    units = len(packed) // 2
    if units <= single:
        return Measurement(encoding, units, min(units, 1), single - units, outside_gsm)
    pages, end = 1, several
    while end < units:
        would_cut_a_pair = packed[2 * end - 1] & 0xFC == 0xD8
        end += several - would_cut_a_pair
        pages += 1
    return Measurement(encoding, units, pages, end - units, outside_gsm)


def to_gsm(text: str) -> str:
    """Return a text with typographic characters replaced by those of the GSM alphabet.

    Dashes, quotation marks, ellipses, bullets and special spaces, as word processors insert them,
    become the characters on a keyboard, and soft hyphens and zero-width spaces are removed.
    One of them would make the whole text UCS-2, with 70 characters on a page instead of 160.
    A letter with a separate accent becomes the one character if the GSM alphabet has it.
    Letters are never replaced by others, so `measure` may still find characters outside GSM-7.

    Args:
        text: Any text. Nothing calls this by itself: what you send is what you pass to `send`.
    """
    return DECOMPOSED.sub(compose, text).translate(LOOK_ALIKES)


def check_text(text: object, channel: str, page_limit: int | None = None) -> Measurement | None:
    """Check that a channel can carry a text.

    Args:
        text: Anything; only a str with something to see in it is a text.
        channel: One of `Channel`; another channel has no limit here.
        page_limit: The most pages of an SMS, 1 to 10; by default 10.

    Returns:
        The size of an SMS, and None for another channel.

    Raises:
        InvalidText: There is nothing to see in the text, half of a character, or more than the
            channel takes. The message does not contain the text.
    """
    if not isinstance(text, str) or not text or text.isspace():
        raise InvalidText("The text must be a str that is not empty or only white space")
    if INVISIBLE_TEXT.fullmatch(text):
        raise InvalidText("The text has no visible character, only white space and invisible marks")
    if half := UNPAIRED_SURROGATE.search(text):
        raise InvalidText(
            f"Character {half.start() + 1} of the text is an unpaired surrogate;"
            " the text was decoded wrongly"
        )
    if channel != Channel.SMS:
        limit = LENGTH_LIMITS.get(channel, len(text))
        if len(text) > limit:
            raise InvalidText(
                f"The text has {len(text)} characters, {channel} takes {limit}: shorten it"
            )
        return None
    limit = SMS_PAGE_LIMIT if page_limit is None else page_limit
    least = TextOptionsSpec.page_limit_minimum
    if type(limit) is not int or not least <= limit <= SMS_PAGE_LIMIT:
        raise InvalidText(f"page_limit must be a whole number from {least} to {SMS_PAGE_LIMIT}")
    size = measure(text)
    if size.pages > limit:
        outside = NOT_GSM.search(text)
        why = f", as character {outside.start() + 1} is not in the GSM alphabet" if outside else ""
        needs = f"{size.pages} SMS pages ({size.units} units of {size.encoding}{why})"
        raise InvalidText(f"The text needs {needs}, page_limit is {limit}: shorten or divide it")
    longest = CHANNEL_RULES[Channel.SMS].max_text_length
    if len(text) > longest:  # where that is less than all pages hold
        raise InvalidText(
            f"The text has {len(text)} characters, {channel} takes {longest}: shorten it"
        )
    return size
