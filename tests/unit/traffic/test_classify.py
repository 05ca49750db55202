"""Rules are tried on headers put together by hand."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.classify import (
    EVERYTHING,
    EtherType,
    Match,
    Rule,
    blocks,
    by_destination,
    by_mark,
    by_match,
    control,
)


def ipv4(source="10.1.0.1", destination="10.2.0.1", *, dscp=0, protocol=17, ports=(1000, 2000), offset=0, ihl=5):
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | ihl, dscp << 2 | 1, 60, 7, 0x4000 | offset, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(destination),
    )  # fmt: skip
    return EtherType.IPV4, head + bytes(4 * (ihl - 5)) + struct.pack("!HH", *ports) + bytes(40)


def ipv6(
    source="fd00:1::1", destination="fd00:2::1", *, dscp=0, protocol=17, ports=(1000, 2000), hop_limit=64, payload=b""
):
    head = struct.pack("!IHBB", 6 << 28 | dscp << 22 | 0x54321, 20, protocol, hop_limit)
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
    return EtherType.IPV6, head + ends + (payload or struct.pack("!HH", *ports)) + bytes(40)


def fits(rule: Rule, packet) -> bool:
    ether_type, data = packet
    if rule.ether_type not in {ether_type, EtherType.ALL}:
        return False
    return all(struct.unpack_from("!I", data, word.offset)[0] & word.mask == word.value for word in rule.words)


def fit(rules, packet) -> bool:
    return any(fits(rule, packet) for rule in rules)


@pytest.mark.parametrize("make", [ipv4, ipv6])
@pytest.mark.parametrize("mark", range(64))
def test_a_mark_is_found_in_both_families_whatever_the_ecn_bits_say(make, mark):
    assert [dscp for dscp in range(64) if fit(by_mark(mark), make(dscp=dscp))] == [mark]


@pytest.mark.parametrize("make", [ipv4, ipv6])
def test_both_directions_of_a_conversation_match(make):
    rules = by_match(Match((), "udp", ((5060, 5060),)))
    assert fit(rules, make(ports=(5060, 40_000)))
    assert fit(rules, make(ports=(40_000, 5060)))
    assert not fit(rules, make(ports=(5061, 40_000)))
    assert not fit(rules, make(ports=(5060, 40_000), protocol=6))


def test_networks_hold_for_either_side_and_for_their_own_family_only():
    rules = by_match(Match(("10.1.0.0/16",)))
    assert fit(rules, ipv4("10.1.2.3", "10.9.0.1"))
    assert fit(rules, ipv4("10.9.0.1", "10.1.2.3"))
    assert not fit(rules, ipv4("10.9.0.1", "10.8.2.3"))
    assert not fit(rules, ipv6())


def test_a_network_of_the_other_family_does_not_make_a_port_match_everywhere():
    assert not fit(by_match(Match(("10.1.0.0/16",), "udp", ((5060, 5060),))), ipv6(ports=(5060, 5060)))


def test_ports_are_not_looked_for_where_they_are_not():
    rules = by_match(Match((), "udp", ((1, 65_535),)))
    assert fit(rules, ipv4())
    assert not fit(rules, ipv4(offset=100)), "a later fragment"
    assert not fit(rules, ipv4(ihl=6)), "options"


def test_icmp_means_icmpv6_in_ipv6():
    rules = by_match(Match((), "icmp"))
    assert fit(rules, ipv4(protocol=1))
    assert fit(rules, ipv6(protocol=58))
    assert not fit(rules, ipv6(protocol=1))


def test_control_is_what_keeps_a_link_alive():
    discovery = [ipv6(protocol=58, hop_limit=255, payload=bytes([kind, 0, 0, 0])) for kind in range(133, 138)]
    for packet in [(EtherType.ARP, bytes(64)), ipv4(dscp=48), ipv6(dscp=56), *discovery]:
        assert fit(control(), packet)
    echo = ipv6(protocol=58, hop_limit=255, payload=bytes([128, 0, 0, 0]))
    routed = ipv6(protocol=58, hop_limit=64, payload=bytes([135, 0, 0, 0]))
    for packet in [ipv4(dscp=46), ipv6(), echo, routed]:
        assert not fit(control(), packet)


@given(st.integers(0, 65_535), st.integers(0, 65_535))
def test_blocks_cover_a_range_and_nothing_else_with_few_pieces(one, other):
    first, last = sorted((one, other))
    found = list(blocks(first, last))
    assert len(found) <= 30
    for number in {0, 65_535, first, last, max(first - 1, 0), min(last + 1, 65_535), (first + last) // 2}:
        assert any(number & mask == value for value, mask in found) == (first <= number <= last)


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses())
def test_a_destination_matches_exactly_its_network(address, length, probe):
    length = min(length, address.max_prefixlen)
    network = ip_network(f"{address}/{length}", strict=False)
    packet = ipv4(destination=str(probe)) if probe.version == 4 else ipv6(destination=str(probe))
    assert fits(by_destination(str(network)), packet) == (probe in network)
    inside = ip_address(int(network.network_address) | (int(probe) & int(network.hostmask)))
    if inside.version == network.version:
        packet = ipv4(destination=str(inside)) if inside.version == 4 else ipv6(destination=str(inside))
        assert fits(by_destination(str(network)), packet)


def test_everything_is_everything():
    assert all(fits(EVERYTHING, packet) for packet in [ipv4(), ipv6(), (EtherType.ARP, bytes(64))])
