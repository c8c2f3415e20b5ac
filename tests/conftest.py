"""Fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from _service import FakeService, blocking_client
from hypothesis import settings

from ecall_facade import ECall

if TYPE_CHECKING:
    from _service import ClientMaker

# A slow machine is no failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("ECALL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def service() -> FakeService:
    """An eCall that answers what it is told, in process."""
    return FakeService()


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest, service: FakeService) -> Iterator[ClientMaker]:
    """Make clients of the fake service: in one run of the test sync ones, in the other async ones with the same face."""
    with blocking_client(service, is_async=request.param == "async") as make:
        yield make


@pytest.fixture
def ecall(make_client: ClientMaker) -> ECall:
    """A client of the fake service, with a sender for each channel."""
    return make_client(sender={"sms": "ACME", "whatsapp": "+41 79 100 00 01", "rcs": "acme-rcs"})
