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
    ErrorDetailsSpec,
    ErrorSpec,
    ImageContentSpec,
    MessageListRequestSpec,
    MessageRequestSpec,
    NotificationAddressSpec,
    NotificationSpec,
    ParameterErrorSpec,
    TextContentSpec,
    TextOptionsSpec,
    ToAddressNumberSpec,
)
from ecall_facade._json import JSON, normalize_names
from ecall_facade.sandbox._magic import find_magic_recipient
from ecall_facade.sandbox._store import NotificationSettings
from ecall_facade.text import LENGTH_LIMITS, SMS_PAGE_LIMIT, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

    from ecall_facade.sandbox._store import Address


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
"""What v1 accepts for `Sms`, although letter case is documented to matter (observed)."""
ADDRESSES_LENGTH = 100
"""The addresses of a notification have fewer characters than this together (observed)."""

_SMS_SENDER = re.compile(r"\+?[0-9]{1,16}|[ -~]{1,11}")  # documented
_INTERNATIONAL = re.compile(r"(?:\+|00)([0-9]{1,20})")  # documented
_SHORT_CODE = re.compile(
    r"[0-9]{3,6}"
)  # inferred: short codes, and what an account routes to a pager
_REASONS = {
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "no country has this code",
    phonenumbers.ValidationResult.TOO_SHORT: "it is too short",
    phonenumbers.ValidationResult.TOO_LONG: "it is too long",
}


