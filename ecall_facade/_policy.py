"""What is decided about a request and its answer, without any I/O: version, retry, errors, spelling of JSON names.

`Policy.plan` makes the request. `Policy.exchange` is a generator that a session drives: it says what to do next, and
gives the answer or raises an error of ours.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Generator, Mapping
from datetime import UTC
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, cast

import httpx

from ecall_client.tables import OPERATIONS
from ecall_client.types import Response
from ecall_facade import errors
from ecall_facade._json import JSON, as_dict, as_list, names_and_values, spell
from ecall_facade._settings import Account, Options
from ecall_facade._version import __version__
from ecall_facade.numbers import mask_numbers_in

E = TypeVar("E", bound=errors.ECallError)
MAX_RETRIES = 2
RETRY_WINDOW = 30.0  # seconds
MAX_RETRY_AFTER = 10.0  # seconds; longer than that is the caller's to wait
REQUEST_ID = "x-f24-request-id"

Headers: TypeAlias = Mapping[str, str]
Form: TypeAlias = Literal["json", "raw", "stream"]
"""How an answer is taken: read as JSON, read as it is, or left to be read in chunks."""

_NAMED_STATUSES = frozenset(HTTPStatus)
_VERSION = re.compile(r"/api/v[0-9][^/]*/", re.IGNORECASE)
_FIXED_PATHS = frozenset(operation.path.rsplit("/", 1)[-1] for operation in OPERATIONS)
_USER_AGENT = f"ecall-facade/{__version__}"
_NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_log = logging.getLogger("ecall_facade")
_PORTAL = "Settings are cached by the service for a while, so a change takes time to show."
_REDIRECTED = "It wants the request elsewhere, and redirects are never followed; look at base_url."
_HINTS = {
    **dict.fromkeys(range(300, 400), _REDIRECTED),
    401: "Look in eCall's portal whether the REST interface is switched on, and whether these are the credentials of"
    f" the account or of an API sub-user. {_PORTAL}",
    403: "Look in eCall's portal at the credit, the approval of the sender and the rights of the API sub-user."
    f" {_PORTAL}",
    404: "The service keeps the status of a message for seven days.",
}


class Kind(Enum):
    """What a request does, which decides what may be repeated and what an error means."""

    SEND = auto()
    UPLOAD = auto()
    STATUS = auto()  # reads about messages that are out
    FETCH = auto()  # reads of media


READS = {Kind.STATUS, Kind.FETCH}


class Reply(NamedTuple):
    """An answer that has been read. The generated parsing takes it for an httpx response.

    Its JSON is in the spelling of the spec. A streamed one has no content; its `response` is still open.
    """

    status_code: int
    headers: httpx.Headers
    content: bytes = b""
    response: httpx.Response | None = None
    data: dict[str, JSON] | None = None

    def __repr__(self) -> str:
        return f"Reply({self.status_code})"

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code <= 299

    @property
    def request_id(self) -> str | None:
        return self.headers.get(REQUEST_ID) or None

    def json(self) -> dict[str, JSON] | None:
        return self.data


class Attempt(NamedTuple):
    """What came of one try: an answer, an error of the transport, or both where the answer broke off."""

    reply: Reply | None
    error: Exception | None = None
    believed: bool = (
        True  # whether the transport is known to call only that a connection error which is one
    )


class Plan(NamedTuple):
    """One request, and what it means."""

    request: httpx.Request
    resource: str  # the path below the base URL, without the version
    kind: Kind
    form: Form


class Policy:
    """The rules, for one account and one set of options."""

    def __init__(self, account: Account, options: Options) -> None:
        self.account = account
        self.options = options
        self._urls: dict[str, httpx.URL] = {}

    def plan(
        self,
        method: str,
        path: str,
        form: Form,
        headers: Headers | None = None,
        json: JSON = None,
        content: Any = None,
    ) -> Plan:
        """Make the request: where it goes, in which version, and as whom."""
        resource = _VERSION.sub("/api/", path.partition("?")[0], count=1)
        stated = {"User-Agent": _USER_AGENT, **(headers or {})}
        stated.setdefault("Accept-Encoding", "gzip, deflate")
        version = self.options.api_version
        if not _VERSION.match(path):
            if self.options.version_in == "path" and path.startswith("/api/"):
                path = f"/api/{version}/{path.removeprefix('/api/')}"
            else:
                stated["X-API-Version"] = version.removeprefix("v")
        extensions = {"timeout": self._phases(), "form": form}
        try:
            url = self._url(path)
            request = httpx.Request(
                method, url, headers=stated, content=content, json=json, extensions=extensions
            )
        except httpx.InvalidURL:
            raise errors.UsageError("The path, or the id in it, is too long for a URL") from None
        except (TypeError, ValueError) as error:
            raise errors.UsageError(
                f"The message cannot be written as JSON ({type(error).__name__})"
            ) from None
        # Last, so that it is in no variable of a frame that an error above would carry into somebody's log.
        request.headers["Authorization"] = self.account.authorization
        return Plan(request, resource, kind_of(method, resource), form)

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            # The path begins with a slash, so that it cannot lead to another host than that of the base URL.
            url = httpx.URL(self.account.base_url + "/" + path.removeprefix("/"))
            if path.rsplit("/", 1)[-1] in _FIXED_PATHS:  # not those with an id, which are many
                self._urls[path] = url
        return url

    def exchange(self, plan: Plan) -> Generator[float | None, Attempt | None, Reply]:
        """Yield the seconds to pause before each try (None: the first), and take what came of it; return the answer."""
        started = time.monotonic()
        number, pause = 0, None
        while True:
            attempt = cast("Attempt", (yield pause))
            reply = attempt.reply
            if _log.isEnabledFor(logging.DEBUG):
                status = (
                    f"{reply.status_code}, request id {reply.request_id}" if reply else "no answer"
                )
                _log.debug("%s %s: %s", plan.request.method, plan.resource, status)
            if reply is not None and reply.is_success and attempt.error is None:
                return _accept(plan, reply)
            several = plan.kind is Kind.SEND and not _has_one_recipient(plan)
            # What has no known length is a stream that can be read only once.
            repeatable = self.options.retry and "Transfer-Encoding" not in plan.request.headers
            again = retry_pause(plan.kind, several, attempt, number) if repeatable else None
            if (
                again is None
                or number == MAX_RETRIES
                or time.monotonic() - started + again > RETRY_WINDOW
            ):
                raise make_error(plan, several, attempt)
            number, pause = number + 1, again

    def _phases(self) -> dict[str, float]:
        """Give the seconds that each phase of a try may take."""
        connect, read = self.options.timeout
        if self.options.deadline is not None:
            left = max(self.options.deadline - time.monotonic(), 0.001)
            connect, read = min(connect, left), min(read, left)
        return {"connect": connect, "read": read, "write": read, "pool": read}


def _accept(plan: Plan, reply: Reply) -> Reply:
    if plan.form != "json":
        return reply
    try:
        data = cast("JSON", json.loads(reply.content))
        if isinstance(data, dict):
            # The generated code takes no status without a name.
            status = reply.status_code if reply.status_code in _NAMED_STATUSES else 200
            return reply._replace(status_code=status, data=cast("dict[str, JSON]", spell(data)))
        problem = "not a JSON object"
    except (ValueError, RecursionError) as error:
        problem = f"not JSON ({type(error).__name__})" if reply.content else "empty"
    raise unreadable(f"its answer is {problem}", reply, plan.kind)


def kind_of(method: str, resource: str) -> Kind:
    is_media = _is_below(resource, "/api/media")
    if method.upper() in {"GET", "HEAD", "OPTIONS"}:
        return Kind.FETCH if is_media else Kind.STATUS
    return Kind.UPLOAD if is_media else Kind.SEND


def retry_pause(kind: Kind, several: bool, attempt: Attempt, number: int) -> float | None:
    """Tell how long to pause before the next try, or None where there must be none."""
    backoff = 0.25 * 2**number * random.uniform(1, 1.25)  # noqa: S311  # parts clients, hides nothing
    reply, error = attempt.reply, attempt.error
    if reply is None:
        never_sent = (
            attempt.believed
            and isinstance(error, _NEVER_CONNECTED)
            and not isinstance(error, httpx.PoolTimeout)
        )
        may = isinstance(error, httpx.TransportError) if kind in READS else never_sent
        # A certificate that is refused now will be refused in a second.
        return backoff if may and "certificate" not in str(error).lower() else None
    asked = retry_after(reply.headers)
    if kind in READS:
        may = reply.status_code in {408, 429, 500, 502, 503, 504} or (
            reply.is_success and error is not None
        )
    elif reply.status_code == 429:
        # Of many recipients some may have been taken before the quota ended, so only a single send is repeated.
        may = not several
    else:
        # A proxy in front answers 503 as well, after having passed the message on; only the service sends both.
        may = reply.status_code == 503 and asked is not None and reply.request_id is not None
    pause = backoff if asked is None else asked
    return pause if may and pause <= MAX_RETRY_AFTER else None


def retry_after(headers: Headers) -> float | None:
    """Read `Retry-After`, a number of seconds or an HTTP date, as seconds from now; None where there is none."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return min(float(value), 1e9)
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
        # The form of asctime names no zone; every HTTP date is in GMT.
        return max(
            (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time(), 0.0
        )
    except (ValueError, TypeError, OverflowError):
        return None


def may_have_been_sent(kind: Kind, several: bool, status: int) -> bool:
    if kind is not Kind.SEND:
        return kind is Kind.STATUS  # that message is out
    if status in {403, 429}:
        return several  # credit or quota may end midway
    return status not in {400, 401, 404, 405, 413, 415, 422}


def make_error(plan: Plan, several: bool, attempt: Attempt) -> errors.ECallError:
    """Give the error of the tree that says what happened."""
    reply, cause, kind = attempt.reply, attempt.error, plan.kind
    if reply is not None and not reply.is_success:
        return _api_error(plan, several, reply)
    if reply is not None and kind not in READS:
        return unreadable(f"its answer broke off ({_reason(cause)})", reply, kind)
    request_id = reply.request_id if reply else None
    error: errors.ECallError
    if kind in READS:
        words = f"No answer from the service: {_reason(cause)}"
        error = errors.ServiceUnreachable(
            words, request_id=request_id, may_have_been_sent=kind is Kind.STATUS
        )
    elif attempt.believed and isinstance(cause, _NEVER_CONNECTED):
        error = errors.NotSent(
            f"No connection to the service, so nothing was sent: {_reason(cause)}"
        )
    elif kind is Kind.UPLOAD:
        error = errors.OutcomeUnknown(
            f"No answer came, and the service may have taken the file: {_reason(cause)}"
        )
    else:
        words = (
            "No answer came, and the message may have been sent; do not repeat it before you know"
        )
        error = errors.OutcomeUnknown(f"{words}: {_reason(cause)}", may_have_been_sent=True)
    return error if cause is None else caused_by(cause, error)


def caused_by(cause: Exception, error: E) -> E:
    """Name the cause of an error, without its frames and contexts: whoever logs those would log request headers."""
    cause.__cause__ = cause.__context__ = None
    error.__cause__ = cause.with_traceback(None)
    return error


def make_stream_error(cause: Exception, reply: Reply) -> errors.ECallError:
    """Give the error for a download that broke off."""
    return errors.ServiceUnreachable(
        f"The download broke off: {_reason(cause)}", request_id=reply.request_id
    )


def unreadable(
    problem: str, answer: Reply | Response[Any], kind: Kind
) -> errors.UnreadableResponse:
    consequence = (
        "; the message was most likely accepted, do not repeat it" if kind is Kind.SEND else ""
    )
    return errors.UnreadableResponse(
        f"The service answered {int(answer.status_code)}, but {problem}{consequence}",
        status_code=int(answer.status_code),
        body=answer.content,
        request_id=answer.headers.get(REQUEST_ID) or None,
        may_have_been_sent=kind in {Kind.SEND, Kind.STATUS},
    )


def read_problem(data: object) -> tuple[str | None, str | None, tuple[errors.ErrorDetail, ...]]:
    """Read the service's error shape, tolerantly: its code, its message, its details."""
    if isinstance(data, str):
        return None, data, ()
    code, message = (as_dict(data).get(name) for name in ("errorCode", "errorMessage"))
    entries = [
        as_dict(entry)
        for entry in as_list(as_dict(as_dict(data).get("errorDetails")).get("errors"))
    ]
    details = [
        errors.ErrorDetail(
            _words(entry.get("parameter")),
            tuple(str(text) for text in as_list(entry.get("messages"))),
        )
        for entry in entries
    ]
    return _words(code), _words(message), tuple(details)


def _words(value: object) -> str | None:
    return None if value is None else str(value)


def _api_error(plan: Plan, several: bool, reply: Reply) -> errors.APIError:
    status = reply.status_code
    try:
        code, message, details = read_problem(spell(json.loads(reply.content)))
    except (ValueError, RecursionError):
        code, message, details = None, None, ()
    parts = [f"{detail.parameter}: {' '.join(detail.messages)}" for detail in details]
    said = " · ".join(text for text in (code, message, *parts) if text)
    explanation = f"The service answered {status}" + (
        f": {_without_people(said[:2000], plan)[:500]}" if said else ""
    )
    is_about_messages = plan.kind is Kind.STATUS and plan.resource.lower().startswith(
        "/api/message"
    )
    hints = [_HINTS[status]] if status in _HINTS and (status != 404 or is_about_messages) else []
    if status == 404 and (path := _inferred_path(plan)):
        hints.append(
            f"The path {path} is inferred, not documented; request(…) can call another one."
        )
    if status == 404 and "/api/v1/" in plan.request.url.path:
        hints.append(
            "That v1 is at /api/v1/ is inferred; version_in='header' states it in the documented way."
        )
    asked = retry_after(reply.headers)
    if asked is not None:
        hints.append(f"The service asks for a pause of {asked:.0f} s.")
    return errors.STATUS_ERRORS.get(status, errors.APIError)(
        " ".join([explanation.rstrip(".") + ".", *hints]) if hints else explanation,
        status_code=status,
        code=code,
        message=message,
        details=details,
        body=reply.content,
        retry_after=asked,
        request_id=reply.request_id,
        may_have_been_sent=may_have_been_sent(plan.kind, several, status),
    )


def _inferred_path(plan: Plan) -> str | None:
    for operation in OPERATIONS:
        root = operation.path.partition("/{")[0]
        is_inferred = operation.level == "inferred" and operation.method == plan.request.method
        if is_inferred and _is_below(plan.resource, root):
            return operation.path
    return None


def _is_below(resource: str, root: str) -> bool:
    return (resource.lower().rstrip("/") + "/").startswith(root + "/")


def _has_one_recipient(plan: Plan) -> bool:
    body = as_dict(_body_of(plan.request))
    is_message = plan.resource.lower().rstrip("/") == "/api/message"
    return (
        is_message
        and bool(body)
        and not any(name.lower() == "tolist" and body[name] for name in body)
    )


def _body_of(request: httpx.Request) -> JSON:
    try:
        return cast("JSON", json.loads(request.content))
    except (httpx.RequestNotRead, ValueError, RecursionError):
        return None


def _without_people(text: str, plan: Plan) -> str:
    """Take out of the service's words what it may have quoted: the message's text, and numbers."""
    for name, value in names_and_values(_body_of(plan.request)):
        if name.lower() in {"text", "to", "address"} and isinstance(value, str) and len(value) > 3:
            text = _without(text, value)
    return mask_numbers_in(text)


def _without(text: str, quoted: str) -> str:
    """Take out what is quoted, and any eight characters of it or more, as services cut what they quote."""
    size = min(len(quoted), 8)
    for at in range(len(quoted) - size + 1):
        end = at + size
        while end < len(quoted) and quoted[at : end + 1] in text:
            end += 1
        text = text.replace(quoted[at:end], "…")
    return text


def _reason(error: Exception | None) -> str:
    # The words of an unknown exception might quote a header or the body.
    words = str(error)[:200] if isinstance(error, (httpx.TransportError, OSError)) else ""
    return f"{type(error).__name__}: {words}".rstrip(": ")
