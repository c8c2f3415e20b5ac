"""`Wait`: when it looks again, what ends it, and what it waits out; on a clock that the tests turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from _clock import Clock
from hypothesis import given
from hypothesis import strategies as st

from ecall_facade import DeliveryState, MessageStatus, errors
from ecall_facade._wait import Wait

if TYPE_CHECKING:
    from _service import FakeService

    from ecall_facade import ECall


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The client's clock, which stands still until a test turns it."""
    clock = Clock(stands=True)
    clock.install(monkeypatch)
    return clock


def status(
    state: DeliveryState = DeliveryState.PENDING, *, is_final: bool = False
) -> MessageStatus:
    return MessageStatus("m-1", state, is_final, request_id="r-1")


PENDING = status()
SENT = status(DeliveryState.SENT)
DELIVERED = status(DeliveryState.DELIVERED, is_final=True)
FAILED = status(DeliveryState.FAILED, is_final=True)
SENT_FOR_GOOD = status(DeliveryState.SENT, is_final=True)
NEW_STATE = status(DeliveryState("Zugestellt"))


def api_error(status_code: int, *, retry_after: float | None = None) -> errors.APIError:
    kinds: dict[int, type[errors.APIError]] = {
        401: errors.AuthenticationError,
        403: errors.PermissionDenied,
        404: errors.NotFound,
        429: errors.RateLimited,
    }
    cls = errors.ServerError if status_code >= 500 else kinds.get(status_code, errors.APIError)
    return cls(
        f"answered {status_code}",
        status_code=status_code,
        retry_after=retry_after,
        request_id="r-9",
    )


UNREACHABLE = errors.ServiceUnreachable("no answer", may_have_been_sent=True)
UNREADABLE = errors.UnreadableResponse("html", status_code=200, body=b"<html>")


class TestEnd:
    """A state that is final ends it, whichever it is; for "sent" it is enough to have left the service."""

    @pytest.mark.parametrize(
        ("seen", "ends_final", "ends_sent"),
        [
            (PENDING, False, False),
            (status(DeliveryState.SCHEDULED), False, False),
            (SENT, False, True),
            (SENT_FOR_GOOD, True, True),
            (DELIVERED, True, True),
            (FAILED, True, True),
            (status(DeliveryState.UNDELIVERED, is_final=True), True, True),
            (status(DeliveryState.UNKNOWN), False, False),
            (NEW_STATE, False, False),
        ],
    )
    def test_a_wait_ends_with_a_final_state_or_with_sent_if_asked(
        self, seen: MessageStatus, *, ends_final: bool, ends_sent: bool
    ) -> None:
        assert Wait("m-1", 60, "final").done(seen) is (seen if ends_final else None)
        assert Wait("m-1", 60, "sent").done(seen) is (seen if ends_sent else None)


