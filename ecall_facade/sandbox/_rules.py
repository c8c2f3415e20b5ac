"""What a request has to be: the rules of spec/ecall.yaml by hand, with all problems of a request told at once.

The comments name the evidence of a rule: documented, observed in clients, or inferred.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import phonenumbers

from ecall_facade._json import JSON, spell
from ecall_facade.sandbox._magic import find
from ecall_facade.sandbox._store import Notify
from ecall_facade.text import LENGTH_LIMITS, SMS_PAGE_LIMIT, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecall_facade.sandbox._store import Address

CHANNELS = ("Sms", "Whatsapp", "Rcs")  # documented
V1_SMS = "sms"  # what v1 takes for Sms, against the documented letter case (observed)
CONTENT_TYPES = (
    "Text",
    "Image",
    "Document",
    "Audio",
    "Video",
    "Sticker",
)  # all but Text and Sticker inferred
ADDRESS_TYPES = ("Email", "Sms", "Url", "UrlPost")  # observed
EVENTS = ("SuccessOnly", "FinalOnly", "All", "ErrorOnly")  # observed

_SMS_SENDER = re.compile(r"\+?[0-9]{1,16}|[ -~]{1,11}")  # documented
_INTERNATIONAL = re.compile(r"(?:\+|00)([0-9]{1,20})")  # documented
_SHORT = re.compile(r"[0-9]{3,6}")  # inferred: short codes, and what an account routes to a pager
_REASONS = {
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "no country has this code",
    phonenumbers.ValidationResult.TOO_SHORT: "it is too short",
    phonenumbers.ValidationResult.TOO_LONG: "it is too long",
}


class RefusedError(Exception):
    """The request is answered with an error. `problems` are messages by parameter."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        problems: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.json: dict[str, JSON] = {"errorCode": code, "errorMessage": message}
        if problems:
            errors: list[JSON] = [
                {"parameter": name, "messages": [*texts]} for name, texts in problems.items()
            ]
            self.json["errorDetails"] = {"errors": errors}


def invalid(problems: Mapping[str, list[str]]) -> RefusedError:
    """Give the refusal that has been seen in answers of the service (observed: status, code and shape)."""
    return RefusedError(400, "InvalidContent", "The request is not valid.", problems)


class Draft(NamedTuple):
    """What a valid message comes to. `many` is whether it came with `toList`."""

    channel: str
    sender: str
    recipients: list[str]
    many: bool


class _Problems(dict[str, list[str]]):
    def add(self, parameter: str, message: str) -> None:
        self.setdefault(parameter, []).append(message)

    def text(self, parent: Mapping[str, JSON], name: str, parameter: str) -> str | None:
        """Take a required string that is not empty."""
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
    """Read a JSON object: as it came, and with its names in the spelling of the spec, as their letter case is free."""
    try:
        raw: JSON = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(raw, ensure_ascii=False).encode("utf-8")  # raises on half a surrogate pair
        named = spell(raw)
    except UnicodeEncodeError:
        raise RefusedError(400, "SyntaxError", "The JSON holds half a surrogate pair.") from None
    except (ValueError, RecursionError):
        raise RefusedError(400, "SyntaxError", "The body is not JSON in UTF-8.") from None
    if not isinstance(raw, dict) or not isinstance(named, dict):
        raise RefusedError(400, "SyntaxError", "The body must be a JSON object.")
    return raw, named


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def check_message(
    request: dict[str, JSON], version: int, has_media: Callable[[str], bool]
) -> tuple[Draft, Notify]:
    """Give what a request comes to and who is to be told, or raise `RefusedError` with all its problems."""
    problems = _Problems()
    draft = _check_message(request, version, has_media, problems)
    notify = _check_notification(request, problems)
    if draft is None or problems:
        raise invalid(problems)
    return draft, notify


def check_list(request: dict[str, JSON]) -> tuple[list[JSON], Notify]:
    """Give the messages of a list, unchecked, and who is to be told; or raise `RefusedError`."""
    problems = _Problems()
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        problems.add(
            "Messages",
            "It is required." if messages is None else "It must be an array that is not empty.",
        )
    notify = _check_notification(request, problems)
    if problems or not isinstance(messages, list):
        raise invalid(problems)
    return messages, notify


def check_list_item(item: JSON, version: int, has_media: Callable[[str], bool]) -> Draft:
    """Give what one message of a list comes to, or raise `RefusedError` with all its problems."""
    problems = _Problems()
    if not isinstance(item, dict):
        raise invalid({"Message": ["It must be an object."]})
    draft = _check_message(item, version, has_media, problems)
    if draft is None:
        raise invalid(problems)
    return draft


def _check_message(
    request: dict[str, JSON],
    version: int,
    has_media: Callable[[str], bool],
    problems: _Problems,
) -> Draft | None:
    if version == 1 and request.get("channel") == V1_SMS:
        channel: str | None = "Sms"
    else:
        channel = problems.choice(request, "channel", "Channel", CHANNELS)
    sender = problems.text(request, "from", "From")
    if sender and channel == "Sms" and not _SMS_SENDER.fullmatch(sender):
        problems.add(
            "From", "It must have at most 16 digits, or at most 11 characters of ASCII 32-126."
        )
    elif sender and channel == "Whatsapp" and (reason := _why_no_number(sender)):
        problems.add("From", f"It must be the registered business number: {reason}.")
    recipients = _check_recipients(request, problems)
    if sender and any(_refuses(recipient, "From") for recipient in recipients):
        problems.add(
            "From",
            f"{sender[:40]} is an invalid sender: the recipient is the sandbox's number for that.",
        )
    _check_content(request, channel, has_media, problems)
    if problems or channel is None or sender is None:
        return None
    return Draft(channel, sender, recipients, request.get("toList") is not None)


