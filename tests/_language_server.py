"""A client of pyright's language server: what an editor shows of a package while a person writes code."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

CURSOR = "‸"
"""Marks the place of the cursor in the source of a question."""


class LanguageServer:
    """basedpyright's server, which reads the environment of the tests; one at a time for many questions.

    A question is the source of a module, which is never written to the disk, with a cursor in it.
    """

    def __init__(self, folder: Path) -> None:
        """Start the server in a folder that has a pyrightconfig.json."""
        self._folder = folder
        self._numbers = itertools.count(1)
        program = Path(sys.executable).with_name("basedpyright-langserver")
        self._process = subprocess.Popen(
            [program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
        )
        hover = {"contentFormat": ["markdown"]}
        signature = {"documentationFormat": ["markdown"]}
        self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder.as_uri(),
                "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name}],
                "capabilities": {
                    "textDocument": {
                        "hover": hover,
                        "signatureHelp": {"signatureInformation": signature},
                    },
                    "workspace": {"configuration": True},
                },
            },
        )
        self._notify("initialized", {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ask("shutdown", None)
        self._notify("exit", None)
        self._process.communicate(timeout=10)

    def complete(self, source: str) -> list[str]:
        """Return the names that are offered at the cursor, in the order in which they are shown."""
        found = self._ask_about(source, "textDocument/completion")
        items = found["items"] if isinstance(found, dict) else found or []
        return [item["label"] for item in sorted(items, key=lambda item: str(item.get("sortText")))]

    def hover(self, source: str) -> str:
        """Return what is shown about the name at the cursor, in Markdown."""
        found = self._ask_about(source, "textDocument/hover")
        return str(found["contents"]["value"]) if found else ""

    def sign(self, source: str) -> str:
        """Return the signature that is shown at the cursor, inside a call."""
        found = self._ask_about(source, "textDocument/signatureHelp")
        return str(found["signatures"][0]["label"]) if found else ""

    def diagnose(self, source: str) -> list[str]:
        """Return the messages of the errors that are shown in a module."""
        uri = self._open(source)
        while True:
            message = self._read()
            parameters = message.get("params", {})
            if "id" in message:
                self._write({"id": message["id"], "result": self._answer(message)})
            elif (
                message["method"] == "textDocument/publishDiagnostics" and parameters["uri"] == uri
            ):
                break
        self._close(uri)
        return [each["message"] for each in parameters["diagnostics"] if each["severity"] == 1]

    def _ask_about(self, source: str, method: str) -> Any:
        before, _, after = source.partition(CURSOR)
        lines = before.split("\n")
        uri = self._open(before + after)
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        answer = self._ask(method, {"textDocument": {"uri": uri}, "position": position})
        self._close(uri)
        return answer

    def _open(self, source: str) -> str:
        uri = (self._folder / f"question_{next(self._numbers)}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": source}
        self._notify("textDocument/didOpen", {"textDocument": document})
        return uri

    def _close(self, uri: str) -> None:
        self._notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _ask(self, method: str, parameters: object) -> Any:
        number = next(self._numbers)
        self._write({"id": number, "method": method, "params": parameters})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message["error"]
                return message.get("result")
            if "id" in message:  # a question of the server
                self._write({"id": message["id"], "result": self._answer(message)})

    def _answer(self, message: dict[str, Any]) -> object:
        if message["method"] != "workspace/configuration":
            return None
        # Names of packages that are not imported would take the server through all of them.
        analysis = {"autoImportCompletions": False}
        sections = {"basedpyright": {"analysis": analysis}, "basedpyright.analysis": analysis}
        return [sections.get(item.get("section", "")) for item in message["params"]["items"]]

    def _notify(self, method: str, parameters: object) -> None:
        self._write({"method": method, "params": parameters})

    def _write(self, message: dict[str, object]) -> None:
        assert self._process.stdin
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        size = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        assert size, "the language server has ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(size))
        return message
