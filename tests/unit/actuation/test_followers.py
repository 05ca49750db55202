"""Vendors' simulated routers follow a selector over real SSH: changed, checked, tried again, ordered, on record."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import TypeAdapter
from vendor_cli import VENDORS, Router
from vendor_ssh import USER, VendorServer

from failover.actuator_plan import ActuatorPlan, compile_actuators
from failover.agent.followers import ORDER, Followers
from failover.agent.intake import Intake
from failover.agent.record import Record
from failover.core import follow
from failover.io.actuators import SshDevice, Timeouts, planned_device
from lifeline.model.inventory import Inventory
from lifeline.model.records import EventKind
from lifeline.runtime.outbox import Outbox
from lifeline.runtime.wire import Command

PASSWORD = "Tr0ub4dor-and-3"
PORT = "GigabitEthernet0/1"
KEY = ("group:pg", follow.ACTUATION_FAILED)
PLATFORMS = tuple(VENDORS)


def inventory(driver, port):
    def side(fibre, satellite, cost):
        return [
            {"route": "10.50.0.0/16", "next_hop": "10.0.0.2", "distance": fibre},
            {"route": "10.50.0.0/16", "next_hop": "10.0.1.2", "distance": satellite},
            {"interface": PORT, "ospf_cost": cost},
        ]

    end = {"interface": "eth0", "address": "10.64.0.1/30"}, {"interface": "eth0", "address": "10.64.0.2/30"}
    link = {"media": "fibre", "a": {"site": "sbs", **end[0]}, "b": {"site": "core", **end[1]}}
    return TypeAdapter(Inventory).validate_python({
        "lifeline": 1,
        "credentials": {"routers": {"kind": "ssh", "user": USER, "secret": {"env": "FOLLOWER_PASSWORD"}}},
        "sites": {
            "sbs": {"kind": "super-base-station", "name": "Station", "agent": True},
            "core": {
                "kind": "core-room-wired", "name": "Core", "agent": True,
                "devices": {"edge": {"kind": "router", "address": "127.0.0.1", "credential": "routers"}},
            },
        },
        "links": {"fibre": link, "sat": link},
        "protection_groups": {"pg": {
            "working": "fibre", "protection": "sat", "prefixes": {"sbs": ["10.0.0.0/16"], "core": ["10.50.0.0/16"]},
            "actuators": {"core": {
                "device": "edge", "driver": driver, "port": port, "check_s": 3600,
                "working": side(10, 200, 10), "protection": side(250, 20, 1000),
            }},
        }},
    })  # fmt: skip


class Site:
    """A site's followers, its router, and what is told."""

    def __init__(self, driver, folder, monkeypatch):
        mask = "16" if driver == "hp_comware" else "255.255.0.0"
        said = "" if driver == "cisco_ios" else "preference "
        self.router = Router(
            routes={f"10.50.0.0 {mask} 10.0.0.2": f"{said}10 tag 7", f"10.50.0.0 {mask} 10.0.1.2": f"{said}200"},
            costs={PORT: 10},
        )
        self.server = VendorServer(VENDORS[driver], self.router, PASSWORD)
        monkeypatch.setenv("FOLLOWER_PASSWORD", PASSWORD)
        self.known_hosts = self.server.known_hosts(folder / "known_hosts")
        self.folder = folder
        (self.plan,) = compile_actuators(inventory(driver, self.server.port), "core")
        self.plan = ActuatorPlan.from_json(json.loads(json.dumps(self.plan.to_json())))
        self.outbox = Outbox(folder / "outbox.db", "core/agent")
        self.outbox.open()
        self.record = Record(folder / "record.json")
        self.record.load(self.outbox)
        self.intake = Intake("core", self.outbox, self.record)
        self.states = {}
        self.followers = Followers(
            "core",
            [self.plan],
            ["pg"],
            self.device,
            self.intake,
            lambda subject, body: self.states.update({subject: body}),
        )

    def device(self, plan):
        made = planned_device(plan, self.known_hosts, self.folder)
        assert isinstance(made, SshDevice)
        return replace(made, timeouts=Timeouts(connect_s=5, auth_s=5, read_s=2))

    @property
    def state(self):
        return self.states["actuation:core/pg"]

    @property
    def values(self):
        """Distances by next hop, and the cost."""
        words = {hop: rest.removeprefix("preference ").split()[0] for hop, rest in self.router.routes.items()}
        return [words[hop] for hop in sorted(words)] + [self.router.costs[PORT]]

    def events(self):
        return [e.body for e in self.outbox.pending(limit=1000) if e.kind is EventKind.ACTUATION]

    def command(self, *, dry_run):
        return Command("c1", "actuation:core/pg", ORDER, 7, "li", dry_run=dry_run)


WORKING, PROTECTION = ["10", "200", 10], ["250", "20", 1000]


