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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._faults import Fault

    Refused = dict[str, JSON]
    """A message that was refused, as the page shows it. The inbox adds its size and its file."""

KEPT = 2_000
KEPT_BYTES = 8 * 2**20  # of all of them together, approximately
CUT = 64 * 2**10  # bytes of a body that are kept
MAX_REFUSED = 100  # messages of one list that are shown as refused
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
# A name and password in the URL of a notification address.
_USERINFO = re.compile(
    rf'("{NotificationAddressSpec.address}"\s*:\s*"https?:(?:\\?/){{2}})[^"/?#]*@'.encode(),
    re.IGNORECASE,
)


@attrs.frozen
class RecordedRequest:
    """A request and its response, without credentials. `refused` are those of its messages that were refused."""

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
    def from_response(
        cls,
        request: Request,
        request_id: str,
        at: datetime,
        body: bytes,
        is_cut: bool,
        response: Response,
        fault: Fault | None,
        refused: Sequence[Refused],
    ) -> RecordedRequest:
        """Return what is kept of a request and its response."""
        is_dropped = fault is not None and fault.drop
        # Not `request.url`, as a host can be anything, and not the decoded path, as it is for a command line.
        path, query = request.scope["raw_path"] or b"/", request.scope["query_string"]
        return cls(
            request_id,
            at,
            request.method,
            (path + b"?" + query if query else path).decode("latin-1"),
            tuple(
                (name, value)
                for name, value in request.headers.items()
                if name not in _SECRET_HEADERS
            ),
            (_USERINFO.sub(rb"\1...@", body) if b"@" in body else body)[:CUT],
            is_cut or len(body) > CUT,
            None if is_dropped else response.status_code,
            () if is_dropped else tuple(response.headers.items()),
            b"" if is_dropped else bytes(response.body)[:CUT],
            fault.note if fault else None,
            tuple(refused),
        )

    @property
    def weight(self) -> int:
        """The approximate number of bytes in memory."""
        headers = sum(
            len(name) + len(value) + 200 for name, value in (*self.headers, *self.response_headers)
        )
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
        return " ".join(
            [*parts, "--data-raw", shlex.quote(body), shlex.quote(base_url + self.path)]
        )


def refused_whole(
    request_id: str, asked: dict[str, JSON], status: int | None, reason: str
) -> list[Refused]:
    """Return what is shown of a request that was refused: its first message."""
    messages = as_list(asked.get(MessageListRequestSpec.messages))
    first = as_dict(messages[0]) if messages else as_dict(asked)
    return [
        _refused(
            f"refused:{request_id}", request_id, first, status, reason, max(len(messages) - 1, 0)
        )
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
        _refused(
            f"refused:{request_id}:{place}", request_id, as_dict(asked), None, reason_of(error), 0
        )
        for place, asked, error in entries[:MAX_REFUSED]
    ]
    if len(entries) > MAX_REFUSED:
        shown[-1]["others"] = cast("int", shown[-1]["others"]) + len(entries) - MAX_REFUSED
    return shown


def _refused(
    key: str, request_id: str, asked: dict[str, object], status: int | None, reason: str, more: int
) -> Refused:
    addresses = [
        asked.get(MessageListItemSpec.to),
        *(
            as_dict(item).get(ToAddressNumberSpec.address)
            for item in as_list(asked.get(MessageListItemSpec.to_list))
        ),
    ]
    recipients = [address for address in addresses if isinstance(address, str)]
    channel = asked.get(MessageListItemSpec.channel)
    sender = asked.get(MessageListItemSpec.from_)
    content = as_dict(asked.get(MessageListItemSpec.content))
    return {
        "key": key,
        "kind": "refused",
        "number": with_plus(recipients[0][:100]) if recipients else "",
        "others": max(len(recipients) - 1, 0) + more,
        "channel": channel[:100] if isinstance(channel, str) else "",
        "sender": sender[:100] if isinstance(sender, str) else "",
        "content": cast("dict[str, JSON]", content if len(json.dumps(content)) <= CUT else {}),
        "status": status,
        "reason": reason,
        "request_id": request_id,
    }


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
