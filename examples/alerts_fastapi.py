"""Text the person on call when Alertmanager or Grafana reports alerts.

    uvicorn alerts_fastapi:app

Beside the credentials, three environment variables are read:

- ALERT_TO has the numbers of those on call, separated by commas. The first is texted, and the next one whenever it is
  not certain that those before got the text.
- ALERT_PASSWORD is what the caller has to give as its password, with the username "alerts".
- ALERT_LEDGER is the database that knows which alerts were texted, by default sqlite:///alerts.db.

In Alertmanager:

    receivers:
      - name: on-call
        webhook_configs:
          - url: http://localhost:8000/alerts
            http_config:
              basic_auth: {username: alerts, password: ...}

In Grafana, make a contact point "Webhook" with this URL, username and password.
"""

import logging
import os
import secrets
from contextlib import ExitStack
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

from ecall_facade import ECall, ECallError
from ecall_facade.bulk import Ledger
from ecall_facade.text import measure, to_gsm
from ecall_facade.webhooks import InProgress, handle_once

ON_CALL = os.environ["ALERT_TO"].split(",")
PASSWORD = os.environ["ALERT_PASSWORD"]
PAGES = 3  # of each text
LONGEST_LINE = 80  # characters

logger = logging.getLogger("uvicorn.error")
ledger = Ledger(os.environ.get("ALERT_LEDGER", "sqlite:///alerts.db"))
ecall = ECall(timeout=(5, 10))
app = FastAPI()


class Alert(BaseModel):
    """What is used of an alert, which Alertmanager and Grafana describe in the same way."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str = Field(alias="startsAt")
    fingerprint: str

    @property
    def key(self) -> str:
        """What is the same when an alert is reported again, and differs when it fires again."""
        return f"alert:{self.fingerprint}:{self.starts_at}:{self.status}"

    @property
    def line(self) -> str:
        """What the text says about it."""
        name = self.labels.get("alertname", "Alert")
        words = self.annotations.get("summary") or f"{name} {self.labels.get('instance', '')}"
        return f"{self.status.upper()}: {' '.join(words.split())}"[:LONGEST_LINE]


class Report(BaseModel):
    """A group of alerts; it repeats those that were reported before."""

    alerts: list[Alert]
    truncated: int = Field(default=0, alias="truncatedAlerts")


class NotTexted(Exception):
    """Certainly nobody got the text."""


def check_password(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> None:
    is_right = secrets.compare_digest(given.password.encode(), PASSWORD.encode())
    if given.username != "alerts" or not is_right:
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})


@app.post("/alerts", dependencies=[Depends(check_password)])
def receive(report: Report) -> PlainTextResponse:
    alerts = {alert.key: alert for alert in report.alerts}
    with ExitStack() as stack:  # an exception releases all keys
        new = [
            alert
            for key, alert in alerts.items()
            if stack.enter_context(handle_once(ledger.seen, key))
        ]
        if new:
            text_on_call(write_text(new, report.truncated))
    return PlainTextResponse(f"{len(new)} new alerts")


def write_text(alerts: list[Alert], more: int = 0) -> str:
    """Return one text about all alerts, those that fire first; what does not fit is counted."""
    lines = [to_gsm(alert.line) for alert in sorted(alerts, key=lambda alert: alert.status)]
    for shown in range(len(lines), 0, -1):
        rest = len(lines) - shown + more
        text = "\n".join([*lines[:shown], *([f"and {rest} more"] if rest else [])])
        if measure(text).pages <= PAGES:
            return text
    raise AssertionError("one line fits always")


def text_on_call(text: str) -> None:
    """Text the first on call, and the next one for as long as it is not certain that it works.

    Raises:
        NotTexted: It did not work, and certainly nobody got the text.
    """
    may_have_been_sent = False
    for position, number in enumerate(ON_CALL, 1):
        try:
            ecall.sms.send(number, text, page_limit=PAGES)
        except ECallError as error:
            logger.warning("Person %d on call: %s", position, error)
            may_have_been_sent |= error.may_have_been_sent
        else:
            return
    if not may_have_been_sent:
        raise NotTexted("Nobody on call could be texted")
    # Nothing is repeated: nobody should get the same alert twice.
    logger.error("It is unknown whether anybody on call got the text")


@app.exception_handler(NotTexted)
@app.exception_handler(InProgress)
def ask_to_retry(_: Request, error: Exception) -> PlainTextResponse:
    """Answer 503, after which Alertmanager repeats the report."""
    return PlainTextResponse(str(error), 503)
