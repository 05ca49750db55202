"""Changes on real FRR: by vtysh on the node itself, and by netmiko through the node's real sshd."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from failover.core.actuation import (
    DIALECTS,
    Dialect,
    Goal,
    GuardPolicy,
    OspfCost,
    Policy,
    Result,
    StaticRoute,
    Step,
)
from failover.io.actuators import Actuators, Device, LocalFrr, Session, SshDevice, Timeouts
from failover.io.actuators.device import LostError
from lab.drivers import linux
from lab.lab import DEFAULT_INVENTORY, Lab
from lifeline.clock import monotonic_s
from lifeline.model.inventory import SecretRef

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests as root"),
]
NAME = f"act{os.getpid()}"
TOPOLOGY = """\
name: actuators
topology:
  defaults: {kind: linux, labels: {lifeline.services: "zebra, staticd, ospfd, sshd"}}
  nodes:
    edge: {exec: [ip address replace 10.9.0.1/24 dev fibre, ip address replace 10.9.1.1/24 dev sat]}
    core: {exec: [ip address replace 10.9.0.2/24 dev fibre, ip address replace 10.9.1.2/24 dev sat]}
  links:
    - {endpoints: [edge:fibre, core:fibre], vars: {id: fibre, media: fibre}}
    - {endpoints: [edge:sat, core:sat], vars: {id: sat, media: fibre}}
