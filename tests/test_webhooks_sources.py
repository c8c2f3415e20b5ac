"""Which callers are accepted as the service: by their address, and by what proxies say about them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecall_facade.errors import InvalidConfiguration
from ecall_facade.webhooks import DOCUMENTED_SOURCES, Receiver, StatusUpdate, UntrustedSource
from ecall_facade.webhooks._headers import Headers

BODY = b'{"messageId": "m-1", "state": "Delivered"}'
SERVICE = "193.93.208.200"
STRANGER = "198.51.100.66"
PROXY = "10.0.0.1"

# Receivers by what their settings name.
DIRECT = Receiver()
BEHIND_ONE = Receiver(trusted_proxies=[PROXY])
BEHIND_MANY = Receiver(trusted_proxies=["10.0.0.0/24", "172.16.0.9", "2001:db8:1::/48"])
LINK_LOCAL = Receiver(trusted_proxies=["fe80::1"])
IN_A_ZONE = Receiver(trusted_proxies=["fe80::1%eth0", "fe80:0:0:1::%eth2/64"])
BY_SOCKET = Receiver(trusted_proxies=["unix:", PROXY])
MAPPED = Receiver(trusted_proxies=["::ffff:10.0.0.1"], sources=["::ffff:193.93.208.0/120"])
NETWORK = Receiver(sources=["193.93.208.0/24", "2001:db8:77::/64"])
PROXY_IS_SOURCE = Receiver(trusted_proxies=["10.0.0.0/24"], sources=["10.0.0.0/24"])
ONE_MACHINE = Receiver(trusted_proxies=["127.0.0.1"], sources=["127.0.0.1"])
NOBODY = Receiver(sources=[])
ANYBODY = Receiver(sources=None)

IN, OUT = True, False
F = "Forwarded"
X = "X-Forwarded-For"

CASES: list[tuple[str, Receiver, str | None, list[tuple[str, str]], bool]] = [
    # name, receiver, peer, headers, verdict
    # --- the peer itself
    ("documented address 1", DIRECT, "193.93.208.200", [], IN),
    ("documented address 2", DIRECT, "193.93.208.149", [], IN),
    ("documented address 3", DIRECT, "193.93.208.153", [], IN),
    ("its neighbour", DIRECT, "193.93.208.201", [], OUT),
    ("a stranger", DIRECT, STRANGER, [], OUT),
    ("as a socket for IPv6 shows it", DIRECT, "::ffff:193.93.208.200", [], IN),
    ("the same in hexadecimal", DIRECT, "::FFFF:c15d:d0c8", [], IN),
    ("the same at full length", DIRECT, "0:0:0:0:0:ffff:c15d:d0c8", [], IN),
    ("the same with a zone", DIRECT, "::ffff:193.93.208.200%eth0", [], OUT),
    ("a mapped stranger", DIRECT, "::ffff:198.51.100.66", [], OUT),
    ("IPv4-compatible, long deprecated", DIRECT, "::193.93.208.200", [], OUT),
    ("6to4", DIRECT, "2002:c15d:d0c8::1", [], OUT),
    ("NAT64", DIRECT, "64:ff9b::193.93.208.200", [], OUT),
    ("with a port", DIRECT, "193.93.208.200:52044", [], IN),
    ("in brackets, with a port", DIRECT, "[::ffff:193.93.208.200]:52044", [], IN),
    ("white space around it", DIRECT, " 193.93.208.200\t", [], IN),
    ("white space in it", DIRECT, "193.93.208. 200", [], OUT),
    ("no peer", DIRECT, None, [], OUT),
    ("an empty peer", DIRECT, "", [], OUT),
    ("a peer of spaces", DIRECT, "  ", [], OUT),
    ("a name", DIRECT, "rest.ecall.ch", [], OUT),
    ("a path of a socket", DIRECT, "unix:/run/app.sock", [], OUT),
    ("leading zeros", DIRECT, "193.093.208.200", [], OUT),
    ("octal", DIRECT, "0301.0135.0320.0310", [], OUT),
    ("one decimal number", DIRECT, "3244150984", [], OUT),
    ("one hexadecimal number", DIRECT, "0xc15dd0c8", [], OUT),
    ("hexadecimal parts", DIRECT, "0xc1.0x5d.0xd0.0xc8", [], OUT),
    ("three parts", DIRECT, "193.93.53448", [], OUT),
    ("five parts", DIRECT, "193.93.208.200.1", [], OUT),
    ("a network", DIRECT, "193.93.208.200/32", [], OUT),
    ("digits of another script", DIRECT, "\u0661\u0669\u0663.93.208.200", [], OUT),
    ("full-width dots", DIRECT, "193\uff0e93\uff0e208\uff0e200", [], OUT),
    ("a NUL at the end", DIRECT, "193.93.208.200\x00", [], OUT),
    ("two at once", DIRECT, "193.93.208.200,193.93.208.200", [], OUT),
    ("an empty port", DIRECT, "193.93.208.200:", [], OUT),
    ("two ports", DIRECT, "193.93.208.200:1:2", [], OUT),
    ("a bracket that is not closed", DIRECT, "[::ffff:193.93.208.200", [], OUT),
    ("a lone surrogate", DIRECT, "\ud800", [], OUT),
    ("very long", DIRECT, "1" * 100_000, [], OUT),
    # --- no proxy is named: headers say nothing
    ("a stranger says who he is", DIRECT, STRANGER, [(X, SERVICE)], OUT),
    ("and says it in all ways", DIRECT, STRANGER, [(X, SERVICE), (F, f"for={SERVICE}"), ("X-Real-IP", SERVICE)], OUT),
    ("other headers that some believe", DIRECT, STRANGER, [("True-Client-IP", SERVICE), ("Client-IP", SERVICE)], OUT),
    ("a proxy that is not named", DIRECT, PROXY, [(X, SERVICE)], OUT),
    ("the service through its own proxy", DIRECT, SERVICE, [(X, "10.9.9.9")], IN),
    ("loopback, not named", DIRECT, "127.0.0.1", [(X, SERVICE)], OUT),
    # --- one named proxy, X-Forwarded-For
    ("the proxy tells of the service", BEHIND_ONE, PROXY, [(X, SERVICE)], IN),
    ("of a stranger", BEHIND_ONE, PROXY, [(X, STRANGER)], OUT),
    ("the proxy tells of nobody", BEHIND_ONE, PROXY, [], OUT),
    ("the proxy has a header without content", BEHIND_ONE, PROXY, [(X, "")], OUT),
    ("only a comma", BEHIND_ONE, PROXY, [(X, ",")], OUT),
    ("spoofed, and the proxy added the truth", BEHIND_ONE, PROXY, [(X, f"{SERVICE}, {STRANGER}")], OUT),
    ("spoofed many times", BEHIND_ONE, PROXY, [(X, f"{SERVICE}, {SERVICE}, {SERVICE},{STRANGER}")], OUT),
    ("spoofed, with the truth on its own line", BEHIND_ONE, PROXY, [(X, SERVICE), (X, STRANGER)], OUT),
    ("spoofed with the proxy's address", BEHIND_ONE, PROXY, [(X, f"{SERVICE}, {PROXY}, {STRANGER}")], OUT),
    ("the service came by another proxy", BEHIND_ONE, PROXY, [(X, f"{STRANGER}, {SERVICE}")], IN),
    ("the same on two lines", BEHIND_ONE, PROXY, [(X, STRANGER), (X, SERVICE)], IN),
    ("garbage before what the proxy wrote", BEHIND_ONE, PROXY, [(X, f'"\\;, for=, ,,{SERVICE}')], IN),
    ("a stranger claims to be the proxy's client", BEHIND_ONE, STRANGER, [(X, SERVICE)], OUT),
    ("the service, past the proxy", BEHIND_ONE, SERVICE, [], IN),
    ("the same, and a header that is not needed", BEHIND_ONE, SERVICE, [(X, STRANGER)], IN),
    ("the proxy's address, mapped", BEHIND_ONE, "::ffff:10.0.0.1", [(X, SERVICE)], IN),
    ("no peer, but headers", BEHIND_ONE, None, [(X, SERVICE)], OUT),
    ("an empty peer, but headers", BEHIND_ONE, "", [(X, SERVICE)], OUT),
    ("with a port", BEHIND_ONE, PROXY, [(X, f"{SERVICE}:443")], IN),
    ("with a port that is none", BEHIND_ONE, PROXY, [(X, f"{SERVICE}:https")], OUT),
    ("mapped", BEHIND_ONE, PROXY, [(X, "::ffff:193.93.208.200")], IN),
    ("mapped, in brackets, with a port", BEHIND_ONE, PROXY, [(X, "[::ffff:193.93.208.200]:443")], IN),
    ("mapped, with a zone", BEHIND_ONE, PROXY, [(X, "::ffff:193.93.208.200%1")], OUT),
    ("leading zeros", BEHIND_ONE, PROXY, [(X, "193.093.208.200")], OUT),
    ("white space around it", BEHIND_ONE, PROXY, [(X, f" \t {SERVICE} \t")], IN),
    ("unknown", BEHIND_ONE, PROXY, [(X, "unknown")], OUT),
    ("the service, then unknown", BEHIND_ONE, PROXY, [(X, f"{SERVICE}, unknown")], OUT),
    ("the service, then nothing", BEHIND_ONE, PROXY, [(X, f"{SERVICE},")], OUT),
    ("in quotes, which this header does not know", BEHIND_ONE, PROXY, [(X, f'"{SERVICE}"')], OUT),
    ("X-Real-IP is not read", BEHIND_ONE, PROXY, [("X-Real-IP", SERVICE)], OUT),
    ("nor is the header with underscores", BEHIND_ONE, PROXY, [("X_Forwarded_For", SERVICE)], OUT),
    # --- one named proxy, Forwarded (RFC 7239)
    ("a token", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}")], IN),
    ("with all that there is", BEHIND_ONE, PROXY, [(F, f'By=10.0.0.1; FOR={SERVICE} ;proto=https;host="a.test"')], IN),
    ("quoted", BEHIND_ONE, PROXY, [(F, f'for="{SERVICE}"')], IN),
    ("quoted, with a port", BEHIND_ONE, PROXY, [(F, f'for="{SERVICE}:4711"')], IN),
    ("mapped, as the RFC writes IPv6", BEHIND_ONE, PROXY, [(F, 'for="[::ffff:c15d:d0c8]:4711"')], IN),
    ("quoted with escapes", BEHIND_ONE, PROXY, [(F, r'for="193\.93\.208\.200"')], IN),
    ("a stranger", BEHIND_ONE, PROXY, [(F, f"for={STRANGER}")], OUT),
    ("spoofed, and the proxy added the truth", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}, for={STRANGER}")], OUT),
    ("the same on two lines", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}"), (F, f"for={STRANGER}")], OUT),
    ("the service came by another proxy", BEHIND_ONE, PROXY, [(F, f"for={STRANGER}, for={SERVICE}")], IN),
    ("hidden", BEHIND_ONE, PROXY, [(F, "for=_hidden")], OUT),
    ("the service, then hidden", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}, for=_SEVKISEK")], OUT),
    ("unknown", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}, for=unknown")], OUT),
    ("an element without for", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}, proto=https")], OUT),
    ("an empty for", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}, for=")], OUT),
    ("an empty quoted for", BEHIND_ONE, PROXY, [(F, f'for={SERVICE}, for=""')], OUT),
    ("no content", BEHIND_ONE, PROXY, [(F, "")], OUT),
    ("no pair", BEHIND_ONE, PROXY, [(F, SERVICE)], OUT),
    ("a comma in quotes is no end", BEHIND_ONE, PROXY, [(F, f'for={STRANGER};host="a, for={SERVICE}"')], OUT),
    ("nor is one after an escaped quote", BEHIND_ONE, PROXY, [(F, rf'for={STRANGER};host="\", for={SERVICE};"')], OUT),
    ("such a host, and the service", BEHIND_ONE, PROXY, [(F, rf'for={SERVICE};host="\", for={STRANGER};"')], IN),
    ("a quote left open to swallow the truth", BEHIND_ONE, PROXY, [(F, f'for={SERVICE};x=", for={STRANGER}')], OUT),
    ("the same on two lines", BEHIND_ONE, PROXY, [(F, f'for={SERVICE};x="'), (F, f'for="{STRANGER}"')], OUT),
    ("the same after a whole element", BEHIND_ONE, PROXY, [(F, f'for={SERVICE}, x=", for={STRANGER}')], OUT),
    ("unreadable after a whole element", BEHIND_ONE, PROXY, [(F, f"for={SERVICE}, for")], OUT),
    ("closed by a quote of the proxy's", BEHIND_ONE, PROXY, [(F, f'for={SERVICE};x=", for="{STRANGER}:1"')], OUT),
    ("for twice in one element", BEHIND_ONE, PROXY, [(F, f"for={STRANGER};for={SERVICE}")], OUT),
    ("ends in a semicolon", BEHIND_ONE, PROXY, [(F, f"for={SERVICE};")], IN),
    ("garbage before what the proxy wrote", BEHIND_ONE, PROXY, [(F, f"{{}}, for={SERVICE}")], OUT),
    ("a stranger sends it", BEHIND_ONE, STRANGER, [(F, f"for={SERVICE}")], OUT),
    # --- both headers: which one did the proxy write?
    ("both say the same", BEHIND_ONE, PROXY, [(X, SERVICE), (F, f"for={SERVICE}")], IN),
    ("in two notations", BEHIND_ONE, PROXY, [(X, f"{SERVICE}:1"), (F, 'for="[::ffff:c15d:d0c8]"')], IN),
    ("Forwarded is forged", BEHIND_ONE, PROXY, [(X, STRANGER), (F, f"for={SERVICE}")], OUT),
    ("X-Forwarded-For is forged", BEHIND_ONE, PROXY, [(X, SERVICE), (F, f"for={STRANGER}")], OUT),
    ("two of the service's addresses", BEHIND_ONE, PROXY, [(X, SERVICE), (F, "for=193.93.208.149")], OUT),
    ("Forwarded is empty", BEHIND_ONE, PROXY, [(X, SERVICE), (F, "")], OUT),
    ("X-Forwarded-For is empty", BEHIND_ONE, PROXY, [(X, ""), (F, f"for={SERVICE}")], OUT),
    ("both are strangers", BEHIND_ONE, PROXY, [(X, STRANGER), (F, f"for={STRANGER}")], OUT),
    # --- several named proxies, by address and by network
    ("through two", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}, 172.16.0.9")], IN),
    ("through four", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}, 2001:db8:1::5, 172.16.0.9, 10.0.0.8")], IN),
    ("the same by Forwarded", BEHIND_MANY, "2001:db8:1::1", [(F, f'for={SERVICE}, for="[2001:db8:1::5]:80"')], IN),
    ("spoofed before two", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}, {STRANGER}, 172.16.0.9")], OUT),
    ("through one that is not named", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}, 10.0.1.1, 172.16.0.9")], OUT),
    ("the peer is not in the network", BEHIND_MANY, "10.0.1.7", [(X, SERVICE)], OUT),
    ("only proxies", BEHIND_MANY, "10.0.0.7", [(X, "10.0.0.8, 172.16.0.9")], OUT),
    ("an unreadable hop in the middle", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}, x, 172.16.0.9")], OUT),
    ("on several lines", BEHIND_MANY, "10.0.0.7", [(X, SERVICE), (X, "172.16.0.9"), (X, "10.0.0.8")], IN),
    ("the lines the other way round", BEHIND_MANY, "10.0.0.7", [(X, "10.0.0.8"), (X, STRANGER)], OUT),
    ("twenty hops", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}" + ", 10.0.0.8" * 19)], IN),
    ("more hops than are read", BEHIND_MANY, "10.0.0.7", [(X, f"{SERVICE}" + ", 10.0.0.8" * 20)], OUT),
    ("more hops before a readable end", BEHIND_MANY, "10.0.0.7", [(X, "1.2.3.4, " * 5000 + SERVICE)], IN),
    ("the same by Forwarded", BEHIND_MANY, "10.0.0.7", [(F, "for=1.2.3.4, " * 5000 + f"for={SERVICE}")], IN),
    ("a proxy by IPv6, with a zone", BEHIND_MANY, "2001:db8:1::1%eth0", [(X, SERVICE)], OUT),
    # --- link-local addresses, which have a zone
    ("a link-local proxy, named without a zone", LINK_LOCAL, "fe80::1%eth0", [(X, SERVICE)], IN),
    ("the same in another zone", LINK_LOCAL, "fe80::1%wlan-0.1", [(X, SERVICE)], IN),
    ("the same in brackets, with a port", LINK_LOCAL, "[fe80::1%eth0]:4711", [(X, SERVICE)], IN),
    ("the same without a zone", LINK_LOCAL, "fe80::1", [(X, SERVICE)], IN),
    ("its neighbour", LINK_LOCAL, "fe80::2%eth0", [(X, SERVICE)], OUT),
    ("it tells of a stranger", LINK_LOCAL, "fe80::1%eth0", [(X, f"{SERVICE}, {STRANGER}")], OUT),
    ("named with a zone", IN_A_ZONE, "fe80::1%eth0", [(X, SERVICE)], IN),
    ("the same in another zone", IN_A_ZONE, "fe80::1%eth1", [(X, SERVICE)], OUT),
    ("the same without a zone", IN_A_ZONE, "fe80::1", [(X, SERVICE)], OUT),
    ("a network with a zone", IN_A_ZONE, "fe80:0:0:1::9%eth2", [(X, SERVICE)], IN),
    ("the same in another zone", IN_A_ZONE, "fe80:0:0:1::9%eth0", [(X, SERVICE)], OUT),
    ("a link-local hop", LINK_LOCAL, "fe80::1%eth0", [(X, f"{SERVICE}, fe80::1%eth1")], IN),
    ("a zone with a line break", LINK_LOCAL, "fe80::1%eth0\nforged", [(X, SERVICE)], OUT),
    ("a very long zone", LINK_LOCAL, "fe80::1%" + "x" * 33, [(X, SERVICE)], OUT),
    ("an empty zone", LINK_LOCAL, "fe80::1%", [(X, SERVICE)], OUT),
    ("a zone on an address that has none", LINK_LOCAL, "2001:db8::1%eth0", [(X, SERVICE)], OUT),
    # --- a proxy at a Unix socket, which servers write in several ways
    ("nothing", BY_SOCKET, None, [(X, SERVICE)], IN),
    ("an empty string", BY_SOCKET, "", [(X, SERVICE)], IN),
    ("as Waitress says it", BY_SOCKET, "localhost", [(X, SERVICE)], IN),
    ("as nginx says it", BY_SOCKET, "unix:", [(X, SERVICE)], IN),
    ("by its path", BY_SOCKET, "/run/app.sock", [(X, SERVICE)], IN),
    ("by its abstract name", BY_SOCKET, "@app", [(X, SERVICE)], IN),
    ("it tells of a stranger", BY_SOCKET, None, [(X, f"{SERVICE}, {STRANGER}")], OUT),
    ("it tells of nobody", BY_SOCKET, None, [], OUT),
    ("a stranger by TCP", BY_SOCKET, STRANGER, [(X, SERVICE)], OUT),
    ("a name", BY_SOCKET, "testclient", [(X, SERVICE)], OUT),
    ("through a named proxy and a socket", BY_SOCKET, "", [(X, f"{SERVICE}, {PROXY}")], IN),
    ("a socket within the chain", BY_SOCKET, PROXY, [(X, f"{SERVICE}, unix:")], IN),
    ("a socket that was not named", BEHIND_ONE, PROXY, [(X, f"{SERVICE}, unix:")], OUT),
    # --- who is named can be written in several ways, too
    ("mapped proxies and sources in the settings", MAPPED, PROXY, [(X, SERVICE)], IN),
    ("the same, and a stranger", MAPPED, PROXY, [(X, STRANGER)], OUT),
    ("the same, past the proxy", MAPPED, SERVICE, [], IN),
    ("a network of sources", NETWORK, "193.93.208.7", [], IN),
    ("its broadcast address", NETWORK, "193.93.208.255", [], IN),
    ("one beyond it", NETWORK, "193.93.209.0", [], OUT),
    ("a network of IPv6", NETWORK, "2001:db8:77::abcd", [], IN),
    ("one beyond it", NETWORK, "2001:db8:78::abcd", [], OUT),
    ("of one family, asked in the other", NETWORK, "::c15d:d007", [], OUT),
    # --- proxies that are sources themselves, as in a test on one machine: what they do not tell is not assumed
    ("a proxy that is a source says nothing", PROXY_IS_SOURCE, "10.0.0.7", [], OUT),
    ("the same, on one machine", ONE_MACHINE, "127.0.0.1", [], OUT),
    ("on one machine, and it tells of itself", ONE_MACHINE, "127.0.0.1", [(X, "127.0.0.1")], IN),
    ("on one machine, and it tells of a stranger", ONE_MACHINE, "127.0.0.1", [(X, STRANGER)], OUT),
    ("it says nothing, in Forwarded", PROXY_IS_SOURCE, "10.0.0.7", [(F, "")], OUT),
    ("it tells of another one", PROXY_IS_SOURCE, "10.0.0.7", [(X, "10.0.0.8")], IN),
    ("it tells of a stranger", PROXY_IS_SOURCE, "10.0.0.7", [(X, f"10.0.0.8, {STRANGER}")], OUT),
    ("more hops than are read", PROXY_IS_SOURCE, "10.0.0.7", [(X, STRANGER + ", 10.0.0.8" * 20)], OUT),
    ("the same by Forwarded", PROXY_IS_SOURCE, "10.0.0.7", [(F, f"for={STRANGER}" + ", for=10.0.0.8" * 20)], OUT),
    # --- no source, and no check
    ("no source is named", NOBODY, SERVICE, [], OUT),
    ("not even no peer", NOBODY, None, [], OUT),
    ("the check is off: a stranger", ANYBODY, STRANGER, [], IN),
    ("the check is off: no peer", ANYBODY, None, [], IN),
    ("the check is off: garbage", ANYBODY, "?", [(X, '"'), (F, '"')], IN),
]  # fmt: skip


Pairs: TypeAlias = list[tuple[str, str]]
SPELLINGS: list[Callable[[str], str]] = [str, str.lower, str.upper, str.swapcase]


def as_bytes(pairs: Pairs) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def is_accepted(receiver: Receiver, peer: str | None, headers: Headers = ()) -> bool:
    try:
        event = receiver.receive(BODY, remote_addr=peer, headers=headers)
    except UntrustedSource as error:
        refused = error
    else:
        assert isinstance(event, StatusUpdate)
        return True
    assert refused.status_code == 403
    assert not any(character.isdigit() for character in str(refused))  # it names no address
    return False


NAMES = [f"{'accepted' if verdict else 'refused'}: {name}" for name, *_, verdict in CASES]
VERDICTS = [case[1:] for case in CASES]


@pytest.mark.parametrize(("receiver", "peer", "headers", "verdict"), VERDICTS, ids=NAMES)
def test_a_caller_is_accepted_only_if_it_is_the_service(
    receiver: Receiver, peer: str | None, headers: Pairs, verdict: bool
) -> None:
    for spell in SPELLINGS:
        spelled = [(spell(name), value) for name, value in headers]
        assert is_accepted(receiver, peer, spelled) is verdict
        assert is_accepted(receiver, peer, as_bytes(spelled)) is verdict


def test_a_header_in_two_spellings_is_one_header() -> None:
    mixed = [("x-forwarded-for", SERVICE), ("X-Forwarded-For", STRANGER)]
    assert not is_accepted(BEHIND_ONE, PROXY, mixed)
    assert is_accepted(BEHIND_ONE, PROXY, mixed[::-1])


def test_the_documented_addresses_are_the_default() -> None:
    assert DOCUMENTED_SOURCES == ("193.93.208.200", "193.93.208.149", "193.93.208.153")
    for number in range(256):
        address = f"193.93.208.{number}"
        assert is_accepted(DIRECT, address) is (address in DOCUMENTED_SOURCES)


def test_a_setting_may_be_one_address_or_any_iterable() -> None:
    assert is_accepted(Receiver(sources="198.51.100.0/24"), STRANGER)
    assert is_accepted(Receiver(trusted_proxies=PROXY), PROXY, [(X, SERVICE)])
    assert is_accepted(Receiver(sources=(each for each in [f" {STRANGER} "])), STRANGER)


@pytest.mark.parametrize(
    "wrong",
    [
        ["localhost"], ["10.0.0.1/8"], ["10.0.0.1%eth0"], ["2001:db8::1%eth0"], ["fe80::1%"], ["unix"],
        ["unix:/run/app.sock"], ["fe80::1%eth 0"], ["193.093.208.200"], ["10.0.0.0/33"], [""], "", [None],
        [b"10.0.0.1"], 10, [10],
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["sources", "trusted_proxies"])
def test_a_setting_that_is_not_an_address_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(InvalidConfiguration, match=f"{name} must be addresses or networks"):
        Receiver(**{name: wrong})  # type: ignore[arg-type]


# --- properties: whatever a stranger sends

_addresses = st.sampled_from([
    SERVICE, "193.93.208.149", STRANGER, PROXY, "10.0.0.7", "::ffff:193.93.208.200", "[::ffff:c15d:d0c8]:1",
    "127.0.0.1", "unknown", "_hidden", "",
])  # fmt: skip
_pieces = st.one_of(
    _addresses,
    st.sampled_from([
        ",", ", ", ";", '"', "\\", '\\"', "=", "for=", "For=", 'for="', 'x="', "by=", "host=", " ", "\t",
    ]),
    st.text(st.characters(max_codepoint=255), max_size=4),
)  # fmt: skip
_values = st.lists(_pieces, max_size=12).map("".join)
_names = st.one_of(
    st.sampled_from([
        "X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP",
        "X-Cluster-Client-IP", "X-Original-Forwarded-For", "X-Forwarded", "Forwarded-For", "Via", "X_Forwarded_For",
        "X-Forwarded-For ", "Content-Type", "Authorization",
    ]).flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper()])),
    st.text(st.characters(max_codepoint=255), max_size=6),
)  # fmt: skip
_lines = st.lists(st.tuples(_names, _values), max_size=6)
# What an attacker would try who knows how the headers are read.
_forged = st.sampled_from([SERVICE, f"for={SERVICE}", f'for="{SERVICE}"', ""])
_openings = st.sampled_from(
    [", ", ";", ', x="', ';x="', ', for="', '"', "\\", f"x={SERVICE}", "[", "]"]
)
_tricks = st.builds("{}{}".format, _forged, st.lists(_openings, max_size=3).map("".join))
_forgeries = st.one_of(
    _lines, st.lists(st.tuples(st.sampled_from([X, F]), _tricks), min_size=1, max_size=2)
)
_strangers = st.sampled_from(
    [STRANGER, "203.0.113.9", "193.93.208.201", "2001:db8::66", "::ffff:198.51.100.66"]
)
_hosts = st.lists(_pieces, max_size=8).map("".join)


@given(_strangers, _forgeries)
def test_no_header_makes_a_stranger_the_service(peer: str, lines: Pairs) -> None:
    for receiver in (DIRECT, BEHIND_ONE, BEHIND_MANY):
        assert not is_accepted(receiver, peer, lines)
        assert not is_accepted(receiver, peer, as_bytes(lines))


@given(st.text(max_size=30), _lines)
def test_no_header_makes_an_unreadable_peer_the_service(peer: str, lines: Pairs) -> None:
    if "193.93.208" not in peer:
        assert not is_accepted(BEHIND_MANY, peer, lines)


def node(address: str, how: str) -> str:
    """Return an address as proxies write it into `Forwarded`."""
    if ":" in address:
        return f'for="[{address}]{":4711" if "port" in how else ""}"'
    return f'for="{address}:4711"' if "port" in how else f"for={address}"


def add(lines: Pairs, name: str, value: str, how: str) -> Pairs:
    """Return headers as a proxy passes them on: it extends the last line of a name, or adds a line."""
    places = [place for place, (given, _) in enumerate(lines) if given.lower() == name.lower()]
    if "line" in how or not places:
        return [*lines, (name, value)]
    result = list(lines)
    result[places[-1]] = (lines[places[-1]][0], f"{lines[places[-1]][1]}, {value}")
    return result


def pass_on(
    lines: Pairs,
    callers: list[str],
    writes: list[str],
    how: str,
    host: str = "a.test",
) -> Pairs:
    """Return headers after a proxy for each caller, the farthest first."""
    for caller in callers:
        if X in writes:
            lines = add(lines, X, caller, how)
        if F in writes:
            more = (
                ""
                if "bare" in how
                else ';proto=https;host="{}"'.format(host.replace("\\", "\\\\").replace('"', '\\"'))
            )
            lines = add(lines, F, node(caller, how) + more, how)
    return lines


_writes = st.sampled_from([[X], [F], [X, F]])
_hows = st.sampled_from(
    ["bare", "bare port", "bare line", "bare port line", "", "port", "line", "port line"]
)
_ways = st.sampled_from([[], ["172.16.0.9"], ["10.0.0.8", "2001:db8:1::5"]])


@given(_strangers, _forgeries, _writes, _hows, _ways, st.one_of(_hosts, _tricks))
@pytest.mark.slow
@settings(max_examples=400)
def test_no_header_makes_a_stranger_behind_named_proxies_the_service(
    stranger: str,
    lines: Pairs,
    writes: list[str],
    how: str,
    way: list[str],
    host: str,
) -> None:
    arrived = pass_on(lines, [stranger, *way], writes, how, host)
    assert not is_accepted(BEHIND_MANY, "10.0.0.7", arrived)
    assert not is_accepted(BEHIND_MANY, "10.0.0.7", as_bytes(arrived))


@given(_lines, _hows, _ways, _hosts)
def test_the_service_is_accepted_behind_named_proxies(
    lines: Pairs, how: str, way: list[str], host: str
) -> None:
    others = [
        (name, value)
        for name, value in lines
        if name.lower() not in {"forwarded", "x-forwarded-for"}
    ]
    for writes in ([X], [F], [X, F]):
        assert is_accepted(
            BEHIND_MANY, "10.0.0.7", pass_on(others, [SERVICE, *way], writes, how, host)
        )
    # What came before does not matter, as long as it is clear where it ends.
    before = [(name, value) for name, value in lines if name.lower() != "forwarded"]
    assert is_accepted(BEHIND_MANY, "10.0.0.7", pass_on(before, [SERVICE, *way], [X], how))


@pytest.mark.parametrize(
    "value",
    [
        "," * 64_000, " " * 64_000, "for=" * 16_000, 'for="' + "a" * 64_000, 'for="' + "\\" * 64_000, "=" * 64_000,
        "for=1.2.3.4;" * 5_000, "for=1.2.3.4," * 5_000, "a" * 64_000, 'x="' * 20_000, "for=a" + " " * 64_000 + "x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", [X, F])
def test_a_long_header_is_refused_in_linear_time(name: str, value: str) -> None:
    began = time.process_time()
    assert not is_accepted(BEHIND_ONE, PROXY, [(name, value)])
    assert time.process_time() - began < 1  # milliseconds; a quadratic one would take many seconds
