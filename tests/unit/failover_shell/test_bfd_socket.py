from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from failover.io.bfd_socket import FIRST_SOURCE_PORT, TTL, Receiver, Sender
from lifeline import clock

HOME = {4: "127.0.0.1", 6: "::1"}
LOOPBACK = socket.if_nametoindex("lo")


@pytest.fixture(params=[4, 6])
def version(request: pytest.FixtureRequest) -> int:
    if request.param == 6 and not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    found: int = request.param
    return found


@pytest.fixture
def receiver(version: int) -> Iterator[Receiver]:
    opened = Receiver(version, "lo")
    yield opened
    opened.close()


@pytest.fixture
def sender(version: int) -> Iterator[Sender]:
    opened = Sender(version, "lo", LOOPBACK, HOME[version], HOME[version], port_hint=3)
    yield opened
    opened.close()


def test_a_packet_arrives_with_ttl_and_the_kernel_s_time(version: int, receiver: Receiver, sender: Sender) -> None:
    # The kernel turns stamping on in the background when the first socket asks (net_enable_timestamp): until then a
    # packet is stamped when it is read. So a stamp of arrival is awaited, not expected of the first packet.
    for _attempt in range(50):
        before = clock.monotonic_s()
        sender.send(b"one")
        sent = clock.monotonic_s()
        select.select([receiver], [], [], 1)
        select.select([], [], [], 0.02)  # read late: the stamp must be that of arrival all the same
        read = clock.monotonic_s()
        (datagram,) = receiver.drain()
        assert (datagram.payload, datagram.source, datagram.ttl) == (b"one", HOME[version], TTL)
        assert datagram.received_at >= before - 0.001
        if datagram.received_at <= (sent + read) / 2:
            return
    pytest.fail("no packet bore the time of its arrival")


def test_nothing_waits_is_nothing(receiver: Receiver) -> None:
    assert list(receiver.drain()) == []


def test_the_source_port_is_in_the_range_of_rfc_5881(version: int, sender: Sender) -> None:
    assert sender._socket.getsockname()[1] >= FIRST_SOURCE_PORT
    second = Sender(version, "lo", LOOPBACK, HOME[version], HOME[version], port_hint=3)
    assert second._socket.getsockname()[1] not in {sender._socket.getsockname()[1], 0}
    second.close()


def test_a_lower_ttl_is_told(version: int, receiver: Receiver, sender: Sender) -> None:
    level, option = (
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if version == 6 else (socket.IPPROTO_IP, socket.IP_TTL)
    )
    sender._socket.setsockopt(level, option, 254)
    sender.send(b"from further away")
    select.select([receiver], [], [], 1)
    assert [datagram.ttl for datagram in receiver.drain()] == [254]


def test_a_missing_interface_and_a_missing_address_are_errors() -> None:
    with pytest.raises(OSError, match="No such device"):
        Receiver(4, "nosuch0")
    with pytest.raises(OSError, match="assign requested address"):
        Sender(4, "lo", LOOPBACK, "192.0.2.1", "192.0.2.2", port_hint=1)


def test_a_port_that_another_daemon_holds_is_an_error(version: int, receiver: Receiver) -> None:
    with pytest.raises(OSError, match="in use"):
        Receiver(version, "lo")
