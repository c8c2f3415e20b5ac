"""The rules for requests. All errors of a request are reported at once, as the service does (observed).

The rules are those of spec/ecall.yaml. The comments name the evidence: documented, observed in clients, or inferred.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import attrs
import phonenumbers

from ecall_client.models import (
    AudioContent,
    Channel,
    DocumentContent,
    ImageContent,
    NotificationAddressType,
    NotificationEvent,
    StickerContent,
    TextContent,
    ToAddressNumber,
    VideoContent,
)
from ecall_client.tables import (
    CHANNEL_RULES,
    ImageContentSpec,
    MessageListRequestSpec,
    MessageRequestSpec,
    NotificationAddressSpec,
    NotificationSpec,
    TextContentSpec,
    TextOptionsSpec,
    ToAddressNumberSpec,
)
from ecall_facade._json import JSON, normalize_names
from ecall_facade.sandbox._errors import RefusedError, invalid
from ecall_facade.sandbox._fields import Errors, JsonObject
from ecall_facade.sandbox._magic import find_magic_recipient
from ecall_facade.sandbox._messages import NotificationSettings
from ecall_facade.text import LENGTH_LIMITS, SMS_PAGE_LIMIT, measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    from ecall_facade.sandbox._messages import Address


def _values_of(enum: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in enum)


def type_of(model: type[attrs.AttrsInstance]) -> str:
    """Return the value of `type` that the spec gives a model."""
    return str(attrs.fields_dict(model)["type_"].default)


CHANNELS = _values_of(Channel)
CONTENT_TYPES = tuple(
    type_of(model)
    for model in (
        TextContent,
        ImageContent,
        DocumentContent,
        AudioContent,
        VideoContent,
        StickerContent,
    )
)
ADDRESS_TYPES = _values_of(NotificationAddressType)
EVENTS = _values_of(NotificationEvent)
RECIPIENT_TYPES = (type_of(ToAddressNumber),)
_TEXT = type_of(TextContent)
V1_SMS = Channel.SMS.lower()
"""The spellings that v1 accepts for `Sms`, although letter case is documented to matter (observed)."""
ADDRESSES_LENGTH = 100
"""The addresses of a notification have fewer characters than this together (observed)."""

_SMS_SENDER = re.compile(r"\+?[0-9]{1,16}|[ -~]{1,11}")  # documented
_INTERNATIONAL = re.compile(r"(?:\+|00)([0-9]{1,20})")  # documented
SHORT_CODE = re.compile(r"[0-9]{3,6}")
"""Short codes, and what an account routes to a pager (inferred)."""
_REASONS = {
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "no country has this code",
    phonenumbers.ValidationResult.TOO_SHORT: "it is too short",
    phonenumbers.ValidationResult.TOO_LONG: "it is too long",
}


class ValidMessage(NamedTuple):
    """A message that passed all checks. `is_broadcast` is true if its recipients came in `toList`."""

    channel: str
    sender: str
    recipients: list[str]
    is_broadcast: bool


def parse(body: bytes) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """Return a JSON object as it came, and with its names normalized, as their letter case is free (documented).

    Raises:
        RefusedError: The body is not a JSON object.
    """
    try:
        raw: JSON = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(raw, ensure_ascii=False).encode("utf-8")  # raises on an unpaired surrogate
        named = normalize_names(raw)
    except UnicodeEncodeError:
        raise _syntax_error("The JSON contains an unpaired surrogate.") from None
    except (ValueError, RecursionError):
        raise _syntax_error("The body is not JSON in UTF-8.") from None
    if not isinstance(raw, dict) or not isinstance(named, dict):
        raise _syntax_error("The body must be a JSON object.")
    return raw, named


def _syntax_error(message: str) -> RefusedError:
    return RefusedError(400, message, code="SyntaxError")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def check_message(
    request: dict[str, JSON], version: int, has_media: Callable[[str], bool]
) -> tuple[ValidMessage, NotificationSettings]:
    """Return the message in a request, and whom to notify.

    Raises:
        RefusedError: The request is not valid; names all its errors.
    """
    fields = JsonObject(request, Errors())
    message = _check_message(fields, version, has_media)
    notification = _check_notification(fields)
    if message is None or fields.errors:
        raise invalid(fields.errors)
    return message, notification


def check_list(request: dict[str, JSON]) -> tuple[list[JSON], NotificationSettings]:
    """Return the unchecked messages of a list, and whom to notify.

    Raises:
        RefusedError: The list itself is not valid.
    """
    fields = JsonObject(request, Errors())
    messages = fields.get(MessageListRequestSpec.messages)
    if messages is None:
        fields.add(MessageListRequestSpec.messages, "It is required.")
    elif not isinstance(messages, list) or not messages:
        fields.add(MessageListRequestSpec.messages, "It must be an array that is not empty.")
    notification = _check_notification(fields)
    if fields.errors or not isinstance(messages, list):
        raise invalid(fields.errors)
    return messages, notification


def check_list_item(item: JSON, version: int, has_media: Callable[[str], bool]) -> ValidMessage:
    """Return one message of a list.

    Raises:
        RefusedError: It is not valid; names all its errors.
    """
    if not isinstance(item, dict):
        raise invalid({"Message": ["It must be an object."]})
    fields = JsonObject(item, Errors())
    message = _check_message(fields, version, has_media)
    if message is None:
        raise invalid(fields.errors)
    return message


def _check_message(
    request: JsonObject, version: int, has_media: Callable[[str], bool]
) -> ValidMessage | None:
    channel = _check_channel(request, version)
    recipients = _check_recipients(request)
    sender = _check_sender(request, channel, recipients)
    _check_content(request, channel, has_media)
    if request.errors or channel is None or sender is None:
        return None
    is_broadcast = request.get(MessageRequestSpec.to_list) is not None
    return ValidMessage(channel, sender, recipients, is_broadcast)


def _check_channel(request: JsonObject, version: int) -> str | None:
    if version == 1 and request.get(MessageRequestSpec.channel) == V1_SMS:
        return Channel.SMS.value
    return request.choice(MessageRequestSpec.channel, CHANNELS)


def _check_sender(request: JsonObject, channel: str | None, recipients: list[str]) -> str | None:
    name = MessageRequestSpec.from_
    sender = request.text(name)
    if sender is None:
        return None
    if channel == Channel.SMS and not _SMS_SENDER.fullmatch(sender):
        request.add(
            name, "It must have at most 16 digits, or at most 11 characters of ASCII 32-126."
        )
    elif channel == Channel.WHATSAPP and (reason := _reason_against_number(sender)):
        request.add(name, f"It must be the registered business number: {reason}.")
    if any(_is_refused_for(name, recipient) for recipient in recipients):
        request.add(
            name,
            f"{sender[:40]} is an invalid sender: the recipient is the sandbox's number for that.",
        )
    return sender


def _reason_against_number(value: str) -> str | None:
    match = _INTERNATIONAL.fullmatch(value)
    if match is None:
        return "it must be international, +… or 00…, digits only"
    try:
        number = phonenumbers.parse(f"+{match[1]}", None)
    except phonenumbers.NumberParseException:
        return "no country has this code"
    result = phonenumbers.is_possible_number_with_reason(number)
    if result in {
        phonenumbers.ValidationResult.IS_POSSIBLE,
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    }:
        return None
    return _REASONS.get(result, "its length is none of a number there")


def _is_refused_for(name: str, recipient: str) -> bool:
    """Return whether a recipient stands for the refusal of a field."""
    magic = find_magic_recipient(recipient)
    return magic is not None and magic.refused_field == name


def _check_recipient(value: str, parent: JsonObject, name: str) -> None:
    if _is_refused_for(MessageRequestSpec.to, value):
        parent.add(
            name, f"The number {value} is an invalid receiver: it is the sandbox's number for that."
        )
    elif not SHORT_CODE.fullmatch(value) and (reason := _reason_against_number(value)):
        parent.add(name, f"The number {value[:40]} is an invalid receiver: {reason}.")


def _check_recipients(request: JsonObject) -> list[str]:
    name = MessageRequestSpec.to
    to, to_list = request.get(name), request.get(MessageRequestSpec.to_list)
    if to is not None and to_list is not None:
        request.add(name, "To and ToList exclude each other.")  # documented
        return []
    if to is None and to_list is None:
        request.add(name, "To or ToList is required.")  # inferred
        return []
    if to is None:
        return _check_to_list(request, to_list)
    recipient = request.text(name)
    if recipient is None:
        return []
    _check_recipient(recipient, request, name)
    return [recipient]


def _check_to_list(request: JsonObject, to_list: JSON) -> list[str]:
    name = MessageRequestSpec.to_list
    if not isinstance(to_list, list):
        request.add(name, "It must be an array.")
        return []
    if not to_list:
        request.add(name, "It must not be empty.")  # inferred
    recipients: list[str] = []
    for index, item in enumerate(to_list):
        entry = request.child(f"{name}[{index}]", item)
        if entry is None:
            continue
        # At least one more kind of address is documented; its name and fields are not known.
        entry.choice(ToAddressNumberSpec.type_, RECIPIENT_TYPES)
        if address := entry.text(ToAddressNumberSpec.address):
            _check_recipient(address, entry, ToAddressNumberSpec.address)
            recipients.append(address)
    return recipients


def _check_content(
    request: JsonObject, channel: str | None, has_media: Callable[[str], bool]
) -> None:
    value = request.get(MessageRequestSpec.content)
    if value is None:
        request.add(MessageRequestSpec.content, "It is required.")
        return
    content = request.child(MessageRequestSpec.content, value)
    if content is None:
        return
    content_type = content.choice(TextContentSpec.type_, CONTENT_TYPES)
    if content_type == _TEXT:
        page_limit = _check_page_limit(content)
        if text := content.text(TextContentSpec.text):
            _check_length(text, channel, page_limit, content)
    elif content_type is not None:
        _check_file(content, content_type, channel, has_media)


def _check_file(
    content: JsonObject, content_type: str, channel: str | None, has_media: Callable[[str], bool]
) -> None:
    if channel == Channel.SMS:
        content.add(TextContentSpec.type_, "An SMS is a text.")  # inferred
    elif channel is not None and content_type in CHANNEL_RULES[Channel(channel)].refused_content:
        content.add(
            TextContentSpec.type_, f"{content_type} is not supported on {channel}."
        )  # documented
    media_id = content.text(ImageContentSpec.media_id)
    if media_id is not None and not has_media(media_id):
        content.add(ImageContentSpec.media_id, "No file has this id.")  # inferred


def _check_page_limit(content: JsonObject) -> int:
    options = content.child(TextContentSpec.options, content.get(TextContentSpec.options, {}))
    if options is None:
        return SMS_PAGE_LIMIT
    least = TextOptionsSpec.page_limit_minimum
    limit = options.get(TextOptionsSpec.page_limit, SMS_PAGE_LIMIT)
    is_whole = isinstance(limit, int) and not isinstance(limit, bool)
    if isinstance(limit, int) and is_whole and least <= limit <= SMS_PAGE_LIMIT:
        return limit
    options.add(
        TextOptionsSpec.page_limit, f"It must be a whole number from {least} to {SMS_PAGE_LIMIT}."
    )
    return SMS_PAGE_LIMIT


def _check_length(text: str, channel: str | None, page_limit: int, content: JsonObject) -> None:
    if channel == Channel.SMS:
        size = measure(text)
        if size.pages > page_limit:
            content.add(
                TextContentSpec.text,
                f"It has {size.pages} pages ({size.encoding}), the limit is {page_limit}.",
            )
    elif channel is not None and len(text) > LENGTH_LIMITS[channel]:
        content.add(
            TextContentSpec.text,
            f"It has {len(text)} characters, the limit is {LENGTH_LIMITS[channel]}.",
        )


def _check_notification(request: JsonObject) -> NotificationSettings:
    name = MessageRequestSpec.notification
    if name not in request.fields:
        return NotificationSettings()
    notification = request.child(name, request.get(name))
    if notification is None:
        return NotificationSettings()
    event: str | None = NotificationEvent.ALL.value  # inferred
    if NotificationSpec.for_event in notification.fields:
        event = notification.choice(NotificationSpec.for_event, EVENTS)
    addresses = _check_addresses(notification)
    return NotificationSettings(addresses, event or NotificationEvent.ALL.value)


def _check_addresses(notification: JsonObject) -> tuple[Address, ...]:
    name = NotificationSpec.addresses
    if name not in notification.fields:
        return ()
    items = notification.get(name)
    if not isinstance(items, list) or not items:
        notification.add(name, "It must be an array that is not empty.")
        return ()
    addresses: list[Address] = []
    for index, item in enumerate(items):
        entry = notification.child(f"{name}[{index}]", item)
        if entry is None:
            continue
        address_type = entry.choice(NotificationAddressSpec.type_, ADDRESS_TYPES)
        address = entry.text(NotificationAddressSpec.address)
        if address_type and address:
            addresses.append((address_type, address))
            if reason := _reason_against_address(address_type, address):
                entry.add(NotificationAddressSpec.address, reason)
    if sum(len(address) for _, address in addresses) >= ADDRESSES_LENGTH:
        notification.add(name, f"Together they must have less than {ADDRESSES_LENGTH} characters.")
    return tuple(addresses)


def _reason_against_address(address_type: str, address: str) -> str | None:
    """Return what is wrong with the address of a notification (all inferred)."""
    if address_type == NotificationAddressType.EMAIL:
        is_email = re.fullmatch(r"[^@\s]+@[^@\s]+", address)
        return None if is_email else "It must be an e-mail address."
    if address_type == NotificationAddressType.SMS:
        reason = _reason_against_number(address)
        return f"It must be a number: {reason}." if reason else None
    return None if _is_url(address) else "It must be a URL, http://… or https://…"


def _is_url(address: str) -> bool:
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and parts.scheme in {"http", "https"} and not re.search(r"\s", address)
