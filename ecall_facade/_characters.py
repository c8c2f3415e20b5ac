"""Which characters an SMS can carry, and which ones nobody can see."""

from __future__ import annotations

import re

# ESC is left out: on the wire it announces an extension character, and stands for none itself.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = re.compile(r"[\f^{}\\\[~\]|€]")
"""The characters of the GSM alphabet that take two units."""
NOT_GSM = re.compile(rf"[^{re.escape(_BASIC)}\f^{{}}\\\[~\]|€]")
UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")

# White space, control characters, what Unicode calls default-ignorable (joiners, marks of direction,
# variation selectors, fillers, tags), annotation marks, and the Braille pattern without dots.
INVISIBLE_TEXT = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
"""A text in which there is nothing to see."""
