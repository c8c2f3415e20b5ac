"""Servers for receivers of callbacks, in threads."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn


@contextlib.contextmanager
def serve_asgi(app: Any, *, proxy_headers: bool = False, **options: Any) -> Iterator[str]:
    """Run an ASGI app with uvicorn on a free port, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        config = uvicorn.Config(
            app,
            proxy_headers=proxy_headers,
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=1,
            **options,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


@contextlib.contextmanager
def serve_wsgi(server: Any) -> Iterator[str]:
    """Run a WSGI server of the standard library's kind, and yield its URL."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
