"""An eCall that runs on your machine, to build and test against: no account, no credit, no phone.

    with Sandbox() as sandbox, ECall(**sandbox.credentials) as ecall:
        ecall.sms.send("079 123 45 67", "Your code is 481 516")
        assert sandbox.messages[0].text == "Your code is 481 516"

It is a simulation, made from what is known about the service. Every response has the header `X-ECall-Sandbox`, so
that none is mistaken for the service's. Checked because it is documented: credentials, versions, required and
exclusive fields, the letter case of enum values, sender rules, text limits, no sticker on WhatsApp. Observed in
clients: v1 accepts the channel `sms` in lower case, and the response to a refused recipient or sender is 400 with
`InvalidContent` and the parameter `To` or `From`. Inferred, and possibly wrong:

- the paths of lists and media, the names of the fields of a status, and all states;
- that a path and a header that name different versions are refused, and that v1 writes Swiss time without an offset;
- that one bad recipient of a `toList` refuses all of them, that short codes of 3 to 6 digits are recipients, that an
  SMS carries nothing but a text, and that a file must exist when it is sent;
- all error codes but `InvalidContent` (those that begin with `Sandbox` are the sandbox's own, the others come from
  eCall's sibling interfaces), and all error statuses but the 400 above;
- what the event filter of a notification means, what a notification contains, and that each change is reported once;
- what an inbound message contains (its name, `ReceivedMessage`, is documented), and that a name and password in your
  URL are sent as Basic credentials.

Credit, approval of senders, rate limits and routing are not simulated. A test plays them with `fail_next` or with a
magic recipient, a number that stands for a fault (docs/reference/magic-recipients.md lists them all).
"""

from __future__ import annotations

import secrets
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict, cast

try:
    import puremagic  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import starlette  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import uvicorn  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as _missing:
    raise ImportError(
        'The sandbox needs starlette, uvicorn and puremagic: pip install "ecall-facade[sandbox]"'
    ) from _missing

from ecall_client.models import Channel
from ecall_facade._settings import is_loopback_host
from ecall_facade.sandbox._app import App
from ecall_facade.sandbox._callbacks import Callbacks, Notification
from ecall_facade.sandbox._clock import Clock, Now
from ecall_facade.sandbox._faults import Fault
from ecall_facade.sandbox._inbox import Inbox
from ecall_facade.sandbox._limits import DEFAULT_LIMITS, Limits
from ecall_facade.sandbox._messages import Message, State, StateChange, Step
from ecall_facade.sandbox._origin_check import OriginCheck
from ecall_facade.sandbox._receivers import Receivers
from ecall_facade.sandbox._replies import SENDERS, Replies
from ecall_facade.sandbox._root import Root
from ecall_facade.sandbox._server import ServerThread
from ecall_facade.sandbox._store import Store
from ecall_facade.sandbox._waiting import Expectation, wait_for

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from ecall_facade._settings import ChannelName
    from ecall_facade.numbers import RawAddress

__all__ = ["Clock", "Credentials", "Message", "Notification", "Sandbox", "State", "StateChange"]


_LONGEST = 1e9  # seconds, about thirty years; a longer delay could exceed the largest date


class Credentials(TypedDict):
    """The arguments that connect a client to the sandbox: `ECall(**sandbox.credentials)`."""

    username: str
    password: str
    base_url: str
    sender: Mapping[ChannelName, str]


class _Credentials(dict[str, object]):
    def __repr__(self) -> str:
        return repr({**self, "password": "…"})


