"""The doorman in the kernel, by what it does there: packets on loopback, and who of them comes in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from failover.core.bfd_filter import SESSIONS_MAX, bfd_filter
from failover.core.packet import BfdPacketError, ControlPacket, State
from failover.io.bfd_socket import admit_only

BITS = 12
PEERS = [("127.0.0.2", 7), ("127.0.0.3", 8), ("127.1.0.2", 7)]
UP = ControlPacket(State.UP, 0x11223344, 0xABCDE000 | 7, 10_000, 10_000, 3)
WITH_AUTH = UP.encode_with(b"\x05\x1c" + bytes(26))


@dataclass
class Door:
    """A socket behind the filter; `passes` sends to it and tells whether it came in."""

    receiver: socket.socket
    version: int

    def passes(self, payload: bytes, source: str = "127.0.0.2", ttl: int = 255) -> bool:
        family = socket.AF_INET6 if self.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            if self.version == 6:
                sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            else:
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            sender.bind((source, 0))
            sender.sendto(payload, self.receiver.getsockname()[:2])
        try:
            assert self.receiver.recv(2048) == payload  # loopback delivers before sendto returns
        except BlockingIOError:
            return False
        return True


def door(version: int, peers: list[tuple[str, int]]) -> Door:
    receiver = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setblocking(False)
    admit_only(receiver, bfd_filter(version, peers, BITS))
    receiver.bind(("::1" if version == 6 else "127.0.0.1", 0))
    return Door(receiver, version)


@pytest.fixture
def ipv4() -> Iterator[Door]:
    opened = door(4, PEERS)
    yield opened
    opened.receiver.close()


def spoilt(offset: int, value: int) -> bytes:
    data = bytearray(UP.encode())
    data[offset] = value
    return bytes(data)


DOWN_TO_NOBODY = replace(UP, state=State.DOWN, your_discriminator=0).encode()


@pytest.mark.parametrize(
    ("payload", "source", "ttl"),
    [
        (UP.encode(), "127.0.0.2", 255),
        (WITH_AUTH, "127.0.0.2", 255),
        (UP.encode() + b"padding", "127.0.0.2", 255),
        (DOWN_TO_NOBODY, "127.0.0.2", 255),
        (DOWN_TO_NOBODY, "127.0.0.3", 255),
        (replace(UP, your_discriminator=8).encode(), "127.0.0.3", 255),
        (UP.encode(), "127.1.0.2", 255),
    ],
)
def test_what_may_be_for_a_session_comes_in(ipv4: Door, payload: bytes, source: str, ttl: int) -> None:
    assert ipv4.passes(payload, source, ttl)


@pytest.mark.parametrize(
    ("payload", "source", "ttl"),
    [
        (UP.encode(), "127.0.0.2", 254),
        (UP.encode(), "127.0.0.4", 255),
        (DOWN_TO_NOBODY, "127.0.0.4", 255),
        (UP.encode(), "127.0.0.3", 255),  # speaks to another's session
        (replace(UP, your_discriminator=0xABCDE000).encode(), "127.0.0.2", 255),
        (b"", "127.0.0.2", 255),
        (UP.encode()[:-1], "127.0.0.2", 255),
        (spoilt(0, 0x40), "127.0.0.2", 255),  # version 2
        (spoilt(1, 0xC1), "127.0.0.2", 255),  # multipoint
        (spoilt(2, 0), "127.0.0.2", 255),  # Detect Mult
        (spoilt(3, 23), "127.0.0.2", 255),  # Length
        (spoilt(3, 25), "127.0.0.2", 255),
        (WITH_AUTH[:-1], "127.0.0.2", 255),
        (UP.encode()[:4] + bytes(4) + UP.encode()[8:], "127.0.0.2", 255),  # My Discriminator
    ],
)
def test_what_can_be_for_none_stays_outside(ipv4: Door, payload: bytes, source: str, ttl: int) -> None:
    assert not ipv4.passes(payload, source, ttl)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60) | st.binary(min_size=22, max_size=60).map(lambda tail: b"\x20\xc0\x03\x18" + tail))
def test_whatever_the_parser_takes_comes_in(ipv4: Door, data: bytes) -> None:
    try:
        packet = ControlPacket.decode(data)
    except BfdPacketError:
        return
    for_us = packet.your_discriminator == 0 or packet.your_discriminator & 0xFFF == 7
    assert ipv4.passes(data) is for_us


def test_ipv6() -> None:
    known, unknown = door(6, [("fe80::1234", 7), ("::1", 7)]), door(6, [("fe80::2", 7)])
    with known.receiver, unknown.receiver:
        assert known.passes(UP.encode(), "::1")
        assert not known.passes(UP.encode(), "::1", 64)
        assert not known.passes(replace(UP, your_discriminator=9).encode(), "::1")
        assert not unknown.passes(UP.encode(), "::1")


def test_a_program_for_as_many_sessions_as_fit_and_one_for_more() -> None:
    many = [(f"10.0.{number // 250}.{1 + number % 250}", number) for number in range(1, SESSIONS_MAX + 1)]
    full, over = door(4, [*many[1:], ("127.0.0.2", 7)]), door(4, [*many, ("127.0.0.9", 7)])
    with full.receiver, over.receiver:
        assert full.passes(UP.encode())
        assert not full.passes(UP.encode(), "127.0.0.5")
        assert over.passes(UP.encode(), "127.0.0.5")  # no room to look at senders
        assert not over.passes(UP.encode(), ttl=254)
