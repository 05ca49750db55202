"""A real FRR follows a selector: by vtysh on its own node, and by its real sshd, through the agent's own machinery."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from failover.actuator_plan import ActuatorPlan, SettingPlan
from failover.agent.followers import Followers
from failover.agent.intake import Intake
from failover.agent.record import Record
from failover.io.actuators import Device, LocalFrr, SshDevice, planned_device
from lab.drivers import linux
from lab.lab import DEFAULT_INVENTORY, Lab
from lifeline.model.records import EventKind
from lifeline.runtime.outbox import Outbox

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests as root"),
]
NAME = f"fol{os.getpid()}"
TOPOLOGY = """\
name: follow
topology:
  defaults: {kind: linux, labels: {lifeline.services: "zebra, staticd, sshd"}}
  nodes:
    edge: {exec: [ip address replace 10.9.0.1/24 dev fibre, ip address replace 10.9.1.1/24 dev sat]}
    core: {exec: [ip address replace 10.9.0.2/24 dev fibre, ip address replace 10.9.1.2/24 dev sat]}
  links:
    - {endpoints: [edge:fibre, core:fibre], vars: {id: fibre, media: fibre}}
    - {endpoints: [edge:sat, core:sat], vars: {id: sat, media: fibre}}
"""


def settings(fibre: int, satellite: int) -> tuple[SettingPlan, ...]:
    return (
        SettingPlan("10.50.0.0/16", "10.9.0.2", None, fibre, present=True),
        SettingPlan("10.50.0.0/16", "10.9.1.2", None, satellite, present=True),
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    topology = tmp_path_factory.mktemp("lab") / "follow.clab.yml"
    topology.write_text(TOPOLOGY)
    try:
        yield Lab.up(topology, DEFAULT_INVENTORY, NAME, with_daemons=False)
    finally:
        Lab.down(NAME)


def carries(lab: Lab, interface: str) -> bool:
    """Tell whether the kernel reaches the network by an interface."""
    return f"dev {interface} " in lab.run("edge", ["ip", "route", "show", "10.50.0.0/16"]).stdout


class Site:
    """Followers of one router, and what they tell."""

    def __init__(self, lab: Lab, folder: Path, driver: str) -> None:
        self.lab = lab
        local = driver == "vtysh"
        self.plan = ActuatorPlan(
            "pg", "site/edge", driver, None if local else "10.9.0.1", 22, None if local else "root", None,
            None if local else str(lab.root / "secrets/ssh-key"), "prefer", 3600, settings(10, 200), settings(250, 20),
        )  # fmt: skip
        kind, key = lab.run("edge", ["ssh-keygen", "-y", "-f", "/run/etc/ssh_host_key"]).stdout.split()[:2]
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"10.9.0.1 {kind} {key}\n")
        self.folder = folder
        self.outbox = Outbox(folder / "outbox.db", "site/agent")
        self.outbox.open()
        record = Record(folder / "record.json")
        record.load(self.outbox)
        self.states: dict[str, Any] = {}
        intake = Intake("site", self.outbox, record)
        self.followers = Followers(
            "site", [self.plan], ["pg"], self.device, intake, lambda subject, body: self.states.update({subject: body})
        )

    def device(self, plan: ActuatorPlan) -> Device:
        made = planned_device(plan, self.known_hosts, self.folder)
        if isinstance(made, SshDevice):
            return made
        assert isinstance(made, LocalFrr)
        inside = next(iter(self.lab.status()["edge"].processes))  # vtysh runs where the node's agent would run it
        return replace(made, command=("nsenter", f"--target={inside}", "--mount", "--net", "--", "vtysh"))

    def stands_for(self, selector: str) -> bool:
        return bool(self.states) and self.states["actuation:site/pg"]["stands"] == selector

    def phases(self) -> list[str]:
        return [e.body["phase"] for e in self.outbox.pending(limit=100) if e.kind is EventKind.ACTUATION]


@asynccontextmanager
async def site(lab: Lab, folder: Path, driver: str) -> AsyncIterator[Site]:
    with linux.network_namespace(lab.netns_path("core")):
        made = Site(lab, folder, driver)
        running = asyncio.create_task(made.followers.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])
            made.outbox.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is awaited is a router, which sets no event
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("driver", ["vtysh", "linux"])
async def test_a_real_router_follows_there_and_back(lab: Lab, tmp_path: Path, driver: str) -> None:
    async with site(lab, tmp_path, driver) as there:
        for selector, interface in (("working", "fibre"), ("protection", "sat"), ("working", "fibre")):
            there.followers.selected("pg", selector)
            await until(partial(there.stands_for, selector))
            await until(partial(carries, lab, interface))
        assert there.phases() == ["requested", "done"] * 3
    if driver == "linux":
        told = (tmp_path / "site_edge.log").read_text()
        assert "ip route 10.50.0.0/16 10.9.1.2 20" in told
        assert "PRIVATE KEY" not in told