class Sandbox:
    """An eCall on a port of this machine, in a thread of this process. A page with an inbox is at its address.

    `with Sandbox() as sandbox:` starts and stops it, as `start()` and `stop()` do. It keeps everything when it stops,
    and `start()` continues at the same port, so that a test can play an outage.

    Args:
        username: The username to accept; by default a random one.
        password: The password to accept; by default a random one.
        host: The name or address to listen on. If other machines can reach it, `start` warns.
        port: The port to listen on; 0 for a free one.
        sent_after: Seconds until a message is Sent.
        delivered_after: Seconds until a message is Delivered; None if no report ever comes.
        seed: Makes the ids counted instead of random, so that recordings are reproducible.
        clock: Returns the time, with a timezone; by default the time of this machine.
        inbound_url: The URL of your program that `reply` posts to, as it is set in eCall's portal.
        callback_url: A URL that is called at every status change, as if all messages named it in their `notification`.
        callback_hosts: Hosts that may be called, besides this machine.
        callback_retries: Seconds of the sandbox's time before each further attempt, if a receiver does not answer 200.
            By default there is none, as nothing is known of the service's own retries.
        allowed_hosts: Names under which the sandbox is reached through a reverse proxy that keeps `Host`.
        max_messages: How many messages are kept, and as many lists and notifications.
        max_media: How many files are kept.
        max_media_size: The largest file in bytes; by default there is no limit, as the service's is not known.

    Raises:
        ValueError: An argument cannot be used.
    """

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
        _limits: Limits = DEFAULT_LIMITS,
        _accepts_any_credentials: bool = False,
    ) -> None:
        self._username = username if username is not None else f"sandbox-{secrets.token_hex(3)}"
        self._password = password if password is not None else secrets.token_urlsafe(18)
        if not self._username or not self._password or ":" in self._username:
            raise ValueError(
                "username and password must not be empty, and username must not contain ':'"
            )
        if max_messages < 1 or max_media < 1:
            raise ValueError("max_messages and max_media must be at least 1")
        if not 0 <= port <= 65535:
            raise ValueError("port must be from 0 to 65535; 0 takes a free one")
        if not _are_delays(callback_retries):
            raise ValueError(
                "callback_retries must be a list of seconds before each further attempt, each from 0 to 1e9"
            )
        self.clock: Clock = Clock(clock)
        self._limits = _limits
        self._store = Store(
            clock=self.clock,
            timeline=_timeline(sent_after, delivered_after),
            seed=seed,
            max_messages=max_messages,
            max_media=max_media,
            limits=_limits,
            follow_all=callback_url is not None,
        )
        credentials = None if _accepts_any_credentials else f"{self._username}:{self._password}"
        self._app = App(self._store, credentials, max_media_size, _limits)
        hosts = frozenset(name.lower() for name in _as_collection(callback_hosts))
        receivers = Receivers(hosts, _limits.callback_timeout)
        for url in (inbound_url, callback_url):
            if url is not None:
                receivers.check(url)
        self._callbacks = Callbacks(
            self._store, receivers, max_messages, always=callback_url, retries=callback_retries
        )
        self._replies = Replies(self._store, receivers, self._callbacks, inbound_url)
        self._inbox = Inbox(
            self._store,
            self._callbacks,
            self._replies,
            self.clear,
            _accepts_any_credentials,
            _limits,
        )
        self._origin_check = OriginCheck(is_loopback_host(host), _as_collection(allowed_hosts))
        self._host = host
        self._port = port
        self._server: ServerThread | None = None

    def start(self) -> Self:
        """Start the sandbox, and return it. `with` does the same.

        Raises:
            OSError: It cannot listen on its host and port.
            RuntimeError: It is running.
        """
        if self._server is not None:
            raise RuntimeError("The sandbox is already running")
        if not is_loopback_host(self._host):
            warnings.warn(
                f"The sandbox listens on {self._host}: other machines can read and write what it holds",
                stacklevel=2,
            )
        root = Root(self._app, self._inbox, self._origin_check)
        self._server = ServerThread(
            root,
            self._callbacks.run,
            self._inbox.stop,
            self._host,
            self._port,
            self._limits.stop_timeout,
        )
        self._port = self._server.port
        return self

    def stop(self) -> None:
        """Stop the sandbox, if it is running, and free its port and thread."""
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
        """The address of the sandbox, for `base_url`. `RuntimeError` if it is not running."""
        if self._server is None:
            raise RuntimeError(
                "The sandbox is not running: use it in a with block, or call start()"
            )
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared, not listened on
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def credentials(self) -> Credentials:
        """The arguments that connect a client: `ECall(**sandbox.credentials)`."""
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
        """All accepted messages, oldest first, as they are now."""
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
        """Return the first message that matches all arguments, whether it is there already or arrives in time.

        It blocks. In an event loop, use `await asyncio.to_thread(sandbox.wait_for, to=…)`.

        Args:
            to: The recipient: a number in any spelling, a short code or a `RawAddress`.
            text: A part of the text, or a compiled pattern that is searched in it.
            channel: `Sms`, `Whatsapp` or `Rcs`.
            state: A state that the message is in, or has been in, by the sandbox's clock.
            timeout: Seconds of real time.

        Raises:
            AssertionError: No message matches in time. It lists what arrived instead.
            ValueError: No message can match.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test
        return wait_for(
            self._store, Expectation.from_arguments(to, text, channel, state), timeout, repr(self)
        )

    @property
    def notifications(self) -> list[Notification]:
        """All attempts to report a status change, in order, including those that failed."""
        return self._callbacks.snapshot()

    def reply(
        self,
        text: str | None = None,
        *,
        sender: str | None = None,
        to: str | None = None,
        channel: str = Channel.SMS.value,
        media_id: str | None = None,
        url: str | None = None,
    ) -> int:
        """Post an inbound message to your program, and return the status code of its response.

        What is posted is inferred. It blocks; in an event loop that also runs the receiver, call it in a thread.

        Args:
            text: The text.
            sender: Who replies; by default the recipient of the newest message of the channel.
            to: Who the reply is sent to; by default the sandbox's own sender.
            channel: `Sms`, `Whatsapp` or `Rcs`.
            media_id: The id of an uploaded file.
            url: Where to post it; by default `inbound_url`.

        Raises:
            ValueError: The reply cannot be posted.
            ConnectionError: Your program did not answer.
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
            The status codes of your program's responses.

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
        """Return the bytes of an uploaded file.

        Raises:
            KeyError: There is no file with this id.
        """
        file = self._store.media.open(media_id)
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
        """Respond to the next request with this response instead of handling it.

        Requests with wrong credentials are not counted.

        Args:
            status: The status code.
            code: The `errorCode`; by default one that fits the status.
            message: The `errorMessage`.
            headers: Further headers. None leaves one out that every response has, such as `x-f24-request-id`.
            body: The body; by default an error in the documented shape.
            times: How many requests get this response.

        Raises:
            ValueError: No such response can be sent.
        """
        if times < 1:
            raise ValueError("times must be at least 1")
        self._app.add_faults(Fault.from_plan(status, code, message, headers or {}, body), times)

    def clear(self) -> None:
        """Forget all messages, files, notifications, requests and planned failures. The clock continues."""
        self._store.clear()
        self._callbacks.clear()
        self._app.clear()


def _timeline(sent_after: float, delivered_after: float | None) -> tuple[Step, ...]:
    """Return the states of a message that no magic recipient gives others."""
    last = sent_after if delivered_after is None else delivered_after
    if not 0 <= sent_after <= last <= _LONGEST:
        raise ValueError(
            "sent_after must be from 0 to 1e9, and delivered_after from sent_after to 1e9. "
            "delivered_after=None means that no report ever comes"
        )
    steps = [Step(timedelta(), State.PENDING), Step(timedelta(seconds=sent_after), State.SENT)]
    if delivered_after is not None:
        steps.append(Step(timedelta(seconds=delivered_after), State.DELIVERED))
    return tuple(steps)


def _as_collection(names: Collection[str]) -> Collection[str]:
    return [names] if isinstance(names, str) else names


def _are_delays(given: object) -> bool:
    if not isinstance(given, (list, tuple)):
        return False
    return all(
        isinstance(delay, (int, float)) and not isinstance(delay, bool) and 0 <= delay <= _LONGEST
        for delay in cast("Sequence[object]", given)
    )
