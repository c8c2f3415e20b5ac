"""The live tests: they ask the real service and compare what it says with spec/ecall.yaml.

`pytest -m live tests/live` runs them; without `-m live` they are deselected. The environment sets them up:

ECALL_USERNAME, ECALL_PASSWORD  the account; ECALL_BASE_URL names another server
LIVE_SEND_ONE_SMS_TO            a number to which one SMS may be sent, from ECALL_SENDER; without it nobody is texted
LIVE_REPORT                     a file for the report as JSON
LIVE_RECORD                     a folder for cassettes without anybody's data
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ecall_facade import ECall, ECallError, UsageError
from live._guard import Exchange, Guard, NotAllowed

SETTINGS: Final = {name: os.environ.get(name, "") for name in (
    "ECALL_USERNAME", "ECALL_PASSWORD", "ECALL_SENDER", "ECALL_BASE_URL",
    "LIVE_SEND_ONE_SMS_TO", "LIVE_REPORT", "LIVE_RECORD",
)}  # fmt: skip
BUSY: Final = {401, 403, 408, 429, *range(500, 600)}
"""Statuses that say nothing about the spec: not allowed, not now, not well."""


class Live:
    """The service, and what it has shown so far."""

    def __init__(self) -> None:
        number = SETTINGS["LIVE_SEND_ONE_SMS_TO"]
        self.guard = Guard(httpx.HTTPTransport(), 1 if number else 0)
        self.number = number
        self.base_url = SETTINGS["ECALL_BASE_URL"] or "https://rest.ecall.ch"
        self.ecall = ECall(
            SETTINGS["ECALL_USERNAME"],
            SETTINGS["ECALL_PASSWORD"],
            base_url=self.base_url,
            sender=SETTINGS["ECALL_SENDER"] or None,
            retry=False,
            transport=self.guard,
        )
        self.confirmed: set[str] = set()
        self.rows: list[dict[str, Any]] = []

    def ask(self, call: Callable[[], object]) -> Exchange:
        """Make one call, and compare its response with the spec.

        What the library thinks of the response does not matter here. A test is skipped if the service is busy or
        refuses the account, and fails if the response contradicts the spec.
        """
        before = len(self.guard.exchanges)
        try:
            call()
        except UsageError:
            raise
        except ECallError as error:
            if isinstance(error.__cause__, NotAllowed):
                raise error.__cause__ from None
        except httpx.HTTPError:
            pass
        made = self.guard.exchanges[before:]
        exchange = made[-1]
        if not exchange.status:
            pytest.exit(f"No response from the service: {exchange.error}", returncode=2)
        if exchange.status in BUSY and exchange.status != 401:
            pytest.skip(f"the service answered {exchange.status}")
        self._compare(exchange)
        return exchange

    def _compare(self, exchange: Exchange) -> None:
        from live._observed import HARMLESS, confirmed, differences

        found = list(differences(exchange))
        self.confirmed |= confirmed(exchange)
        self.rows += [
            {
                "verdict": "contradicted",
                "kind": one.kind,
                "where": one.where.removeprefix("#"),
                "ours": one.ours,
                "theirs": one.theirs,
                "severity": one.severity,
            }
            for one in found
        ]
        against = [one for one in found if one.kind not in HARMLESS]
        if against:
            pytest.fail(
                "\n".join(f"{one.where}: {one.sentence()}" for one in against), pytrace=False
            )

    def report(self) -> list[dict[str, Any]]:
        """Return what was contradicted, confirmed and not seen, as rows like those of check_upstream."""
        from live._observed import facts

        rows = [row for at, row in enumerate(self.rows) if row not in self.rows[:at]]
        against = {row["where"] for row in rows}
        for verdict, places in (
            ("confirmed", self.confirmed),
            ("not seen", facts() - self.confirmed),
        ):
            for place in sorted(places):
                where = place.removeprefix("#")
                if where not in against:
                    rows.append({"verdict": verdict, "where": where})
        return rows


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the live tests unless they are asked for."""
    if "live" not in str(config.getoption("markexpr")):
        live = [item for item in items if item.get_closest_marker("live")]
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The service, reached with the account of the environment."""
    try:
        service = Live()
        if service.number:
            service.ecall.sms.compose(
                service.number, "a text"
            )  # which finds a wrong number or sender
    except UsageError as error:
        pytest.exit(f"Nothing was checked: {error}", returncode=2)
    first = service.guard.exchanges
    try:
        service.ecall.messages.status("gone")
    except ECallError as error:
        if not first or first[0].status in {0, 401, 403}:
            pytest.exit(f"Nothing was checked: {error}", returncode=2)
    request.config.stash[LIVE] = service
    yield service
    service.ecall.close()
    service.guard.close()


LIVE: Final = pytest.StashKey[Live]()


@pytest.fixture(autouse=True)
def _cassette(request: pytest.FixtureRequest) -> Iterator[None]:
    """Record each test if that is asked for."""
    if not SETTINGS["LIVE_RECORD"]:
        yield
        return
    import vcr

    from live._scrub import Scrubber

    names = ("ECALL_USERNAME", "ECALL_PASSWORD", "ECALL_SENDER", "LIVE_SEND_ONE_SMS_TO")
    scrubber = Scrubber([SETTINGS[name] for name in names])
    recorder = vcr.VCR(
        record_mode=vcr.mode.ALL,
        before_record_request=scrubber.request,
        before_record_response=scrubber.response,
        decode_compressed_response=True,
    )
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    with recorder.use_cassette(str(Path(SETTINGS["LIVE_RECORD"]) / f"{name}.yaml")):
        yield


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was contradicted, and how much was confirmed."""
    service = config.stash.get(LIVE, None)
    if service is None:
        return
    rows = service.report()
    if SETTINGS["LIVE_REPORT"]:
        Path(SETTINGS["LIVE_REPORT"]).write_text(json.dumps(rows, indent=2), encoding="utf-8")
    terminalreporter.section("spec/ecall.yaml and the service")
    for row in rows:
        if row["verdict"] == "contradicted":
            told = f"{row['kind']}, ours {row['ours']}, theirs {row['theirs']}"
            terminalreporter.write_line(f"contradicted  {row['where']}: {told}")
    counts = {
        verdict: sum(row["verdict"] == verdict for row in rows)
        for verdict in ("contradicted", "confirmed", "not seen")
    }
    terminalreporter.write_line(
        ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    )
    if "x-ecall-sandbox" in service.guard.exchanges[0].headers:
        terminalreporter.write_line(
            "This was ecall_facade.sandbox: it is no evidence about the service."
        )
