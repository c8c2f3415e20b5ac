"""The log of refused callbacks, at most one line for each peer and minute."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

import attrs

from ecall_facade.errors import UntrustedSource, WebhookError
from ecall_facade.webhooks._sources import show_peer

_INTERVAL = 60.0  # seconds
_log = logging.getLogger("ecall_facade.webhooks")


@attrs.define
class _Peer:
    logged_at: float
    unlogged: int = 0


class RefusalLog:
    """Writes refusals to the log `ecall_facade.webhooks`, without anything of the callback's content.

    Args:
        clock: Returns seconds.
        max_peers: How many peers are remembered, so that callers with many addresses cannot fill the memory.
    """

    def __init__(self, clock: Callable[[], float], max_peers: int = 1000) -> None:
        self._clock = clock
        self._max_peers = max_peers
        self._peers: OrderedDict[str, _Peer] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, error: WebhookError, remote_addr: str | None) -> None:
        """Log a refusal, unless one of the same peer was logged within the last minute."""
        name = show_peer(remote_addr) or ""
        unlogged = self._register(name)
        if unlogged is None:
            return
        facts = [f"peer {name}"]
        if isinstance(error, UntrustedSource):
            facts += _describe(error)
        if unlogged:
            facts.append(f"{unlogged} more of this peer were not logged")
        _log.warning(
            "Refused a callback with %d: %s (%s)",
            error.status_code,
            error.explanation,
            "; ".join(facts),
        )

    def _register(self, name: str) -> int | None:
        """Return how many refusals were not logged since the last line, or None if this is not to be logged either."""
        now = self._clock()
        with self._lock:
            peer = self._peers.get(name)
            if peer is not None and now - peer.logged_at < _INTERVAL:
                peer.unlogged += 1
                return None
            self._peers[name] = _Peer(now)
            self._peers.move_to_end(name)
            if len(self._peers) > self._max_peers:
                self._peers.popitem(last=False)
            return peer.unlogged if peer is not None else 0


def _describe(error: UntrustedSource) -> list[str]:
    facts: list[str] = []
    if error.chain_ended_at is not None:
        facts.append(f"caller {error.address or 'not known'}")
        facts.append(f"the chain of proxies ended at {error.chain_ended_at}")
    if error.unnamed_proxy is not None:
        facts.append(f"{error.unnamed_proxy} is not in trusted_proxies")
    if error.hint:
        facts.append(error.hint)
    return facts
