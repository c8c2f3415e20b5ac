"""Where a callback comes from, as far as that can be trusted.

The service's addresses are documented; no signature is known.
Behind a proxy the peer's address is the proxy's, and the caller's is in a header that anybody can send.
So such a header is read from its end, where the nearest proxy wrote, and only as far as named proxies vouch for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias

import attrs

from ecall_facade.errors import InvalidConfiguration, UntrustedSource
from ecall_facade.webhooks._headers import HeaderLines

Network: TypeAlias = IPv4Network | IPv6Network
Hop: TypeAlias = IPv4Address | IPv6Address | Literal["unix:"]

DOCUMENTED_SOURCES = ("193.93.208.200", "193.93.208.149", "193.93.208.153")
"""The addresses that the service calls from (documented)."""

_UNIX: Final = "unix:"  # how nginx writes a peer at a Unix socket
_MAX_HOPS = 20
_LONGEST_ADDRESS = 64  # characters, including port and brackets
_LINK_LOCAL = IPv6Network("fe80::/10")
_ZONE = re.compile(r"[\w.~-]{1,32}", re.ASCII)
# One element of `Forwarded` (RFC 7239): pairs of a token and a token or quoted string.
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*(;|,|$)')
_NAME_IT = "if this is your own proxy, add it to trusted_proxies"
_NOT_THE_SERVICE = "The callback does not come from an address of the service"


@attrs.frozen
class _Named:
    """A network that was named, with the zone if one was named."""

    network: Network
    zone: str | None = None

    def has(self, hop: Hop) -> bool:
        if hop == _UNIX or hop not in self.network:
            return False
        return self.zone is None or (isinstance(hop, IPv6Address) and hop.scope_id == self.zone)


@attrs.frozen
class _Trail:
    """How far a callback could be followed back."""

    caller: Hop | None = None  # None if it could not be worked out
    ended_at: Hop | None = None
    unnamed_proxy: Hop | None = None
    hint: str = ""


class Sources:
    """Decides whether a callback came from one of the sources."""

    def __init__(self, sources: Iterable[str] | None, trusted_proxies: Iterable[str]) -> None:
        proxies = _items(trusted_proxies, "trusted_proxies")
        addresses = [item for item in proxies if item != _UNIX]
        self._trusts_unix_sockets = len(addresses) < len(proxies)
        self._proxies = _read_named(addresses, "trusted_proxies")
        self._sources = (
            None if sources is None else _read_named(_items(sources, "sources"), "sources")
        )
        self._known = {
            str(named.network.network_address)
            for named in self._sources or ()
            if named.network.num_addresses == 1 and named.zone is None
        }
        self._has_proxies = self._trusts_unix_sockets or bool(self._proxies)

    def check(self, remote_addr: str | None, headers: HeaderLines) -> None:
        """Raise `UntrustedSource` unless the caller is one of the sources."""
        if self._sources is None or (not self._has_proxies and remote_addr in self._known):
            return
        peer = _read_peer(remote_addr)
        if peer is None or (peer == _UNIX and not self._trusts_unix_sockets):
            raise UntrustedSource(
                "The address of the callback's peer is not known",
                peer=show_peer(remote_addr),
                hint="behind a Unix socket, add 'unix:' to trusted_proxies"
                if peer == _UNIX
                else "the server gave no IP address as remote_addr",
            )
        trail = self._follow_back(peer, headers)
        if trail.caller is None or not _is_in(trail.caller, self._sources):
            raise UntrustedSource(
                _NOT_THE_SERVICE,
                peer=show_peer(remote_addr),
                address=_show(trail.caller),
                chain_ended_at=_show(trail.ended_at),
                unnamed_proxy=_show(trail.unnamed_proxy),
                hint=trail.hint,
            )

    def _follow_back(self, peer: Hop, headers: HeaderLines) -> _Trail:
        """Return how far the headers lead back from the peer."""
        has_chain = bool(headers.all("x-forwarded-for") or headers.all("forwarded"))
        if not self._is_proxy(peer):
            if has_chain:
                return _Trail(peer, peer, peer, _NAME_IT)
            return _Trail(peer, peer, hint="no proxy was involved")
        if not has_chain:
            return _Trail(
                None,
                peer,
                hint="this proxy or the server passed on neither X-Forwarded-For nor Forwarded",
            )
        if headers.incomplete & {"x-forwarded-for", "forwarded"}:
            return _Trail(
                None,
                peer,
                hint="the headers came as a plain mapping, which may have lost the proxy's line; "
                "pass the framework's headers object itself",
            )
        trails = [
            self._follow_chain(peer, chain)
            for chain in (_x_forwarded_for(headers), _forwarded(headers))
            if chain is not None
        ]
        # A proxy writes one of the two headers and may hand on the other as the caller sent it.
        if len({trail.caller for trail in trails}) > 1:
            return _Trail(None, peer, hint="X-Forwarded-For and Forwarded name different callers")
        return trails[0]

    def _follow_chain(self, peer: Hop, chain: list[str]) -> _Trail:
        """Follow a chain from its end as long as a named proxy wrote it."""
        current = peer
        for entry in reversed(chain):
            if not self._is_proxy(current):
                return _Trail(current, current, current, _NAME_IT)
            hop = _read_hop(entry)
            if hop is None:
                return _Trail(
                    None,
                    current,
                    hint="what this proxy wrote about its caller is not an IP address",
                )
            current = hop
        hint = "no entry is left before this proxy" if self._is_proxy(current) else ""
        return _Trail(current, current, hint=hint)

    def _is_proxy(self, hop: Hop) -> bool:
        return self._trusts_unix_sockets if hop == _UNIX else _is_in(hop, self._proxies)


def show_peer(remote_addr: str | None) -> str | None:
    """Return a peer's address in a form that is safe in a log line."""
    peer = _read_peer(remote_addr)
    if peer is not None:
        return _show(peer)
    return ascii((remote_addr or "")[:_LONGEST_ADDRESS])


