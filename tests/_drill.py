"""A copy of the project in which the spec is corrected, regenerated and tried."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Runs before each program: a loopback server that records requests and answers from a table, and a client of it.
_PRELUDE = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

answers, requests = {}, []

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        requests.append(SimpleNamespace(method=self.command, path=self.path, body=body,
            headers={name.lower(): value for name, value in self.headers.items()},
            json=json.loads(body) if body[:1] == b"{" else None))
        status, answer = answers.get(f"{self.command} {self.path}", (404, {}))
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if status not in (204, 205):
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if status not in (204, 205):
            self.wfile.write(payload)

    do_GET = do_POST = do_PUT = handle_any

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()

import ecall_facade, ecall_client
from ecall_facade import *
assert ecall_client.__file__.startswith(sys.argv[1]), ecall_client.__file__
assert ecall_facade.__file__.startswith(sys.argv[1]), ecall_facade.__file__
ecall = ECall("user", "password", base_url=f"http://127.0.0.1:{server.server_port}", retry=False,
    sender={"sms": "ACME", "whatsapp": "0791234567", "rcs": "bot"})
"""


@dataclass(frozen=True)
class Regeneration:
    """What came of a regeneration.

    Attributes:
        refused: The lines of a refusal; there are none where the files were written.
        named: The lines in which mypy names a place of the facade.
    """

    refused: list[str]
    named: list[str]


class Project:
    """A copy of what a regeneration and the facade need.

    Args:
        folder: Where it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("node_modules", "__pycache__")
        for name in ("spec", "generated", "ecall_facade", "scripts", "docs"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, folder)
        self.spec = folder / "spec" / "ecall.yaml"
        self._original = self.spec.read_text(encoding="utf-8")

    def correct(self, *changes: tuple[str, str]) -> None:
        """Write the spec with each text replaced wherever it stands; one that is not there fails."""
        text = self._original
        for old, new in changes:
            assert old in text, f"not in the spec: {old}"
            text = text.replace(old, new)
        self.spec.write_text(text, encoding="utf-8")

    def regenerate(self) -> Regeneration:
        """Run scripts/regenerate, the one command after a correction."""
        result = self._python(str(self.folder / "scripts" / "regenerate"))
        named = [line for line in result.stdout.splitlines() if ": error: " in line]
        return Regeneration(result.stderr.splitlines() if result.returncode else [], named)

    def run(self, program: str) -> str:
        """Return the standard output of a program; one that fails fails the test."""
        result = self._python("-W", "error", "-c", _PRELUDE + program, str(self.folder))
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout.strip()

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join([str(self.folder), str(self.folder / "generated")])
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, "MYPYPATH": str(self.folder / "generated")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
