"""`ecall listen`."""

from __future__ import annotations

import json as json_format
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade.cli import _signals
from ecall_facade.cli._failures import Exit, usage_error
from ecall_facade.cli._logs import log_on_stderr
from ecall_facade.cli._output import Output, write_json, write_line, write_note
from ecall_facade.errors import InvalidConfiguration
from ecall_facade.numbers import mask
from ecall_facade.webhooks import (
    DOCUMENTED_SOURCES,
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import TypeAlias

    from ecall_facade._json import JSON
    from ecall_facade.bulk import Ledger

    AnyEvent: TypeAlias = StatusUpdate | ReceivedMessage | UnknownEvent

PATH_SECRET = "ECALL_WEBHOOK_PATH_SECRET"  # noqa: S105  # the name of a variable
BASIC_AUTH = "ECALL_WEBHOOK_BASIC_AUTH"

app = App(
    name="listen",
    usage="Usage: ecall listen [OPTIONS] [-- ARGUMENTS]",
    help_epilogue=f"""\
Delivery reports and replies are both accepted at the printed address, replies also at /api/webhooks/receivedmessage \
below it. Each event is printed once. Press Ctrl-C to stop.

With --exec, each event is first passed to a program, as one JSON object on its stdin. No shell is involved; arguments \
after "--" are passed on to the program, and its output goes to stderr. If the program fails, the caller gets a 500 \
response, so that it may deliver the event again.

With --ledger, delivery reports are recorded in the ledger of `ecall bulk send`, and listeners that share the ledger \
handle each event once.

Callbacks are accepted only from the documented addresses of the service, or from those given with --source. If \
{PATH_SECRET} is set, it must be one segment of the path that is called. If {BASIC_AUTH} \
(name:password) is set, callers must send it as HTTP Basic credentials.

Examples:
  ecall listen
  ecall listen --port 0 --source 127.0.0.1 --json
  ecall listen --host 0.0.0.0 --trusted-proxy 10.0.0.5
  ecall listen --exec python3 -- handle_event.py --verbose
  ecall listen --ledger people.csv.ledger.db
""",
)


@app.default
def listen(
    *arguments: Annotated[str, Parameter(help="Arguments for the program given with --exec.")],
    host: Annotated[
        str, Parameter(help="Name or address to listen on; default 127.0.0.1.")
    ] = "127.0.0.1",
    port: Annotated[
        int, Parameter(help="Port to listen on; default 8399; 0 picks a free one.")
    ] = 8399,
    source: Annotated[
        list[str] | None,
        Parameter(help="Address or network to accept callbacks from; repeatable."),
    ] = None,
    any_source: Annotated[
        bool, Parameter(help="Accept callbacks from anywhere; needs one of the secrets.")
    ] = False,
    trusted_proxy: Annotated[
        list[str] | None,
        Parameter(help="Address of your reverse proxy, to trust its X-Forwarded-For; repeatable."),
    ] = None,
    program: Annotated[
        str | None, Parameter(name="--exec", help="Program to pass each event to, on its stdin.")
    ] = None,
    exec_timeout: Annotated[
        float, Parameter(help="Seconds to wait for the program; default 30.")
    ] = 30,
    ledger: Annotated[
        str | None,
        Parameter(help="Ledger to record delivery reports in, a file or a URL."),
    ] = None,
    json: Annotated[
        bool, Parameter(help="Print one JSON object at the start and one for each event.")
    ] = False,
) -> Exit:
    """Receive delivery reports and replies, and print them."""
    if arguments and program is None:
        raise usage_error("Arguments are only possible with --exec, for its program")
    if not 0 < exec_timeout < 1e9:
        raise usage_error("--exec-timeout must be a positive number of seconds")
    command = None if program is None else [_find_program(program), *arguments]
    receiver = _make_receiver(source, trusted_proxy, any_source=any_source)
    with (
        _open_ledger(ledger) as opened,
        _signals.stop_signals() as stopping,
        log_on_stderr("ecall_facade.webhooks", logging.INFO),  # refused callbacks
    ):
        handler = _Handler(json, command, exec_timeout, stopping, opened)
        with _serve(handler, receiver, host, port, opened) as url:
            if json:
                write_json({"type": "listening", "url": url})
            else:
                write_line(f"Listening at {url} (press Ctrl-C to stop)")
            _signals.wait_for_stop(stopping)
        if handler.failure is not None:
            raise handler.failure
    return Exit.DONE


@contextmanager
def _open_ledger(url: str | None) -> Generator[Ledger | None, None, None]:
    if url is None:
        yield None
        return
    from ecall_facade.cli._bulk_ledger import open_ledger

    with open_ledger(url, may_be_new=True) as ledger:
        yield ledger


def _find_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise usage_error(f"--exec: no executable program {name!r}")
    return path


def _make_receiver(
    source: list[str] | None, trusted_proxy: list[str] | None, *, any_source: bool
) -> Receiver:
    path_secret = os.environ.get(PATH_SECRET) or None
    name, colon, password = os.environ.get(BASIC_AUTH, "").partition(":")
    if (name or colon) and not (name and password):
        raise usage_error(f"{BASIC_AUTH} must be a name, a colon and a password")
    if any_source and source:
        raise usage_error("Pass --source or --any-source, not both")
    if any_source and path_secret is None and not name:
        raise usage_error(f"--any-source needs a secret: set {PATH_SECRET} or {BASIC_AUTH}")
    try:
        return Receiver(
            sources=None if any_source else source or DOCUMENTED_SOURCES,
            trusted_proxies=trusted_proxy or (),
            path_secret=path_secret,
            basic_auth=(name, password) if name else None,
        )
    except InvalidConfiguration as error:
        raise usage_error(str(error)) from None


class _Handler:
    """Records each event, passes it to the program, and prints it."""

    def __init__(
        self,
        as_json: bool,
        command: list[str] | None,
        timeout: float,
        stopping: _signals.Stop,
        ledger: Ledger | None,
    ) -> None:
        self.failure: OSError | None = None
        self._output = Output(as_json)
        self._command = command
        self._timeout = timeout
        self._stopping = stopping
        self._ledger = ledger
        self._printing = threading.Lock()

    def __call__(self, event: AnyEvent) -> None:
        data = to_json(event)
        if self._ledger is not None:
            self._ledger.record(event)
        if self._command is not None:
            self._run(self._command, data, event.key)
        with self._printing:
            try:
                self._output.show(data, format_line(event))
            except OSError as error:  # stdout was closed: later events would be lost
                self.failure = error
                self._stopping.set()
                raise

    def _run(self, command: list[str], data: Mapping[str, JSON], key: str) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in (PATH_SECRET, BASIC_AUTH)
        }
        try:
            done = subprocess.run(
                command,
                input=json_format.dumps(data).encode() + b"\n",
                stdout=sys.stderr.fileno(),
                env=environment,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            problem = f"did not end within {self._timeout:g} seconds and was killed"
        except OSError as error:
            problem = f"could not be run: {error.strerror}"
        else:
            if done.returncode == 0:
                return
            problem = f"ended with exit code {done.returncode}"
        write_note(f"The program {problem} (event {key})")
        raise _ProgramFailedError(problem)


class _ProgramFailedError(Exception):
    """Makes the web server answer 500, as the event was not handled."""


@contextmanager
def _serve(
    handler: _Handler, receiver: Receiver, host: str, port: int, ledger: Ledger | None
) -> Generator[str, None, None]:
    """Serve in a thread; yield the address."""
    try:
        import uvicorn

        from ecall_facade.webhooks import WebhookApp
    except ImportError as error:
        raise usage_error(
            f'listen needs starlette and uvicorn: pip install "ecall-facade[cli]" ({error.name})'
        ) from None
    listener = _bind(host, port)
    server = uvicorn.Server(
        uvicorn.Config(
            WebhookApp(
                handler, receiver=receiver, seen=SeenKeys() if ledger is None else ledger.seen
            ),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,  # the receiver checks them itself
            server_header=False,
        )
    )
    # Its own log lines are about its start and stop.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    thread = threading.Thread(target=server.run, args=([listener],), name="ecall-listen")
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True  # after the events that are being handled
        thread.join()
        listener.close()


def _bind(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # else create_server would leave its socket open
        raise usage_error(f"Cannot listen on {host}:{port}: a port is a number from 0 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such address"
        raise usage_error(f"Cannot listen on {host}:{port}: {reason}") from None


def to_json(event: AnyEvent) -> dict[str, JSON]:
    """Return an event as JSON for programs, with whole numbers and texts."""
    data: dict[str, JSON] = {"type": "unknown", "key": event.key}
    if isinstance(event, StatusUpdate):
        data |= {
            "type": "status",
            "message_id": event.message_id,
            "state": str(event.state),
            "is_final": event.is_final,
            "recipient": event.recipient,
            "updated_at": _format_time(event.updated_at),
            "error": None
            if event.error is None
            else {"code": event.error.code, "message": event.error.message},
        }
    elif isinstance(event, ReceivedMessage):
        data |= {
            "type": "message",
            "message_id": event.message_id,
            "sender": event.sender,
            "recipient": event.recipient,
            "text": event.text,
            "media_id": event.media_id,
            "channel": None if event.channel is None else str(event.channel),
            "received_at": _format_time(event.received_at),
        }
    return {**data, "raw": event.raw}


def format_line(event: AnyEvent) -> str:
    """Return an event as a line for people, with masked numbers."""
    clock = f"{datetime.now(UTC).astimezone():%H:%M:%S}"
    if isinstance(event, StatusUpdate):
        to = f" to {mask(event.recipient)}" if event.recipient else ""
        problem = f": {event.error.message or event.error.code}" if event.error else ""
        return f"{clock}  {event.state}  message {event.message_id or '…'}{to}{problem}"
    if isinstance(event, ReceivedMessage):
        sender = mask(event.sender) if event.sender else "…"
        words = event.text if event.text is not None else f"media {event.media_id or '…'}"
        return f"{clock}  Reply from {sender}: {words}"
    return f"{clock}  Unknown event {event.key}; --json shows all of it"


def _format_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
