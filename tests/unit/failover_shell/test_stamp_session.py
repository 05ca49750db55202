from __future__ import annotations

import select
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from failover.core.quality import Quality, QualityConfig
from failover.core.stamp import BASE_LENGTH, STAMP_PORT, TTL, ReflectedPacket, Reflector, SenderPacket
from failover.io.link_socket import LinkSocket
from failover.io.stamp_session import PathEnd, Prober, Responder, timescale
from lifeline import clock

HOME = {4: "127.0.0.1", 6: "::1"}
OTHER = {4: "127.0.0.2", 6: "::2"}
LOOPBACK = socket.if_nametoindex("lo")
CONFIG = QualityConfig(interval_s=0.002, window_s=0.2, ssid=7)


@pytest.fixture(params=[4, 6])
def version(request: pytest.FixtureRequest) -> int:
    if request.param == 6 and not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    found: int = request.param
    return found


@pytest.fixture
def refused() -> Counter[str]:
    return Counter()


@pytest.fixture
def prober(version: int, refused: Counter[str]) -> Iterator[Prober]:
    quality = Quality(CONFIG, timescale(), clock.monotonic_s())
    made = Prober(quality, lambda reason: refused.update([reason]))
    assert made.open(PathEnd(version, "lo", LOOPBACK, HOME[version], HOME[version]))
    yield made
    made.close()


@pytest.fixture
def far_end(version: int) -> Iterator[LinkSocket]:
    """A bare socket where the far end's reflector would be."""
    made = _at_stamp_port(version)
    yield made
    made.close()


@pytest.fixture
def responder(version: int, refused: Counter[str]) -> Iterator[Responder]:
    made = Responder(timescale(), frozenset({HOME[version]}), lambda reason: refused.update([reason]))
    try:
        made.open(version, "lo", LOOPBACK, HOME[version])
    except PermissionError:
        pytest.skip("needs CAP_NET_BIND_SERVICE")
    yield made
    made.close()


def _at_stamp_port(version: int) -> LinkSocket:
    try:
        return LinkSocket(version, "lo", LOOPBACK, HOME[version], STAMP_PORT)
    except PermissionError:
        pytest.skip("needs CAP_NET_BIND_SERVICE")


def wait(*readable: Prober | Responder | LinkSocket) -> None:
    ready, _, _ = select.select(readable, [], [], 2)
    assert ready


def test_probes_are_answered_and_measured(prober: Prober, responder: Responder, refused: Counter[str]) -> None:
    began = clock.monotonic_s()
    while not prober.quality.known:
        assert clock.monotonic_s() - began < 20
        ready, _, _ = select.select([prober, responder], [], [], max(0.0, prober.deadline - clock.monotonic_s()))
        for end in ready:
            end.drain()
        if prober.deadline <= clock.monotonic_s():
            assert prober.handle_timer() is None
    figures = prober.quality.figures
    assert (figures.loss_pct, refused) == (0, Counter())
    assert figures.delay_ms is not None
    assert 0 <= figures.delay_ms < 5
    assert prober.quality.strange == 0
    assert (prober.unsent, prober.trouble) == (0, "")
    assert prober.sent >= prober.answered >= figures.answered
    assert responder.answered >= prober.answered


def test_a_probe_s_departure_is_the_kernel_s(prober: Prober, responder: Responder) -> None:
    before = clock.monotonic_s()
    prober.handle_timer()
    after = clock.monotonic_s()
    ((left, _answer),) = prober.quality._pending
    assert before <= left <= after
    packet_time = left - before
    assert packet_time >= 0
    wait(responder)
    responder.drain()
    wait(prober)
    select.select([], [], [], 0.02)  # read late: the time of arrival must be the kernel's all the same
    prober.drain()
    (delay,) = prober.quality._window.step.delays
    assert delay < 0.015


def test_a_datagram_tells_all_that_is_asked_of_it(version: int) -> None:
    one = LinkSocket(version, "lo", LOOPBACK, HOME[version])
    other = LinkSocket(version, "lo", LOOPBACK, HOME[version])
    one.send(b"x", HOME[version], other.port)
    wait(other)
    (datagram,) = other.drain()
    assert datagram[:5] == (b"x", HOME[version], one.port, TTL, LOOPBACK)
    assert 0 <= clock.monotonic_s() - datagram.received_at < 1
    assert list(one.drain()) == []
    assert one.transmitted(BASE_LENGTH) is None
    one.close()
    other.close()


def answer_to(prober: Prober, far_end: LinkSocket, **changes: int) -> None:
    """Let the prober send, and answer with what is changed."""
    prober.quality._tx_at = 0.0
    prober.handle_timer()
    wait(far_end)
    (probe,) = far_end.drain()
    now = clock.monotonic_s()
    data = Reflector(timescale()).reflect(probe.payload, "x", probe.ttl, now, now)
    far_end.send(ReflectedPacket.decode(data)._replace(**changes).encode(), probe.source, probe.port)
    wait(prober)
    prober.drain()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ssid": 8}, "STAMP answer: of another session"),
        ({"sender_ttl": 254}, "STAMP answer: its probe had arrived with TTL 254, must be 255"),
        ({"error_estimate": 0}, "STAMP answer: Error Estimate has Multiplier 0 (RFC 4656 4.1.2)"),
    ],
)
def test_an_answer_that_proves_nothing_is_refused(
    prober: Prober, far_end: LinkSocket, refused: Counter[str], changes: dict[str, int], reason: str
) -> None:
    answer_to(prober, far_end, **changes)
    assert refused == Counter([reason])
    assert prober.answered == 0


