"""APS on real sockets: two ends on loopback, and everybody else who might speak on the port."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from failover.core.aps import APS_PORT, ApsKeys, ApsMessage, ProtectionType, RequestCode, Signal
from failover.fastpath.aps import ApsPost
from failover.fastpath.path import Path
from failover.fastpath.poller import Poller
from failover.fastpath.schedule import Schedule
from failover.io.link_socket import LinkSocket
from failover.io.stamp_session import timescale
from failover.keys import Keys
from failover.plan import GroupPlan, SessionPlan

LOOPBACK = socket.if_nametoindex("lo")
HOME = {("a", "fibre"): "127.0.1.1", ("b", "fibre"): "127.0.1.2", ("a", "sat"): "127.0.2.1", ("b", "sat"): "127.0.2.2"}
PLAN = GroupPlan("pg", 1000, "fibre", "sat", ("10.2.0.0/24",), revertive=True, wtr_ms=500, hold_off_ms=0)
MESSAGE = ApsMessage(RequestCode.NR, ProtectionType.APS, Signal.NULL, Signal.NULL, PLAN.number, 1, 1)


class Group:
    """What a post knows of a group's end."""

    def __init__(self, plan: GroupPlan, working: Path, protection: Path) -> None:
        self.plan, self.working, self.protection = plan, working, protection
        self.by_protection, self.links = protection, (working, protection)
        self.aps_unsent = 0
        self.keys: ApsKeys | None = None


class End(NamedTuple):
    post: ApsPost
    group: Group
    poller: Poller
    heard: list[tuple[str, int]]
    refused: Counter[str]

    def listen(self) -> None:
        self.poller.wait(0.2)
        self.poller.read()


def end(site: str, other: str, *, interface: str = "lo") -> End:
    refused: Counter[str] = Counter()
    poller = Poller()

    def path(link: str, number: int) -> Path:
        plan = SessionPlan(link, interface, HOME[site, link], HOME[other, link], number, 10_000, 3)
        made = Path(plan, 0.0, timescale(), lambda reason: refused.update([reason]), poller, Schedule(), Keys({}))
        made.interface_is(LOOPBACK, carrier=True)
        return made

    group = Group(PLAN, path("fibre", 1), path("sat", 2))
    heard: list[tuple[str, int]] = []

    def deliver(_group: Any, came_by: Path, message: ApsMessage) -> None:
        heard.append((came_by.plan.link, message.group))

    def refuse(reason: str) -> None:
        refused.update([reason])

    post = ApsPost(poller, [group], deliver, refuse, lambda _path, _error: None)  # type: ignore[list-item]  # a stand-in
    return End(post, group, poller, heard, refused)


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    made = end("a", "b"), end("b", "a")
    for one in made:
        assert one.post.listeners.refresh()
    yield made
    for one in made:
        for path in (one.group.working, one.group.protection):
            path.index = None
        one.post.listeners.refresh()


def test_a_message_goes_over_the_protection_path(ends: tuple[End, End]) -> None:
    a, b = ends
    a.post.send(a.group, MESSAGE)  # type: ignore[arg-type]  # a stand-in
    b.listen()
    assert (b.heard, b.refused, a.group.aps_unsent) == ([("sat", PLAN.number)], Counter(), 0)


def say(payload: bytes, source: str, target: str, *, port: int = APS_PORT, ttl: int = 255) -> None:
    sock = LinkSocket(4, "lo", LOOPBACK, source, port)
    try:
        sock._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.send(payload, target, APS_PORT)
    finally:
        sock.close()


def only(one: End) -> None:
    """Leave the port of the other end free."""
    for path in (one.group.working, one.group.protection):
        path.index = None
    one.post.listeners.refresh()


def test_a_message_over_the_working_path_is_told_as_such(ends: tuple[End, End]) -> None:
    a, b = ends
    only(a)
    say(MESSAGE.encode(), HOME["a", "fibre"], HOME["b", "fibre"])
    b.listen()
    assert b.heard == [("fibre", PLAN.number)]


def test_a_stranger_s_group_is_heard_by_the_only_group_that_the_link_protects(ends: tuple[End, End]) -> None:
    a, b = ends
    only(a)
    stranger = replace(MESSAGE, group=7).encode()
    say(stranger, HOME["a", "sat"], HOME["b", "sat"])
    say(stranger, HOME["a", "fibre"], HOME["b", "fibre"])
    b.listen()
    b.listen()
    assert (b.heard, b.refused) == ([("sat", 7)], Counter(["APS: no such group"]))


@pytest.mark.parametrize(
    ("payload", "source", "options", "reason"),
    [
        (MESSAGE.encode(), HOME["a", "sat"], {"ttl": 254}, "APS: TTL 254, must be 255"),
        (MESSAGE.encode(), HOME["a", "sat"], {"port": 7785}, "APS: not from a far end"),
        (MESSAGE.encode(), "127.0.9.9", {}, "APS: not from a far end"),
        (b"hello", HOME["a", "sat"], {}, "APS: 5 bytes, an APS message has at least 24"),
    ],
)
def test_what_proves_nothing_is_refused(
    ends: tuple[End, End], payload: bytes, source: str, options: dict[str, int], reason: str
) -> None:
    a, b = ends
    only(a)
    say(payload, source, HOME["b", "sat"], **options)
    b.listen()
    assert (b.heard, b.refused) == ([], Counter([reason]))


def test_without_a_socket_a_message_counts_as_unsent(ends: tuple[End, End]) -> None:
    a, _b = ends
    only(a)
    a.post.send(a.group, MESSAGE)  # type: ignore[arg-type]  # a stand-in
    assert a.group.aps_unsent == 1


def test_a_port_that_is_taken_is_told_and_taken_once_it_is_free(capfd: pytest.CaptureFixture[str]) -> None:
    squatter = LinkSocket(4, "lo", LOOPBACK, HOME["a", "sat"], APS_PORT)
    a = end("a", "b")
    assert not a.post.listeners.refresh()
    assert not a.post.listeners.refresh()
    assert a.post.listeners.troubles == ["UDP port 7784, 127.0.2.1 on lo: Address already in use"]
    assert capfd.readouterr().err.count("Address already in use") == 1
    squatter.close()
    assert a.post.listeners.refresh()
    assert a.post.listeners.troubles == []
    only(a)
