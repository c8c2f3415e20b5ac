"""Reverse proxies that end TLS and put the sandbox below a path: nginx, and a small one of the standard library."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PREFIX = "/tools/sandbox"
KEEPS_HOST = "Host $http_host"
WRITES_OWN_HOST = "Host $proxy_host"  # nginx's default
SAYS_FORWARDED_HOST = "X-Forwarded-Host $http_host"

_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/certificate.pem;
        location {prefix}/ {{
            proxy_set_header {header};
            proxy_pass {target}/;
        }}
    }}
}}
"""


@contextmanager
def run_nginx(target: str, folder: Path, header: str) -> Iterator[str]:
    """Run nginx before `target`, with one `proxy_set_header`; the address of the page is the result."""
    assert NGINX is not None
    _write_certificate(folder)
    port = _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder, port=port, prefix=PREFIX, header=header, target=target
        ),
        "utf-8",
    )
    process = subprocess.Popen([NGINX, "-e", "stderr", "-p", str(folder), "-c", str(configuration)])
    try:
        _wait_until_it_listens(port)
        yield f"https://localhost:{port}{PREFIX}/"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def run_tls_proxy(target: str, folder: Path, header: str) -> Iterator[str]:
    """Run a proxy of the standard library, which does the same for people without nginx."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_write_certificate(folder))
    with _Server(context, target, header) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}{PREFIX}/"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, target: str, header: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.target = urlsplit(target)
        self.header = header

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        return self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: browsers open connections that they do not use, and break off streams."""


class _Handler(StreamRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]  # no other makes it

    def handle(self) -> None:
        method, target, version = self.rfile.readline().decode("latin-1").split()
        lines: list[str] = []
        while (line := self.rfile.readline().decode("latin-1").strip()) != "":
            lines.append(line)
        headers = {line.partition(":")[0].lower(): line for line in lines}
        host = headers.pop("host").partition(":")[2].strip()
        name, _, value = self.server.header.partition(" ")
        own = self.server.target.netloc
        value = value.replace("$http_host", host).replace("$proxy_host", own)
        headers["host"] = f"Host: {own}"
        headers[name.lower()] = f"{name}: {value}"
        headers["connection"] = "Connection: close"  # one request for each connection is enough
        length = headers.get("content-length", ":0").partition(":")[2]
        head = "\r\n".join([f"{method} {target.removeprefix(PREFIX)} {version}", *headers.values()])
        with socket.create_connection(
            (self.server.target.hostname, self.server.target.port)
        ) as own_side:
            own_side.sendall(f"{head}\r\n\r\n".encode("latin-1") + self.rfile.read(int(length)))
            while piece := own_side.recv(2**16):
                self.wfile.write(piece)


def _write_certificate(folder: Path) -> Path:
    certificate = trustme.CA().issue_cert("localhost")
    path = folder / "certificate.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return cast("int", server.getsockname()[1])


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("nginx did not start")