@asynccontextmanager
async def site(driver, folder, monkeypatch):
    folder.mkdir()
    made = Site(driver, folder, monkeypatch)
    running = asyncio.create_task(made.followers.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait([running])
        await asyncio.to_thread(made.server.close)
        made.outbox.close()


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is awaited is a router, which sets no event
            await asyncio.sleep(0.02)


async def test_routers_of_every_vendor_follow_there_and_back(tmp_path, monkeypatch):
    async def check(driver):
        async with site(driver, tmp_path / driver, monkeypatch) as there:
            there.followers.selected("pg", "protection")
            await until(lambda: there.states and there.state["stands"] == "protection")
            assert there.values == PROTECTION
            requested, done = there.events()
            assert (requested["phase"], requested["selector"], requested["why"]) == (
                "requested",
                "protection",
                "switch",
            )
            assert (done["phase"], done["result"]) == ("done", "changed")
            assert done["commands"]
            there.followers.selected("pg", "protection")
            there.followers.selected("pg", "working")
            await until(lambda: there.state["stands"] == "working")
            assert there.values == WORKING
            assert "tag 7" in next(iter(there.router.routes.values()))
            assert [body["phase"] for body in there.events()] == ["requested", "done"] * 2
            assert there.server.most_at_once == 1
            assert there.record.raised == {}

    outcomes = await asyncio.gather(*map(check, PLATFORMS), return_exceptions=True)
    for driver, outcome in zip(PLATFORMS, outcomes, strict=True):
        if outcome is not None:
            outcome.add_note(driver)
            raise outcome


async def test_a_router_that_is_away_is_told_and_changed_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "BACKOFF_FIRST_S", 0.05)
    async with site("huawei_vrp", tmp_path / "x", monkeypatch) as there:
        there.server.refuses = True
        there.followers.selected("pg", "protection")
        await until(lambda: KEY in there.record.raised)
        assert "cannot be reached" in there.record.raised[KEY].text
        await until(lambda: there.state["failures"] >= 2)
        assert [body["phase"] for body in there.events()] == ["requested", "failed"], (
            "a retry that reads nothing is no news"
        )
        there.server.refuses = False
        await until(lambda: there.state["stands"] == "protection")
        assert there.values == PROTECTION
        assert KEY not in there.record.raised
        assert [body["why"] for body in there.events()] == ["switch", "switch", "retry", "retry"]


async def test_the_newest_selection_wins_while_the_router_thinks(tmp_path, monkeypatch):
    async with site("huawei_vrp", tmp_path / "x", monkeypatch) as there:
        there.router.faults.slow, there.router.faults.slow_s = "system-view", 0.3
        there.followers.selected("pg", "protection")
        await until(lambda: "system-view" in there.router.typed)
        for selector in ("working", "protection", "working"):
            there.followers.selected("pg", selector)
        await until(lambda: there.states and there.state["stands"] == "working")
        assert there.values == WORKING
        assert [body["selector"] for body in there.events() if body["phase"] == "done"] == ["protection", "working"]
        assert there.server.most_at_once == 1


async def test_what_others_changed_is_found_and_put_right_by_a_check(tmp_path, monkeypatch):
    async with site("huawei_vrp", tmp_path / "x", monkeypatch) as there:
        there.followers._routers["pg"]._follower.check_s = 0.2
        there.followers.selected("pg", "working")
        await until(lambda: there.states and there.state["stands"] == "working")
        count = len(there.events())
        there.router.costs[PORT] = 77
        await until(lambda: there.values == WORKING)
        await until(lambda: len(there.events()) == count + 2)
        assert there.events()[-1]["why"] == "check"
        assert any("77" in line for line in there.events()[-1]["before"])


async def test_an_order_is_predicted_and_then_obeyed(tmp_path, monkeypatch):
    async with site("cisco_ios", tmp_path / "x", monkeypatch) as there:
        unknown = await there.followers.carry_out(there.command(dry_run=True))
        assert not unknown.accepted
        assert "not known which path" in unknown.reason
        there.followers.selected("pg", "working")
        await until(lambda: there.states and there.state["stands"] == "working")
        nothing = await there.followers.carry_out(there.command(dry_run=True))
        assert nothing.accepted
        assert "type nothing" in nothing.reason
        there.router.costs[PORT] = 77
        predicted = await there.followers.carry_out(there.command(dry_run=True))
        assert "ip ospf cost 10" in predicted.reason
        assert there.router.costs[PORT] == 77, "nothing was done"
        done = await there.followers.carry_out(there.command(dry_run=False))
        assert done.accepted
        assert there.values == WORKING
        assert (there.events()[-1]["why"], there.events()[-1]["by"]) == ("order", "li")
        there.server.refuses = True
        refused = await there.followers.carry_out(there.command(dry_run=True))
        assert not refused.accepted
        assert "cannot be reached" in refused.reason
        elsewhere = await there.followers.carry_out(replace(there.command(dry_run=True), target="actuation:core/pg-9"))
        assert not elsewhere.accepted


def test_orders_are_fenced_over_lives(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db", "core/agent")
    outbox.open()
    for token, admitted in ((7, True), (6, False), (7, True), (9, True), (8, False)):
        record = Record(tmp_path / "record.json")
        record.load(outbox)
        assert Intake("core", outbox, record).admits(token) is admitted
    outbox.close()


@pytest.mark.parametrize("driver", ["vtysh", "linux"])
def test_frr_is_reached_on_this_machine_or_by_ssh(driver):
    (plan,) = compile_actuators(inventory(driver, 22), "core")
    made = planned_device(plan)
    assert made.name == "core/edge"
    assert made.dialect.platform == "linux"
    assert isinstance(made, SshDevice) is (driver == "linux")
