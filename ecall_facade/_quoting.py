"""Keep message texts and numbers out of errors that quote what the service said."""

from __future__ import annotations

from collections.abc import Iterable

from ecall_facade._masking import mask_numbers_in

_SHORTEST = 4
"""A shorter text is not looked for, as it would be found in every second word."""
_LONGEST_QUOTE = 8
"""So many characters of a private text are removed wherever they stand, as services cut what they quote."""


def without_private(said: str, private: Iterable[str]) -> str:
    """Return what the service said, without private texts and with numbers masked.

    Args:
        said: Words of the service.
        private: Message texts and recipients of the call.
    """
    for text in private:
        if len(text) >= _SHORTEST:
            said = _without(said, text)
    return mask_numbers_in(said)


def _without(said: str, quoted: str) -> str:
    size = min(len(quoted), _LONGEST_QUOTE)
    for start in range(len(quoted) - size + 1):
        end = start + size
        while end < len(quoted) and quoted[start : end + 1] in said:
            end += 1
        said = said.replace(quoted[start:end], "…")
    return said
