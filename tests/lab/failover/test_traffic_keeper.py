"""The keeper in a namespace of its own: divides, tells, notices what others do, lets go of what is planned no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from failover_world import run
from inside import inside

from failover.agent.traffic import AUDIT_TICKS, TrafficKeeper
from failover.core.shaping import ClassTraffic, LinkTraffic
from failover.core.traffic_report import CAPACITY_REDUCED, NOT_DIVIDED
from failover.traffic_plan import InterfaceTraffic, TrafficPlan
from lifeline.runtime.capacity import Capacities, tell, withdraw

pytestmark = pytest.mark.lab

T = TypeVar("T")
CLASSES = (
    ClassTraffic("voice", 1, 1_000_000, 3_800_000, 60, marks=(46,)),
    ClassTraffic("data", 3, 500_000, 3_800_000, 500),
)
LINK = LinkTraffic("sat-x", 3_800_000, 50_000, (), CLASSES, capacity_bps=4_000_000)
PLAN = TrafficPlan("sbs-x", (InterfaceTraffic("sat", (LINK,)),), ())
KEY = ("link:sat-x", NOT_DIVIDED)


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"tk{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        yield name
    finally:
        run("ip", "netns", "delete", name)


def keep(namespace: str, plan: TrafficPlan, work: Callable[[TrafficKeeper], T], told: Path = Path("/nonexistent")) -> T:
    def whole() -> T:
        keeper = TrafficKeeper(plan, Capacities(told))
        try:
            return work(keeper)
        finally:
            keeper.close()

    return inside(namespace, whole)


def add_interface(namespace: str) -> None:
    run("ip", "-n", namespace, "link", "add", "sat", "type", "veth", "peer", "name", "far")
    for name in ("sat", "far"):
        run("ip", "-n", namespace, "link", "set", name, "up")


def test_it_waits_for_an_interface_and_divides_it_when_it_comes(namespace: str) -> None:
    def work(keeper: TrafficKeeper) -> None:
        keeper.tick()
        assert keeper.judgement[KEY] is not None
        assert keeper.states["traffic:sat-x"]["divided"] is False
        add_interface(namespace)
        keeper.tick()
        assert keeper.judgement[KEY] is None
        state = keeper.states["traffic:sat-x"]
        assert state["divided"] is True
        assert [body["class"] for body in state["classes"]] == ["control", "voice", "data"]
        assert [body["kbps"] for body in state["classes"]] == [None] * 3
        keeper.tick()
        assert all(body["kbps"] is not None for body in keeper.states["traffic:sat-x"]["classes"])

    keep(namespace, PLAN, work)


def test_what_others_take_away_is_put_back(namespace: str) -> None:
    add_interface(namespace)

    def work(keeper: TrafficKeeper) -> None:
        keeper.tick()
        run("tc", "-n", namespace, "qdisc", "delete", "dev", "sat", "root")
        for _tick in range(AUDIT_TICKS):
            keeper.tick()
        assert "htb 11ff:" in run("tc", "-n", namespace, "qdisc", "show", "dev", "sat")

    keep(namespace, PLAN, work)


def test_what_is_planned_no_more_is_let_go(namespace: str) -> None:
    add_interface(namespace)
    keep(namespace, PLAN, lambda keeper: keeper.tick())
    assert "htb 11ff:" in run("tc", "-n", namespace, "qdisc", "show", "dev", "sat"), "it stands without the keeper"
    keep(namespace, TrafficPlan("sbs-x", (), ()), lambda keeper: keeper.tick())
    assert "htb" not in run("tc", "-n", namespace, "qdisc", "show", "dev", "sat")


def test_in_rain_the_link_is_divided_for_what_it_carries_and_nothing_that_waits_is_lost(
    namespace: str, tmp_path: Path
) -> None:
    add_interface(namespace)

    def classes() -> str:
        return run("tc", "-n", namespace, "class", "show", "dev", "sat")

    def sent(keeper: TrafficKeeper) -> int:
        return sum(body["sent_packets"] for body in keeper.states["traffic:sat-x"]["classes"])

    def work(keeper: TrafficKeeper) -> None:
        keeper.tick()
        run("ip", "-n", namespace, "address", "add", "10.66.0.1/24", "dev", "sat")
        run("ip", "netns", "exec", namespace, "ping", "-c1", "-W1", "-n", "10.66.0.9", check=False)  # its ARP counts
        keeper.tick()
        before = sent(keeper)
        assert before > 0
        assert keeper.judgement["link:sat-x", CAPACITY_REDUCED] is None

        tell(tmp_path, "sat-x", 2000, "modem")
        keeper.tick()
        assert "rate 1900Kbit ceil 1900Kbit" in classes(), "95 % of what the modem says"
        assert sent(keeper) >= before, "the queues are the same ones"
        state = keeper.states["traffic:sat-x"]
        assert (state["rate_kbps"], state["planned_rate_kbps"], state["told_by"]) == (1900, 3800, "modem")
        assert [body["kbps"] is not None for body in state["classes"]] == [True] * 3
        reduced = keeper.judgement["link:sat-x", CAPACITY_REDUCED]
        assert reduced is not None
        assert reduced.detail["cut"] == []

        tell(tmp_path, "sat-x", 1000, "operator")
        keeper.tick()
        assert keeper.states["traffic:sat-x"]["rate_kbps"] == 950, "the least that anybody says"
        reduced = keeper.judgement["link:sat-x", CAPACITY_REDUCED]
        assert reduced is not None
        assert reduced.detail["cut"] == ["voice", "data"]

        assert withdraw(tmp_path, "sat-x", "operator")
        assert withdraw(tmp_path, "sat-x", "modem")
        keeper.tick()
        assert keeper.states["traffic:sat-x"]["rate_kbps"] == 3800
        assert keeper.judgement["link:sat-x", CAPACITY_REDUCED] is None
        assert sent(keeper) >= before

    keep(namespace, PLAN, work, tmp_path)
