"""The programs examples/webhooks_*.py: in their frameworks' test clients, at real sockets, and with the sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode

import httpx
import pytest
from _clients import E164, NUMBER, PASSWORD, TEXT, USERNAME, OpenClient
from _receiver import wait_until
from _webhook_servers import serve_asgi, serve_wsgi

from ecall_facade import Channel, DeliveryState, Notify
from ecall_facade.sandbox import Sandbox
from ecall_facade.webhooks import (
    DOCUMENTED_SOURCES,
    Event,
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    WebhookApp,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = ("fastapi", "starlette", "flask", "django")
INBOUND = "/ecall/api/webhooks/receivedmessage"
SOURCE, PROXY, STRANGER = DOCUMENTED_SOURCES[0], "127.0.0.1", "203.0.113.9"
FROM_SOURCE = {"X-Forwarded-For": SOURCE}
SECRET = "long-and-random"
DELIVERED = {
    "messageId": "m-1",
    "state": "Delivered",
    "to": E164,
    "timestamp": "2026-01-15T09:30:00Z",
}
REPLY = {
    "messageId": "i-1",
    "channel": "Sms",
    "from": E164,
    "content": {"type": "Text", "text": TEXT},
}


class Response(NamedTuple):
    status: int
    text: str


Call: TypeAlias = Callable[[str, str, bytes, dict[str, str]], Response]


class Printed(list[str]):
    """Takes the place of `print` in a recipe, where a developer's own code would be."""

    fails = False

    def __call__(self, line: str) -> None:
        if self.fails:
            raise RuntimeError(f"The database is down for {TEXT}")
        self.append(line)


class Recipe:
    """A recipe, and how to call it."""

    def __init__(self, module: Any, call: Call) -> None:
        self.module = module
        self.printed: Printed = module.print
        self._call = call

    def post(
        self, body: object, path: str = "/ecall/", headers: dict[str, str] = FROM_SOURCE
    ) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", path, data, {"Content-Type": "application/json", **headers})

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] = FROM_SOURCE
    ) -> Response:
        response = self._call(method, path, body, headers)
        assert len(response.text) < 300
        repeated = [word for word in (TEXT, E164, SECRET, "m-1") if word in response.text]
        assert repeated == []
        return response


def load(name: str) -> Any:
    """Run a recipe's file as a new module."""
    spec = spec_from_file_location(f"webhooks_{name}", EXAMPLES / f"webhooks_{name}.py")
    assert spec
    assert spec.loader
    module: Any = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.print = Printed()
    if name == "django":
        from django.core.wsgi import get_wsgi_application
        from django.urls import clear_url_caches

        clear_url_caches()  # they are of the module that was loaded before
        module.application = get_wsgi_application()
    return module


