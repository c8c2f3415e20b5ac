"""examples/alerts_fastapi.py: Alertmanager and Grafana report alerts over HTTP, and the person on call is texted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from _clients import E164, OTHER_E164
from _processes import environment, variables_of
from _programs import serve

from ecall_facade.sandbox import Sandbox
from ecall_facade.text import measure

pytestmark = pytest.mark.once

PASSWORD = "long and random"
ACCEPTED_AND_CUT, SLOW = "+41790000902", "+41790000903"
# As https://prometheus.io/docs/alerting/latest/configuration/#webhook_config describes it.
FROM_ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="InstanceDown"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "on-call",
    "groupLabels": {"alertname": "InstanceDown"},
    "commonLabels": {"alertname": "InstanceDown", "job": "node"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager.example.ch:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "InstanceDown", "instance": "web-1", "job": "node"},
            "annotations": {"summary": "web-1 is down"},
            "startsAt": "2026-11-27T02:14:07.123Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.ch:9090/graph",
            "fingerprint": "1a30ba71cca2921f",
        },
        {
            "status": "firing",
            "labels": {"alertname": "InstanceDown", "instance": "web-2", "job": "node"},
            "annotations": {},
            "startsAt": "2026-11-27T02:14:09.5Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.ch:9090/graph",
            "fingerprint": "7f2ba71cca2921aa",
        },
    ],
}
# As Grafana's documentation of its webhook notifier shows it.
FROM_GRAFANA: dict[str, Any] = {
    "receiver": "On call",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "zone": "ch-1"},
            "annotations": {
                "description": "The system has high memory usage",
                "runbook_url": "https://runbook.example.ch/1234",
                "summary": "Memory of db-1 is at 97 %",
            },
            "startsAt": "2026-11-27T03:51:03.157076+01:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://grafana.example.ch/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://grafana.example.ch/alerting/silence/new",
            "dashboardURL": "",
            "panelURL": "",
            "values": {"B": 44.23943737541908, "C": 1},
        }
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://grafana.example.ch/",
    "version": "1",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "title": "[FIRING:1]  (blue)",
    "state": "alerting",
    "message": "**Firing**",
}
BOTH_LINES = "FIRING: web-1 is down\nFIRING: InstanceDown web-2"


@contextlib.contextmanager
def receiver(folder: Path, sandbox: Sandbox, *on_call: str) -> Iterator[httpx.Client]:
    """Run the receiver for these people; yield a client of it that knows the password."""
    variables = {
        "ALERT_TO": ",".join(on_call),
        "ALERT_PASSWORD": PASSWORD,
        "ALERT_LEDGER": f"sqlite:///{folder}/alerts.db",
    }
    with (
        serve(
            *("uvicorn", "--port=0", "alerts_fastapi:app"),
            environment=environment(folder, **variables_of(sandbox), **variables),
            log=folder / f"receiver-{len(list(folder.iterdir()))}.log",
        ) as url,
        httpx.Client(
            base_url=url, auth=("alerts", PASSWORD), trust_env=False, timeout=60
        ) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("alerts")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[tuple[Sandbox, httpx.Client]]:
    with Sandbox() as sandbox, receiver(folder, sandbox, E164, OTHER_E164) as client:
        yield sandbox, client


@pytest.fixture
def sandbox(running: tuple[Sandbox, httpx.Client]) -> Sandbox:
    running[0].clear()
    return running[0]


@pytest.fixture
def client(running: tuple[Sandbox, httpx.Client]) -> httpx.Client:
    return running[1]


def texts(sandbox: Sandbox) -> list[tuple[str, str | None]]:
    return [(each.recipient, each.text) for each in sandbox.messages]


def report(name: str, *alerts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a report of these alerts, whose fingerprints belong to a test alone."""
    given = alerts or tuple(FROM_ALERTMANAGER["alerts"])
    own = [{**each, "fingerprint": f"{name} {each['fingerprint']}"} for each in given]
    return {**FROM_ALERTMANAGER, "alerts": own, **fields}


def post(client: httpx.Client, body: dict[str, Any]) -> int:
    return client.post("/alerts", json=body).status_code


# What is texted


@pytest.mark.parametrize(
    ("body", "text"),
    [(FROM_ALERTMANAGER, BOTH_LINES), (FROM_GRAFANA, "FIRING: Memory of db-1 is at 97 %")],
    ids=["Alertmanager", "Grafana"],
)
def test_a_group_of_alerts_is_one_text_however_often_it_is_reported(
    body: dict[str, Any], text: str, sandbox: Sandbox, client: httpx.Client
) -> None:
    assert [post(client, body) for _ in range(3)] == [200] * 3
    assert texts(sandbox) == [(E164, text)]


