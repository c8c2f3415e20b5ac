"""Which characters an SMS can carry, and which ones nobody can see."""

from __future__ import annotations

import re
import unicodedata

# ESC is left out: on the wire it announces an extension character, and stands for none itself.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = re.compile(r"[\f^{}\\\[~\]|€]")
"""The characters of the GSM alphabet that take two units."""
NOT_GSM = re.compile(rf"[^{re.escape(_BASIC)}\f^{{}}\\\[~\]|€]")
LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007", " "),
        **dict.fromkeys("\u2008\u2009\u200a\u202f\u205f\u3000", " "),
        **dict.fromkeys("\x0b\x85\u2028\u2029", "\n"),
        # Invisible ones that come along when text is copied. Joiners and marks of direction stay:
        # they change how some scripts and emoji look.
        **dict.fromkeys("\u00ad\u200b\u2060\ufeff", ""),
        "\u2022": "*",
        "\u2024": ".",
        "\u2025": "..",
        "\u2026": "...",
        "\u2044": "/",
        "\u2215": "/",
    }
)
"""Typographic signs outside the GSM alphabet, and what typewriters wrote for them."""
DECOMPOSED = re.compile("[A-Za-z][\u0300-\u036f]")
"""A letter with its accent as a character of its own, as macOS writes file names."""
UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")

# White space, control characters, what Unicode calls default-ignorable (joiners, marks of direction,
# variation selectors, fillers, tags), annotation marks, and the Braille pattern without dots.
INVISIBLE_TEXT = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
"""A text in which there is nothing to see."""


def compose(found: re.Match[str]) -> str:
    """Return a letter and its accent as the one character of the GSM alphabet, if it has that."""
    composed = unicodedata.normalize("NFC", found[0])
    return found[0] if NOT_GSM.search(composed) else composed
