"""One message of a bulk job, as it was read."""

from __future__ import annotations

import attrs

from ecall_facade.numbers import RawAddress, mask


def _mask_recipient(to: str | RawAddress) -> str:
    # A spoilt file may hold something else than a number here, of which mask() shows nothing.
    return mask(to.value if isinstance(to, RawAddress) else to)


@attrs.frozen
class Message:
    """One message to one recipient, as it was read: nothing is normalised or measured yet."""

    to: str | RawAddress = attrs.field(repr=_mask_recipient)
    """The number as people write it, or a `RawAddress`."""
    text: str = attrs.field(repr=False)
    """The text as it is sent."""
    channel: str = "sms"
    """The channel: "sms", "whatsapp" or "rcs"."""
    sender: str | None = None
    """Who it is from; None for the client's own sender."""
    reference: str | None = attrs.field(default=None, repr=False)  # it may name a person
    """The caller's own name for the message; it is not sent."""
    line: int | None = None
    """Line or row in the file, from 1, for error messages."""
    source: str | None = None
    """Name of the file, for error messages."""