def inside(name: str, module: Any) -> Call:
    """Return a function that calls a recipe through its framework's test client, as a peer at 127.0.0.1."""
    if name == "flask":
        client = module.app.test_client()

        def call(method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
            response = client.open(path, method=method, data=body, headers=headers)
            return Response(response.status_code, response.text.strip())
    elif name == "django":
        from django.test import Client

        def call(method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
            content_type = headers.get("Content-Type", "")
            django = Client(raise_request_exception=False)
            response = django.generic(method, path, body, content_type, headers=headers)
            return Response(response.status_code, response.content.decode())
    else:
        if name == "fastapi":
            from fastapi.testclient import TestClient
        else:
            from starlette.testclient import TestClient

        def call(method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
            client = TestClient(module.app, client=(PROXY, 50_000), raise_server_exceptions=False)
            response = client.request(
                method, path, content=body, headers=headers, follow_redirects=False
            )
            return Response(response.status_code, response.text.strip())

    return call


@contextlib.contextmanager
def serve(name: str, module: Any) -> Iterator[str]:
    """Serve a recipe on a free port, and yield its URL."""
    if name == "flask":
        from werkzeug.serving import make_server

        with serve_wsgi(make_server("127.0.0.1", 0, module.app)) as url:
            yield url
    elif name == "django":
        from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer

        server = WSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
        server.set_app(module.application)
        with serve_wsgi(server) as url:
            yield url
    else:
        with serve_asgi(module.app) as url:
            yield url


def over_socket(url: str, client: httpx.Client) -> Call:
    def call(method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
        response = client.request(method, url + path, content=body, headers=headers)
        return Response(response.status_code, response.text.strip())

    return call


@pytest.fixture
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBACK_SECRET", SECRET)


@pytest.fixture(params=[f"{name}-{how}" for name in RECIPES for how in ("client", "socket")])
def recipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipe]:
    name, how = request.param.split("-")
    monkeypatch.setenv("CALLBACK_PROXIES", PROXY)
    monkeypatch.setenv(
        "FORWARDED_ALLOW_IPS", "*"
    )  # an environment that says to believe everybody's headers
    module = load(name)
    if how == "client":
        yield Recipe(module, inside(name, module))
    else:
        # A server may end the connection after a failure, which a client notices late.
        limits = httpx.Limits(max_keepalive_connections=0)
        with serve(name, module) as url, httpx.Client(trust_env=False, limits=limits) as client:
            yield Recipe(module, over_socket(url, client))


# --- sources


def test_the_documented_sources_are_accepted_through_the_proxy(recipe: Recipe) -> None:
    proxied = [{"X-Forwarded-For": source} for source in DOCUMENTED_SOURCES]
    for number, headers in enumerate([*proxied, {"Forwarded": f'for="{SOURCE}:443"'}]):
        report = {**DELIVERED, "messageId": f"m-{number}"}
        assert recipe.post(report, headers=headers).status == 200
    assert recipe.printed == [f"Message m-{number} is Delivered" for number in range(4)]


def test_a_recipe_refuses_forged_sources(recipe: Recipe) -> None:
    """The headers are what the proxy passes on of a stranger's request."""
    for headers in (
        {},  # the proxy itself
        {"X-Forwarded-For": STRANGER},
        {"X-Forwarded-For": f"{SOURCE}, {STRANGER}"},
        {"X-Forwarded-For": STRANGER, "Forwarded": f"for={SOURCE}"},
        {"X-Forwarded-For": STRANGER, "X-Real-IP": SOURCE, "Client-IP": SOURCE},
        {"Remote-Addr": SOURCE, "REMOTE_ADDR": SOURCE},
    ):
        for path in ("/ecall/", INBOUND):
            assert recipe.post(DELIVERED, path, headers).status == 403, headers
    assert recipe.printed == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_header_with_underscores_is_not_taken_for_one_with_hyphens(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WSGI makes them the same, so the server has to drop those with underscores."""
    monkeypatch.setenv("CALLBACK_PROXIES", PROXY)
    with serve(name, load(name)) as url, httpx.Client(trust_env=False) as client:
        for header in ("X_Forwarded_For", "X_FORWARDED-FOR"):
            headers = {"X-Forwarded-For": STRANGER, header: SOURCE}
            response = client.post(f"{url}/ecall/", json=DELIVERED, headers=headers)
            assert response.status_code == 403


@pytest.mark.usefixtures("_secret")
def test_a_recipe_requires_the_secret_in_the_path(recipe: Recipe) -> None:
    for path in ("/ecall/", "/ecall/long-and-randon", INBOUND, f"/ecall/?secret={SECRET}"):
        assert recipe.post(DELIVERED, path).status == 403, path
    assert recipe.post(DELIVERED, f"/ecall/{SECRET}", headers={}).status == 403
    assert recipe.printed == []
    assert recipe.post(DELIVERED, f"/ecall/{SECRET}").status == 200
    assert recipe.post(REPLY, INBOUND.replace("/api", f"/{SECRET}/api")).status == 200
    assert recipe.printed == ["Message m-1 is Delivered", "A reply by Sms has 34 characters"]


# --- events


def test_reports_replies_and_other_events_are_told_apart(recipe: Recipe) -> None:
    assert recipe.post(REPLY).status == 200
    assert (
        recipe.post({**REPLY, "messageId": "i-2", "state": "what was this?"}, INBOUND).status == 200
    )
    assert recipe.post({"hello": "world"}).status == 200
    query = urlencode(DELIVERED)
    assert recipe.call("GET", f"/ecall/?{query}").status == 200
    form = {**FROM_SOURCE, "Content-Type": "application/x-www-form-urlencoded"}
    assert recipe.call("POST", "/ecall/", query.replace("m-1", "m-2").encode(), form).status == 200
    assert [re.sub(r"[0-9a-f]{32}", "…", line) for line in recipe.printed] == [
        "A reply by Sms has 34 characters",
        "A reply by Sms has 34 characters",
        "Something else came: unknown:…",
        "Message m-1 is Delivered",
        "Message m-2 is Delivered",
    ]


def test_an_event_that_is_delivered_again_is_not_handled_again(recipe: Recipe) -> None:
    assert [recipe.post(DELIVERED).status for _ in range(3)] == [200] * 3
    assert recipe.post({**DELIVERED, "state": "Failed"}).status == 200
    assert recipe.printed == ["Message m-1 is Delivered", "Message m-1 is Failed"]


def test_an_event_whose_handler_failed_is_handled_again(recipe: Recipe) -> None:
    recipe.printed.fails = True
    assert recipe.post(DELIVERED).status == 500
    assert recipe.post(DELIVERED).status == 500
    recipe.printed.fails = False
    assert [recipe.post(DELIVERED).status for _ in range(2)] == [200] * 2
    assert recipe.printed == ["Message m-1 is Delivered"]


def test_a_recipe_responds_with_503_to_an_event_that_is_being_handled(recipe: Recipe) -> None:
    event = Receiver().receive(json.dumps(DELIVERED).encode(), remote_addr=SOURCE)
    assert recipe.module.seen.claim(event.key) == "new"
    assert recipe.post(DELIVERED).status == 503
    recipe.module.seen.fail(event.key)
    assert recipe.post(DELIVERED).status == 200


@pytest.mark.parametrize(
    "content_type", ["", "; charset=utf-8", "; charset=iso-8859-1", "; charset=windows-1252"]
)
@pytest.mark.parametrize("reads", ["form", "values", "data", "get_data", "files", "get_json"])
def test_flask_takes_a_form_that_a_before_request_has_read(
    reads: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flask import request

    monkeypatch.setenv("CALLBACK_PROXIES", PROXY)
    module = load("flask")
    texts: list[str | None] = []
    module.handle = lambda event: texts.append(event.text)

    def read() -> None:
        value = getattr(request, reads)
        if reads == "get_json":
            value(silent=True)
        elif callable(value):
            value()

    module.app.before_request(read)
    encoding = content_type.rpartition("=")[2] or "utf-8"
    body = "text=Grüezi&from=%2B41791234567".encode(encoding)
    headers = {**FROM_SOURCE, "Content-Type": f"application/x-www-form-urlencoded{content_type}"}
    with serve("flask", module) as url, httpx.Client(trust_env=False) as client:
        for chunked in (False, True):
            content = iter([body]) if chunked else body
            path = f"{url}/ecall/?{chunked}"
            assert client.post(path, content=content, headers=headers).status_code == 200
            module.seen = SeenKeys()
        too_large = b"text=" + b"x" * 70_000
        assert client.post(f"{url}/ecall/", content=too_large, headers=headers).status_code == 413
    assert texts == ["Grüezi"] * 2


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(("sources", "status"), [(PROXY, 200), ("", 403)])
def test_a_recipe_takes_callbacks_from_this_machine_only_if_told_to(
    name: str, sources: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBACK_SOURCES", sources)
    module = load(name)
    with serve(name, module) as url, httpx.Client(trust_env=False) as client:
        assert client.post(f"{url}/ecall/", json=DELIVERED).status_code == status


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_not_handle_a_body_that_breaks_off(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBACK_PROXIES", PROXY)
    module = load(name)
    form = "Content-Type: application/x-www-form-urlencoded\r\nX-Forwarded-For: " + SOURCE
    with serve(name, module) as url:
        port = int(url.rpartition(":")[2])
        for framing, body in (
            ("Content-Length: 99", "text=hal"),
            ("Transfer-Encoding: chunked", "8\r\ntext=hal\r\n"),
        ):
            head = f"POST /ecall/ HTTP/1.1\r\nHost: a.test\r\n{form}\r\n{framing}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall((head + body).encode())
        with httpx.Client(trust_env=False, headers=FROM_SOURCE) as client:
            assert client.post(f"{url}/ecall/", json=DELIVERED).status_code == 200
    assert module.print == ["Message m-1 is Delivered"]


def test_djangos_development_server_has_no_chunked_bodies_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALLBACK_PROXIES", PROXY)
    module = load("django")
    headers = {**FROM_SOURCE, "Content-Type": "application/json"}
    with serve("django", module) as url, httpx.Client(trust_env=False, headers=headers) as client:
        chunked = client.post(f"{url}/ecall/", content=iter([json.dumps(DELIVERED).encode()]))
    assert (chunked.status_code, "chunked" in chunked.text) == (411, True)
    assert module.print == []


def test_bad_input_to_a_recipe_gets_the_status_that_names_it(recipe: Recipe) -> None:
    for body in (
        b"",
        b"{",
        b'{"messageId": "m-1", ',
        b"just " + TEXT.encode(),
        b"[" * 40 + b"]" * 40,
    ):
        assert recipe.post(body).status == 400, body
    assert recipe.post(b"<xml/>", headers={**FROM_SOURCE, "Content-Type": "text/xml"}).status == 415
    for size in (64 * 1024 + 1, 1_000_000):
        assert recipe.post(json.dumps(DELIVERED).encode().ljust(size)).status == 413
    assert recipe.post(json.dumps(DELIVERED).encode().ljust(64 * 1024)).status == 200
    assert recipe.call("PUT", "/ecall/", b"{}").status == 405
    assert recipe.call("POST", "/elsewhere", b"{}").status == 404
    assert recipe.call("POST", "/ecall", b"{}").status in {307, 308, 404}
    assert recipe.printed == ["Message m-1 is Delivered"]


@pytest.mark.parametrize("name", ["fastapi", "starlette"])
def test_the_command_of_an_asgi_recipe_keeps_forged_headers_out(name: str) -> None:
    """Started as its first lines say, in an environment that lets uvicorn believe everybody's headers."""
    found = re.search(
        r"^    (uvicorn .*)$", (EXAMPLES / f"webhooks_{name}.py").read_text("utf-8"), re.MULTILINE
    )
    assert found
    environment = {
        **os.environ,
        "FORWARDED_ALLOW_IPS": "*",
        "CALLBACK_PROXIES": PROXY,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", *found[1].split(), "--port", "0"]
    with subprocess.Popen(
        command, cwd=EXAMPLES, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            lines = iter(process.stderr.readline, "")
            url = next(
                match[0] for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line))
            )
            with httpx.Client(trust_env=False, base_url=url) as client:
                headers = {"X-Forwarded-For": f"{SOURCE}, {STRANGER}"}
                assert client.post("/ecall/", json=DELIVERED, headers=headers).status_code == 403
                assert (
                    client.post("/ecall/", json=DELIVERED, headers=FROM_SOURCE).status_code == 200
                )
        finally:
            process.terminate()


def test_no_page_and_no_example_makes_a_dict_of_headers() -> None:
    root = EXAMPLES.parent
    for path in (root / "README.md", *(root / "docs").rglob("*.md"), *EXAMPLES.glob("*.py")):
        assert not re.search(r"dict\([^)]*headers", path.read_text("utf-8")), path.name


# --- with the sandbox


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_receives_the_sandboxs_reports_and_replies(
    name: str, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBACK_SOURCES", PROXY)  # where the sandbox calls from
    module = load(name)
    with serve(name, module) as url, Sandbox(username=USERNAME, password=PASSWORD) as sandbox:
        ecall = open_client(sandbox.url)
        sent = ecall.sms.send(NUMBER, TEXT, notify=Notify(f"{url}/ecall/", for_event="FinalOnly"))
        wait_until(lambda: len(sandbox.notifications) == 1)
        assert sandbox.reply("Thank you", url=url + INBOUND) == 200
    assert [each.status_code for each in sandbox.notifications] == [200]
    assert module.print == [
        f"Message {sent.message_id} is Delivered",
        "A reply by Sms has 9 characters",
    ]


def test_the_app_receives_the_sandboxs_reports_and_replies(open_client: OpenClient) -> None:
    events: list[Event] = []
    receiver = Receiver(sources=[PROXY], path_secret=SECRET, basic_auth=("acme", "sesame, open"))
    app = WebhookApp(events.append, receiver=receiver, seen=SeenKeys())
    with serve_asgi(app) as url:
        url = url.replace("//", "//acme:sesame%2C%20open@") + f"/{SECRET}"
        inbound_url = f"{url}/api/webhooks/receivedmessage"
        with Sandbox(username=USERNAME, password=PASSWORD, inbound_url=inbound_url) as sandbox:
            ecall = open_client(sandbox.url)
            sent = ecall.sms.send(NUMBER, TEXT, notify=Notify(url))
            status = ecall.messages.wait(sent.message_id, timeout=10)
            wait_until(lambda: len(sandbox.notifications) == 2)
            assert sandbox.reply("Merci! 🎁") == 200
            media = ecall.media.upload(b"a picture", content_type="image/png")
            channel = Channel.WHATSAPP
            assert (
                sandbox.reply(
                    media_id=media.media_id, sender=E164, channel=channel, to="+41791000001"
                )
                == 200
            )
            assert sandbox.reply("x" * 70_000, sender=E164) == 413
            assert sandbox.reply("hi", url=inbound_url.replace("sesame", "simsim")) == 401
    at_work, delivered, reply, picture = events
    assert isinstance(at_work, StatusUpdate)
    assert (at_work.message_id, at_work.state, at_work.is_final) == (
        sent.message_id,
        DeliveryState.SENT,
        False,
    )
    assert isinstance(delivered, StatusUpdate)
    assert (delivered.message_id, delivered.recipient, delivered.error) == (
        sent.message_id,
        E164,
        None,
    )
    assert (delivered.state, delivered.is_final, delivered.updated_at) == (
        status.state,
        status.is_final,
        status.updated_at,
    )
    assert isinstance(reply, ReceivedMessage)
    assert (reply.sender, reply.recipient, reply.text) == (E164, "Sandbox", "Merci! 🎁")
    assert (reply.channel, reply.media_id) == (Channel.SMS, None)
    assert delivered.updated_at
    assert reply.received_at
    assert reply.received_at > delivered.updated_at
    assert isinstance(picture, ReceivedMessage)
    assert (picture.channel, picture.recipient) == (Channel.WHATSAPP, "+41791000001")
    assert (picture.text, picture.media_id) == (None, media.media_id)
    assert len({event.key for event in events}) == 4
