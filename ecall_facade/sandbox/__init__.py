"""An eCall that runs on your machine, to build and test against: no account, no credit, no phone.

    with Sandbox() as sandbox, ECall(**sandbox.credentials) as ecall:
        ecall.sms.send("079 123 45 67", "Your code is 481 516")
        assert sandbox.messages[0].text == "Your code is 481 516"

It is a simulation, made from what is known of the service. Each of its answers has the header `X-ECall-Sandbox`, so
that none is taken for the service's. Checked because it is documented: credentials, versions, required and exclusive
fields, the letter case of enum values, sender rules, text limits, no sticker on WhatsApp. Inferred, and possibly wrong:

- the paths of lists and media, the names of the fields of a status, and all states;
- that a path and a header that name different versions are refused, and that v1 writes Swiss time without an offset;
- that all recipients of a `toList` are refused with one of them, that short codes of 3 to 6 digits are recipients, that
  an SMS carries nothing but a text, and that a file has to exist when it is sent;
- every error code but `InvalidContent` (the other names are those of eCall's sibling interfaces; what begins with
  `Sandbox` is the sandbox's own), and every status of an error;
- what an event filter of a notification stands for, what a notification holds, that nobody is told twice;
- what an inbound message holds (its name, `ReceivedMessage`, is documented), and that name and password in a URL of
  yours are sent as Basic credentials.

Nothing that the service does about credit, approval of senders, rate limits and routing is simulated, unless a test
plans it with `fail_next` or sends to a magic recipient: numbers that stand for faults, and are the sandbox's own
invention (docs/sandbox.md has them all).
"""

from __future__ import annotations

import json
import re
import secrets
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, TypedDict, cast

try:
    import puremagic  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import starlette  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import uvicorn  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise ImportError(
        'The sandbox needs starlette, uvicorn and puremagic: pip install "ecall-facade[sandbox]"'
    ) from error

from ecall_facade._settings import is_loopback_host
from ecall_facade.sandbox._app import CODES, App, write_time
from ecall_facade.sandbox._callbacks import Callbacks, Notification
from ecall_facade.sandbox._clock import Clock, Now
from ecall_facade.sandbox._faults import Fault
from ecall_facade.sandbox._inbox import Inbox
from ecall_facade.sandbox._origin_check import OriginCheck
from ecall_facade.sandbox._replies import SENDERS, Replies
from ecall_facade.sandbox._root import Root
from ecall_facade.sandbox._server import ServerThread
from ecall_facade.sandbox._store import Message, State, StateChange, Step, Store
from ecall_facade.sandbox._waiting import Wanted, wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from ecall_facade._settings import ChannelName
    from ecall_facade.numbers import RawAddress

__all__ = ["Clock", "Credentials", "Message", "Notification", "Sandbox", "State", "StateChange"]


# What a header can be; the server would break off the connection at any other.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"([!-~]([ -~]*[!-~])?)?")
_LONGEST = 1e9  # seconds, some thirty years: a date that there is


class Credentials(TypedDict):
    """What `ECall(**sandbox.credentials)` takes."""

    username: str
    password: str
    base_url: str
    sender: Mapping[ChannelName, str]


class _Credentials(dict[str, object]):
    def __repr__(self) -> str:
        return repr({**self, "password": "…"})


