"""What a send's error means for its row and its job: one table."""

from __future__ import annotations

import pytest

from ecall_facade import errors
from ecall_facade._error_factory import STATUS_ERRORS
from ecall_facade.bulk._outcome import Outcome, Verdict, outcome_of
from ecall_facade.errors import ECallError, ErrorDetail


def refusal(
    status: int,
    *,
    may_have_been_sent: bool = False,
    parameter: str | None = None,
    retry_after: float | None = None,
    request_id: str | None = "r-1",
) -> ECallError:
    details = (ErrorDetail(parameter, ("not valid",)),) if parameter else ()
    cls = STATUS_ERRORS.get(status, errors.APIError)
    return cls(
        f"The service answered {status}",
        status_code=status,
        details=details,
        retry_after=retry_after,
        request_id=request_id,
        may_have_been_sent=may_have_been_sent,
    )


TABLE: list[tuple[ECallError | None, Verdict]] = [
    (None, Verdict.ACCEPTED),
    (errors.NotSent("no connection"), Verdict.PAUSE),
    (refusal(429), Verdict.PAUSE),
    (refusal(429, retry_after=3), Verdict.PAUSE),
    (refusal(503, retry_after=3), Verdict.PAUSE),
    # The client that is being replaced calls it ambiguous.
    (refusal(503, retry_after=3, may_have_been_sent=True), Verdict.PAUSE),
    # From a proxy in front, which may have passed the message on.
    (refusal(503, may_have_been_sent=True), Verdict.UNKNOWN),
    (refusal(503, retry_after=3, request_id=None, may_have_been_sent=True), Verdict.UNKNOWN),
    (refusal(401), Verdict.STOP),
    (refusal(403), Verdict.STOP),
    (refusal(404), Verdict.STOP),
    (refusal(405), Verdict.STOP),
    (refusal(415), Verdict.STOP),
    (refusal(400, parameter="From"), Verdict.STOP),
    (refusal(400, parameter="from"), Verdict.STOP),
    (refusal(400, parameter="$.from"), Verdict.STOP),
    (refusal(400, parameter="request.From"), Verdict.STOP),
    (refusal(400), Verdict.REJECTED),
    (refusal(400, parameter="To"), Verdict.REJECTED),
    (refusal(400, parameter="FromDate"), Verdict.REJECTED),
    (refusal(413), Verdict.REJECTED),
    (refusal(422), Verdict.REJECTED),
    (refusal(422, parameter="From"), Verdict.REJECTED),
    (errors.InvalidNumber("it is too short"), Verdict.REJECTED),
    (errors.InvalidText("it is too long"), Verdict.REJECTED),
    (errors.InvalidSender("no sender"), Verdict.STOP),
    (errors.InvalidConfiguration("the client is closed"), Verdict.STOP),
    (errors.OutcomeUnknown("read timeout", may_have_been_sent=True), Verdict.UNKNOWN),
    (errors.UnreadableResponse("no id", status_code=200, body=b""), Verdict.UNKNOWN),
    *[
        (refusal(status, may_have_been_sent=True), Verdict.UNKNOWN)
        for status in (301, 307, 408, 409, 418, 499, 500, 502, 504)
    ],
    # What is not foreseen is never sent again.
    (refusal(409), Verdict.UNKNOWN),
    (refusal(401, may_have_been_sent=True), Verdict.UNKNOWN),
    (errors.ECallError("something new"), Verdict.UNKNOWN),
]


@pytest.mark.parametrize(
    ("error", "verdict"),
    TABLE,
    ids=[f"{number}-{verdict.name}" for number, (_, verdict) in enumerate(TABLE)],
)
def test_each_error_has_its_verdict(error: ECallError | None, verdict: Verdict) -> None:
    assert outcome_of(error).verdict is verdict


def test_a_pause_is_as_long_as_the_service_asks() -> None:
    assert outcome_of(refusal(429, retry_after=7)).retry_after == 7
    assert outcome_of(refusal(503, retry_after=9)).retry_after == 9
    assert outcome_of(refusal(429)).retry_after is None
    assert outcome_of(errors.NotSent("refused")) == Outcome(
        Verdict.PAUSE, "refused", is_unreachable=True
    )


def test_a_lost_answer_is_told_apart_by_its_reason() -> None:
    outcome = outcome_of(errors.OutcomeUnknown("read timeout", may_have_been_sent=True))
    assert (outcome.reason or "").startswith("no answer: ")
