"""The sync client and the async one are the same: names, signatures, docstrings, source, behaviour."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import httpx
import pytest
from _clients import PASSWORD, SENDERS, USERNAME, Opener
from _clock import Clock
from _methods import METHODS, called, public_methods

from ecall_facade import AsyncECall, ECall, _async, _session, _sync

pytestmark = pytest.mark.slow  # once is enough: nothing in it depends on the Python

# How the async names read in the sync client. What is written in another way altogether is in REWRITTEN.
RENAMED = [
    (r"\bAsync(ECall|Runner|Sms|Chat|Messages|MediaStream|MediaFiles|Session)\b", r"\1"),
    (r"\bhttpx\.Async(BaseTransport|Client)\b", r"httpx.\1"),
    (r"\bhttpx\.AsyncByteStream\b", "httpx.SyncByteStream"),
    (r"\bset_async_httpx_client\b", "set_httpx_client"),
    (r"\bhandle_async_request\b", "handle_request"),
    (r"\bcall\.asyncio\b", "call.sync"),
    (r"\basync_pool\b", "sync_pool"),
    (r"\b_attempt_async\b", "_attempt"),
    (r"\bsleep_async\b", "sleep"),
    (r"\bevent_loop\b", "os.getpid"),  # pools belong to an event loop there, to a process here
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\b(__)a(enter|exit|iter)(__)\b", r"\1\2\3"),
    (r"\ba(close|read)\b", r"\1"),
    (r"\baiter_bytes\b", "iter_bytes"),
]
REWRITTEN = [
    # Files block, so the async client leaves them to a thread.
    (r"\bAsyncChunks\(upload\)", "upload"),
    (r"\bin_thread\(partial\(file\.write, chunk\)\)", "file.write(chunk)"),
    # There is no `yield from` and no `join` for what comes asynchronously.
    (r"for chunk in (self\._response\.iter_bytes\(\)):\n +yield chunk", r"yield from \1"),
    (r"join\(\[part for part in (.+)\]\)", r"join(\1)"),
]
# The docstrings that differ: the async text, the sync one, and why.
DOCSTRINGS = {
    "ECall": [
        ("An async client", "A client", "it says which it is"),
        ("many tasks and threads", "many threads", "there are no tasks in the sync one"),
    ],
    "Sms.send": [
        (" If the task is cancelled, the outcome is unknown.", "", "nothing cancels a sync call")
    ],
}
# What is no coroutine in the async client either.
NOT_AWAITED = {
    "with_options": "no I/O",
    "compose": "no I/O",
    "stream": "an async context manager",
    "__init__": "no I/O",
    "__repr__": "no I/O",
    "__iter__": "an async iterator",
}
SPECIAL = {"__init__", "__enter__", "__exit__", "__iter__", "__repr__"}


def translate(text: str) -> str:
    for pattern, sync in [*RENAMED, *REWRITTEN]:
        text = re.sub(pattern, sync, text)
    return text


def classes(module: ModuleType) -> list[type]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]


PAIRS = [(sync, getattr(_async, f"Async{sync.__name__}")) for sync in classes(_sync)]
every_pair = pytest.mark.parametrize(
    ("sync", "twin"), [pytest.param(*pair, id=pair[0].__name__) for pair in PAIRS]
)


def members(cls: type) -> dict[str, Any]:
    """Give all functions that are public or special, also inherited ones, by their sync name."""
    found = {translate(name): getattr(cls, name) for name in dir(cls)}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, FunctionType) and (name in SPECIAL or not name.startswith("_"))
    }


# Names, signatures, docstrings


def test_each_class_has_a_twin() -> None:
    assert [f"Async{cls.__name__}" for cls in classes(_sync)] == [
        cls.__name__ for cls in classes(_async)
    ]


def test_both_clients_have_the_same_resources() -> None:
    sync, twin = ECall(USERNAME, PASSWORD), AsyncECall(USERNAME, PASSWORD)
    resources = {
        name: type(value).__name__
        for name, value in vars(sync).items()
        if type(value).__module__ == _sync.__name__
    }
    assert resources == {name: translate(type(vars(twin)[name]).__name__) for name in resources}
    assert {name for name in resources if not name.startswith("_")} == {
        "sms",
        "whatsapp",
        "rcs",
        "messages",
        "media",
    }
    assert vars(sync).keys() == vars(twin).keys()
    assert public_methods(sync) == public_methods(twin)
    assert repr(twin) == f"Async{sync!r}"


@every_pair
def test_both_have_the_same_members(sync: type, twin: type) -> None:
    assert members(sync).keys() == members(twin).keys()
    assert [cls.__name__ for cls in sync.__mro__] == [
        translate(cls.__name__) for cls in twin.__mro__
    ]


@every_pair
def test_both_have_the_same_signatures(sync: type, twin: type) -> None:
    others = members(twin)
    for name, member in members(sync).items():
        expected, signature = inspect.signature(member), inspect.signature(others[name])
        assert _parameters(signature) == _parameters(expected), name
        assert translate(str(signature.return_annotation)) == str(expected.return_annotation), name


def _parameters(signature: inspect.Signature) -> list[tuple[str, str, object, str]]:
    return [
        (one.name, one.kind.description, one.default, translate(str(one.annotation)))
        for one in signature.parameters.values()
    ]


@every_pair
def test_what_blocks_here_is_awaited_there(sync: type, twin: type) -> None:
    for name, member in members(twin).items():
        assert not inspect.iscoroutinefunction(members(sync)[name]), name
        assert inspect.iscoroutinefunction(member) == (name not in NOT_AWAITED), name


@every_pair
def test_both_have_the_same_docstrings(sync: type, twin: type) -> None:
    others = members(twin)
    pairs = [(sync.__name__, sync.__doc__, twin.__doc__)]
    pairs += [
        (f"{sync.__name__}.{name}", one.__doc__, others[name].__doc__)
        for name, one in members(sync).items()
    ]
    for name, expected, docstring in pairs:
        for there, here, _ in DOCSTRINGS.get(name, []):
            assert docstring is not None
            assert docstring.count(there) == 1, f"{name}: {there!r} is no difference any more"
            docstring = docstring.replace(there, here)
        assert docstring == expected, name


def test_no_docstring_is_excused_that_is_not_there() -> None:
    names = {f"{sync.__name__}.{name}" for sync, _ in PAIRS for name in members(sync)}
    assert DOCSTRINGS.keys() <= names | {sync.__name__ for sync, _ in PAIRS}


# Source


class _Sync(ast.NodeTransformer):
    """Takes the async words and the docstrings out."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit_FunctionDef(ast.FunctionDef(**vars(node)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self.generic_visit(ast.For(**vars(node)))

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return self.visit_With(ast.With(**vars(node)))

    def visit_With(self, node: ast.With) -> ast.AST:
        self.generic_visit(node)
        match node.body:
            case [ast.With() as inner]:  # one in the other is both in one
                node.items += inner.items
                node.body = inner.body
        return node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.is_async = 0
        return self.generic_visit(node)


