"""`scripts/check_changes`: what breaks since the last release is found and has to be in the changelog."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

pytest.importorskip("griffe")

ROOT = Path(__file__).parents[1]

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git on the PATH")


@pytest.fixture(scope="module")
def script() -> Any:
    """What compares, as a module."""
    loader = SourceFileLoader("_changes", str(ROOT / "scripts" / "_changes.py"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


# A project of the same build as this one, but small.
FILES = {
    "ecall_facade/__init__.py": """
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecall_client.models import Text
    from ecall_facade._sync import ECall
    from ecall_facade.errors import NotFound

__all__ = [  # by topic
    "ECall", "NotFound", "Text",
]


def __getattr__(name: str) -> object:
    return getattr(import_module("ecall_facade._sync"), name)
""",
    "ecall_facade/_sync.py": """
from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Generic, Literal, Self, TypeVar

from ecall_client import models
from ecall_facade.numbers import RawAddress

Recipient = str | RawAddress
T = TypeVar("T")


class Base(Generic[T]):
    def __init__(self, username: str | None = None, *, region: str = "CH") -> None:
        self._assemble()

    def with_options(self, *, region: str | None = None, retry: Literal["once", "never"] = "never") -> Self: ...


class ECall(Base[int]):
    def _assemble(self) -> None:
        self.sms = Sms(self)
        self.rcs = Chat(self)

    def close(self, now: bool = False) -> None: ...

    def _private(self, a: int) -> None: ...


class Sms:
    def __init__(self, runner: ECall) -> None: ...

    def send(self, to: Recipient, content: str | models.Text, *, pages: int | None = None) -> models.Text: ...

    @contextmanager
    def stream(self, media: str) -> Generator[Stream]: ...


class Chat:
    def send(self, to: Recipient, *, sender: str | None = None) -> None: ...


class Stream:
    size: int | None

    @property
    def kind(self) -> str: ...


class Internal:
    def work(self, a: int) -> None: ...
""",
    "ecall_facade/errors.py": """
from typing import cast


class ECallError(Exception):
    status: int = 0


class APIError(ECallError):
    pass


class UsageError(ECallError, ValueError):
    pass


class NotFound(APIError):
    pass
""",
    "ecall_facade/numbers.py": """
LIMIT: int = 3


class RawAddress(str):
    pass


def normalize(number: str, region: str = "CH", /, strict: bool = False) -> str: ...


def _private(a: int) -> None: ...
""",
    "ecall_facade/cli/__init__.py": "def main(a: int) -> None: ...\n",
    "generated/ecall_client/__init__.py": "",
    "generated/ecall_client/models/__init__.py": """
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .text import Kind, Text

__all__ = ("Kind", "Text")
""",
    "generated/ecall_client/models/text.py": """
from __future__ import annotations

from enum import StrEnum

from attrs import define as _attrs_define
from attrs import field as _attrs_field


class Kind(StrEnum):
    SMS = "Sms"
    RCS = "Rcs"


@_attrs_define(repr=False)
class Text:
    text: str
    pages: int | None = None
    note: str = _attrs_field(default="", kw_only=True)
    additional: dict[str, int] = _attrs_field(init=False, factory=dict)

    @property
    def keys(self) -> list[str]: ...
""",
    "spec/ecall.yaml": """
servers: [{url: https://rest.ecall.ch}, {url: https://two.ecall.ch}]
security: [{BasicAuth: []}]
paths:
  /api/message:
    parameters:
      - {name: lang, in: query, schema: {type: string}}
    post:
      operationId: sendMessage
      parameters: [{$ref: "#/components/parameters/Version"}]
      requestBody:
        content:
          application/json: {schema: {$ref: "#/components/schemas/Request"}}
          text/plain: {schema: {type: string}}
      responses:
        2XX:
          description: Taken.
          headers: {x-id: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: "#/components/schemas/Answer"}}}
        "404": {$ref: "#/components/responses/NotFound"}
    get:
      operationId: getMessages
      responses: {"200": {description: They.}}
  /api/media:
    get: {operationId: getMedia, responses: {"200": {description: It.}}}