def _why_no_number(value: str) -> str | None:
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
    magic = find(recipient)
    return magic is not None and magic.refused_parameter == parameter


def _check_recipient(value: str, parameter: str, problems: _Problems) -> None:
    if _refuses(value, "To"):
        problems.add(
            parameter,
            f"The number {value} is an invalid receiver: it is the sandbox's number for that.",
        )
    elif not _SHORT.fullmatch(value) and (reason := _why_no_number(value)):
        problems.add(parameter, f"The number {value[:40]} is an invalid receiver: {reason}.")


def _check_recipients(request: dict[str, JSON], problems: _Problems) -> list[str]:
    to, to_list = request.get("to"), request.get("toList")
    if to is not None and to_list is not None:
        problems.add("To", "To and ToList exclude each other.")  # documented
    elif to is None and to_list is None:
        problems.add("To", "To or ToList is required.")  # inferred
    elif to is not None:
        if to := problems.text(request, "to", "To"):
            _check_recipient(to, "To", problems)
            return [to]
    elif not isinstance(to_list, list):
        problems.add("ToList", "It must be an array.")
    elif not to_list:
        problems.add("ToList", "It must not be empty.")  # inferred
    else:
        recipients: list[str] = []
        for index, item in enumerate(to_list):
            where = f"ToList[{index}]"
            if not isinstance(item, dict):
                problems.add(where, "It must be an object.")
                continue
            # At least one more kind of address is documented; its name and fields are not known.
            problems.choice(item, "type", f"{where}.Type", ("Number",))
            if address := problems.text(item, "address", f"{where}.Address"):
                _check_recipient(address, f"{where}.Address", problems)
                recipients.append(address)
        return recipients
    return []


def _check_content(
    request: dict[str, JSON],
    channel: str | None,
    has_media: Callable[[str], bool],
    problems: _Problems,
) -> None:
    content = request.get("content")
    if not isinstance(content, dict):
        problems.add("Content", "It is required." if content is None else "It must be an object.")
        return
    kind = problems.choice(content, "type", "Content.Type", CONTENT_TYPES)
    if kind == "Text":
        page_limit = _check_page_limit(content, problems)
        if text := problems.text(content, "text", "Content.Text"):
            _check_length(text, channel, page_limit, problems)
    elif kind is not None:
        if channel == "Sms":
            problems.add("Content.Type", "An SMS is a text.")  # inferred
        elif channel == "Whatsapp" and kind == "Sticker":
            problems.add("Content.Type", "Sticker is not supported on WhatsApp.")  # documented
        media_id = problems.text(content, "mediaId", "Content.MediaId")
        if media_id is not None and not has_media(media_id):
            problems.add("Content.MediaId", "No file has this id.")  # inferred


def _check_page_limit(content: dict[str, JSON], problems: _Problems) -> int:
    options = content.get("options", {})
    if not isinstance(options, dict):
        problems.add("Content.Options", "It must be an object.")
        return SMS_PAGE_LIMIT
    limit = options.get("pageLimit", SMS_PAGE_LIMIT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= SMS_PAGE_LIMIT:
        problems.add(
            "Content.Options.PageLimit", f"It must be a whole number from 1 to {SMS_PAGE_LIMIT}."
        )
        return SMS_PAGE_LIMIT
    return limit


def _check_length(text: str, channel: str | None, page_limit: int, problems: _Problems) -> None:
    if channel == "Sms":
        size = measure(text)
        if size.pages > page_limit:
            problems.add(
                "Content.Text",
                f"It has {size.pages} pages ({size.encoding}), the limit is {page_limit}.",
            )
    elif channel is not None and len(text) > LENGTH_LIMITS[channel]:
        problems.add(
            "Content.Text", f"It has {len(text)} characters, the limit is {LENGTH_LIMITS[channel]}."
        )


def _check_notification(request: dict[str, JSON], problems: _Problems) -> Notify:
    if "notification" not in request:
        return Notify()
    notification = request["notification"]
    if not isinstance(notification, dict):
        problems.add("Notification", "It must be an object.")
        return Notify()
    event: str | None = "All"  # inferred
    if "forEvent" in notification:
        event = problems.choice(notification, "forEvent", "Notification.ForEvent", EVENTS)
    items = notification.get("addresses", [])
    if not isinstance(items, list) or (not items and "addresses" in notification):
        problems.add("Notification.Addresses", "It must be an array that is not empty.")
        return Notify()
    addresses: list[Address] = []
    for index, item in enumerate(items):
        where = f"Notification.Addresses[{index}]"
        if not isinstance(item, dict):
            problems.add(where, "It must be an object.")
            continue
        kind = problems.choice(item, "type", f"{where}.Type", ADDRESS_TYPES)
        address = problems.text(item, "address", f"{where}.Address")
        if kind and address:
            addresses.append((kind, address))
            if reason := _why_no_address(kind, address):
                problems.add(f"{where}.Address", reason)
    if sum(len(address) for _, address in addresses) >= 100:  # observed
        problems.add("Notification.Addresses", "Together they must have less than 100 characters.")
    return Notify(tuple(addresses), event or "All")


def _why_no_address(kind: str, address: str) -> str | None:
    """Tell what is wrong with a notification address (all inferred)."""
    if kind == "Email":
        return (
            None if re.fullmatch(r"[^@\s]+@[^@\s]+", address) else "It must be an e-mail address."
        )
    if kind == "Sms":
        reason = _why_no_number(address)
        return f"It must be a number: {reason}." if reason else None
    try:
        parts = urlsplit(address)
        ok = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        ok = False
    return (
        None if ok and not re.search(r"\s", address) else "It must be a URL, http://… or https://…"
    )
