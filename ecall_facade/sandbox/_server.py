"""Run an ASGI app with uvicorn in a thread, without side effects on the host program.

Only uvicorn's HTTP protocol is used. `uvicorn.Server` would write to the host's loggers, and take a fifth of a second
to stop.
"""

from __future__ import annotations

import asyncio
import atexit
import errno
import logging
import os
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.types import ASGIApp

# Not registered with logging, so that no configuration of the host program can enable it.
_silence = logging.Logger("silence", logging.CRITICAL + 1)  # noqa: LOG001
_silence.disabled = True


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.access_logger = _silence
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.app_state = {"transport": transport}  # so that a fault can drop the connection


class ServerThread:
    """A server in a daemon thread.

    Args:
        app: The ASGI app.
        background: Runs in the server's event loop, and is cancelled when the server stops.
        on_stop: Called in the event loop when the server begins to stop, to end responses that never end by themselves.
        host: The name or address to listen on.
        port: The port; 0 for a free one.
        stop_timeout: Seconds that unfinished responses have when the server stops.

    Raises:
        OSError: The server cannot listen there.
    """

    def __init__(
        self,
        app: ASGIApp,
        background: Callable[[], Coroutine[Any, Any, None]],
        on_stop: Callable[[], None],
        host: str,
        port: int,
        stop_timeout: float,
    ) -> None:
        self._stop_timeout = stop_timeout
        self._socket = _bind(host, port)
        self.port = cast("int", self._socket.getsockname()[1])
        self._background = background
        self._on_stop = on_stop
        self._config = Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            workers=1,
            proxy_headers=False,
            # If an idle connection were closed just when it is used again, a test would fail without a reason.
            timeout_keep_alive=24 * 3600,
        )
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="ecall-sandbox", daemon=True
        )
        self._thread.start()
        started.result()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the server, and free its port and thread."""
        atexit.unregister(self.stop)
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, started: Future[None]) -> None:
        try:
            with asyncio.Runner() as runner, self._socket:
                runner.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._config.load()
        state = ServerState()
        server = await self._loop.create_server(
            lambda: _Protocol(
                config=self._config, server_state=state, app_state={}, _loop=self._loop
            ),
            sock=self._socket,
        )
        background = asyncio.create_task(self._background())
        started.set_result(None)
        await self._stopping.wait()
        server.close()
        self._on_stop()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=self._stop_timeout)
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await _close(state)


async def _close(state: ServerState) -> None:
    """Close the connections, and abort those whose client does not read the rest."""
    for transport in _transports(state):
        transport.close()
    for _ in range(10):  # closing takes a round or two of the event loop
        await asyncio.sleep(0)
    for transport in _transports(state):
        transport.abort()
    await asyncio.sleep(0)


def _transports(state: ServerState) -> list[asyncio.Transport]:
    return [cast("_Protocol", protocol).transport for protocol in state.connections]


def _bind(host: str, port: int) -> socket.socket:
    try:
        # asyncio sets TCP_NODELAY only if the protocol is named; without it every response waits 40 ms for an ACK.
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(
            error.errno, f"The sandbox cannot listen on {host}: {error.strerror}"
        ) from None
    except ValueError:  # such as UnicodeError, for what cannot be a host name
        raise OSError(
            errno.EINVAL, f"The sandbox cannot listen on {host!r}: it is not a name or address"
        ) from None
    try:
        if os.name == "posix":  # on Windows it would let two programs share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno, f"The sandbox cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return sock