def test_a_reflector_from_before_rfc_8972_is_understood(
    prober: Prober, far_end: LinkSocket, refused: Counter[str]
) -> None:
    answer_to(prober, far_end, ssid=0)
    assert (refused, prober.answered) == (Counter(), 1)


def test_an_answer_from_another_port_is_refused(prober: Prober, version: int, refused: Counter[str]) -> None:
    stranger = LinkSocket(version, "lo", LOOPBACK, HOME[version])
    assert prober._socket is not None
    stranger.send(ReflectedPacket(0, 0, 1, 7, 0, 0, 0, 1, TTL).encode(), HOME[version], prober._socket.port)
    stranger.close()
    wait(prober)
    prober.drain()
    assert refused == Counter(["STAMP answer: not from the far end"])


def test_an_answer_by_another_interface_is_refused(prober: Prober, far_end: LinkSocket, refused: Counter[str]) -> None:
    assert prober._end is not None
    prober._end = prober._end._replace(interface_index=LOOPBACK + 100)
    answer_to(prober, far_end)
    assert refused == Counter([f"STAMP answer: came by interface {LOOPBACK}"])


@pytest.mark.parametrize("towards", ["prober", "responder"])
def test_a_lower_ttl_is_refused(
    prober: Prober, responder: Responder, version: int, refused: Counter[str], towards: str
) -> None:
    level, option = (
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if version == 6 else (socket.IPPROTO_IP, socket.IP_TTL)
    )
    sender = responder if towards == "prober" else prober
    assert sender._socket is not None
    sender._socket._socket.setsockopt(level, option, 254)
    prober.handle_timer()
    wait(responder)
    responder.drain()
    if towards == "prober":
        wait(prober)
        prober.drain()
        assert refused == Counter(["STAMP answer: TTL 254, must be 255"])
    else:
        assert refused == Counter([f"STAMP probe: TTL 254 by interface {LOOPBACK}"])


def test_strangers_and_noise_get_no_answer(responder: Responder, version: int, refused: Counter[str]) -> None:
    noise = LinkSocket(version, "lo", LOOPBACK, HOME[version])
    noise.send(b"noise", HOME[version], STAMP_PORT)
    wait(responder)
    responder.drain()
    responder._remotes = frozenset({OTHER[version]})
    noise.send(SenderPacket(0, 0).encode(), HOME[version], STAMP_PORT)
    wait(responder)
    responder.drain()
    assert refused == Counter(["STAMP probe: 5 bytes, a test packet has 44", "STAMP probe: not from a far end"])
    assert list(noise.drain()) == []
    noise.close()


def test_a_flood_is_taken_in_portions(responder: Responder, version: int) -> None:
    flood = LinkSocket(version, "lo", LOOPBACK, HOME[version])
    for number in range(100):
        flood.send(SenderPacket(number, 0).encode(), HOME[version], STAMP_PORT)
    wait(responder)
    responder.drain()
    assert responder.answered <= 64
    flood.close()


def test_what_cannot_be_opened_is_told(version: int, responder: Responder, refused: Counter[str]) -> None:
    home = HOME[version]
    with pytest.raises(OSError, match="No such device"):
        LinkSocket(version, "nosuch0", 1, home)
    with pytest.raises(OSError, match="in use"):
        LinkSocket(version, "lo", LOOPBACK, home, STAMP_PORT)
    elsewhere = "192.0.2.1" if version == 4 else "2001:db8::1"
    closed = Prober(Quality(CONFIG, timescale(), clock.monotonic_s()), refused.update)
    assert not closed.open(PathEnd(version, "lo", LOOPBACK, elsewhere, home))
    assert "assign requested address" in closed.trouble


def test_a_closed_end_does_nothing_and_loses_nothing(prober: Prober, responder: Responder) -> None:
    prober.close()
    responder.close()
    assert (prober.fileno(), responder.fileno()) == (-1, -1)
    prober.handle_timer()
    prober.drain()
    responder.drain()
    assert (prober.unsent, prober.sent, prober.trouble) == (1, 0, "not open")
    assert not prober.quality._pending


def test_a_probe_that_the_kernel_refuses_is_told_and_no_loss(prober: Prober, version: int) -> None:
    assert prober._end is not None
    refusable = "255.255.255.255" if version == 4 else "2001:db8::1"  # no broadcasts; no route
    prober._end = prober._end._replace(remote=refusable)
    prober.handle_timer()
    assert (prober.sent, prober.unsent) == (0, 1)
    assert refusable in prober.trouble
    assert not prober.quality._pending
