"""Which packets belong to a traffic class, as conditions on the words of their header.

A rule is what the kernel's u32 classifier compares: 32-bit words at offsets from the start of the IP header, each under
a mask. Ports are found where they lie without IPv4 options, IPv6 extension headers or fragmentation; a packet with
those is known by its mark (DSCP) only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product

PROTOCOLS = {"tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmp": 1, "sctp": 132}
_ICMPV6 = 58
_NEIGHBOUR_DISCOVERY = (133, 137)
_CONTROL_MARKS = (48, 56)


class EtherType(IntEnum):
    """What a rule applies to (linux/if_ether.h), in the order in which rules are asked."""

    ARP = 0x0806
    IPV4 = 0x0800
    IPV6 = 0x86DD
    ALL = 0x0003


@dataclass(frozen=True, slots=True)
class Word:
    """A 32-bit word of the header, in network order, and what it must be under a mask."""

    offset: int
    mask: int
    value: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A packet fits when its type does and all words do."""

    ether_type: EtherType
    words: tuple[Word, ...]


EVERYTHING = Rule(EtherType.ALL, (Word(0, 0, 0),))


@dataclass(frozen=True, slots=True)
class Match:
    """Packets by networks, protocol and ports. Networks and ports hold for either side of a conversation."""

    prefixes: tuple[str, ...] = ()
    protocol: str | None = None
    ports: tuple[tuple[int, int], ...] = ()


def by_mark(code_point: int) -> tuple[Rule, ...]:
    """Return the rules for packets with a DSCP (RFC 2474), 0 to 63."""
    return (
        Rule(EtherType.IPV4, (Word(0, 0x00FC0000, code_point << 18),)),
        Rule(EtherType.IPV6, (Word(0, 0x0FC00000, code_point << 22),)),
    )


def by_match(match: Match) -> tuple[Rule, ...]:
    """Return the rules for packets that fit a match."""
    return tuple(
        dict.fromkeys(
            Rule(ether_type, words)
            for version, ether_type in ((4, EtherType.IPV4), (6, EtherType.IPV6))
            for words in _conversations(match, version)
        )
    )


def by_destination(prefix: str) -> Rule:
    """Return the rule for packets to a network."""
    network = ip_network(prefix)
    return Rule(EtherType.IPV4 if network.version == 4 else EtherType.IPV6, tuple(_address(network, source=False)))


def control() -> tuple[Rule, ...]:
    """Return the rules for what keeps a link alive: ARP, neighbour discovery (RFC 4861), CS6 and CS7 (RFC 4594 3.1)."""
    discovery = tuple(
        Rule(EtherType.IPV6, (Word(4, 0xFFFF, _ICMPV6 << 8 | 255), Word(40, mask << 24, value << 24)))
        for value, mask in blocks(*_NEIGHBOUR_DISCOVERY, bits=8)
    )
    marks = tuple(rule for mark in _CONTROL_MARKS for rule in by_mark(mark))
    return (Rule(EtherType.ARP, EVERYTHING.words), *marks, *discovery)


def blocks(first: int, last: int, *, bits: int = 16) -> Iterator[tuple[int, int]]:
    """Yield the fewest (value, mask) that together cover a range of numbers of so many bits, and nothing else."""
    every = (1 << bits) - 1
    while first <= last:
        size = first & -first or 1 << bits
        while first + size - 1 > last:
            size >>= 1
        yield first, every & ~(size - 1)
        first += size


def _conversations(match: Match, version: int) -> Iterator[tuple[Word, ...]]:
    networks = [network for network in map(ip_network, match.prefixes) if network.version == version]
    if match.prefixes and not networks:
        return
    sides = [tuple(_address(network, source=source)) for network in networks for source in (True, False)] or [()]
    ports: list[tuple[Word, ...]] = [(word,) for span in match.ports for word in _ports(span, version)] or [()]
    protocol = tuple(_protocol(match, version))
    for side, port in product(sides, ports):
        yield protocol + side + port


def _protocol(match: Match, version: int) -> Iterator[Word]:
    if match.protocol is None:
        return
    number = _ICMPV6 if version == 6 and match.protocol == "icmp" else PROTOCOLS[match.protocol]
    if version == 6:
        yield Word(4, 0x0000FF00, number << 8)
        return
    yield Word(8, 0x00FF0000, number << 16)
    if match.ports:
        yield Word(0, 0x0F000000, 0x05000000)  # no options: the ports follow at once
        yield Word(4, 0x00001FFF, 0)  # the first fragment or the only one: the others have no ports


def _ports(span: tuple[int, int], version: int) -> Iterator[Word]:
    offset = 20 if version == 4 else 40
    for value, mask in blocks(*span):
        yield Word(offset, mask << 16, value << 16)
        yield Word(offset, mask, value)


def _address(network: IPv4Network | IPv6Network, *, source: bool) -> Iterator[Word]:
    """Yield the words of an address's header field under a network's mask; a whole family needs none."""
    start = (12 if source else 16) if network.version == 4 else (8 if source else 24)
    address, mask = network.network_address.packed, network.netmask.packed
    for position in range(0, len(address), 4):
        word_mask = int.from_bytes(mask[position : position + 4], "big")
        if word_mask or not position:
            yield Word(start + position, word_mask, int.from_bytes(address[position : position + 4], "big"))