def _show(hop: Hop | None) -> str | None:
    return None if hop is None else str(hop)


def _items(given: Iterable[str], name: str) -> list[str]:
    try:
        return [str.strip(item) for item in ([given] if isinstance(given, str) else given)]
    except TypeError:  # not iterable, or not of strings
        raise _not_addresses(name) from None


def _not_addresses(name: str) -> InvalidConfiguration:
    unix = ", or 'unix:' for Unix sockets" if name == "trusted_proxies" else ""
    return InvalidConfiguration(
        f"{name} must be addresses or networks, such as 193.93.208.200 or 10.0.0.0/8{unix}"
    )


def _read_named(items: Iterable[str], name: str) -> tuple[_Named, ...]:
    try:
        return tuple(_read_network(item) for item in items)
    except ValueError:
        raise _not_addresses(name) from None


def _read_network(text: str) -> _Named:
    """Read an address or network; a zone is allowed on a link-local one only."""
    host, slash, length = text.partition("/")
    address, percent, zone = host.partition("%")
    network = ip_network(address + slash + length)
    if percent and not (
        isinstance(network, IPv6Network)
        and network.subnet_of(_LINK_LOCAL)
        and _ZONE.fullmatch(zone)
    ):
        raise ValueError("a zone where none belongs")
    return _Named(_as_ipv4(network), zone or None)


def _as_ipv4(network: Network) -> Network:
    """Return an IPv4-mapped network as the IPv4 network that it stands for."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return (
        network
        if mapped is None or network.prefixlen < 96
        else IPv4Network((mapped, network.prefixlen - 96))
    )


def _is_in(hop: Hop, networks: Iterable[_Named]) -> bool:
    return any(named.has(hop) for named in networks)


def _read_peer(remote_addr: str | None) -> Hop | None:
    """Read a peer's address; servers give a Unix socket's as nothing, its path, or (Waitress) "localhost"."""
    text = (remote_addr or "").strip()
    if text in {"", "localhost", "unix"} or text.startswith((_UNIX, "/", "@")):
        return _UNIX
    return _read_hop(text)


def _read_hop(text: str) -> Hop | None:
    """Read an address with or without a port, IPv6 in brackets or not."""
    text = text.strip()
    if text == _UNIX:
        return _UNIX
    return _read_address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=256)  # nearly all callbacks come the same few ways
def _read_address(text: str) -> IPv4Address | IPv6Address | None:
    if match := re.fullmatch(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", text):
        text = match[1] or match[2] or ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return address
    if address.scope_id is None:
        return address.ipv4_mapped or address
    return address if address in _LINK_LOCAL and _ZONE.fullmatch(address.scope_id) else None


def _x_forwarded_for(headers: HeaderLines) -> list[str] | None:
    values = headers.all("x-forwarded-for")
    return _nearest(",".join(values).split(",")) if values else None


def _forwarded(headers: HeaderLines) -> list[str] | None:
    """Return the `for` of each element; an empty string for one that has none or cannot be read."""
    values = headers.all("forwarded")
    if not values:
        return None
    text = ",".join(values)
    position = 0
    hops: list[str] = []
    element: dict[str, str] = {}
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None or pair[1].lower() in element:
            return [""]  # from here on it is not certain where one element ends and the next begins
        element[pair[1].lower()] = (
            re.sub(r"\\(.)", r"\1", pair[2]) if pair[2] is not None else pair[3]
        )
        position = pair.end()
        if pair[4] != ";" or position == len(text):
            hops.append(element.get("for", ""))
            element = {}
    return _nearest(hops) or [""]


def _nearest(hops: list[str]) -> list[str]:
    """Return the last hops, after an empty one if there were more."""
    return ["", *hops[-_MAX_HOPS:]] if len(hops) > _MAX_HOPS else hops