def plain_source(*things: ModuleType | type | FunctionType) -> str:
    """Give source without async words, docstrings, comments, layout; of a module, without the imports, too."""
    nodes: list[ast.stmt] = []
    for thing in things:
        tree = ast.parse(inspect.getsource(thing))
        nodes += [
            node
            for node in tree.body
            if not isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr))
        ]
    return ast.unparse(_Sync().visit(ast.Module(nodes, [])))


SOURCES: list[tuple[list[Any], list[Any]]] = [
    ([_sync], [_async]),
    ([_session.Session, _session._attempt], [_session.AsyncSession, _session._attempt_async]),
]


@pytest.mark.parametrize(("sync", "twin"), SOURCES, ids=["clients", "sessions"])
def test_the_source_is_the_same_but_for_the_async_words(sync: list[Any], twin: list[Any]) -> None:
    expected = plain_source(*sync)
    assert len(expected.splitlines()) > 30
    assert translate(plain_source(*twin)).splitlines() == expected.splitlines()


def test_each_substitution_is_needed() -> None:
    text = "\n".join(plain_source(*twin) for _, twin in SOURCES)
    for pattern, sync in [*RENAMED, *REWRITTEN]:
        assert re.search(pattern, text), f"nothing to be substituted for {sync}"
        text = re.sub(pattern, sync, text)


# Behaviour


