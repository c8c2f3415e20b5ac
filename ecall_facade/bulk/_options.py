"""How a job is sent: what the arguments of `send` say, checked."""

from __future__ import annotations

import attrs

from ecall_facade.bulk._claims import Span
from ecall_facade.bulk._pauses import Backoff
from ecall_facade.errors import InvalidConfiguration

MAX_CONCURRENCY = 100
"""As many requests as one client has under way at a time."""
GIVE_UP_AFTER = 300.0
"""Seconds without any connection after which a job stops."""
_LONGEST = 1e7  # seconds


@attrs.frozen
class SendOptions:
    """How a job is sent.

    Attributes:
        concurrency: The most rows that one call has under way.
        rate: Messages in a second, of all senders of the ledger that give a rate; None for no limit.
        span: The rows to be sent: a whole job, or a chunk.
        longest_pause: Seconds; a longer pause of the job ends the call. None: it is waited out.
        backoff: Pauses where the service does not ask for one.
        patience: Seconds for which a database that went away is waited for.
    """

    concurrency: int = 20
    rate: float | None = None
    span: Span = attrs.field(factory=lambda: Span(0))
    longest_pause: float | None = None
    backoff: Backoff = attrs.field(factory=Backoff)
    patience: float = 120.0


def make_options(
    concurrency: int, rate: float | None, give_up_after: float = GIVE_UP_AFTER
) -> SendOptions:
    """Return the options of a call that sends.

    Raises:
        InvalidConfiguration: One of them cannot work.
    """
    check_concurrency(concurrency)
    if rate is not None and not (_is_number(rate) and 0 < rate < 1e6):
        raise InvalidConfiguration("rate must be a positive number of messages in a second")
    if not (_is_number(give_up_after) and 0 <= give_up_after < _LONGEST):
        raise InvalidConfiguration("give_up_after must be a number of seconds")
    return SendOptions(concurrency, rate, backoff=Backoff(give_up_after=give_up_after))


def check_concurrency(concurrency: object) -> None:
    """Refuse a concurrency that cannot work."""
    if type(concurrency) is not int or not 1 <= concurrency <= MAX_CONCURRENCY:
        raise InvalidConfiguration(f"concurrency must be a whole number, 1 to {MAX_CONCURRENCY}")


def check_timeout(timeout: float | None) -> None:
    """Refuse a timeout that cannot work."""
    if timeout is not None and not 0 <= timeout < _LONGEST:
        raise InvalidConfiguration("timeout must be a number of seconds, or None")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