webhooks:
  told:
    post:
      operationId: told
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Told"}}}}
      responses: {"200": {description: Taken.}}
components:
  parameters:
    Version: {name: X-Version, in: header, schema: {type: string, enum: ["1", "2"]}}
  responses:
    NotFound: {description: Not there., content: {application/json: {schema: {$ref: "#/components/schemas/Answer"}}}}
  securitySchemes:
    BasicAuth: {type: http, scheme: basic}
  x-rules:
    Sms: {properties: {from: {maxLength: 11}}}
  schemas:
    Request:
      type: object
      description: What is sent.
      required: [from]
      properties:
        from: {type: string, minLength: 1, maxLength: 16, pattern: "^a"}
        to: {type: [string, "null"], examples: [a]}
        kind: {$ref: "#/components/schemas/Kind"}
        list: {type: array, items: {type: string}}
        content:
          oneOf: [{$ref: "#/components/schemas/Kind"}, {$ref: "#/components/schemas/Unused"}]
      not: {required: [to, list]}
      then: {$ref: "#/components/x-rules/Sms"}
    Kind: {type: string, enum: [Sms, Rcs]}
    Answer:
      type: object
      required: [id]
      properties:
        id: {type: string, maxLength: 5}
        time: {type: [string, "null"]}
    Told: {type: object, properties: {state: {type: string}}}
    Unused: {type: object, properties: {a: {type: string}}}
    Alone: {type: string}
""",
    "CHANGELOG.md": """# Changelog

## [Unreleased]

### Added

- `send` is new.

## [0.9.0]

### Removed

