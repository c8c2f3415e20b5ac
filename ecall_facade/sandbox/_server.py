"""Run an ASGI app with uvicorn in a thread, and leave the host program alone.

`uvicorn.Server` is not used: it writes to the host's loggers, and takes a fifth of a second to stop. What is used is
uvicorn's protocol, which does the work.
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

GRACE = 1.0  # seconds that answers under way have when the server stops

# Not registered, so that no configuration of the host's switches it on.
_silence = logging.Logger("silence", logging.CRITICAL + 1)  # noqa: LOG001
_silence.disabled = True


class _Protocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.access_logger = _silence
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}  # which the app may drop


class ServerThread:
    """A server in a daemon thread. `background` runs beside it and is cancelled when it stops.

    `on_stop` is called in its event loop when it is about to stop, to end answers that would go on for ever.
    """

    def __init__(
        self,
        app: ASGIApp,
        background: Callable[[], Coroutine[Any, Any, None]],
        on_stop: Callable[[], None],
        host: str,
        port: int,
    ) -> None:
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
            # A client whose idle connection is closed at the wrong moment would see a failure that has no cause.
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
            await asyncio.wait(state.tasks, timeout=GRACE)
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await _close(state)


async def _close(state: ServerState) -> None:
    """Close the connections, and break off those with somebody who does not read what is left."""
    for how in ("close", "abort"):
        for protocol in list(state.connections):
            getattr(cast("_Protocol", protocol).transport, how)()
        for _ in range(10):  # what is closed is gone after a round or two of the loop
            if not state.connections:
                return
            await asyncio.sleep(0)


def _bind(host: str, port: int) -> socket.socket:
    try:
        # The protocol is named, as asyncio sets TCP_NODELAY only then; without it every answer waits 40 ms for an ACK.
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(
            error.errno, f"The sandbox cannot listen on {host}: {error.strerror}"
        ) from None
    except ValueError:  # what cannot be a name at all, UnicodeError for one
        raise OSError(
            errno.EINVAL, f"The sandbox cannot listen on {host!r}: it is no name or address"
        ) from None
    try:
        if os.name == "posix":  # elsewhere it would let two programs have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno, f"The sandbox cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return sock