class _Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"messageId": '
        raise httpx.ReadError("It broke off")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def _answer(status: int = 200, body: Any = None, **headers: str) -> Callable[[], httpx.Response]:
    named = {
        "x-f24-request-id": "r-1",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    kind: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    return lambda: httpx.Response(status, headers=named, **kind)


def _fails(error: Exception) -> Callable[[], httpx.Response]:
    def outcome() -> httpx.Response:
        raise error

    return outcome


GOOD = {
    "messageId": "m-1",
    "messageIdList": ["m-1", {"messageId": "m-2", "address": "+41787654321"}],
    "messageListId": "l-1",
    "messages": [
        {"messageId": "m-1"},
        {"error": {"errorCode": "X"}},
        {"messageId": "m-3", "state": 2},
        {},
    ],
    "mediaId": "f-1",
    "state": "Delivered",
    "timestamp": "2026-01-15T09:30:00Z",
    "more": [1],
}
REFUSED = {
    "errorCode": "InvalidContent",
    "errorMessage": "No.",
    "errorDetails": {"errors": [{"parameter": "To"}]},
}
# What the service does, one answer after the other; the last one goes on for ever.
OUTCOMES: dict[str, list[Callable[[], httpx.Response]]] = {
    "success": [_answer(200, GOOD, content_type="application/json")],
    "success in capitals": [_answer(201, {name.upper(): value for name, value in GOOD.items()})],
    "pending, sent, delivered": [
        _answer(200, {**GOOD, "state": word}) for word in ("Pending", "Sent", "Delivered")
    ],
    "pending for ever": [_answer(200, {**GOOD, "state": "Pending"})],
    **{
        f"{code}": [_answer(code, REFUSED)]
        for code in (302, 400, 401, 403, 404, 408, 409, 413, 422, 499, 500, 520)
    },
    "404, then success": [_answer(404, REFUSED), _answer(200, GOOD)],
    "429, then success": [_answer(429, REFUSED), _answer(429, retry_after="3"), _answer(200, GOOD)],
    "429 for ever": [_answer(429, REFUSED, retry_after="2")],
    "429, long pause": [_answer(429, REFUSED, retry_after="11")],
    "503, then success": [_answer(503, REFUSED, retry_after="1"), _answer(200, GOOD)],
    "503 without pause": [_answer(503, REFUSED)],
    "502, a page": [_answer(502, b"<html>Bad gateway</html>", content_type="text/html")],
    "a page": [_answer(200, b"<html>Welcome</html>")],
    "nothing": [_answer(200, b"")],
    "no id": [_answer(200, {})],
    "null": [_answer(200, None)],
    "not gzip": [_answer(200, b"plain", content_encoding="gzip")],
    "broken off": [
        lambda: httpx.Response(200, headers={"x-f24-request-id": "r-1"}, stream=_Broken())
    ],
    "no connection, then success": [_fails(httpx.ConnectError("Refused")), _answer(200, GOOD)],
    **{
        f"{type(error).__name__}": [_fails(error)]
        for error in (
            httpx.ConnectError("Refused"),
            httpx.ConnectTimeout("Too long"),
            httpx.PoolTimeout("Too many"),
            httpx.ReadTimeout("Too long"),
            httpx.WriteError("Broken pipe"),
            httpx.RemoteProtocolError("Gone"),
            ValueError("Something else"),
        )
    },
}


def _perform(
    method: str, outcome: str, monkeypatch: pytest.MonkeyPatch, *, is_async: bool
) -> dict[str, Any]:
    """Call a method, and give all that can be seen of what happened."""
    clock, requests, answers = Clock(stands=True), list[tuple[object, ...]](), OUTCOMES[outcome]

    def handle(request: httpx.Request) -> httpx.Response:
        headers = {
            name: value for name, value in request.headers.items() if name != "authorization"
        }
        requests.append(
            (
                request.method,
                str(request.url),
                headers,
                request.content,
                request.extensions["timeout"],
            )
        )
        return answers[min(len(requests), len(answers)) - 1]()

    with monkeypatch.context() as patch:
        patch.setattr("random.uniform", lambda low, high: low)
        clock.install(patch)
        opener = Opener(is_async=is_async)
        try:
            ecall = opener(
                "https://rest.ecall.ch", transport=httpx.MockTransport(handle), sender=SENDERS
            )
            try:
                seen: Any = _shown(METHODS[method](ecall))
            except Exception as error:  # noqa: BLE001
                cause = error.__cause__
                notes = getattr(error, "__notes__", [])
                seen = (
                    type(error),
                    str(error),
                    _shown(vars(error)),
                    type(cause),
                    str(cause),
                    notes,
                )
        finally:
            opener.close()
    return {"requests": requests, "pauses": clock.pauses, "seen": seen}


def _shown(value: Any) -> Any:
    """Give a result with what comparing it leaves out."""
    if isinstance(value, tuple):
        return tuple(_shown(one) for one in value)
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items()}
    return (
        type(value),
        translate(value) if isinstance(value, str) else value,
        getattr(value, "raw", None),
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_same_answers_have_the_same_consequences(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for outcome in OUTCOMES:
        sync = _perform(method, outcome, monkeypatch, is_async=False)
        twin = _perform(method, outcome, monkeypatch, is_async=True)
        assert twin == sync, outcome
        silent = {"with_options", "close"} | {name for name in METHODS if name.endswith(".compose")}
        assert bool(sync["requests"]) == (called(method) not in silent)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_answers_above_have_many_consequences(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clients that did nothing would be alike, too."""
    seen = [_perform("sms.send", outcome, monkeypatch, is_async=is_async) for outcome in OUTCOMES]
    names = {result["seen"][0].__name__ for result in seen}
    assert names >= {
        "SentMessage",
        "BadRequest",
        "RateLimited",
        "ServerError",
        "NotSent",
        "OutcomeUnknown",
    }
    assert {len(result["requests"]) for result in seen} == {1, 2, 3}


def test_both_refuse_the_same_after_closing(open_client: Any) -> None:
    ecall = open_client("https://rest.ecall.ch")
    copy = ecall.with_options(retry=False)
    copy.close()
    ecall.close()
    ecall.close()
    for closed in (ecall, copy):
        with pytest.raises(ValueError, match="The client is closed"):
            closed.messages.status("m-1")