- `close`.
""",
}


def write(root: Path, files: dict[str, str] = FILES) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (file.name, text.count(old), old)
    file.write_text(text.replace(old, new), encoding="utf-8")


SYNC, INIT, ERRORS, NUMBERS = (
    f"ecall_facade/{name}.py" for name in ("_sync", "__init__", "errors", "numbers")
)
MODELS, TEXT = (f"generated/ecall_client/models/{name}.py" for name in ("__init__", "text"))
SEND = "def send(self, to: Recipient, content: str | models.Text, *, pages: int | None = None) -> models.Text: ..."


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, script: Any) -> Any:
    """The surface of the small project."""
    root = tmp_path_factory.mktemp("old")
    write(root)
    return script.read_surface(root)


class TestPython:
    def changes(self, script: Any, old: Any, root: Path, *edits: tuple[str, str, str]) -> list[str]:
        write(root)
        for name, before, after in edits:
            replace(root / name, before, after)
        found = sorted(set(script.python_changes(old, script.read_surface(root))))
        for change in found:
            assert change.of == "python"
            assert re.search(rf"\b{change.name}\b", change.place)
        return [f"{change.place}: {change.what}" for change in found]

    @pytest.mark.parametrize(
        ("file", "before", "after", "expected"),
        [
            pytest.param(INIT, '"NotFound", ', "", "ecall_facade.NotFound: the public name was removed", id="left all"),
            pytest.param(
                NUMBERS,
                "def normalize(",
                "def tidy(",
                "ecall_facade.numbers.normalize: the public name was removed",
                id="renamed function",
            ),
            pytest.param(SYNC, "def close(", "def _close(", "ECall.close: public object was removed", id="method"),
            pytest.param(
                SYNC, "def with_options(", "def _w(", "Base.with_options: public object was removed", id="inherited"
            ),
            pytest.param(SYNC, "self.sms =", "self._sms =", "ECall.sms: public object was removed", id="part"),
            pytest.param(
                SYNC, "def stream(", "def _stream(", "Sms.stream: public object was removed", id="method of a part"
            ),
            pytest.param(SYNC, "    size: int | None\n", "", "Stream.size: public object was removed", id="deep part"),
            pytest.param(
                SYNC, "Generator[Stream]", "Generator[Chat]", "Sms.stream: it may now be Generator[Chat]", id="type"
            ),
            pytest.param(
                SYNC, "kind(self) -> str", "kind(self) -> bytes", "Stream.kind: it may now be bytes", id="property"
            ),
            pytest.param(
                SYNC, "now: bool", "later: bool", "ECall.close(now): parameter was removed", id="renamed parameter"
            ),
            pytest.param(
                SYNC,
                "region: str = ",
                "zone: int, region: str = ",
                "Base(zone): parameter was added as required",
                id="required parameter of a constructor",
            ),
            pytest.param(
                SYNC, "now: bool = False", "now: bool", "ECall.close(now): parameter is now required", id="required"
            ),
            pytest.param(
                SYNC,
                "now: bool = False",
                "now: bool = True",
                "ECall.close(now): parameter default was changed, from False to True",
                id="default",
            ),
            pytest.param(
                SYNC,
                "self, now: bool",
                "self, *, now: bool",
                "ECall.close(now): parameter kind was changed, from positional or keyword to keyword-only",
                id="kind of parameter",
            ),
            pytest.param(
                SYNC,
                "to: Recipient, content: str | models.Text, *, pages",
                "to: Recipient, content: str, *, pages",
                "Sms.send(content): parameter no longer takes Text",
                id="narrower parameter",
            ),
            pytest.param(
                SYNC,
                '"once", "never"',
                '"never"',
                "Base.with_options(retry): parameter no longer takes 'once'",
                id="fewer literals",
            ),
            pytest.param(
                SYNC, "    def close(", "    async def close(", "ECall.close: it now has to be awaited", id="async"
            ),
            pytest.param(
                SYNC, "    @contextmanager\n", "", "Sms.stream: it now is called plainly", id="no context manager"
            ),
            pytest.param(
                SYNC, "-> models.Text:", "-> models.Text | None:", "Sms.send: it may now be None", id="wider result"
            ),
            pytest.param(
                NUMBERS, "class RawAddress(str):", "RawAddress = str\nclass Other:",
                "RawAddress: public object points to a different kind of object", id="class that became an alias",
            ),
            pytest.param(
                ERRORS, "status: int = 0", "pass", "ECallError.status: public object was removed", id="attribute"
            ),
            pytest.param(
                ERRORS, "status: int", "status: int | str", "ECallError.status: it may now be str", id="wider attribute"
            ),
            pytest.param(
                ERRORS,
                "UsageError(ECallError, ValueError)",
                "UsageError(ECallError, TypeError)",
                "UsageError: it is no longer a ValueError",
                id="base of Python",
            ),
            pytest.param(
                ERRORS, "NotFound(APIError)", "NotFound(ECallError)", "NotFound: it is no longer a APIError", id="base"
            ),
            pytest.param(TEXT, '    RCS = "Rcs"\n', "", "Kind.RCS: public object was removed", id="member of an enum"),
            pytest.param(TEXT, "pages: int | None = None", "pages: int | None",
                         "Text(pages): parameter is now required", id="field"),
            pytest.param(
                TEXT,
                "    text: str\n",
                "    kind: Kind\n    text: str\n",
                "Text(kind): parameter was added as required",
                id="new required field",
            ),
            pytest.param(
                MODELS, '"Kind", "Text"', '"Text",', "ecall_client.models.Kind: the public name was removed", id="model"
            ),
        ],
    )  # fmt: skip
    def test_what_breaks_is_named(
        self,
        script: Any,
        old: Any,
        tmp_path: Path,
        file: str,
        before: str,
        after: str,
        expected: str,
    ) -> None:
        assert expected in self.changes(script, old, tmp_path, (file, before, after))

    def test_what_breaks_is_named_once(self, script: Any, old: Any, tmp_path: Path) -> None:
        found = self.changes(script, old, tmp_path, (SYNC, "now: bool", "later: bool"))
        assert found == ["ECall.close(now): parameter was removed"]

    def test_a_module_that_is_gone_takes_its_names_along(
        self, script: Any, old: Any, tmp_path: Path
    ) -> None:
        write(tmp_path)
        (tmp_path / NUMBERS).unlink()
        found = {
            change.place for change in script.python_changes(old, script.read_surface(tmp_path))
        }
        assert {
            f"ecall_facade.numbers.{name}" for name in ("LIMIT", "RawAddress", "normalize")
        } <= found

    def test_an_alias_of_types_that_takes_less_is_named(
        self, script: Any, old: Any, tmp_path: Path
    ) -> None:
        found = self.changes(
            script, old, tmp_path, (SYNC, "Recipient = str | RawAddress", "Recipient = str")
        )
        assert found == [
            f"{part}.send(to): parameter no longer takes RawAddress" for part in ("Chat", "Sms")
        ]

    def test_nothing_breaks_where_nothing_changes(
        self, script: Any, old: Any, tmp_path: Path
    ) -> None:
        assert self.changes(script, old, tmp_path) == []

    @pytest.mark.parametrize(
        ("file", "before", "after"),
        [
            (SYNC, "now: bool = False", "now: bool = False, *, soon: bool = True"),
            (SYNC, "now: bool", "now: bool | None"),
            (SYNC, "def _private(self, a: int)", "def _private(self, b: str)"),
            (SYNC, "def work(self, a: int)", "def labour(self, b: str)"),
            (SYNC, "class Internal:", "class Inner:"),
            (SYNC, "self.sms =", "self.whatsapp = Chat(self)\n        self.sms ="),
            (SYNC, "-> models.Text:", "-> 'models.Text':"),
            (SYNC, 'Literal["once", "never"]', 'Literal["never", "twice", "once"]'),
            (SYNC, 'Literal["once", "never"]', "typing.Literal['never', 'once'] | None"),
            (SYNC, "to: Recipient, content", "to: str | RawAddress | bytes, content"),
            (SYNC, "Generic[T]):", "Generic[T], dict[str, int]):"),
            (SYNC, "self._assemble()\n", "self._assemble()\n        self.more = 1\n"),
            (INIT, '"Text",', '"Text", "UsageError",'),
            (ERRORS, "from typing import cast", "from typing import Any"),
            (ERRORS, "class NotFound(APIError)", "class More(APIError): ...\n\n\nclass NotFound(More)"),
            (NUMBERS, "LIMIT: int = 3", "LIMIT: int = 4"),
            (NUMBERS, "def _private(a: int)", "def _private(b: int)"),
            ("ecall_facade/cli/__init__.py", "a: int", "b: int"),
            (TEXT, '    SMS = "Sms"', '    SMS = "Sms"\n    FAX = "Fax"'),
            (TEXT, "    note:", "    more: int = 0\n    note:"),
        ],
    )  # fmt: skip
    def test_what_breaks_nothing_is_not_named(
        self, script: Any, old: Any, tmp_path: Path, file: str, before: str, after: str
    ) -> None:
        assert self.changes(script, old, tmp_path, (file, before, after)) == []

    def test_a_class_may_move_between_private_modules(
        self, script: Any, old: Any, tmp_path: Path
    ) -> None:
        text = FILES[SYNC]
        write(
            tmp_path,
            {
                **FILES,
                "ecall_facade/_other.py": text,
                SYNC: "from ecall_facade._other import ECall\n",
            },
        )
        assert list(script.python_changes(old, script.read_surface(tmp_path))) == []


OLD_SPEC: dict[str, Any] = yaml.safe_load(FILES["spec/ecall.yaml"])
GONE = object()
REQUEST, ANSWER = "#/components/schemas/Request", "#/components/schemas/Answer"
POST = "#/paths/~1api~1message/post"


def edited(script: Any, pointer: str, value: object) -> dict[str, Any]:
    """Give the spec with another value at a place, or without any; lists are made longer."""
    spec = copy.deepcopy(OLD_SPEC)
    *way, name = [script._unescaped(part) for part in pointer.split("/")[1:]]
    node: Any = spec
    for part in way:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if value is GONE:
        del node[name]
    elif isinstance(node, list):
        node.append(value)
    else:
        node[name] = value
    return spec


class TestSpec:
    @pytest.mark.parametrize(
        ("pointer", "value", "expected", "name"),
        [
            ("#/servers", [{"url": "https://rest.ecall.ch"}], "#/servers: the server was removed", "https://two.ecall.ch"),
            ("#/paths/~1api~1media", GONE, "#/paths/~1api~1media: it was removed", "/api/media"),
            ("#/webhooks/told", GONE, "#/webhooks/told: it was removed", "told"),
            (
                "#/paths/~1api~1message/get", GONE,
                "#/paths/~1api~1message/get: the operation was removed", "getMessages",
            ),
            (f"{POST}/operationId", "send", f"{POST}: it is now called send", "sendMessage"),
            (f"{POST}/security", [], f"{POST}/security: other credentials are needed", "sendMessage"),
            (f"{POST}/parameters", [], f"{POST}/parameters/X-Version: the header parameter was removed", "X-Version"),
            (
                "#/paths/~1api~1message/parameters/0/required", True,
                f"{POST}/parameters/lang: the query parameter is now required", "lang",
            ),
            (
                "#/components/parameters/Version/schema/enum", ["2"],
                f"{POST}/parameters/X-Version: the value 1 was removed", "1",
            ),
            (f"{POST}/requestBody", GONE, f"{POST}/requestBody: the body was removed", "sendMessage"),
            (f"{POST}/requestBody/required", True, f"{POST}/requestBody: a body is now required", "sendMessage"),
            (
                "#/paths/~1api~1message/get/requestBody", {"required": True},
                "#/paths/~1api~1message/get/requestBody: a body is now required", "getMessages",
            ),
            (
                f"{POST}/requestBody/content/text~1plain", GONE,
                f"{POST}/requestBody/content/text~1plain: the content type was removed", "text/plain",
            ),
            (
                f"{POST}/requestBody/content/text~1plain/schema/type", "integer",
                f"{POST}/requestBody/content/text~1plain: it no longer takes string", "text/plain",
            ),
            (f"{POST}/responses/404", GONE, f"{POST}/responses/404: the status was removed", "404"),
            (f"{POST}/responses/2XX/headers", {}, f"{POST}/responses/2XX/headers/x-id: the header was removed", "x-id"),
            (
                "#/components/responses/NotFound/content", {},
                f"{POST}/responses/404/content/application~1json: the content type was removed", "application/json",
            ),
            (
                "#/components/securitySchemes/BasicAuth/scheme", "bearer",
                "#/components/securitySchemes/BasicAuth: other credentials are needed", "BasicAuth",
            ),
            ("#/components/schemas/Alone", GONE, "#/components/schemas/Alone: the schema was removed", "Alone"),
            (f"{REQUEST}/properties/to", GONE, f"{REQUEST}/properties/to: the property was removed", "to"),
            (f"{ANSWER}/properties/time", GONE, f"{ANSWER}/properties/time: the property was removed", "time"),
            (f"{REQUEST}/required", ["from", "to"], f"{REQUEST}/properties/to: the property is now required", "to"),
            (f"{REQUEST}/required", ["from", "new"], f"{REQUEST}/properties/new: the property is now required", "new"),
            (f"{ANSWER}/required", [], f"{ANSWER}/properties/id: the property may now be missing", "id"),
            (f"{REQUEST}/properties/to/type", "string", f"{REQUEST}/properties/to: it no longer takes null", "to"),
            (
                f"{REQUEST}/properties/to/type", "integer",
                f"{REQUEST}/properties/to: it no longer takes null, string", "to",
            ),
            (f"{REQUEST}/properties/to/enum", ["a"], f"{REQUEST}/properties/to: it now takes only a", "to"),
            (
                f"{REQUEST}/properties/list/items/type", "integer",
                f"{REQUEST}/properties/list/items: it no longer takes string", "list",
            ),
            (
                f"{REQUEST}/properties/content/oneOf", [{"$ref": "#/components/schemas/Kind"}],
                f"{REQUEST}/properties/content: it no longer takes Unused", "content",
            ),
            (
                f"{REQUEST}/properties/kind", {"type": "string"},
                f"{REQUEST}/properties/kind: it no longer takes Kind", "kind",
            ),
            (
                f"{ANSWER}/properties/id/type", ["string", "null"],
                f"{ANSWER}/properties/id: it may now be null", "id",
            ),
            (f"{ANSWER}/properties/id", {}, f"{ANSWER}/properties/id: it may now be every type", "id"),
            ("#/components/schemas/Told/properties/state/type", "integer",
             "#/components/schemas/Told/properties/state: it may now be integer", "state"),
            ("#/components/schemas/Kind/enum", ["Sms"], "#/components/schemas/Kind: the value Rcs was removed", "Rcs"),
            (
                f"{REQUEST}/properties/from/maxLength", 11,
                f"{REQUEST}/properties/from: maxLength is now 11, and was 16", "from",
            ),
            (
                f"{REQUEST}/properties/from/minLength", 2,
                f"{REQUEST}/properties/from: minLength is now 2, and was 1", "from",
            ),
            (
                f"{REQUEST}/properties/list/maxItems", 9,
                f"{REQUEST}/properties/list: maxItems is now 9, and was not there", "list",
            ),
            (
                f"{REQUEST}/properties/from/pattern", "^b",
                f'{REQUEST}/properties/from: pattern is now "^b", and was "^a"', "from",
            ),
            (
                f"{REQUEST}/additionalProperties", False,
                f'{REQUEST}: additionalProperties is now false, and was "not there"', "Request",
            ),
            (
                f"{REQUEST}/not", {"required": ["to"]},
                f"{REQUEST}: the condition `not` was changed and may refuse more", "Request",
            ),
            (
                "#/components/x-rules/Sms/properties/from/maxLength", 9,
                "#/components/x-rules/Sms/properties/from: maxLength is now 9, and was 11", "from",
            ),
            (
                "#/components/x-rules/Sms/properties/text", {},
                "#/components/x-rules/Sms/properties/text: the rule is new", "text",
            ),
            ("#/components/x-rules/Rcs", {}, "#/components/x-rules/Rcs: the rule is new", "Rcs"),
        ],
    )  # fmt: skip
    def test_what_breaks_is_named(
        self, script: Any, pointer: str, value: object, expected: str, name: str
    ) -> None:
        changes = list(script.Spec(OLD_SPEC, edited(script, pointer, value)).changes())
        found = {f"{change.place}: {change.what}": change.name for change in changes}
        assert expected in found
        assert found[expected] == name

    @pytest.mark.parametrize(
        ("pointer", "value"),
        [
            ("#/servers/2", {"url": "https://three.ecall.ch"}),
            ("#/paths/~1api~1new", {"get": {"operationId": "new", "responses": {}}}),
            (f"{POST}/summary", "Send."),
            (f"{POST}/parameters/1", {"name": "new", "in": "query"}),
            (f"{POST}/requestBody/content/text~1csv", {}),
            (f"{POST}/responses/500", {"description": "Failed."}),
            (f"{POST}/x-evidence", {"level": "observed", "source": "a client"}),
            ("#/components/schemas/New", {"type": "string"}),
            (f"{REQUEST}/properties/new", {"type": "string", "maxLength": 1}),
            (f"{REQUEST}/properties/to/type", ["string", "integer", "null"]),
            (f"{REQUEST}/properties/to/examples", ["b"]),
            (f"{REQUEST}/properties/from/maxLength", 20),
            (f"{REQUEST}/properties/from/minLength", 0),
            (f"{REQUEST}/properties/from/pattern", GONE),
            (f"{REQUEST}/required", []),
            (f"{REQUEST}/not", GONE),
            (f"{REQUEST}/description", "Other words."),
            (f"{REQUEST}/additionalProperties", True),
            (f"{ANSWER}/properties/id/maxLength", 4),
            (f"{ANSWER}/properties/time/type", "string"),
            (f"{ANSWER}/required", ["id", "time"]),
            ("#/components/schemas/Kind/enum", ["Sms", "Rcs", "Fax"]),
            ("#/components/x-rules/Sms/properties/from/maxLength", 12),
            ("#/components/x-rules/Sms/properties", {}),
        ],
    )
    def test_what_breaks_nothing_is_not_named(
        self, script: Any, pointer: str, value: object
    ) -> None:
        assert list(script.Spec(OLD_SPEC, edited(script, pointer, value)).changes()) == []

    def test_nothing_breaks_where_nothing_changes(self, script: Any) -> None:
        assert list(script.Spec(OLD_SPEC, copy.deepcopy(OLD_SPEC)).changes()) == []


def environment() -> dict[str, str]:
    """Give an environment without settings of git: in a hook they would name this very repository."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **clean,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=Jane", "-c", "user.email=jane@example.ch", *arguments]
    subprocess.run(
        command, cwd=root, env=environment(), check=True, capture_output=True, timeout=60
    )


