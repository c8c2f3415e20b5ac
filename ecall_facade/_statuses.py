"""Delivery status: the calls that read it."""

from __future__ import annotations

from ecall_client import models
from ecall_client.api.message import get_message_status
from ecall_client.api.message_list import get_message_list_status
from ecall_client.operations import OperationResponse
from ecall_client.tables import MessageListStatusResultSpec
from ecall_facade._call import Call, Effect, request_id_of
from ecall_facade._contents import check_id
from ecall_facade._json import JSON
from ecall_facade._lists import listed_items
from ecall_facade._parsing import read_error, read_id, read_state, read_time
from ecall_facade.results import ListStatus, MessageStatus


def status(message_id: str) -> Call[MessageStatus]:
    """Return the call that reads the status of a message."""
    check_id(message_id, "message_id")

    def read(response: OperationResponse) -> MessageStatus:
        result = get_message_status.parse_success(response)
        return _read_status(result, message_id, request_id_of(response), response.content)

    request = get_message_status.build_request(message_id=message_id)
    return Call(Effect.READ_STATUS, request, read)


def list_status(list_id: str) -> Call[ListStatus]:
    """Return the call that reads the status of a list."""
    check_id(list_id, "list_id")

    def read(response: OperationResponse) -> ListStatus:
        # With today's spec it accepts every JSON object; a corrected one may require something.
        get_message_list_status.parse_success(response)
        request_id = request_id_of(response)
        statuses = [
            _read_status(models.MessageStatusResult.from_dict(item), "", request_id, raw)
            for raw, item in listed_items(response, MessageListStatusResultSpec.messages)
        ]
        return ListStatus(list_id, tuple(statuses), request_id=request_id, content=response.content)

    request = get_message_list_status.build_request(message_list_id=list_id)
    return Call(Effect.READ_STATUS, request, read)


def _read_status(
    result: models.MessageStatusResult,
    asked_for: str,
    request_id: str | None,
    content: bytes | dict[str, JSON],
) -> MessageStatus:
    state, is_final = read_state(result.state)
    error: object = result.error
    return MessageStatus(
        read_id(result.message_id) or asked_for,
        state,
        is_final,
        read_time(result.timestamp, result.additional_properties),
        read_error(error.to_dict() if isinstance(error, models.Error) else error),
        request_id=request_id,
        content=content,
    )
