"""The bounds of the sandbox."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """How much the sandbox keeps at most, and how long it waits. No limit of the service is known.

    Attributes:
        json_bytes: The largest JSON body.
        unread_timeout: Seconds to wait for the body of a request that is refused without reading it.
        callback_timeout: Seconds for a whole call of a receiver.
        requests: How many requests are kept for the page.
        request_bytes: How many bytes they have together, approximately.
        inbound: How many inbound messages are kept.
        journal: How many changes a page may be behind before it has to load everything again.
        items: How many items the page shows: the newest.
        heartbeat: Seconds of silence after which a stream of events sends a comment.
        stop_timeout: Seconds that unfinished responses have when the server stops.
    """

    json_bytes: int = 16 * 2**20
    unread_timeout: float = 0.5
    callback_timeout: float = 5.0
    requests: int = 2_000
    request_bytes: int = 8 * 2**20
    inbound: int = 1_000
    journal: int = 10_000
    items: int = 2_000
    heartbeat: float = 10.0
    stop_timeout: float = 1.0


DEFAULT_LIMITS = Limits()
