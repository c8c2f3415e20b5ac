"""examples/django_project: texts, delivery reports and replies in the database, with two processes under Gunicorn."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from _bulk import wait_until
from _clients import E164, NUMBER
from _processes import environment, variables_of
from _programs import EXAMPLES, run_python, serve

from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

PROJECT = EXAMPLES / "django_project"
INBOUND = "/ecall/api/webhooks/receivedmessage"
SLOW, ACCEPTED_AND_CUT, REFUSED = "+41790000903", "+41790000902", "+41790000403"
OUT_OF_ORDER = "+41790000008"


@dataclass
class Site:
    url: str
    sandbox: Sandbox
    folder: Path
    variables: dict[str, str]

    def send(self, number: str, text: str) -> str:
        """Send a text by the command; return what it says."""
        variables = {**self.variables, "CALLBACK_URL": f"{self.url}/ecall/"}
        result = run_python(
            "manage.py", "text", number, text, folder=PROJECT, environment=variables
        )
        return result.stdout + result.stderr

    def rows(self, query: str) -> list[Any]:
        """Return what the database of the site answers."""
        connection = sqlite3.connect(self.folder / "site.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def wait_for_delivery(self, message_id: str) -> None:
        query = f"SELECT state, is_final FROM texts_delivery WHERE message_id = '{message_id}'"
        assert wait_until(lambda: self.rows(query) == [("Delivered", 1)]), self.rows(query)

    @property
    def mails(self) -> int:
        """How many mails the staff got."""
        files = (self.folder / "mails").glob("*.log")
        return sum(file.read_text("utf-8").count("Subject:") for file in files)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("project")
    with Sandbox() as sandbox:
        variables = environment(
            folder,
            **variables_of(sandbox),
            DATA_FOLDER=str(folder),
            CALLBACK_SOURCES="127.0.0.1",  # where the sandbox calls from
            DJANGO_SETTINGS_MODULE="settings",
        )
        for command in (("migrate", "-v0"), ("makemigrations", "--check", "--dry-run")):
            result = run_python("manage.py", *command, folder=PROJECT, environment=variables)
            assert result.returncode == 0, result.stdout + result.stderr
        with serve(
            *("gunicorn", "--bind=127.0.0.1:0", "--workers=2", "--no-control-socket"),
            "django.core.wsgi:get_wsgi_application()",
            folder=PROJECT,
            environment=variables,
            log=folder / "server.log",
        ) as url:
            yield Site(url, sandbox, folder, variables)


@pytest.fixture
def sandbox(site: Site) -> Sandbox:
    site.sandbox.clear()
    return site.sandbox


def test_a_text_its_reports_and_its_reply_are_in_the_database(site: Site, sandbox: Sandbox) -> None:
    assert "is accepted" in site.send(NUMBER, "Your bicycle is ready")
    (message,) = sandbox.messages
    assert (message.recipient, message.text) == (E164, "Your bicycle is ready")
    site.wait_for_delivery(message.id)
    assert sandbox.reply("Thank you", url=site.url + INBOUND) == 200
    assert site.rows(
        "SELECT sender, reply.body, text.message_id FROM texts_reply reply"
        " JOIN texts_text text ON text.id = answers_id WHERE reply.body = 'Thank you'"
    ) == [(E164, "Thank you", message.id)]


def test_callbacks_that_come_again_change_nothing(site: Site, sandbox: Sandbox) -> None:
    site.send(NUMBER, "Your skis are ready")
    site.wait_for_delivery(sandbox.messages[0].id)
    assert sandbox.reply("Which ones?", url=site.url + INBOUND) == 200
    everything = "SELECT * FROM texts_delivery UNION ALL SELECT key, body, id FROM texts_reply"
    before, mails = site.rows(everything), site.mails
    for _ in range(3):
        assert set(sandbox.redeliver()) == {200}
    assert (site.rows(everything), site.mails) == (before, mails)


def test_a_reply_that_both_processes_get_at_once_is_handled_once(site: Site) -> None:
    reply = {"messageId": "i-77", "channel": "Sms", "from": E164}
    body = json.dumps({**reply, "content": {"type": "Text", "text": "Yes"}})
    mails, barrier = site.mails, threading.Barrier(16)
    statuses: Counter[int] = Counter()

    def post() -> None:
        barrier.wait()
        with httpx.Client(trust_env=False, timeout=60) as client:
            headers = {"Content-Type": "application/json"}
            statuses[
                client.post(site.url + INBOUND, content=body, headers=headers).status_code
            ] += 1

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= 1
    assert site.mails == mails + 1
    assert site.rows("SELECT count(*) FROM texts_reply WHERE body = 'Yes'") == [(1,)]


def test_reports_that_come_before_the_response_to_the_send_are_kept(
    site: Site, sandbox: Sandbox
) -> None:
    site.send(SLOW, "Your helmet is ready")
    (message,) = sandbox.messages
    assert site.rows(
        "SELECT text.state, delivery.state FROM texts_text text"
        " JOIN texts_delivery delivery USING (message_id)"
        f" WHERE message_id = '{message.id}'"
    ) == [("accepted", "Delivered")]


def test_a_report_that_comes_after_the_final_one_is_not_believed(
    site: Site, sandbox: Sandbox
) -> None:
    site.send(OUT_OF_ORDER, "Your kayak is ready")
    assert wait_until(lambda: [str(each.state) for each in sandbox.notifications][-1:] == ["Sent"])
    assert wait_until(lambda: sandbox.notifications[-1].status_code == 200)
    site.wait_for_delivery(sandbox.messages[0].id)


@pytest.mark.parametrize(
    ("number", "state"), [(ACCEPTED_AND_CUT, "unknown"), (REFUSED, "not sent")]
)
def test_the_database_says_whether_a_text_that_failed_may_have_been_sent(
    number: str, state: str, site: Site, sandbox: Sandbox
) -> None:
    assert "CommandError" in site.send(number, "Your tent is ready")
    assert site.rows(f"SELECT state FROM texts_text WHERE recipient = '{number}'") == [(state,)]
