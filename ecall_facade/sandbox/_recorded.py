"""The most recent sends, each request with its response, so that the page can show them."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, cast

import attrs

from ecall_client.tables import (
    ErrorDetailsSpec,
    ErrorSpec,
    MessageListItemSpec,
    MessageListRequestSpec,
    NotificationAddressSpec,
    ParameterErrorSpec,
    ToAddressNumberSpec,
)
from ecall_facade._json import as_dict, as_list
from ecall_facade.sandbox._http import KEPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.responses import Response

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._api_call import ApiCall

    Refused = dict[str, JSON]
    """A message that was refused, as the page shows it. The inbox adds its size and its file."""

MAX_REFUSED = 100  # messages of one list that are shown as refused
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
# A name and password in the URL of a notification address.
_USERINFO = re.compile(
    rf'("{NotificationAddressSpec.address}"\s*:\s*"https?:(?:\\?/){{2}})[^"/?#]*@'.encode(),
    re.IGNORECASE,
)


@attrs.frozen
class RecordedRequest:
    """A request and its response, without credentials.

    Attributes:
        request_id: The id that the response has.
        at: When it came.
        method: The method of the request.
        path: The path with the query, as it came.
        headers: The headers of the request, without secrets.
        body: The body of the request, or its beginning.
        is_cut: Whether `body` is only the beginning.
        status: The status of the response; None if the connection was dropped.
        response_headers: The headers of the response.
        response_body: The body of the response, or its beginning.
        note: The fault of the response, for people.
        refused: The messages that were refused.
    """

    request_id: str
    at: datetime
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    is_cut: bool
    status: int | None
    response_headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    response_body: bytes = attrs.field(repr=False)
    note: str | None
    refused: tuple[Refused, ...] = attrs.field(repr=False)

    @classmethod
    def from_call(
        cls, call: ApiCall, response: Response, refused: Sequence[Refused]
    ) -> RecordedRequest:
        """Return what is kept of a request and its response."""
        request, body = call.request, call.body or b""
        # Not `request.url`, as a host can be anything, and not the decoded path, as it is for a command line.
        path, query = request.scope["raw_path"] or b"/", request.scope["query_string"]
        is_dropped = call.fault is not None and call.fault.drop
        return cls(
            request_id=call.request_id,
            at=call.at,
            method=request.method,
            path=(path + b"?" + query if query else path).decode("latin-1"),
            headers=tuple(
                (name, value)
                for name, value in request.headers.items()
                if name not in _SECRET_HEADERS
            ),
            body=_without_credentials(body)[:KEPT_BYTES],
            is_cut=call.is_cut or len(body) > KEPT_BYTES,
            status=None if is_dropped else response.status_code,
            response_headers=() if is_dropped else tuple(response.headers.items()),
            response_body=b"" if is_dropped else bytes(response.body)[:KEPT_BYTES],
            note=call.fault.note if call.fault else None,
            refused=tuple(refused),
        )

    @property
    def weight(self) -> int:
        """The approximate number of bytes in memory."""
        all_headers = (*self.headers, *self.response_headers)
        headers = sum(len(name) + len(value) + 200 for name, value in all_headers)
        refused = sum(1000 + len(json.dumps(each["content"])) for each in self.refused)
        return len(self.path) + len(self.body) + len(self.response_body) + headers + refused

    def curl(self, base_url: str) -> str | None:
        """Return a shell command that sends it again, or None if its body cannot be written in one.

        The credentials stay in `ECALL_USERNAME` and `ECALL_PASSWORD`.
        """
        try:
            body = self.body.decode()
        except UnicodeDecodeError:
            return None
        if self.is_cut or "\0" in body:
            return None
        parts = ["curl", "--user", '"$ECALL_USERNAME:$ECALL_PASSWORD"']
        for name, value in self.headers:
            if name in {"content-type", "x-api-version"}:
                parts += ["--header", shlex.quote(f"{name}: {value}")]
        # Not --data, which takes a body that begins with @ for the name of a file.
        parts += ["--data-raw", shlex.quote(body), shlex.quote(base_url + self.path)]
        return " ".join(parts)


def refused_whole(
    request_id: str, asked: dict[str, JSON], status: int | None, reason: str
) -> list[Refused]:
    """Return what is shown of a request that was refused: its first message."""
    messages = as_list(asked.get(MessageListRequestSpec.messages))
    first = as_dict(messages[0]) if messages else as_dict(asked)
    shown = _refused(first, reason)
    others = cast("int", shown["others"]) + max(len(messages) - 1, 0)
    return [
        {
            **shown,
            "key": f"refused:{request_id}",
            "request_id": request_id,
            "status": status,
            "others": others,
        }
    ]


def refused_entries(
    request_id: str, entries: Sequence[tuple[int, JSON, dict[str, JSON]]]
) -> list[Refused]:
    """Return what is shown of the refused messages of an accepted list.

    Args:
        request_id: The id of the request.
        entries: Place in the list, message and error of each.
    """
    shown = [
        {
            **_refused(as_dict(asked), reason_of(error)),
            "key": f"refused:{request_id}:{place}",
            "request_id": request_id,
        }
        for place, asked, error in entries[:MAX_REFUSED]
    ]
    if len(entries) > MAX_REFUSED:
        shown[-1]["others"] = cast("int", shown[-1]["others"]) + len(entries) - MAX_REFUSED
    return shown


def _refused(asked: dict[str, object], reason: str) -> Refused:
    to_list = as_list(asked.get(MessageListItemSpec.to_list))
    addresses = [
        asked.get(MessageListItemSpec.to),
        *(as_dict(item).get(ToAddressNumberSpec.address) for item in to_list),
    ]
    recipients = [address for address in addresses if isinstance(address, str)]
    content = as_dict(asked.get(MessageListItemSpec.content))
    is_short = len(json.dumps(content)) <= KEPT_BYTES
    return {
        "kind": "refused",
        "number": with_plus(recipients[0][:100]) if recipients else "",
        "others": max(len(recipients) - 1, 0),
        "channel": _short_text(asked.get(MessageListItemSpec.channel)),
        "sender": _short_text(asked.get(MessageListItemSpec.from_)),
        "content": cast("dict[str, JSON]", content) if is_short else {},
        "status": None,
        "reason": reason,
    }


def _short_text(value: object) -> str:
    return value[:100] if isinstance(value, str) else ""


def reason_of(error: object) -> str:
    """Return an error in one line."""
    named = as_dict(error)
    names = (ErrorSpec.error_code, ErrorSpec.error_message)
    words = [str(named[name]) for name in names if named.get(name)]
    details = as_dict(named.get(ErrorSpec.error_details))
    for problem in as_list(details.get(ErrorDetailsSpec.errors)):
        about = as_dict(problem)
        messages = as_list(about.get(ParameterErrorSpec.messages))
        words.append(f"{about.get(ParameterErrorSpec.parameter)}: {' '.join(map(str, messages))}")
    return " · ".join(words)


def with_plus(number: str) -> str:
    """Return a number with +, so that both international forms belong to the same conversation."""
    return f"+{number[2:]}" if number.startswith("00") else number


def _without_credentials(body: bytes) -> bytes:
    return _USERINFO.sub(rb"\1...@", body) if b"@" in body else body
