"""The characters that people and address books put into phone numbers."""

from __future__ import annotations

import re

INVISIBLE = re.compile(r"[\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Invisible characters that are copied along from address books and web pages."""

# Spaces and dashes of all widths, dots, slashes, parentheses, and the invisible marks above.
# Line breaks are not among them: they separate numbers.
GAP = (
    r"[ \t.\-/()\xa0\xad\u1680\u2000-\u2015\u202a-\u202f\u205f-\u2069\u2212\u3000\ufeff"
    r"\uff08\uff09\uff0d-\uff0f]"
)
GAPS = re.compile(f"{GAP}+")

DIGITS = re.compile(r"[+\uff0b]?\d+")
"""A number without its gaps."""