def commit(root: Path, *tags: str) -> None:
    if not (root / ".git").exists():
        git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "a step")
    for tag in tags:
        git(root, "tag", tag)


def run(root: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, str(root / "scripts" / "check_changes"), *arguments],
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The small project with the scripts; no repository yet."""
    root = tmp_path / "project"
    write(root)
    (root / "scripts").mkdir()
    for name in ("check_changes", "_changes.py", "_output.py", "_setup.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts")
    return root


NOTHING = "There is no tag of a version yet, so nothing was released that could break.\n"
BREAK = (SYNC, "def close(self, now: bool = False)", "def close(self)")


@needs_git
@pytest.mark.slow
class TestRuns:
    """The whole of it, as it is called."""

    @pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["words", "json"])
    def test_the_exit_code_is_the_same_where_nobody_reads_the_result(
        self, project: Path, arguments: list[str]
    ) -> None:
        commit(project, "v1.0.0")
        replace(project / BREAK[0], *BREAK[1:])
        reader, writer = os.pipe()
        os.close(reader)
        try:
            result = subprocess.run(
                [sys.executable, str(project / "scripts" / "check_changes"), *arguments],
                env=environment(), stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60,
            )  # fmt: skip
        finally:
            os.close(writer)
        assert (result.returncode, result.stderr) == (1, b"")

    def test_without_a_tag_nothing_can_break(self, project: Path) -> None:
        commit(project, "nightly")
        assert run(project) == (0, NOTHING)
        assert json.loads(run(project, "--json")[1]) == {
            "against": None,
            "breaking": [],
            "missing": [],
        }

    def test_what_is_not_in_the_changelog_is_demanded_until_it_is(self, project: Path) -> None:
        commit(project, "v0.8.0")
        commit(project, "v1.0.0")
        replace(project / BREAK[0], *BREAK[1:])
        spec = project / "spec" / "ecall.yaml"
        replace(spec, "to: {type: [string", "too: {type: [string")
        code, output = run(project)
        assert code == 1
        missing = [
            "- `now`: parameter was removed (ECall.close(now)).",
            "- `to`: the property was removed (#/components/schemas/Request/properties/to).",
        ]
        assert output.splitlines() == [
            "Against v1.0.0: 2 breaking changes",
            "  missing python  ECall.close(now): parameter was removed",
            "  missing spec    #/components/schemas/Request/properties/to: the property was removed",
            "",
            "Add to CHANGELOG.md, below `### Changed` or `### Removed` of `## [Unreleased]`:",
            "",
            *missing,
        ]
        changelog = project / "CHANGELOG.md"
        replace(
            changelog, "## [0.9.0]", "### Removed\n\n- `ECall.close(now=…)` is gone.\n\n## [0.9.0]"
        )
        commit(project)
        code, output = run(project, "--json")
        told = json.loads(output)
        assert (code, told["against"], told["missing"]) == (1, "v1.0.0", missing[1:])
        assert [(one["name"], one["in_changelog"]) for one in told["breaking"]] == [
            ("now", True),
            ("to", False),
        ]
        # The entry may be of a version that is about to be released.
        replace(changelog, "## [Unreleased]", "## [Unreleased]\n\n## [2.0.0] - 2026-12-01")
        replace(changelog, "is gone.", f"is gone.\n\n### Changed\n\n{missing[1]}")
        code, output = run(project)
        assert (code, output.count("named")) == (0, 2)
        assert run(project, "--against", "HEAD") == (0, "Against HEAD: no breaking changes\n")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("- `send` is new.", "- `now` is gone, but that is not what was added."),
            ("### Removed\n\n- `close`.", "### Removed\n\n- `now`, long ago."),
            (
                "### Added\n\n- `send` is new.",
                "### Removed\n\n- now without backticks, and `nowhere`.",
            ),
        ],
    )
    def test_an_entry_elsewhere_does_not_count(
        self, project: Path, before: str, after: str
    ) -> None:
        commit(project, "1.0.0")
        replace(project / BREAK[0], *BREAK[1:])
        replace(project / "CHANGELOG.md", before, after)
        code, output = run(project)
        assert (code, output.count("missing ")) == (1, 1)

    def test_what_cannot_be_compared_is_no_success(self, project: Path, tmp_path: Path) -> None:
        # No repository; nor may one above it be taken for ours.
        code, output = run(project, GIT_CEILING_DIRECTORIES=str(tmp_path))
        assert (code, "not a git repository" in output) == (2, True)
        assert run(project, PATH="") == (2, "Could not compare: there is no git on the PATH\n")
        (project / SYNC).rename(project / "away")
        commit(project, "v1.0.0")
        (project / "away").rename(project / SYNC)
        assert run(project, "--against", "v3")[0] == 2
        (project / "spec" / "ecall.yaml").write_text("[", encoding="utf-8")
        code, output = run(project)
        assert (code, output.splitlines()[0]) == (
            2,
            "Could not compare: ParserError: while parsing a flow node",
        )
        shallow = tmp_path / "shallow"
        git(
            tmp_path,
            "clone",
            "--quiet",
            "--depth=1",
            "--no-tags",
            f"file://{project}",
            str(shallow),
        )
        commit(project)
        code, output = run(shallow)
        assert (code, "this clone is shallow and has no tag" in output) == (2, True)

    def test_breaks_of_this_very_project_are_found(self, tmp_path: Path) -> None:
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        for name in ("ecall_facade", "generated", "spec", "scripts"):
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
        commit(tmp_path, "v1.0.0")
        assert run(tmp_path) == (0, "Against v1.0.0: no breaking changes\n")
        package = tmp_path / "ecall_facade"
        replace(package / "__init__.py", '    "ListEntry",\n', "")
        replace(package / "_sync/_client.py", "    def with_options(", "    def without_options(")
        for twin in ("_sync/_channels.py", "_async/_channels.py"):
            text = (package / twin).read_text(encoding="utf-8")
            (package / twin).write_text(
                text.replace("page_limit", "limit_of_pages"), encoding="utf-8"
            )
        replace(package / "errors.py", "class NotFound(APIError)", "class NotFound(ECallError)")
        replace(tmp_path / "spec" / "ecall.yaml", "enum: [Sms, Whatsapp, Rcs]", "enum: [Sms, Rcs]")
        replace(
            tmp_path / "generated/ecall_client/models/channel.py", '    WHATSAPP = "Whatsapp"\n', ""
        )
        code, output = run(tmp_path, "--json")
        assert code == 1
        places = {(one["place"], one["what"]) for one in json.loads(output)["breaking"]}
        assert {
            ("ecall_facade.ListEntry", "the public name was removed"),
            ("ECall.with_options", "public object was removed"),
            ("Sms.send(page_limit)", "parameter was removed"),
            ("AsyncSms.broadcast(page_limit)", "parameter was removed"),
            ("NotFound", "it is no longer a APIError"),
            ("Channel.WHATSAPP", "public object was removed"),
            ("#/components/schemas/Channel", "the value Whatsapp was removed"),
        } <= places
