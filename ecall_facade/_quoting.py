"""Keep message texts and numbers out of errors that quote what the service said."""

from __future__ import annotations

from collections.abc import Iterable

from ecall_facade._masking import mask_numbers_in

_SHORTEST = 4
"""Characters; a shorter text is not removed, as it is part of many words."""
_LONGEST_QUOTE = 8
"""Characters; any part of a private text that is as long is removed, as services shorten quotes."""


def without_private(said: str, private: Iterable[str]) -> str:
    """Return an explanation of the service without private texts, and with numbers masked.

    Args:
        said: The explanation.
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