"""
PREFIX = ip_network("10.50.0.0/16")
FIBRE, SAT = ip_address("10.9.0.2"), ip_address("10.9.1.2")
NEVER = ip_network("2001:db8::/32")
BY_FIBRE = [
    Goal(StaticRoute(PREFIX, FIBRE, "fibre", 10)),
    Goal(StaticRoute(PREFIX, SAT, distance=200)),
    Goal(OspfCost("fibre", 10)),
]
BY_SAT = [
    Goal(StaticRoute(PREFIX, FIBRE, "fibre", 250)),
    Goal(StaticRoute(PREFIX, SAT, distance=20)),
    Goal(StaticRoute(NEVER, ip_address("fe80::1"), "sat")),
    Goal(OspfCost("fibre", 1000)),
]
AS_AT_FIRST = [*BY_FIBRE, Goal(StaticRoute(NEVER, ip_address("fe80::1"), "sat"), present=False)]
FAST = Policy(pause_s=0.1, settle_s=0.5)


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    topology = tmp_path_factory.mktemp("lab") / "actuators.clab.yml"
    topology.write_text(TOPOLOGY)
    try:
        yield Lab.up(topology, DEFAULT_INVENTORY, NAME, with_daemons=False)
    finally:
        Lab.down(NAME)


@pytest.fixture(scope="module")
def local(lab: Lab) -> LocalFrr:
    """Return the node's own FRR; nsenter puts vtysh where the node's agent would run it."""
    inside = next(iter(lab.status()["edge"].processes))
    return LocalFrr("edge", ("nsenter", f"--target={inside}", "--mount", "--net", "--", "vtysh"))


@pytest.fixture(scope="module")
def remote(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> SshDevice:
    folder = tmp_path_factory.mktemp("ssh")
    kind, key = lab.run("edge", ["ssh-keygen", "-y", "-f", "/run/etc/ssh_host_key"]).stdout.split()[:2]
    (folder / "known_hosts").write_text(f"10.9.0.1 {kind} {key}\n")
    return SshDevice(
        name="edge-by-ssh",
        address="10.9.0.1",
        dialect=DIALECTS["linux"],
        user="root",
        secret=SecretRef(file=str(lab.root / "secrets/ssh-key")),
        known_hosts=folder / "known_hosts",
        timeouts=Timeouts(connect_s=5, auth_s=5, read_s=5),
        transcripts=folder,
    )


@pytest.fixture(params=["local", "remote"])
def device(request: pytest.FixtureRequest) -> Device:
    found: Device = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def actuators(lab: Lab, local: LocalFrr) -> AsyncIterator[Actuators]:
    """Actuators whose threads live in the network namespace of the neighbour, and the edge as at first."""
    with linux.network_namespace(lab.netns_path("core")):
        made = Actuators(sessions=2)
        yield made
        await made.apply(local, AS_AT_FIRST, FAST)
        await made.close()


def show(lab: Lab, *words: str) -> str:
    return lab.run("edge", ["vtysh", "-c", " ".join(words)]).stdout


def carried_by(lab: Lab) -> str:
    """Return the interface by which the kernel reaches the prefix."""
    found = re.search(r"dev (\S+)", lab.run("edge", ["ip", "route", "show", "10.50.0.0/16"]).stdout)
    return found[1] if found else ""


async def test_a_change_moves_the_route_in_the_kernel_and_is_made_once(
    lab: Lab, device: Device, actuators: Actuators
) -> None:
    await actuators.apply(device, BY_FIBRE, FAST)
    await settled(lambda: carried_by(lab) == "fibre")

    moved = await actuators.apply(device, BY_SAT, FAST)
    assert moved.result is Result.CHANGED, moved
    assert not moved.guarded, "FRR's vtysh has no commit-confirm"
    assert moved.before is not None
    assert "ip route 10.50.0.0/16 10.9.0.2 fibre 10" in moved.before
    assert moved.after is not None
    assert "ip route 10.50.0.0/16 10.9.0.2 fibre 250" in moved.after
    await settled(lambda: carried_by(lab) == "sat")
    assert "ip ospf cost 1000" in show(lab, "show running-config")

    again = await actuators.apply(device, BY_SAT, FAST)
    assert again.result is Result.UNCHANGED, again
    assert again.commands == ()


async def test_a_refusal_in_the_middle_is_undone(lab: Lab, device: Device, actuators: Actuators) -> None:
    await actuators.apply(device, BY_FIBRE, FAST)
    before = show(lab, "show running-config")
    refused = replace(DIALECTS["linux"], cost="ip ospf costs {cost}")
    record = await actuators.apply(Spoilt(device, refused), BY_SAT, FAST)
    assert record.result is Result.RESTORED, record
    assert "% Unknown command" in record.reason
    assert show(lab, "show running-config") == before
    await settled(lambda: carried_by(lab) == "fibre")


async def test_a_change_that_does_not_serve_is_undone(lab: Lab, device: Device, actuators: Actuators) -> None:
    await actuators.apply(device, BY_FIBRE, FAST)
    before = show(lab, "show running-config")

    async def probe() -> str:
        await settled(lambda: carried_by(lab) == "sat")
        return "nothing comes back over the satellite"

    record = await actuators.apply(device, BY_SAT, FAST, probe)
    assert record.result is Result.RESTORED, record
    assert record.reason == "nothing comes back over the satellite"
    assert show(lab, "show running-config") == before
    await settled(lambda: carried_by(lab) == "fibre")


@pytest.mark.parametrize("carried_out", [False, True])
async def test_a_session_that_breaks_while_writing_is_settled_by_looking(
    lab: Lab, device: Device, actuators: Actuators, carried_out: bool
) -> None:
    await actuators.apply(device, BY_FIBRE, FAST)
    broken = Spoilt(device, device.dialect, breaks=True, carried_out=carried_out)
    record = await actuators.apply(broken, BY_SAT, FAST)
    assert record.result is (Result.CHANGED if carried_out else Result.RESTORED), record
    await settled(lambda: carried_by(lab) == ("sat" if carried_out else "fibre"))


async def test_a_connection_cut_on_the_way_is_settled_once_it_heals(
    lab: Lab, remote: SshDevice, actuators: Actuators
) -> None:
    await actuators.apply(remote, BY_FIBRE, FAST)
    hasty = replace(remote, timeouts=Timeouts(connect_s=2, auth_s=2, read_s=1))

    async def probe() -> str:
        fault = lab.faults.inject("fibre-cut", ["fibre"])
        asyncio.get_running_loop().call_later(3, lab.faults.heal, fault.id)
        return "the cable is cut"

    record = await actuators.apply(hasty, BY_SAT, replace(FAST, attempts=10), probe)
    assert record.result is Result.RESTORED, record
    assert "connection lost" in [step.input for step in record.steps]
    await settled(lambda: carried_by(lab) == "fibre")


async def test_a_required_guard_is_honoured_by_not_touching_frr(lab: Lab, device: Device, actuators: Actuators) -> None:
    before = show(lab, "show running-config")
    record = await actuators.apply(device, BY_SAT, Policy(GuardPolicy.REQUIRE))
    assert record.result is Result.UNTOUCHED
    assert show(lab, "show running-config") == before


async def test_frr_that_is_down_is_told_so(actuators: Actuators, tmp_path: Path) -> None:
    nobody = LocalFrr("nobody", ("vtysh", "--vty_socket", str(tmp_path)))
    record = await actuators.apply(nobody, BY_SAT, FAST)
    assert record.result is Result.UNTOUCHED
    assert "does not reach FRR" in record.reason
    record = await actuators.apply(LocalFrr("nobody", ("/no/vtysh",)), BY_SAT, FAST)
    assert "cannot be run" in record.reason


async def test_a_node_with_another_host_key_is_not_logged_in_to(
    remote: SshDevice, actuators: Actuators, tmp_path: Path
) -> None:
    other = tmp_path / "known_hosts"
    key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    other.write_text(f"10.9.0.1 {key}\n")
    record = await actuators.apply(replace(remote, known_hosts=other), BY_SAT, FAST)
    assert record.result is Result.UNTOUCHED
    assert "shows another host key" in record.reason


async def test_the_transcript_shows_what_was_typed_and_no_key(
    lab: Lab, remote: SshDevice, actuators: Actuators
) -> None:
    await actuators.apply(remote, BY_SAT, FAST)
    assert remote.transcripts is not None
    told = (remote.transcripts / "edge-by-ssh.log").read_text()
    assert "ip route 10.50.0.0/16 10.9.1.2 20" in told
    for line in (lab.root / "secrets/ssh-key").read_text().splitlines():
        assert line not in told


class Spoilt:
    """A device that speaks another dialect than it is said to, or whose first writing session breaks."""

    def __init__(self, device: Device, dialect: Dialect, *, breaks: bool = False, carried_out: bool = False) -> None:
        self.name, self.dialect = device.name, dialect
        self._device, self._breaks, self._carried_out = device, breaks, carried_out

    def open(self) -> Session:
        breaks, self._breaks = self._breaks, False
        session = self._device.open()
        return Breaking(session, carried_out=self._carried_out) if breaks else session


class Breaking:
    """A session that breaks when something is written, before or after it was carried out."""

    def __init__(self, session: Session, *, carried_out: bool) -> None:
        self._session, self._carried_out = session, carried_out
        self.read, self.close = session.read, session.close

    def run(self, script: Sequence[Step]) -> None:
        if self._carried_out:
            self._session.run(script)
        raise LostError("the connection broke")


async def settled(holds: Callable[[], bool]) -> None:
    """Wait until zebra has done what its configuration says."""
    deadline = monotonic_s() + 5
    while not holds():
        assert monotonic_s() < deadline
        await asyncio.sleep(0.02)