class TestPauses:
    """They grow from half a second to ten, and leave time for a last look before the end."""

    def test_pauses_grow_from_half_a_second_to_ten(self, clock: Clock) -> None:
        wait = Wait("m-1", 1000, "final")
        pauses = []
        for _ in range(12):
            assert wait.done(PENDING) is None
            pauses.append(wait.pause)
            clock.sleep(wait.pause)
        assert pauses[:4] == [0.5, 0.75, 1.125, 1.6875]
        assert pauses == sorted(pauses)
        assert pauses[-3:] == [10.0, 10.0, 10.0]

    @pytest.mark.parametrize("timeout", [0.2, 1, 3, 10, 60, 300])
    def test_the_last_look_comes_a_little_before_the_deadline(
        self, clock: Clock, timeout: float
    ) -> None:
        wait = Wait("m-1", timeout, "final")
        looks: list[float] = []

        def look() -> None:
            while wait.done(PENDING) is None:
                clock.sleep(wait.pause)
                looks.append(clock.monotonic())

        with pytest.raises(errors.WaitTimeout):
            look()
        assert wait.deadline == 1000 + timeout
        assert looks == sorted(looks)
        assert wait.deadline - 0.05 <= looks[-1] <= wait.deadline
        assert any(0.05 < wait.deadline - look <= 1 for look in looks)
        assert len(looks) < 50

    @given(st.floats(0.1, 600), st.lists(st.floats(0, 30), max_size=30))
    def test_no_pause_goes_beyond_the_deadline(self, timeout: float, delays: list[float]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            clock = Clock(stands=True)
            clock.install(patch)
            wait = Wait("m-1", timeout, "final")
            for delay in delays:  # of answers
                clock.sleep(delay)
                try:
                    wait.done(PENDING)
                except errors.WaitTimeout:
                    assert clock.monotonic() > wait.deadline - 0.06
                    return
                assert 0 < wait.pause <= 10
                clock.sleep(wait.pause)
                assert clock.monotonic() <= wait.deadline

    @pytest.mark.parametrize("asked", [2.0, 15.0, 50.0])
    @pytest.mark.parametrize("status_code", [429, 503])
    def test_a_pause_that_the_service_asks_for_is_kept(
        self, clock: Clock, status_code: int, asked: float
    ) -> None:
        wait = Wait("m-1", 60, "final")
        assert wait.done(api_error(status_code, retry_after=asked)) is None
        assert wait.pause == asked

    def test_a_pause_that_the_service_asks_for_is_not_cut_for_a_last_look(
        self, clock: Clock
    ) -> None:
        wait = Wait("m-1", 60, "final")
        assert wait.done(api_error(429, retry_after=59.5)) is None
        assert wait.pause == 59.5

    @pytest.mark.parametrize("asked", [60.0, 3600.0])
    def test_a_wait_ends_at_once_if_the_service_asks_for_more_than_is_left(
        self, clock: Clock, asked: float
    ) -> None:
        wait = Wait("m-1", 60, "final")
        wait.done(SENT)
        with pytest.raises(errors.WaitTimeout, match=f"asks for a pause of {asked:g} s") as caught:
            wait.done(api_error(429, retry_after=asked))
        assert caught.value.status is SENT

    def test_pauses_grow_on_after_one_that_the_service_asked_for(self, clock: Clock) -> None:
        wait = Wait("m-1", 60, "final")
        wait.done(api_error(429, retry_after=20))
        clock.sleep(20)
        wait.done(PENDING)
        assert wait.pause == 0.75


class TestErrors:
    """Errors that may pass are waited out, and so is a 404 in the first 30 seconds; all others end it."""

    @pytest.mark.parametrize(
        "error",
        [
            UNREACHABLE,
            UNREADABLE,
            *[api_error(status_code) for status_code in (408, 429, 500, 502, 503, 504, 520)],
        ],
        ids=str,
    )
    def test_errors_that_may_pass_are_waited_out(
        self, clock: Clock, error: errors.ECallError
    ) -> None:
        wait = Wait("m-1", 300, "final")
        for _ in range(10):
            assert wait.done(error) is None
            clock.sleep(20)
        assert wait.done(DELIVERED) is DELIVERED

    @pytest.mark.parametrize(
        "error",
        [
            *[api_error(status_code) for status_code in (301, 400, 401, 403, 405, 410, 422)],
            errors.InvalidConfiguration("closed"),
            errors.UsageError("no id"),
        ],
        ids=str,
    )
    def test_an_error_that_will_not_pass_ends_a_wait(self, error: errors.ECallError) -> None:
        with pytest.raises(type(error)) as caught:
            Wait("m-1", 300, "final").done(error)
        assert caught.value is error

    def test_a_404_in_the_first_thirty_seconds_counts_as_pending(self, clock: Clock) -> None:
        wait, missing = Wait("m-1", 300, "final"), api_error(404)
        for pause in (0.0, 10.0, 19.9):
            clock.sleep(pause)
            assert wait.done(missing) is None
        assert wait.done(DELIVERED) is DELIVERED
        clock.sleep(0.1)
        with pytest.raises(errors.NotFound) as caught:
            wait.done(missing)
        assert caught.value is missing


class TestTimeout:
    """At the deadline the last status comes with the error."""

    def test_a_wait_that_times_out_has_the_last_status(self, clock: Clock) -> None:
        wait = Wait("m-1", 5, "final")
        wait.done(PENDING)
        wait.done(NEW_STATE)
        wait.done(UNREACHABLE)
        clock.sleep(5)
        with pytest.raises(errors.WaitTimeout) as caught:
            wait.done(UNREACHABLE)
        error = caught.value
        assert error.status is NEW_STATE
        assert (error.request_id, error.may_have_been_sent) == ("r-1", True)
        words = "The message m-1 was not final within 5 s; it was last seen as Zugestellt (request id r-1)"
        assert str(error) == words
        assert isinstance(error, TimeoutError)

    def test_a_wait_that_times_out_without_any_status_says_so(self, clock: Clock) -> None:
        wait = Wait("m-1", 0.5, "sent")
        wait.done(UNREACHABLE)
        clock.sleep(1)
        with pytest.raises(errors.WaitTimeout) as caught:
            wait.done(UNREACHABLE)
        assert (caught.value.status, caught.value.request_id) == (None, None)
        assert (
            str(caught.value)
            == "The message m-1 was not sent within 0.5 s; its status could not be read"
        )

    def test_a_final_status_after_the_deadline_counts(self, clock: Clock) -> None:
        wait = Wait("m-1", 5, "final")
        clock.sleep(7)
        assert wait.done(DELIVERED) is DELIVERED


class TestArguments:
    """Only a time that ends, and what is known."""

    @pytest.mark.parametrize("timeout", [0, -0.1, float("nan"), float("inf"), 1e9, "5", None])
    def test_a_timeout_that_does_not_end_is_refused(self, timeout: Any) -> None:
        with pytest.raises(errors.UsageError, match="timeout must be a positive number of seconds"):
            Wait("m-1", timeout, "final")

    @pytest.mark.parametrize("until", ["", "Final", "delivered", None])
    def test_an_unknown_end_of_a_wait_is_refused(self, until: Any) -> None:
        with pytest.raises(errors.UsageError, match="until must be 'final' or 'sent'"):
            Wait("m-1", 5, until)


class TestClients:
    """Both clients ask, pause, and ask again, with nothing retried underneath."""

    def test_a_client_asks_until_the_state_is_final(
        self, ecall: ECall, service: FakeService, pauses: list[float]
    ) -> None:
        for state in ("Pending", 1, "Sent"):
            service.respond({"state": state})
        service.respond({}, 500)
        service.respond({"errorCode": "x"}, 404)
        service.respond({"state": "Failed", "error": {"errorCode": "5111"}})
        found = ecall.messages.wait("m-1", timeout=60)
        assert (found.state, found.is_final) == (DeliveryState.FAILED, True)
        assert found.error is not None
        assert found.error.code == "5111"
        assert len(service.requests) == 6
        assert pauses == pytest.approx([0.5, 0.75, 1.125, 1.6875, 2.53125])

    def test_a_client_asks_until_the_message_is_sent(
        self, ecall: ECall, service: FakeService, pauses: list[float]
    ) -> None:
        service.respond({"state": "Scheduled"})
        service.respond({"state": "Sent"})
        assert ecall.messages.wait("m-1", timeout=60, until="sent").state is DeliveryState.SENT
        assert len(pauses) == 1

    def test_a_client_stops_asking_after_an_error_that_will_not_pass(
        self, ecall: ECall, service: FakeService, pauses: list[float]
    ) -> None:
        service.respond({}, 401)
        with pytest.raises(errors.AuthenticationError):
            ecall.messages.wait("m-1", timeout=60)
        assert (len(service.requests), pauses) == (1, [])

    def test_a_client_stops_asking_at_the_timeout(
        self, ecall: ECall, service: FakeService, pauses: list[float]
    ) -> None:
        service.respond({"state": "Pending"})
        with pytest.raises(errors.WaitTimeout, match="last seen as Pending") as caught:
            ecall.messages.wait("m-1", timeout=0.08)
        assert caught.value.status is not None
        assert service.requests[-1].extensions["timeout"]["read"] <= 0.08
