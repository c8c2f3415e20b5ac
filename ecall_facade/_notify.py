"""Notifications about the delivery of a message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from ecall_client.models import (
    Notification,
    NotificationAddress,
    NotificationAddressType,
    NotificationEvent,
)
from ecall_client.tables import NotificationAddressSpec
from ecall_client.types import UNSET, Unset
from ecall_facade._json import as_iterable
from ecall_facade.errors import UsageError
from ecall_facade.numbers import normalize


@attrs.frozen(init=False)
class Notify:
    """Addresses that are notified about the delivery of a message, and of which events.

    Args:
        addresses: URLs (called by POST: `UrlPost`), e-mail addresses, numbers, or a
            `NotificationAddress` with a type of its own.
        for_event: `All`, `FinalOnly`, `SuccessOnly` or `ErrorOnly` (observed); if it is left out, the
            service decides.

    Raises:
        UsageError: There is no such event.
    """

    addresses: tuple[str | NotificationAddress, ...] = attrs.field(repr=False)
    for_event: NotificationEvent | None = None

    def __init__(
        self,
        *addresses: str | NotificationAddress,
        for_event: NotificationEvent | str | None = None,
    ) -> None:
        if for_event is not None and for_event not in list(NotificationEvent):
            raise UsageError(f"for_event must be one of {', '.join(NotificationEvent)}")
        event = None if for_event is None else NotificationEvent(for_event)
        object.__setattr__(self, "addresses", addresses)  # frozen
        object.__setattr__(self, "for_event", event)


Notifiable: TypeAlias = str | Notify | Sequence[str] | None
_FORMS = "a URL, an e-mail address or a number"


def notification(notify: object, region: str) -> Notification | Unset:
    """Return the notification of a request, or UNSET.

    Args:
        notify: As callers give it.
        region: How numbers without a country code are read.

    Raises:
        UsageError: An address cannot be notified.
    """
    if notify is None:
        return UNSET
    if isinstance(notify, str):
        notify = Notify(notify)
    elif not isinstance(notify, Notify):
        several = as_iterable(notify)
        if several is None:
            raise UsageError(f"notify must be {_FORMS}, several of them, or Notify(…)")
        return _notification(several, None, region)
    return _notification(notify.addresses, notify.for_event, region)


def _notification(
    given: Iterable[object], for_event: NotificationEvent | None, region: str
) -> Notification:
    addresses = [_read_address(address, region) for address in given]
    if not addresses:
        raise UsageError(f"notify must name an address: {_FORMS}")
    length = sum(len(address.address) for address in addresses)
    longest = NotificationAddressSpec.address_max_length
    if length > longest:
        raise UsageError(
            f"The addresses in notify have {length} characters together;"
            f" at most {longest} are accepted (observed)"
        )
    event = UNSET if for_event is None else for_event
    return Notification(addresses=addresses, for_event=event)


def _read_address(address: object, region: str) -> NotificationAddress:
    if isinstance(address, NotificationAddress):
        if not _is_text(address.address):
            raise UsageError("An address in notify is empty, or not a str")
        return address
    if not isinstance(address, str):
        raise UsageError("An address in notify must be a str, or a NotificationAddress")
    if address.lower().startswith(("http://", "https://")):
        kind, name = NotificationAddressType.URL_POST, "URL"
        is_complete = all(address.split("/")[2:3])
    elif "@" in address:
        kind, name = NotificationAddressType.EMAIL, "e-mail address"
        is_complete = all(address.rpartition("@"))
    else:
        number = normalize(address, region)
        return NotificationAddress(type_=NotificationAddressType.SMS, address=number)
    if not is_complete or not address.isprintable() or " " in address:
        raise UsageError(f"An address in notify is not a valid {name}")
    return NotificationAddress(type_=kind, address=address)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