def test_only_what_is_new_in_a_group_is_texted(sandbox: Sandbox, client: httpx.Client) -> None:
    first, second = FROM_ALERTMANAGER["alerts"]
    resolved = {**first, "status": "resolved", "endsAt": "2026-11-27T02:20:00Z"}
    fires_again = {**first, "startsAt": "2026-11-27T04:00:00Z"}
    for alerts in ([first], [first, second], [resolved, second], [second], [fires_again]):
        assert post(client, report("new", *alerts)) == 200
    assert [text for _, text in texts(sandbox)] == [
        "FIRING: web-1 is down",
        "FIRING: InstanceDown web-2",
        "RESOLVED: web-1 is down",
        "FIRING: web-1 is down",
    ]


def test_what_fires_comes_before_what_is_resolved(sandbox: Sandbox, client: httpx.Client) -> None:
    first, second = FROM_ALERTMANAGER["alerts"]
    post(client, report("order", {**first, "status": "resolved"}, second))
    assert texts(sandbox) == [(E164, "FIRING: InstanceDown web-2\nRESOLVED: web-1 is down")]


@pytest.mark.parametrize("summary", ["Disk is full", "Zürich → Genève 🔥 is down", "x" * 500])
def test_many_alerts_fit_into_three_pages_and_the_others_are_counted(
    summary: str, sandbox: Sandbox, client: httpx.Client
) -> None:
    (alert, _) = FROM_ALERTMANAGER["alerts"]
    alerts = [
        {**alert, "annotations": {"summary": summary}, "fingerprint": f"{number}"}
        for number in range(100)
    ]
    assert post(client, report(summary, *alerts, truncatedAlerts=7)) == 200
    ((_, text),) = texts(sandbox)
    assert text
    *shown, rest = text.splitlines()
    assert rest == f"and {107 - len(shown)} more"
    assert measure(text).pages == 3


# Who may report


@pytest.mark.parametrize("auth", [None, ("alerts", "wrong"), ("admin", PASSWORD)])
def test_who_does_not_know_the_password_texts_nobody(
    auth: tuple[str, str] | None, sandbox: Sandbox, client: httpx.Client
) -> None:
    response = httpx.post(
        f"{client.base_url}/alerts", json=report("stranger"), auth=auth, trust_env=False
    )
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Basic")
    assert sandbox.messages == []


def test_a_body_that_is_no_report_is_refused(sandbox: Sandbox, client: httpx.Client) -> None:
    assert post(client, {"hello": "world"}) == 422
    assert sandbox.messages == []


# What goes wrong


def test_a_text_that_nobody_got_is_sent_when_the_report_comes_again(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    sandbox.fail_next(403, times=2)
    assert post(client, report("no credit")) == 503
    assert sandbox.messages == []
    assert post(client, report("no credit")) == 200
    assert texts(sandbox) == [(E164, BOTH_LINES)]


def test_the_next_person_is_texted_if_it_is_unknown_whether_the_first_was(
    tmp_path: Path,
) -> None:
    with Sandbox() as sandbox, receiver(tmp_path, sandbox, ACCEPTED_AND_CUT, E164) as client:
        assert [post(client, FROM_ALERTMANAGER) for _ in range(2)] == [200, 200]
        assert texts(sandbox) == [(ACCEPTED_AND_CUT, BOTH_LINES), (E164, BOTH_LINES)]


def test_a_report_that_is_repeated_while_it_is_handled_is_texted_once(tmp_path: Path) -> None:
    """Two receivers share the ledger; the service answers after three seconds."""
    with (
        Sandbox() as sandbox,
        receiver(tmp_path, sandbox, SLOW) as client,
        receiver(tmp_path, sandbox, SLOW) as other,
    ):
        statuses: list[int] = []
        first = threading.Thread(target=lambda: statuses.append(post(client, FROM_ALERTMANAGER)))
        first.start()
        sandbox.wait_for(to=SLOW, timeout=30)
        assert [post(each, FROM_ALERTMANAGER) for each in (client, other)] == [503, 503]
        first.join()
        assert [post(each, FROM_ALERTMANAGER) for each in (client, other)] == [200, 200]
        assert statuses == [200]
        assert texts(sandbox) == [(SLOW, BOTH_LINES)]
