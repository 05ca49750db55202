"""The keeper in a namespace of its own: divides, tells, notices what others do, lets go of what is planned no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from failover_world import run
from inside import inside

from failover.agent.traffic import AUDIT_TICKS, TrafficKeeper
from failover.core.shaping import ClassTraffic, LinkTraffic
from failover.core.traffic_report import NOT_DIVIDED
from failover.traffic_plan import InterfaceTraffic, TrafficPlan

pytestmark = pytest.mark.lab

T = TypeVar("T")
CLASSES = (
    ClassTraffic("voice", 1, 1_000_000, 3_800_000, 60, marks=(46,)),
    ClassTraffic("data", 3, 500_000, 3_800_000, 500),
)
LINK = LinkTraffic("sat-x", 3_800_000, 50_000, (), CLASSES)
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


def keep(namespace: str, plan: TrafficPlan, work: Callable[[TrafficKeeper], T]) -> T:
    def whole() -> T:
        keeper = TrafficKeeper(plan)
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