class RefusedError(Exception):
    """The request is answered with an error.

    Args:
        status: The status code of the response.
        code: The `errorCode`.
        message: The `errorMessage`.
        errors: Messages by parameter, for `errorDetails`.
        headers: Further headers of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.json: dict[str, JSON] = {
            ErrorSpec.error_code: code,
            ErrorSpec.error_message: message,
        }
        if errors:
            details: list[JSON] = [
                {ParameterErrorSpec.parameter: name, ParameterErrorSpec.messages: [*texts]}
                for name, texts in errors.items()
            ]
            self.json[ErrorSpec.error_details] = {ErrorDetailsSpec.errors: details}


def invalid(errors: Mapping[str, list[str]]) -> RefusedError:
    """Return the refusal that clients have seen (observed: status, code and shape)."""
    return RefusedError(400, "InvalidContent", "The request is not valid.", errors)


class ValidMessage(NamedTuple):
    """A message that passed all checks. `is_broadcast` is true if its recipients came in `toList`."""

    channel: str
    sender: str
    recipients: list[str]
    is_broadcast: bool


class _Errors(dict[str, list[str]]):
    def add(self, parameter: str, message: str) -> None:
        self.setdefault(parameter, []).append(message)

    def text(self, parent: Mapping[str, JSON], name: str, parameter: str) -> str | None:
        """Return a required string, or None and add an error if it is missing, empty or no string."""
        value = parent.get(name)
        if value is None:
            self.add(parameter, "It is required.")
        elif not isinstance(value, str):
            self.add(parameter, "It must be a string.")
        elif not value:
            self.add(parameter, "It must not be empty.")
        else:
            return value
        return None

    def choice(
        self, parent: Mapping[str, JSON], name: str, parameter: str, choices: tuple[str, ...]
    ) -> str | None:
        value = self.text(parent, name, parameter)
        if value is None or value in choices:
            return value
        self.add(parameter, f"It must be one of {', '.join(choices)}, in this letter case.")
        return None


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
        raise RefusedError(400, "SyntaxError", "The JSON contains an unpaired surrogate.") from None
    except (ValueError, RecursionError):
        raise RefusedError(400, "SyntaxError", "The body is not JSON in UTF-8.") from None
    if not isinstance(raw, dict) or not isinstance(named, dict):
        raise RefusedError(400, "SyntaxError", "The body must be a JSON object.")
    return raw, named


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def check_message(
    request: dict[str, JSON], version: int, has_media: Callable[[str], bool]
) -> tuple[ValidMessage, NotificationSettings]:
    """Return the message in a request, and whom to notify.

    Raises:
        RefusedError: The request is not valid; names all its errors.
    """
    errors = _Errors()
    message = _check_message(request, version, has_media, errors)
    notification = _check_notification(request, errors)
    if message is None or errors:
        raise invalid(errors)
    return message, notification


def check_list(request: dict[str, JSON]) -> tuple[list[JSON], NotificationSettings]:
    """Return the unchecked messages of a list, and whom to notify.

    Raises:
        RefusedError: The list itself is not valid.
    """
    errors = _Errors()
    messages = request.get(MessageListRequestSpec.messages)
    if not isinstance(messages, list) or not messages:
        errors.add(
            "Messages",
            "It is required." if messages is None else "It must be an array that is not empty.",
        )
    notification = _check_notification(request, errors)
    if errors or not isinstance(messages, list):
        raise invalid(errors)
    return messages, notification


def check_list_item(item: JSON, version: int, has_media: Callable[[str], bool]) -> ValidMessage:
    """Return one message of a list.

    Raises:
        RefusedError: It is not valid; names all its errors.
    """
    errors = _Errors()
    if not isinstance(item, dict):
        raise invalid({"Message": ["It must be an object."]})
    message = _check_message(item, version, has_media, errors)
    if message is None:
        raise invalid(errors)
    return message


def _check_message(
    request: dict[str, JSON],
    version: int,
    has_media: Callable[[str], bool],
    errors: _Errors,
) -> ValidMessage | None:
    if version == 1 and request.get(MessageRequestSpec.channel) == V1_SMS:
        channel: str | None = Channel.SMS.value
    else:
        channel = errors.choice(request, MessageRequestSpec.channel, "Channel", CHANNELS)
    sender = errors.text(request, MessageRequestSpec.from_, "From")
    if sender and channel == Channel.SMS and not _SMS_SENDER.fullmatch(sender):
        errors.add(
            "From", "It must have at most 16 digits, or at most 11 characters of ASCII 32-126."
        )
    elif sender and channel == Channel.WHATSAPP and (reason := _reason_against_number(sender)):
        errors.add("From", f"It must be the registered business number: {reason}.")
    recipients = _check_recipients(request, errors)
    if sender and any(_refuses(recipient, "From") for recipient in recipients):
        errors.add(
            "From",
            f"{sender[:40]} is an invalid sender: the recipient is the sandbox's number for that.",
        )
    _check_content(request, channel, has_media, errors)
    if errors or channel is None or sender is None:
        return None
    return ValidMessage(
        channel, sender, recipients, request.get(MessageRequestSpec.to_list) is not None
    )


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


def _refuses(recipient: str, parameter: str) -> bool:
    magic = find_magic_recipient(recipient)
    return magic is not None and magic.refused_parameter == parameter


def _check_recipient(value: str, parameter: str, errors: _Errors) -> None:
    if _refuses(value, "To"):
        errors.add(
            parameter,
            f"The number {value} is an invalid receiver: it is the sandbox's number for that.",
        )
    elif not _SHORT_CODE.fullmatch(value) and (reason := _reason_against_number(value)):
        errors.add(parameter, f"The number {value[:40]} is an invalid receiver: {reason}.")


def _check_recipients(request: dict[str, JSON], errors: _Errors) -> list[str]:
    to, to_list = request.get(MessageRequestSpec.to), request.get(MessageRequestSpec.to_list)
    if to is not None and to_list is not None:
        errors.add("To", "To and ToList exclude each other.")  # documented
    elif to is None and to_list is None:
        errors.add("To", "To or ToList is required.")  # inferred
    elif to is not None:
        if to := errors.text(request, MessageRequestSpec.to, "To"):
            _check_recipient(to, "To", errors)
            return [to]
    elif not isinstance(to_list, list):
        errors.add("ToList", "It must be an array.")
    elif not to_list:
        errors.add("ToList", "It must not be empty.")  # inferred
    else:
        recipients: list[str] = []
        for index, item in enumerate(to_list):
            where = f"ToList[{index}]"
            if not isinstance(item, dict):
                errors.add(where, "It must be an object.")
                continue
            # At least one more kind of address is documented; its name and fields are not known.
            errors.choice(item, ToAddressNumberSpec.type_, f"{where}.Type", RECIPIENT_TYPES)
            if address := errors.text(item, ToAddressNumberSpec.address, f"{where}.Address"):
                _check_recipient(address, f"{where}.Address", errors)
                recipients.append(address)
        return recipients
    return []


def _check_content(
    request: dict[str, JSON],
    channel: str | None,
    has_media: Callable[[str], bool],
    errors: _Errors,
) -> None:
    content = request.get(MessageRequestSpec.content)
    if not isinstance(content, dict):
        errors.add("Content", "It is required." if content is None else "It must be an object.")
        return
    kind = errors.choice(content, TextContentSpec.type_, "Content.Type", CONTENT_TYPES)
    if kind == _TEXT:
        page_limit = _check_page_limit(content, errors)
        if text := errors.text(content, TextContentSpec.text, "Content.Text"):
            _check_length(text, channel, page_limit, errors)
    elif kind is not None:
        if channel == Channel.SMS:
            errors.add("Content.Type", "An SMS is a text.")  # inferred
        elif channel is not None and kind in CHANNEL_RULES[Channel(channel)].refused_content:
            errors.add("Content.Type", f"{kind} is not supported on {channel}.")  # documented
        media_id = errors.text(content, ImageContentSpec.media_id, "Content.MediaId")
        if media_id is not None and not has_media(media_id):
            errors.add("Content.MediaId", "No file has this id.")  # inferred


def _check_page_limit(content: dict[str, JSON], errors: _Errors) -> int:
    options = content.get(TextContentSpec.options, {})
    if not isinstance(options, dict):
        errors.add("Content.Options", "It must be an object.")
        return SMS_PAGE_LIMIT
    least = TextOptionsSpec.page_limit_minimum
    limit = options.get(TextOptionsSpec.page_limit, SMS_PAGE_LIMIT)
    if (
        not isinstance(limit, int)
        or isinstance(limit, bool)
        or not least <= limit <= SMS_PAGE_LIMIT
    ):
        errors.add(
            "Content.Options.PageLimit",
            f"It must be a whole number from {least} to {SMS_PAGE_LIMIT}.",
        )
        return SMS_PAGE_LIMIT
    return limit


def _check_length(text: str, channel: str | None, page_limit: int, errors: _Errors) -> None:
    if channel == Channel.SMS:
        size = measure(text)
        if size.pages > page_limit:
            errors.add(
                "Content.Text",
                f"It has {size.pages} pages ({size.encoding}), the limit is {page_limit}.",
            )
    elif channel is not None and len(text) > LENGTH_LIMITS[channel]:
        errors.add(
            "Content.Text", f"It has {len(text)} characters, the limit is {LENGTH_LIMITS[channel]}."
        )


def _check_notification(request: dict[str, JSON], errors: _Errors) -> NotificationSettings:
    if MessageRequestSpec.notification not in request:
        return NotificationSettings()
    notification = request[MessageRequestSpec.notification]
    if not isinstance(notification, dict):
        errors.add("Notification", "It must be an object.")
        return NotificationSettings()
    event: str | None = NotificationEvent.ALL.value  # inferred
    if NotificationSpec.for_event in notification:
        event = errors.choice(
            notification, NotificationSpec.for_event, "Notification.ForEvent", EVENTS
        )
    items = notification.get(NotificationSpec.addresses, [])
    if not isinstance(items, list) or (not items and NotificationSpec.addresses in notification):
        errors.add("Notification.Addresses", "It must be an array that is not empty.")
        return NotificationSettings()
    addresses: list[Address] = []
    for index, item in enumerate(items):
        where = f"Notification.Addresses[{index}]"
        if not isinstance(item, dict):
            errors.add(where, "It must be an object.")
            continue
        kind = errors.choice(item, NotificationAddressSpec.type_, f"{where}.Type", ADDRESS_TYPES)
        address = errors.text(item, NotificationAddressSpec.address, f"{where}.Address")
        if kind and address:
            addresses.append((kind, address))
            if reason := _reason_against_address(kind, address):
                errors.add(f"{where}.Address", reason)
    if sum(len(address) for _, address in addresses) >= ADDRESSES_LENGTH:
        errors.add(
            "Notification.Addresses",
            f"Together they must have less than {ADDRESSES_LENGTH} characters.",
        )
    return NotificationSettings(tuple(addresses), event or NotificationEvent.ALL.value)


def _reason_against_address(kind: str, address: str) -> str | None:
    """Return what is wrong with the address of a notification (all inferred)."""
    if kind == NotificationAddressType.EMAIL:
        return (
            None if re.fullmatch(r"[^@\s]+@[^@\s]+", address) else "It must be an e-mail address."
        )
    if kind == NotificationAddressType.SMS:
        reason = _reason_against_number(address)
        return f"It must be a number: {reason}." if reason else None
    try:
        parts = urlsplit(address)
        ok = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        ok = False
    return (
        None if ok and not re.search(r"\s", address) else "It must be a URL, http://… or https://…"
    )
