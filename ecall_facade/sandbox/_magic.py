"""Magic recipients: numbers that play what can go wrong, for any client and channel.

They are +41 79 000 and four digits. Many of these have a meaning: the status of a response, or the error state of an
SMS. The numbers are valid in form, so a program's own checks accept them. What they do is invented: when the service
responds with which status or state is not known.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import attrs

from ecall_client.tables import MessageRequestSpec
from ecall_facade._call import REQUEST_ID
from ecall_facade.sandbox._errors import CODES, UNEXPECTED, error_json
from ecall_facade.sandbox._faults import FOREVER, Fault
from ecall_facade.sandbox._messages import State, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecall_facade._json import JSON

_PREFIX = "+4179000"
_NUMBER = re.compile(r"(?:\+|00)4179000([0-9]{4})")
LATE_REPORT = 30  # seconds
RETRY_AFTER = 30  # seconds: more than a client waits by itself

# The SMS error states of eCall's sibling interfaces (inferred for REST).
_ERROR_STATES = {
    71: "the gateway did not acknowledge",
    1000: "connection broken",
    1001: "timeout",
    5111: "text too long",
    5112: "number bad",
    5155: "too much traffic",
    5502: "provider: syntax error",
    5504: "too many messages for the address",
    5506: "number bad",
    5509: "number bad",
}


@attrs.frozen
class MagicRecipient:
    """The behaviour of one magic recipient.

    Attributes:
        outcome: What it plays, for people.
        timeline: The states of its messages; None for those of any message.
        fault: The fault of the response to a request with this recipient.
        once: Whether only every second request meets the fault.
        refused_field: The field of the request that a 400 names.
        report_delays: Seconds after which each report of a state is made; one at once if the state is not named.
    """

    outcome: str
    timeline: tuple[Step, ...] | None = None
    fault: Fault | None = None
    once: bool = False
    refused_field: str | None = None
    report_delays: Mapping[State, tuple[float, ...]] = attrs.field(
        factory=dict[State, "tuple[float, ...]"]
    )


def find_magic_recipient(recipient: str) -> MagicRecipient | None:
    """Return the magic recipient with this number, which may begin with + or 00."""
    match = _NUMBER.fullmatch(recipient)
    return _BY_DIGITS.get(match[1]) if match else None


def list_magic_recipients() -> list[tuple[str, str]]:
    """Return the number and the outcome of all magic recipients, in the order of the docs."""
    return [(_PREFIX + digits, magic.outcome) for digits, magic in _BY_DIGITS.items()]


class MagicFaults:
    """Finds the fault of a request by its recipients, and remembers which of those that come once were played."""

    def __init__(self) -> None:
        self._played: set[str] = set()

    def find(self, recipients: Iterable[str]) -> Fault | None:
        """Return the fault of the first recipient that has one."""
        found = {
            recipient[-4:]: magic
            for recipient in recipients
            if (magic := find_magic_recipient(recipient))
        }
        for digits, magic in found.items():
            if magic.fault is None:
                continue
            if magic.once and digits in self._played:
                self._played.discard(digits)  # so that the next request meets it again
                continue
            if magic.once:
                self._played.add(digits)
            return magic.fault
        return None


def _timeline(
    *steps: tuple[float, State], error: dict[str, JSON] | None = None
) -> tuple[Step, ...]:
    last = len(steps) - 1
    return tuple(
        Step(timedelta(seconds=after), state, error if index == last else None)
        for index, (after, state) in enumerate(steps)
    )


def _refusal(status: int, code: str, message: str, **headers: str) -> Fault:
    body = json.dumps(error_json(code, message)).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(
        message, status=status, body=body, headers={"content-type": "application/json", **named}
    )


def _in_other_letter_case(body: bytes) -> bytes:
    def change(names: list[tuple[str, JSON]]) -> dict[str, JSON]:
        return {name[:1].upper() + name[1:].lower(): value for name, value in names}

    return json.dumps(json.loads(body, object_pairs_hook=change)).encode()


def _with_unknown_fields(body: bytes) -> bytes:
    response = cast("dict[str, JSON]", json.loads(body))
    unknown: dict[str, JSON] = {"sandboxNote": {"nobody": ["knows", 1, None]}, "sandboxPrice": 0.05}
    return json.dumps({**response, **unknown}).encode()


def _failed(code: int, words: str) -> MagicRecipient:
    error = error_json(str(code), words)
    steps = _timeline((0, State.PENDING), (0.05, State.SENT), (0.15, State.FAILED), error=error)
    return MagicRecipient(f"fails with the SMS error state {code}: {words}", timeline=steps)


_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
_DONE = "the message was accepted"
_DELIVERED = _timeline((0, State.PENDING), (0.05, State.SENT), (0.15, State.DELIVERED))

_BY_DIGITS: dict[str, MagicRecipient] = {
    # States of a message
    "0001": MagicRecipient(
        "delivered at once",
        timeline=_timeline((0, State.PENDING), (0, State.SENT), (0, State.DELIVERED)),
    ),
    "0002": MagicRecipient(
        "delivered late, after 30 seconds",
        timeline=_timeline((0, State.PENDING), (0.05, State.SENT), (30, State.DELIVERED)),
    ),
    "0003": MagicRecipient(
        "never a report: it stays Sent", timeline=_timeline((0, State.PENDING), (0.05, State.SENT))
    ),
    "0004": MagicRecipient(
        "not delivered: Undelivered",
        timeline=_timeline((0, State.PENDING), (0.05, State.SENT), (0.15, State.UNDELIVERED)),
    ),
    "0005": MagicRecipient(
        "scheduled, for in 60 seconds; delivered then",
        timeline=_timeline(
            (0, State.SCHEDULED), (60, State.PENDING), (60.05, State.SENT), (60.15, State.DELIVERED)
        ),
    ),
    "0006": MagicRecipient(
        "delivered; each of its reports comes twice",
        timeline=_DELIVERED,
        report_delays={State.SENT: (0, 0), State.DELIVERED: (0, 0)},
    ),
    "0007": MagicRecipient(
        f"delivered; its reports come {LATE_REPORT} seconds late",
        timeline=_DELIVERED,
        report_delays={State.SENT: (LATE_REPORT,), State.DELIVERED: (LATE_REPORT,)},
    ),
    "0008": MagicRecipient(
        "delivered; its reports come out of order, Delivered before Sent",
        timeline=_DELIVERED,
        report_delays={State.SENT: (1,)},
    ),
    **{f"{code:04}": _failed(code, words) for code, words in _ERROR_STATES.items()},
    # Refusals
    "0400": MagicRecipient(
        "rejected with 400, `InvalidContent`: an invalid receiver",
        refused_field=MessageRequestSpec.to,
    ),
    "1180": MagicRecipient(
        "rejected with 400, `InvalidContent`: an invalid sender (parameter `From`)",
        refused_field=MessageRequestSpec.from_,
    ),
    "0401": MagicRecipient(
        "401, as for wrong credentials",
        fault=_refusal(
            401,
            CODES[401],
            "The sandbox's number for 401.",
            www_authenticate='Basic realm="eCall sandbox"',
        ),
    ),
    "0403": MagicRecipient(
        "403: no credit",
        fault=_refusal(403, CODES[403], "Not enough credit (the sandbox's number)."),
    ),
    "0429": MagicRecipient(
        f"429 with `Retry-After: {RETRY_AFTER}`",
        fault=_refusal(429, CODES[429], "Too many requests.", retry_after=str(RETRY_AFTER)),
    ),
    "0500": MagicRecipient(
        "500; not accepted, which a client cannot know",
        fault=_refusal(500, UNEXPECTED, "Failed."),
    ),
    "0502": MagicRecipient(
        "502 with a page in HTML and without a request id, as from a proxy; accepted all the same",
        fault=Fault(
            f"a proxy in front failed; {_DONE}",
            True,
            502,
            _HTML,
            {"content-type": "text/html", REQUEST_ID: None},
        ),
    ),
    "0503": MagicRecipient(
        "503 once, with `Retry-After: 1` and a request id; the next try is accepted",
        fault=_refusal(503, "SandboxUnavailable", "Try again.", retry_after="1"),
        once=True,
    ),
    # Faults of the connection and of the response
    "0901": MagicRecipient(
        "the connection is dropped, and nothing accepted",
        fault=Fault("the connection was dropped", drop=True),
    ),
    "0902": MagicRecipient(
        "accepted, then the connection is dropped",
        fault=Fault(f"the connection was dropped; {_DONE}", accepts=True, drop=True),
    ),
    "0903": MagicRecipient(
        "accepted, and answered after 3 seconds",
        fault=Fault(f"a slow response; {_DONE}", accepts=True, delay=3),
    ),
    "0904": MagicRecipient(
        "accepted, and never answered",
        fault=Fault(f"no response; {_DONE}", accepts=True, delay=FOREVER, drop=True),
    ),
    "0905": MagicRecipient(
        "accepted; only half of the response comes",
        fault=Fault(f"half a response; {_DONE}", accepts=True, cut=True),
    ),
    "0906": MagicRecipient(
        "accepted, with an empty response",
        fault=Fault(
            f"an empty response; {_DONE}", True, 200, b"", {"content-type": "application/json"}
        ),
    ),
    "0907": MagicRecipient(
        "accepted, with a response that is not JSON",
        fault=Fault(
            f"a response that is not JSON; {_DONE}",
            True,
            200,
            b"OK",
            {"content-type": "text/plain"},
        ),
    ),
    "0908": MagicRecipient(
        "accepted, with names in another letter case",
        fault=Fault(f"other letter case; {_DONE}", accepts=True, rewrite=_in_other_letter_case),
    ),
    "0909": MagicRecipient(
        "accepted, with unknown fields in the response; its state is an unknown word as well",
        timeline=_timeline((0, State("SandboxTeleporting"))),
        fault=Fault(f"unknown fields; {_DONE}", accepts=True, rewrite=_with_unknown_fields),
    ),
}
