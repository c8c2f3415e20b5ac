"""examples/apprise_ecall.py: with Apprise's command, and in a program that uses Apprise."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from _clients import E164, OTHER_E164
from _processes import environment
from _programs import EXAMPLES, run_python
from apprise import Apprise, NotificationManager

from ecall_facade.sandbox import Sandbox

pytestmark = [
    pytest.mark.once,
    # Of Apprise, and of the many plugins that it loads.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PLUGIN = EXAMPLES / "apprise_ecall.py"
PASSWORD = "p@ss/w:rd"
COMMAND = Path(sys.executable).with_name("apprise")
BODY = "web-1: disk is full"
ACCEPTED_AND_CUT = "+41790000902"
REFUSED = "+41790000403"


def make_url(sandbox: Sandbox, *targets: str, password: str = PASSWORD, options: str = "") -> str:
    user = sandbox.credentials["username"]
    base_url = quote(sandbox.url, safe="")
    return (
        f"ecall://{user}:{quote(password, safe='')}@ACME/{'/'.join(targets)}"
        f"?base_url={base_url}{options}"
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(password=PASSWORD) as sandbox:
        yield sandbox


@pytest.fixture
def _plugin() -> Iterator[None]:
    manager: Any = cast("Any", NotificationManager)()  # which has no types
    manager.module_detection(str(PLUGIN), cache=False)
    yield
    manager.remove("ecall")


def load(url: str) -> Apprise:
    apprise = Apprise()
    assert apprise.add(url)
    return apprise


# The command


def test_the_command_texts_every_recipient_and_shows_no_secret(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    shutil.copy(PLUGIN, plugins)
    result = run_python(
        *(COMMAND, f"--plugin-path={plugins}", "-vvv", "--title=Nagios"),
        *(f"--body={BODY}", make_url(sandbox, E164, "078 765 43 21")),
        folder=tmp_path,
        environment=environment(tmp_path),
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert [(each.recipient, each.sender) for each in sandbox.messages] == [
        (E164, "ACME"),
        (OTHER_E164, "ACME"),
    ]
    assert {each.text for each in sandbox.messages} == {f"Nagios\r\n{BODY}"}
    assert "ecall://s..." in said
    for secret in (PASSWORD, quote(PASSWORD, safe=""), E164, OTHER_E164, BODY):
        assert secret not in said


def test_the_command_fails_with_a_wrong_password(sandbox: Sandbox, tmp_path: Path) -> None:
    result = run_python(
        *(COMMAND, f"--plugin-path={PLUGIN}", "-v", f"--body={BODY}"),
        make_url(sandbox, E164, password="wrong"),
        folder=tmp_path,
        environment=environment(tmp_path),
    )
    assert result.returncode != 0
    assert "API sub-user" in result.stdout + result.stderr
    assert sandbox.messages == []


# The plugin


@pytest.mark.usefixtures("_plugin")
def test_a_url_comes_back_as_it_was_and_hides_its_secrets(sandbox: Sandbox) -> None:
    service: Any
    (service,) = load(make_url(sandbox, E164, "0787654321", options="&region=DE"))
    again: Any = Apprise.instantiate(service.url())
    assert again.url() == service.url()
    assert (again.password, len(again)) == (PASSWORD, 2)
    assert "region=DE" in service.url()
    hidden = service.url(privacy=True)
    assert "s..." in hidden
    assert ":****@ACME/...4567/...4321?" in hidden
    assert sandbox.credentials["username"] not in hidden


@pytest.mark.usefixtures("_plugin")
@pytest.mark.parametrize(
    "url",
    [
        "ecall://user@ACME/+41791234567",
        "ecall://user:password@ACME",
        "ecall://user:password@ACME/+41791234567?base_url=http://example.com",
        "ecall://user:password@ACME/+41791234567?region=Switzerland",
    ],
)
def test_a_url_that_cannot_work_is_not_loaded(url: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("apprise").propagate = True
    assert not Apprise().add(url)
    assert "password@" not in caplog.text


@pytest.mark.usefixtures("_plugin")
def test_a_long_text_is_cut_to_ten_pages(sandbox: Sandbox) -> None:
    assert load(make_url(sandbox, E164)).notify("Zürich €…" * 200)
    (message,) = sandbox.messages
    assert len(message.text or "") == 670


@pytest.mark.usefixtures("_plugin")
def test_a_recipient_who_may_have_got_the_text_is_left_out_of_retries(sandbox: Sandbox) -> None:
    targets = (E164, ACCEPTED_AND_CUT, REFUSED)
    apprise = load(make_url(sandbox, *targets, options="&retry=2&wait=0"))
    assert not apprise.notify(BODY)
    assert [each.recipient for each in sandbox.messages] == [E164, ACCEPTED_AND_CUT]


@pytest.mark.usefixtures("_plugin")
def test_a_recipient_who_got_nothing_is_texted_by_a_retry(sandbox: Sandbox) -> None:
    sandbox.fail_next(429, times=3)
    apprise = load(make_url(sandbox, E164, options="&retry=2&wait=0"))
    assert apprise.notify(BODY)
    assert [each.recipient for each in sandbox.messages] == [E164]
