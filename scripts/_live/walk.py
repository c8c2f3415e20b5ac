"""The requests of a live check, in order, and what each is expected to show.

Without a number nobody can be texted: there are reads, and the upload of one tiny picture. With a number there is one
SMS to it, and two requests that name no recipient, no sender and no text, and so cannot text anybody even if the
service took them: an empty object as a message, and a list without messages.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import httpx

from ecall_facade import ECall, ECallError, SentMessage, UsageError
from ecall_facade._settings import Account

from . import spec
from .book import V1_PATH, V2_PATH, Book
from .judge import BUSY, Judge, safe_name
from .watch import Exchange, NotAllowed, Watch

PICTURE: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""One grey pixel."""
TEXT: Final = "A test of ecall-facade, sent by scripts/live_check. There is nothing to do."
UNKNOWN: Final = "gone"
"""An id that no message, list or file has."""
WAYS: Final[dict[str, dict[str, Any]]] = {
    "v2-path": {"api_version": "v2", "version_in": "path"},
    "v2-header": {"api_version": "v2", "version_in": "header"},
    "v1-path": {"api_version": "v1", "version_in": "path"},
    "v1-header": {"api_version": "v1", "version_in": "header"},
}
_HEADER: Final = "/components/parameters/ApiVersion"
_READS: Final = {
    "message": "getMessageStatus",
    "messagelist": "getMessageListStatus",
    "media": "getMedia",
}
_POSTS: Final = {"message": "sendMessage", "messagelist": "sendMessageList", "media": "uploadMedia"}


class Stopped(Exception):
    """There is no use in going on."""


