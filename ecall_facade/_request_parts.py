"""Parts of requests: the caller's own fields, and the words that errors must not quote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

from ecall_client import models
from ecall_client.tables import REQUEST_NAMES
from ecall_client.types import Unset
from ecall_facade._contents import ContentModel
from ecall_facade._json import JSON, iterate_items, iterate_strings
from ecall_facade._json_input import check_json
from ecall_facade.errors import UsageError

Extra: TypeAlias = Mapping[str, JSON]
B = TypeVar("B", models.MessageRequest, models.MessageListItem, models.MessageListRequest)


def add_extra(body: B, extra: Extra | None) -> None:
    """Add the caller's own fields.

    Raises:
        UsageError: One of them is known, so that it would be there twice and the service would choose.
    """
    if extra is None:
        return
    check_json(extra, "extra")
    known = sorted({name for name, _ in iterate_items(extra) if name.lower() in REQUEST_NAMES})
    if known:
        raise UsageError(
            f"extra must not contain fields that have their own argument: {', '.join(known)}"
        )
    body.additional_properties.update(extra)


def private_words(
    content: ContentModel | None,
    recipients: Iterable[str],
    notification: models.Notification | Unset,
    extra: Extra | None,
) -> tuple[str, ...]:
    """Return the words of a request that errors must not quote.

    Args:
        content: Of the message, or None.
        recipients: As they are sent.
        notification: Whose addresses are private, too.
        extra: The caller's own fields.
    """
    texts = [content.text] if isinstance(content, models.TextContent) else []
    addresses = None if isinstance(notification, Unset) else notification.addresses
    notified = [address.address for address in addresses] if addresses else []
    return (*texts, *recipients, *notified, *iterate_strings(extra))