class Sandbox:
    """An eCall on a free port of this machine, in a thread of this process. At its address is a page with an inbox.

    `with Sandbox() as sandbox:` starts and stops it, as `start()` and `stop()` do. After a stop everything is still
    there, and `start()` goes on at the same port, so that a test can play an outage.

    `sent_after` and `delivered_after` are the seconds after which a message is Sent and Delivered; None for the second
    one means that no report ever comes. With a `seed` the ids of the answers are counted instead of random. `clock`
    gives the time, with a timezone, instead of the machine's. `reply` posts to `inbound_url`, which
    stands for what is set in the portal, and `callback_url` is told of every change of every message, as if all named
    it in their `notification`. Callbacks go to this machine only, unless hosts are named in `callback_hosts`. Of
    messages (also lists and notifications) and files the oldest are dropped beyond `max_messages` and `max_media`;
    `max_media_size` in bytes limits a file, as the service may, nobody knows at how much.

    Other machines reach it only with a `host` that is not loopback, about which it warns. Raises `ValueError` for bad
    arguments, `start` `OSError` where it cannot listen.
    """

    _checks_credentials: ClassVar[bool] = True

    def __init__(
        self,
        *,
        username: str | None = None,
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        sent_after: float = 0.05,
        delivered_after: float | None = 0.15,
        seed: int | None = None,
        clock: Now | None = None,
        inbound_url: str | None = None,
        callback_url: str | None = None,
        callback_hosts: Collection[str] = (),
        callback_retries: Sequence[float] = (),
        allowed_hosts: Collection[str] = (),
        max_messages: int = 100_000,
        max_media: int = 1_000,
        max_media_size: int | None = None,
    ) -> None:
        self._username = username if username is not None else f"sandbox-{secrets.token_hex(3)}"
        self._password = password if password is not None else secrets.token_urlsafe(18)
        if not self._username or not self._password or ":" in self._username:
            raise ValueError("username and password must not be empty, and a username has no colon")
        if (
            not 0
            <= sent_after
            <= (sent_after if delivered_after is None else delivered_after)
            <= _LONGEST
        ):
            raise ValueError(
                "sent_after must not be negative, and delivered_after not less than sent_after; both at most 1e9. "
                "delivered_after=None means that no report ever comes"
            )
        if max_messages < 1 or max_media < 1:
            raise ValueError("max_messages and max_media must be at least 1")
        hosts = [callback_hosts] if isinstance(callback_hosts, str) else callback_hosts
        steps = [Step(timedelta(), "Pending"), Step(timedelta(seconds=sent_after), "Sent")]
        if delivered_after is not None:
            steps.append(Step(timedelta(seconds=delivered_after), "Delivered"))
        if not 0 <= port <= 65535:
            raise ValueError("port must be from 0, which takes a free one, to 65535")
        self.clock = Clock(clock)
        self._store = Store(
            clock=self.clock, plan=tuple(steps), seed=seed, max_messages=max_messages, max_media=max_media,
            follow_all=callback_url is not None,
        )  # fmt: skip
        credentials = f"{self._username}:{self._password}" if self._checks_credentials else None
        self._app = App(self._store, credentials, max_media_size)
        if not _are_delays(callback_retries):
            raise ValueError(
                "callback_retries must be a list of seconds before each further attempt, each from 0 to 1e9"
            )
        self._callbacks = Callbacks(
            self._store,
            hosts=frozenset(host.lower() for host in hosts),
            write_time=write_time,
            limit=max_messages,
            always=callback_url,
            retries=callback_retries,
        )
        for url in (inbound_url, callback_url):
            if url is not None:
                self._callbacks.check(url)
        self._replies = Replies(self._store, self._callbacks, inbound_url)
        self._inbox = Inbox(
            self._store, self._callbacks, self._replies, self.clear, not self._checks_credentials
        )
        names = [allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts
        self._origin_check = OriginCheck(is_loopback_host(host), names)
        self._host = host
        self._port = port
        self._server: ServerThread | None = None

    def start(self) -> Self:
        """Start it, unless `with` does."""
        if self._server is not None:
            raise RuntimeError("The sandbox is running already")
        if not is_loopback_host(self._host):
            warnings.warn(
                f"The sandbox listens on {self._host}: other machines can read and write what it holds",
                stacklevel=2,
            )
        root = Root(self._app, self._inbox, self._origin_check)
        self._server = ServerThread(
            root, self._callbacks.run, self._inbox.stop, self._host, self._port
        )
        self._port = self._server.port
        return self

    def stop(self) -> None:
        """Stop it, and free port and thread; does nothing where it is not running."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = "stopped" if self._server is None else self.url
        return f"<Sandbox {where}, {len(self._store)} messages>"

    @property
    def url(self) -> str:
        """Its address, to be used as `base_url`."""
        if self._server is None:
            raise RuntimeError(
                "The sandbox is not running: use it in a with block, or call start()"
            )
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - it is turned away
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def credentials(self) -> Credentials:
        """What a client needs, invented unless given: `ECall(**sandbox.credentials)`."""
        return cast(
            "Credentials",
            _Credentials(
                username=self._username,
                password=self._password,
                base_url=self.url,
                sender=dict(SENDERS),
            ),
        )

    @property
    def messages(self) -> list[Message]:
        """All messages that were accepted, oldest first, as they are at this moment."""
        return self._store.snapshot()

    def wait_for(
        self,
        *,
        to: str | RawAddress | None = None,
        text: str | re.Pattern[str] | None = None,
        channel: str | None = None,
        state: str | None = None,
        timeout: float = 5.0,
    ) -> Message:
        """Give the first message that is all that is named, one that is there already or that comes in time.

        `to` is a number in any spelling, a short code or a `RawAddress`; `text` is a part of the text, or a compiled
        pattern for one; `state` is one that it is in or has been in, by the sandbox's clock. `timeout` is in seconds of
        the machine's. Raises `AssertionError`, which lists what did arrive, and `ValueError` for what cannot be. It
        blocks: in an event loop, `await asyncio.to_thread(sandbox.wait_for, to=…)`.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test
        return wait_for(self._store, Wanted.of(to, text, channel, state), timeout, repr(self))

    @property
    def notifications(self) -> list[Notification]:
        """All attempts to tell somebody of a change, in order, also those that led nowhere."""
        return self._callbacks.snapshot()

    def reply(
        self,
        text: str | None = None,
        *,
        sender: str | None = None,
        to: str | None = None,
        channel: str = "Sms",
        media_id: str | None = None,
        url: str | None = None,
    ) -> int:
        """Post an inbound message to `url`, or else to `inbound_url`; give the status that your program answered with.

        By default it comes from the recipient of the channel's newest message, and goes to the sandbox's own sender.
        `media_id` is that of an uploaded file. Numbers are written as they are given. The shape is inferred. Raises
        `ValueError` for what cannot be posted, and `ConnectionError` where no answer comes; in an event loop that runs
        the receiver as well, call it in a thread.
        """
        inbound = self._replies.post(text, sender, to, channel, media_id, url)
        if inbound.status is None:
            raise ConnectionError(inbound.reason)
        return inbound.status

    def redeliver(self, what: Message | Notification | str | None = None) -> list[int]:
        """Call your program once more with what it was told already, unchanged.

        A service repeats a callback when it missed the response, so a program must be ready for it. Each delivery
        report is repeated once, in the order of the first attempts, and then each reply. It blocks, and works while the
        sandbox is stopped as well.

        Args:
            what: Limits it to the reports of one message, to one report, or to the message or reply with this id. By
                default everything that was called back since the start or the last `clear` is repeated.

        Returns:
            The status codes that your program answered with.

        Raises:
            ValueError: There is nothing to repeat. Calls to hosts outside `callback_hosts`, e-mails and SMS were never
                made, so they are not repeated.
            ConnectionError: A call got no response. All others were made.
        """
        if isinstance(what, Notification):
            report = (what.message_id, what.type, what.address, what.state)
            statuses = self._callbacks.redeliver(lambda key: key == report)
        else:
            id_ = what.id if isinstance(what, Message) else what
            statuses = self._callbacks.redeliver(lambda key: id_ in {None, key[0]})
            statuses += self._replies.redeliver(id_)
        if not statuses:
            raise ValueError("There is no callback to repeat")
        answered = [status for status in statuses if status is not None]
        if len(answered) < len(statuses):
            raise ConnectionError(
                f"{len(statuses) - len(answered)} of {len(statuses)} callbacks got no response"
            )
        return answered

    def media(self, media_id: str) -> bytes:
        """The bytes of an uploaded file; KeyError where there is none."""
        file = self._store.open_media(media_id)
        if file is None:
            raise KeyError(media_id)
        with file:
            return file.read()

    def fail_next(
        self,
        status: int = 500,
        *,
        code: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: str | bytes | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next request, or so many of them, with this instead of acting on it.

        Without `body` the answer has the documented error shape, with `code` and `message`. A header that is None is
        left out, the request id (`x-f24-request-id`) too. Requests with wrong credentials do not count.
        """
        if not 200 <= status <= 599 or times < 1:
            raise ValueError("status must be from 200 to 599, and times at least 1")
        if body is None:
            code = code or CODES.get(status, "SandboxFailure")
            payload = {
                "errorCode": code,
                "errorMessage": message or "This failure was planned with fail_next().",
            }
            body, content_type = json.dumps(payload), "application/json"
        elif code is not None or message is not None:
            raise ValueError("code and message are for an answer without a body of your own")
        else:
            content_type = "text/html" if body[:1] in {"<", b"<"} else "text/plain"
        named: dict[str, str | None] = {"content-type": content_type}
        for name, value in (headers or {}).items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value or ""):
                raise ValueError(
                    f"The header {name!r} must be a name, and a value in ASCII without blanks around it"
                )
            named[name.lower()] = value
        note = f"planned: {status}" if message is None else f"planned: {status}, {message}"
        fault = Fault(
            note,
            status=status,
            body=body.encode() if isinstance(body, str) else body,
            headers=named,
        )
        self._app.plan(fault, times)

    def clear(self) -> None:
        """Forget all messages, files, notifications, requests and planned failures; the clock goes on."""
        self._store.clear()
        self._callbacks.clear()
        self._app.clear()


def _are_delays(given: object) -> bool:
    if not isinstance(given, (list, tuple)):
        return False
    return all(
        isinstance(delay, (int, float)) and not isinstance(delay, bool) and 0 <= delay <= _LONGEST
        for delay in cast("Sequence[object]", given)
    )