class Walk:
    """Makes the requests and has the answers judged."""

    def __init__(self, account: Account, watch: Watch, book: Book, wait: float) -> None:
        self._account = account
        self._watch = watch
        self._ecall = ECall(transport=watch, retry=False, timeout=30)
        self._book = book
        self._judge = Judge(book)
        self._wait = wait
        self._nowhere: tuple[object, ...] = ()

    def close(self) -> None:
        """Close the connections."""
        self._ecall.close()

    def check_send(self, number: str) -> None:
        """Find what is wrong with the one send, before any request goes out."""
        self._ecall.sms.compose(number, TEXT)

    def without_sends(self) -> None:
        """Do all that texts nobody."""
        ecall = self._ecall.with_options(**WAYS["v2-path"])
        first = self._raw("live-first", lambda: ecall.messages.status(UNKNOWN))
        if first.status in BUSY:
            code = self._judge.code(first)
            raise Stopped(
                f"The first request was answered {first.status}{code}. Look in eCall's portal whether the REST"
                " interface is switched on, and whether these are the credentials of the account or of an API sub-user."
            )
        nowhere = self._raw(
            "live-paths", lambda: ecall.request("GET", "/api/ecall-facade/no-such-path")
        )
        self._nowhere = self._signature(nowhere)
        for resource in _POSTS:
            self._probe(
                resource, self._raw("live-paths", partial(ecall.request, "GET", f"/api/{resource}"))
            )
        missing = self._raw("live-paths", lambda: ecall.media.download(UNKNOWN, io.BytesIO()))
        self._missing("media", missing, "v2-path")
        for way, options in WAYS.items():
            self._unknown_ids(way, self._ecall.with_options(**options))
        self._versions(ecall)
        self._nobody()
        self._media(ecall)

    def one_send(self, number: str) -> None:
        """Send one SMS, and follow it; before that, see how requests without anything in them are refused."""
        ecall = self._ecall.with_options(**WAYS["v2-path"])
        empty: list[tuple[str, Any, str]] = [
            ("message", {}, "/components/schemas/MessageRequest/required"),
            (
                "messagelist",
                {"messages": []},
                "/components/schemas/MessageListRequest/properties/messages/minItems",
            ),
        ]
        for resource, body, place in empty:
            call = partial(ecall.request, "POST", f"/api/{resource}", json=body)
            self._empty(resource, place, self._raw("live-empty", call))
        results: list[SentMessage] = []
        sent = self._raw("send-v2-path", lambda: results.append(ecall.sms.send(number, TEXT)))
        self._judge.headers(sent, "send")
        if not self._judge_send(sent):
            return
        if not results:
            self._book.trouble(
                "The answer to the send holds no id that can be read, so its status was not asked for"
            )
            return
        self._follow(ecall, results[0].message_id)

    # Requests

    def _ask(self, group: str, call: Callable[[], object]) -> list[Exchange]:
        """Make requests; whatever the facade thinks of the answers, they are what counts."""
        self._watch.group = group
        before = len(self._watch.exchanges)
        try:
            call()
        except UsageError:
            raise
        except ECallError as error:
            if isinstance(error.__cause__, NotAllowed):
                raise error.__cause__ from None
        except (httpx.HTTPError, OSError):  # of a request beside the facade
            pass
        made = self._watch.exchanges[before:]
        for exchange in made:
            if not exchange.status:
                raise Stopped(
                    f"No answer to {exchange.method} {_without_ids(exchange.path)}: {exchange.error}"
                )
            if exchange.error:
                self._book.trouble(
                    f"The answer to {exchange.method} {_without_ids(exchange.path)} broke off"
                )
        return made

    def _raw(self, group: str, call: Callable[[], object]) -> Exchange:
        (made,) = self._ask(group, call)
        return made

    def _plain(self, path: str, headers: dict[str, str]) -> Callable[[], object]:
        """Make a request that the facade would not make."""
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), 30.0)
        url = self._account.base_url + path
        request = httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout})
        return lambda: self._watch.handle_request(request)

    # What the answers show

    def _signature(self, exchange: Exchange) -> tuple[object, ...]:
        """Give what an answer can be recognised by."""
        data = exchange.json
        names = frozenset(name.lower() for name in data) if isinstance(data, dict) else type(data)
        return (
            exchange.status,
            exchange.headers.get("content-type"),
            names,
            self._judge.code(exchange),
        )

    def _probe(self, resource: str, exchange: Exchange) -> None:
        """A read where only POST is foreseen: 405 says that there is something."""
        self._judge.headers(exchange, f"GET /api/{resource}")
        if exchange.status == 405:
            self._book.confirm(spec.operation(_POSTS[resource]), "GET there is answered 405")

    def _missing(self, resource: str, exchange: Exchange, way: str) -> None:
        """A read of an id that is not there: 404, and another one than that of a path that is not there."""
        operation = _READS[resource]
        what = f"{operation} of an unknown id, {way}"
        self._judge.headers(exchange, what)
        if self._judge.status(exchange, operation, what, 404) or exchange.status >= 400:
            self._judge.body(exchange, operation, what, {"errorCode"})
        if exchange.status in BUSY or self._signature(exchange) == self._nowhere:
            return  # a path that does not exist would answer the same
        self._exists(
            operation, way, f"{what}: another answer than that of a path that does not exist"
        )

    def _exists(self, operation: str, way: str, seen: str) -> None:
        self._book.confirm(spec.operation(operation), seen)
        if way.endswith("path"):
            self._book.confirm(V2_PATH if way.startswith("v2") else V1_PATH, seen)

    def _unknown_ids(self, way: str, ecall: ECall) -> None:
        """Ask for ids that are not there; the same three requests as a cassette of that name."""
        group = f"unknown-ids-{way}"
        self._missing("message", self._raw(group, lambda: ecall.messages.status(UNKNOWN)), way)
        self._missing(
            "messagelist", self._raw(group, lambda: ecall.messages.list_status(UNKNOWN)), way
        )
        # An id with a slash: what becomes of it differs from server to server, and says nothing.
        strange = self._raw(group, lambda: ecall.media.download("a/b c", io.BytesIO()))
        self._judge.headers(strange, "getMedia of an id with a slash")

    def _versions(self, ecall: ECall) -> None:
        """Name a version that there is not, in both ways."""
        authorized = {"Authorization": self._account.authorization, "X-API-Version": "9"}
        in_header = self._raw("live-versions", self._plain(f"/api/message/{UNKNOWN}", authorized))
        in_path = self._raw(
            "live-versions", lambda: ecall.request("GET", f"/api/v9/message/{UNKNOWN}")
        )
        for exchange, where in ((in_header, "the header"), (in_path, "the path")):
            what = f"an unknown version in {where}"
            self._judge.headers(exchange, what)
            if self._judge.status(exchange, "getMessageStatus", what, 400):
                self._judge.body(exchange, "getMessageStatus", what, {"errorCode"})
        if in_header.status == 400:
            self._book.confirm(_HEADER, "X-API-Version: 9 is refused, 1 and 2 are not")

    def _nobody(self) -> None:
        """Ask without credentials."""
        exchange = self._raw("live-nobody", self._plain(f"/api/v2/message/{UNKNOWN}", {}))
        what = "without credentials"
        self._judge.headers(exchange, what)
        place = "/components/responses/Unauthorized"
        if exchange.status != 401:
            self._book.contradict(place, f"{what}: {exchange.status}")
            return
        self._book.confirm(place, f"{what}: 401")
        self._judge.body(exchange, "getMessageStatus", what, {"errorCode"})
        scheme = exchange.headers.get("www-authenticate", "").partition(" ")[0]
        if scheme.lower() == "basic":
            self._book.confirm("/components/securitySchemes/BasicAuth", "WWW-Authenticate: Basic")
        elif scheme:
            seen = f"WWW-Authenticate: {safe_name(scheme)}"
            self._book.contradict("/components/securitySchemes/BasicAuth", seen)

    def _media(self, ecall: ECall) -> None:
        """Upload a picture, and read it back in both ways."""
        group = "media-v2-path"
        ids: list[str] = []
        upload = lambda: ids.append(ecall.media.upload(PICTURE, content_type="image/png").media_id)  # noqa: E731
        stored = self._raw(group, upload)
        self._judge.headers(stored, "upload")
        place = spec.operation("uploadMedia")
        if stored.status in {404, 405}:
            self._book.contradict(place, f"upload: {stored.status}")
        elif stored.status in {400, 411, 415, 422}:
            code = self._judge.code(stored)
            self._book.contradict(
                f"{place}/requestBody", f"upload of application/octet-stream: {stored.status}{code}"
            )
        elif self._judge.status(stored, "uploadMedia", "upload", 200):
            self._book.confirm(place, f"upload: {stored.status}")
            self._book.confirm(f"{place}/requestBody", "application/octet-stream is taken")
            self._judge.body(stored, "uploadMedia", "upload", {"mediaId"})
        if not ids:
            self._book.trouble("No file was stored, so none was read back")
            return

        def stream() -> None:
            with ecall.media.stream(ids[0]) as chunks:
                b"".join(chunks)

        for what, call in (
            ("download", lambda: ecall.media.download(ids[0], io.BytesIO())),
            ("stream", stream),
        ):
            self._file(self._raw(group, call), what)

    def _file(self, exchange: Exchange, what: str) -> None:
        self._judge.headers(exchange, what)
        place = spec.operation("getMedia")
        if exchange.status in {404, 405}:
            self._book.contradict(place, f"{what} of what was uploaded: {exchange.status}")
        elif self._judge.status(exchange, "getMedia", what, 200):
            self._book.confirm(place, f"{what}: {exchange.status}")
            answer = f"{place}/responses/2XX"
            if exchange.body != PICTURE:
                self._book.contradict(answer, f"{what}: other bytes than were uploaded")
            kind = exchange.headers.get("content-type", "no content type")
            if kind != "application/octet-stream":
                shown = (
                    kind if kind.startswith("image/png") or " " in kind else "another content type"
                )
                self._book.contradict(
                    answer + spec.pointer("content", "application/octet-stream"), f"{what}: {shown}"
                )

    def _empty(self, resource: str, place: str, exchange: Exchange) -> None:
        """A request with nothing in it has to be refused."""
        operation = _POSTS[resource]
        what = f"{operation} with nothing in it"
        self._judge.headers(exchange, what)
        if 200 <= exchange.status <= 299:
            self._book.contradict(place, f"{what}: accepted, {exchange.status}")
        elif exchange.status in {404, 405}:
            self._book.contradict(spec.operation(operation), f"{what}: {exchange.status}")
        elif self._judge.status(exchange, operation, what, 400):
            self._book.confirm(place, f"{what}: refused")
            self._book.confirm(spec.operation(operation), f"{what}: 400")
            self._judge.body(exchange, operation, what, {"errorCode"})

    def _judge_send(self, exchange: Exchange) -> bool:
        """Compare the answer to the one send with the spec; tell whether it was accepted."""
        place = spec.operation("sendMessage")
        if exchange.status in {404, 405}:
            self._book.contradict(place, f"send: {exchange.status}")
            return False
        if 400 <= exchange.status <= 499:
            # Why, is between the service and the account: the sender, the credit, the recipient.
            self._book.trouble(
                f"The send was refused: {exchange.status}{self._judge.code(exchange)}"
            )
            self._judge.body(exchange, "sendMessage", "send", {"errorCode"})
            return False
        if not self._judge.status(exchange, "sendMessage", "send", 200):
            return False
        self._book.confirm(place, f"send: {exchange.status}")
        taken = "the send was accepted"
        for schema, names in {
            "MessageRequest": ("channel", "from", "to", "content"),
            "TextContent": ("type", "text"),
        }.items():
            self._book.confirm(f"/components/schemas/{schema}", taken)
            for name in names:
                self._book.confirm(f"/components/schemas/{schema}/properties/{name}", taken)
        for schema in ("Channel", "Content"):
            self._book.confirm(f"/components/schemas/{schema}", taken)
        self._judge.body(exchange, "sendMessage", "send", {"messageId", "timestamp"})
        return True

    def _follow(self, ecall: ECall, message_id: str) -> None:
        """Ask for the status until it is final or the time is over, and once in each other way."""

        def asking(client: ECall) -> Callable[[], object]:
            return lambda: client.messages.status(message_id)

        seen = self._ask("live-status", lambda: ecall.messages.wait(message_id, timeout=self._wait))
        seen = [exchange for exchange in seen if exchange.status != 404] or seen[
            -1:
        ]  # it may take a moment to be known
        for exchange in seen:
            self._status(exchange, "v2-path")
        for way, options in WAYS.items():
            if way != "v2-path":
                exchange = self._raw("live-status", asking(self._ecall.with_options(**options)))
                self._status(exchange, way)

    def _status(self, exchange: Exchange, way: str) -> None:
        what = f"status, {way}"
        self._judge.headers(exchange, what)
        if exchange.status in {404, 405} and way == "v1-path":
            self._book.contradict(V1_PATH, f"{what}: {exchange.status}")
        elif exchange.status in {404, 405}:
            self._book.contradict(
                spec.operation("getMessageStatus"),
                f"{what} of what was accepted: {exchange.status}",
            )
        elif self._judge.status(exchange, "getMessageStatus", what, 200):
            self._exists("getMessageStatus", way, f"{what}: {exchange.status}")
            self._judge.body(
                exchange, "getMessageStatus", what, {"messageId", "state", "timestamp"}
            )


def _without_ids(path: str) -> str:
    return "/".join(path.split("/")[:4])
