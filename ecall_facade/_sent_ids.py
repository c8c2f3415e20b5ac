"""The ids in the response to a send, and which recipient each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ecall_client import models
from ecall_client.operations import OperationResponse
from ecall_client.tables import MessageResultSpec
from ecall_facade._call import Effect
from ecall_facade._error_factory import unreadable
from ecall_facade._parsing import read_id
from ecall_facade.errors import UnreadableResponse

Ids: TypeAlias = Sequence[tuple[str, str | None]]
"""Each id, with its recipient where that is named."""


def ids_of_one(result: models.MessageResult, response: OperationResponse) -> Ids:
    """Return the id of a message to one recipient; a list of ids is read as well.

    Raises:
        UnreadableResponse: There is none.
    """
    one = read_id(result.message_id)
    ids = [(one, None)] if one else _listed_ids(result)
    if not ids:
        raise _no_id(MessageResultSpec.message_id, response)
    return ids


def ids_of_many(result: models.MessageResult, response: OperationResponse) -> Ids:
    """Return the ids of a message to many recipients; a single id is read as well.

    Raises:
        UnreadableResponse: There is none.
    """
    many = _listed_ids(result)
    one = read_id(result.message_id)
    ids = [(one, None)] if one and not many else many
    if not ids:
        raise _no_id(MessageResultSpec.message_id_list, response)
    return ids


def _no_id(name: str, response: OperationResponse) -> UnreadableResponse:
    return unreadable(f"the response has no {name}", response, Effect.SEND_MANY)


def _listed_ids(result: models.MessageResult) -> Ids:
    if not isinstance(result.message_id_list, list):
        return []
    found: list[tuple[str | None, object]] = [
        (read_id(item.message_id), _recipient_of(item))
        if isinstance(item, models.AddressedMessageId)
        else (read_id(item), None)
        for item in result.message_id_list
    ]
    return [
        (message_id, recipient if isinstance(recipient, str) else None)
        for message_id, recipient in found
        if message_id is not None
    ]


def _recipient_of(item: models.AddressedMessageId) -> object:
    """Return the recipient that an id belongs to, if it is named.

    The name of the field is inferred, so any value that looks like a number is taken.
    """
    if item.address:
        return item.address
    for value in item.additional_properties.values():
        if isinstance(value, str) and value.startswith(("+", "00")):
            return value
    return None


def match(recipients: tuple[str, ...], ids: Ids) -> dict[str, str]:
    """Return the id for each recipient, as far as the response allows to match them."""
    named = {_e164(address): message_id for message_id, address in ids if address is not None}
    if named:
        return {recipient: named[recipient] for recipient in recipients if recipient in named}
    if len(ids) == len(recipients):
        pairs = zip(recipients, ids, strict=True)
        return {recipient: message_id for recipient, (message_id, _) in pairs}
    return {}


def _e164(address: str) -> str:
    return f"+{address[2:]}" if address.startswith("00") else address
