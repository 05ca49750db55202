"""Satellite paths under traffic: delay, order, rate, loss, and what TCP makes of them."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.drivers import linux
from lab.drivers.preflight import has_netem
from lab.lab import Lab
from lifeline.clock import monotonic_ns, monotonic_s

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests as root"),
]
NAME = f"s{os.getpid()}"
CORE, SITE = "10.9.0.1", "10.9.0.2"
TOPOLOGY = f"""\
name: satellite
topology:
  defaults: {{kind: linux}}
  nodes:
    core: {{exec: [ip address replace {CORE}/24 dev sat0]}}
    site: {{exec: [ip address replace {SITE}/24 dev sat]}}
  links:
    - endpoints: [core:sat0, site:sat]
      vars: {{id: sat, media: satellite, delay_ms: 50, jitter_ms: 5}}
"""
RECORD = struct.Struct("!QQ")


@pytest.fixture(scope="module", params=["relay", "netem"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if request.param == "netem" and not has_netem():
        pytest.skip("this kernel has no sch_netem")
    path = tmp_path_factory.mktemp("satellite") / "satellite.clab.yml"
    path.write_text(TOPOLOGY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.drivers.satellite.has_netem", lambda: request.param == "netem")
        deployed = Lab.up(path, name=NAME, with_daemons=False)
    try:
        yield deployed
    finally:
        Lab.down(NAME)


@pytest.fixture(autouse=True)
def _healed(lab: Lab) -> Iterator[None]:
    yield
    lab.faults.heal()


def at(lab: Lab, node: str, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """Return a socket of a node, bound; a socket stays in the namespace it was made in."""
    with linux.network_namespace(lab.netns_path(node)):
        made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    made.settimeout(1.0)
    made.bind((address, port))
    return made


def flow(lab: Lab, count: int, gap_s: float, size: int) -> list[tuple[int, float]]:
    """Send numbered datagrams from core to site; return (number, milliseconds under way) in the order of arrival."""
    arrived: list[tuple[int, float]] = []
    with (
        at(lab, "core", socket.SOCK_DGRAM, CORE, 5000) as sender,
        at(lab, "site", socket.SOCK_DGRAM, SITE, 5000) as receiver,
    ):
        for _ in range(20):  # ARP takes its round trip first, and on a lossy path its chances
            sender.sendto(b"hello", (SITE, 5000))
            if select.select([receiver], [], [], 0.5)[0]:
                break

        def listen() -> None:
            try:
                while True:
                    datagram = receiver.recv(2048)
                    if len(datagram) == size:
                        number, sent_ns = RECORD.unpack_from(datagram)
                        arrived.append((number, (monotonic_ns() - sent_ns) / 1e6))
            except TimeoutError:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        pause = threading.Event()
        start = monotonic_s()
        for number in range(count):
            if (ahead := start + number * gap_s - monotonic_s()) > 0:
                pause.wait(ahead)
            sender.sendto(RECORD.pack(number, monotonic_ns()).ljust(size, b"."), (SITE, 5000))
        listener.join()
    return arrived


def test_nothing_is_lost_reordered_or_early(lab: Lab) -> None:
    arrived = flow(lab, count=2000, gap_s=0.0005, size=100)
    assert [number for number, _ms in arrived] == list(range(2000))
    assert min(ms for _number, ms in arrived) > 44.9
    assert sorted(ms for _number, ms in arrived)[1000] < 65


def test_the_rate_holds_and_what_the_queue_cannot_hold_is_dropped(lab: Lab) -> None:
    lab.faults.inject("satellite-degrade", "sat", rate_kbps=2000.0, queue_ms=100.0, jitter_ms=0.0)
    arrived = flow(lab, count=500, gap_s=0.001, size=958)  # 8 Mb/s offered for half a second, 1000 bytes on the wire
    numbers = [number for number, _ms in arrived]
    assert numbers == sorted(numbers)
    assert 125 <= len(numbers) <= 200, "a quarter passes, and what the queue held at the end"
    assert lab.relay_stats()["links"]["sat"]["to_site"]["dropped"] >= 300


def test_loss_is_what_was_asked_for(lab: Lab) -> None:
    lab.faults.inject("satellite-degrade", "sat", loss_pct=20.0)
    assert 700 <= len(flow(lab, count=1000, gap_s=0.0005, size=100)) <= 900


def test_tcp_fills_the_path(lab: Lab) -> None:
    lab.faults.inject("satellite-degrade", "sat", rate_kbps=8000.0)
    with (
        at(lab, "site", socket.SOCK_STREAM, SITE, 6000) as server,
        at(lab, "core", socket.SOCK_STREAM, CORE, 6000) as client,
    ):
        server.listen()
        client.connect((SITE, 6000))
        peer, _address = server.accept()
        with peer:
            sender = threading.Thread(target=client.sendall, args=(bytes(1_500_000),))
            client.settimeout(20)
            peer.settimeout(20)
            sender.start()
            started, received = monotonic_s(), 0
            while received < 1_500_000:
                received += len(peer.recv(65536))
            sender.join()
    mbps = received * 8 / 1e6 / (monotonic_s() - started)
    assert 3 < mbps < 8, "slow start takes its time, the rate its due"


def test_the_log_of_the_relay_is_empty(lab: Lab) -> None:
    log = lab.root / "relay.log"
    assert not log.exists() or Path(log).read_text() == ""
