"""Where a callback comes from, as far as that can be trusted.

The service's addresses are documented, a signature is not known. Behind a proxy the peer's address is the proxy's, and
the caller's is in a header that anybody can send. So such a header is read from its end, where the nearest proxy wrote,
and only as far as proxies that were named vouch for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from ecall_facade.errors import InvalidConfiguration, UntrustedSource

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[bytes, bytes]] | Iterable[tuple[str, str]]

DOCUMENTED_SOURCES = ("193.93.208.200", "193.93.208.149", "193.93.208.153")
"""Where the service calls from (documented)."""

_MAX_HOPS = 20
_LONGEST_ADDRESS = 64  # characters, port and brackets included
# One element of `Forwarded` (RFC 7239): pairs of a token and a token or quoted string.
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*(;|,|$)')


class Sources:
    """Decides whether a callback came from one of the sources."""

    def __init__(self, sources: Iterable[str] | None, trusted_proxies: Iterable[str]) -> None:
        self._proxies = _networks(trusted_proxies, "trusted_proxies")
        self._sources = None if sources is None else _networks(sources, "sources")
        self._known = {
            str(net.network_address) for net in self._sources or () if net.num_addresses == 1
        }

    def check(self, remote_addr: str | None, headers: list[tuple[str, str]]) -> None:
        """Raise `UntrustedSource` unless the caller is one of the sources."""
        if self._sources is None or (not self._proxies and remote_addr in self._known):
            return
        peer = _address(remote_addr or "")
        if peer is None:
            raise UntrustedSource("The address of the callback's peer is not known")
        if _is_in(peer, self._proxies):
            chains = [
                chain
                for chain in (_x_forwarded_for(headers), _forwarded(headers))
                if chain is not None
            ]
            callers = {self._caller(peer, chain) for chain in chains}
            # A proxy writes one of the two headers and may hand on the other as the caller sent it.
            caller = callers.pop() if len(callers) == 1 else None
        else:
            caller = peer
        if caller is None or not _is_in(caller, self._sources):
            raise UntrustedSource("The callback does not come from an address of the service")

    def _caller(self, peer: Address, chain: list[str]) -> Address | None:
        """Follow the chain from its end as long as a named proxy wrote it; None where it cannot be followed."""
        current: Address | None = peer
        for hop in reversed(chain):
            if current is None or not _is_in(current, self._proxies):
                break
            current = _address(hop)
        return current


def _networks(given: Iterable[str], name: str) -> tuple[Network, ...]:
    try:
        networks = [
            ip_network(item.strip()) for item in ([given] if isinstance(given, str) else given)
        ]
    except (ValueError, TypeError, AttributeError):
        raise InvalidConfiguration(
            f"{name} are addresses or networks, such as 193.93.208.200 or 10.0.0.0/8"
        ) from None
    return tuple(_as_ipv4(network) for network in networks)


def _as_ipv4(network: Network) -> Network:
    """Give a network that stands for one of IPv4 as that."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return (
        network
        if mapped is None or network.prefixlen < 96
        else IPv4Network((mapped, network.prefixlen - 96))
    )


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _address(text: str) -> Address | None:
    """Read an address with or without a port, IPv6 in brackets or not; one that stands for IPv4 as IPv4."""
    text = text.strip()
    return _read_address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=256)  # nearly all callbacks come the same few ways
def _read_address(text: str) -> Address | None:
    if match := re.fullmatch(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", text):
        text = match[1] or match[2] or ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address


def _values(headers: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in headers if key == name]


def _x_forwarded_for(headers: list[tuple[str, str]]) -> list[str] | None:
    values = _values(headers, "x-forwarded-for")
    return _nearest(",".join(values).split(",")) if values else None


def _forwarded(headers: list[tuple[str, str]]) -> list[str] | None:
    """Give the `for` of each element; one that has none is an empty hop, and so is all that cannot be read."""
    values = _values(headers, "forwarded")
    if not values:
        return None
    text, position, hops, element = ",".join(values), 0, list[str](), dict[str, str]()
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None or pair[1].lower() in element:
            return [""]  # where one element ends and the next begins cannot be told any more
        element[pair[1].lower()] = (
            re.sub(r"\\(.)", r"\1", pair[2]) if pair[2] is not None else pair[3]
        )
        position = pair.end()
        if pair[4] != ";" or position == len(text):
            hops.append(element.get("for", ""))
            element = {}
    return _nearest(hops) or [""]


def _nearest(hops: list[str]) -> list[str]:
    """Give the last hops; who came before them is not known."""
    return ["", *hops[-_MAX_HOPS:]] if len(hops) > _MAX_HOPS else hops
