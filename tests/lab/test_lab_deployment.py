"""The lab itself, with real daemons: it comes up whole, breaks as told, heals, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir

import pytest

from lab.convergence import wait_until
from lab.driver import LabError
from lab.drivers.processes import processes_in
from lab.lab import DEFAULT_INVENTORY, DEFAULT_TOPOLOGY, Lab
from lab.place import DATA, PINS, RUN
from lifeline.clock import monotonic_s

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests as root"),
]
NAME = f"t{os.getpid()}"
SMALL = """\
name: small
topology:
  defaults: {kind: linux}
  nodes:
    core: {exec: [ip address replace 10.0.0.1/32 dev lo, ip address replace 10.9.0.1/24 dev sat0]}
    site: {exec: [ip address replace 10.9.0.2/24 dev sat, ip route replace 10.0.0.1/32 via 10.9.0.1]}
  links:
    - {endpoints: [core:sat0, site:sat], vars: {id: sat, media: satellite, delay_ms: 20, rate_kbps: 4000}}
"""


def host() -> dict[str, set[str]]:
    """Return what stands on this machine outside any lab, where a lab could leave something."""

    def lines(*argv: str) -> set[str]:
        return set(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines())

    return {
        "namespaces": {path.name for path in PINS.glob("*")} if PINS.exists() else set(),
        "links": {link["ifname"] for link in json.loads("".join(lines("ip", "-j", "link")))},
        "routes": lines("ip", "route", "show", "table", "all"),
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "labs": {path.name for folder in (RUN, DATA) for path in folder.glob("*")},
    }


def left_behind(before: dict[str, set[str]], name: str) -> dict[str, set[str]]:
    """Return what is new on this machine; other tests' own namespaces and mounts may come and go meanwhile."""
    now = host()
    new = {kind: now[kind] - before[kind] for kind in before}
    new["namespaces"] = {each for each in new["namespaces"] if each.startswith(name)}
    others = ("/run/netns/", f"{gettempdir()}/")
    new["mounts"] = {each for each in new["mounts"] if not each.startswith(others) or name in each}
    new["labs"] = {each for each in new["labs"] if each.startswith(name)}
    return {kind: each for kind, each in new.items() if each}


def in_namespaces(inodes: set[int]) -> list[str]:
    """Return the processes that live in these network namespaces."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/net").stat().st_ino in inodes:
                found.append((process / "cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def pings(lab: Lab, node: str, address: str, count: int = 1) -> list[float]:
    """Return the round-trip times in milliseconds of the pings that were answered."""
    argv = ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", "1", address]
    return [float(each) for each in re.findall(r"time=([0-9.]+)", lab.run(node, argv).stdout)]


def frames_in(lab: Lab, node: str, interface: str) -> int:
    """Return how many frames an interface has received."""
    [link] = json.loads(lab.run(node, ["ip", "-j", "-s", "link", "show", "dev", interface]).stdout)
    return int(link["stats64"]["rx"]["packets"])


def carrier(lab: Lab, node: str, interface: str) -> str:
    return lab.run(node, ["cat", f"/sys/class/net/{interface}/carrier"]).stdout.strip()


@pytest.fixture(scope="module")
def before() -> dict[str, set[str]]:
    return host()


@pytest.fixture(scope="module")
def lab(before: dict[str, set[str]]) -> Iterator[Lab]:
    try:
        yield Lab.up(DEFAULT_TOPOLOGY, DEFAULT_INVENTORY, NAME, with_daemons=False)
    finally:
        Lab.down(NAME)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small.clab.yml"
    path.write_text(SMALL)
    yield path
    Lab.down(f"{NAME}b")


@pytest.fixture(autouse=True)
def _healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "lab" in request.fixturenames and (lab := request.getfixturevalue("lab")).root.exists():
        lab.faults.heal()


def test_every_node_reaches_every_other(lab: Lab) -> None:
    loopbacks = {
        node: json.loads(lab.run(node, ["ip", "-j", "addr", "show", "dev", "lo"]).stdout)[0]["addr_info"][1]["local"]
        for node in lab.topology.nodes
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    unanswered = [(node, other) for node in loopbacks for other in loopbacks if other != node]

    def all_answered() -> bool:
        asked = {
            (node, other): lab.popen(node, ["ping", "-n", "-c", "1", "-W", "3", loopbacks[other]], **quiet)
            for node, other in unanswered
        }
        unanswered[:] = [pair for pair, process in asked.items() if process.wait()]
        return not unanswered

    assert wait_until(all_answered, within_s=20), unanswered


def test_satellite_takes_270_ms_each_way_and_keeps_order(lab: Lab) -> None:
    pings(lab, "sbs-dongcheng", "10.66.0.1")  # ARP takes its round trip first
    times = pings(lab, "sbs-dongcheng", "10.66.0.1", count=4)
    assert 530 <= statistics.median(times) <= 600
    stats = lab.relay_stats()["links"]["sat-dongcheng"]
    assert stats["to_hub"]["delivered"] >= 4
    assert stats["to_hub"]["dropped"] == 0


def test_stations_do_not_reach_each_other_through_the_satellite_hub(lab: Lab) -> None:
    assert pings(lab, "sbs-dongcheng", "10.66.0.12") == []


def test_nodes_answer_snmp_v3_and_ssh(lab: Lab) -> None:
    secrets = lab.root / "secrets"
    auth, priv = ((secrets / name).read_text() for name in ("snmp-auth", "snmp-priv"))
    user = ["-u", "lifeline", "-l", "authPriv", "-a", "SHA-256", "-A", auth, "-x", "AES", "-X", priv]
    get = ["snmpget", "-v3", *user, "-Oqv", "10.1.11.1", "1.3.6.1.2.1.1.5.0"]
    with lab.popen("core-wired", get, text=True, stdout=subprocess.PIPE, env={**os.environ, "MIBS": ""}) as process:
        assert "sbs-dongcheng" in process.communicate()[0]
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    login = ["ssh", "-i", str(secrets / "ssh-key"), *options, "root@10.0.20.1", "hostname"]
    with lab.popen("noc-a", login, text=True, stdout=subprocess.PIPE) as process:
        assert process.communicate()[0].strip() == "noc-b"


def test_up_twice_changes_nothing(lab: Lab) -> None:
    told: list[str] = []
    pids = {node: set(status.processes) for node, status in lab.status().items()}
    Lab.up(DEFAULT_TOPOLOGY, DEFAULT_INVENTORY, NAME, with_daemons=False, tell=told.append)
    assert told == [f"lab {NAME!r} is up already"]
    assert {node: set(status.processes) for node, status in lab.status().items()} == pids


def test_a_silent_cut_loses_both_directions_and_no_carrier(lab: Lab) -> None:
    fault = lab.faults.inject("fibre-cut", "fibre-dongcheng")
    assert pings(lab, "sbs-dongcheng", "10.64.11.1") == []
    assert carrier(lab, "sbs-dongcheng", "fibre") == carrier(lab, "core-wired", "f-dongcheng") == "1"
    assert pings(lab, "sbs-chaoyang", "10.64.13.1"), "the other fibres live"
    assert [each.id for each in lab.faults.heal(fault.id)] == [fault.id]
    assert pings(lab, "sbs-dongcheng", "10.64.11.1")


@pytest.mark.parametrize(
    ("direction", "deaf", "hearing"),
    [
        ("to-site", ("sbs-haidian", "fibre"), ("core-wired", "f-haidian")),
        ("to-core", ("core-wired", "f-haidian"), ("sbs-haidian", "fibre")),
    ],
)
def test_a_one_way_cut_deafens_one_end(
    lab: Lab, direction: str, deaf: tuple[str, str], hearing: tuple[str, str]
) -> None:
    lab.faults.inject("fibre-cut", "fibre-haidian", mode="oneway", direction=direction)
    heard = frames_in(lab, *deaf), frames_in(lab, *hearing)
    assert pings(lab, "sbs-haidian", "10.64.14.1") == pings(lab, "core-wired", "10.64.14.2") == []
    assert frames_in(lab, *deaf) == heard[0]
    assert frames_in(lab, *hearing) > heard[1]


def test_a_duct_cut_takes_the_light_from_its_stations_only(lab: Lab) -> None:
    lab.faults.inject("duct-cut", "duct-east", mode="carrier")
    for station in ("dongcheng", "chaoyang", "fengtai"):
        assert carrier(lab, f"sbs-{station}", "fibre") == "0"
        assert carrier(lab, "core-wired", f"f-{station}") == "1"
    assert carrier(lab, "sbs-xicheng", "fibre") == "1"
    # Plain static routing falls back to the satellite where the carrier tells it to; the core end has no such luck.
    assert "dev sat" in lab.run("sbs-dongcheng", ["ip", "route", "get", "10.0.10.1"]).stdout
    lab.faults.heal()
    assert carrier(lab, "sbs-dongcheng", "fibre") == "1"


def test_heal_works_after_the_injector_was_killed_half_way(lab: Lab) -> None:
    injector = f"""
import sys, time
from lab.lab import Lab
lab = Lab({NAME!r})
set_light = lab.driver.set_light
def half(end, on):
    set_light(end, on=on)
    print("half", flush=True)
    time.sleep(60)
lab.driver.set_light = half
lab.faults.inject("duct-cut", "duct-west", mode="carrier")
"""
    with subprocess.Popen([sys.executable, "-c", injector], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "half\n"
        process.kill()
    assert carrier(lab, "sbs-xicheng", "fibre") == "0"
    [half] = lab.faults.active()
    assert half.phase == "injecting"
    command = [sys.executable, "-m", "noc.cli.main", "lab", "heal", "--name", NAME]
    subprocess.run(command, check=True, capture_output=True)
    assert lab.faults.active() == []
    assert carrier(lab, "sbs-xicheng", "fibre") == "1"
    assert pings(lab, "sbs-xicheng", "10.64.12.1")


def test_a_node_without_power_is_dead_and_boots_again(lab: Lab) -> None:
    old = set(lab.status()["core-800m"].processes)
    lab.faults.inject("node-off", "core-800m")
    assert not lab.status()["core-800m"].on
    told: list[str] = []
    Lab.up(DEFAULT_TOPOLOGY, DEFAULT_INVENTORY, NAME, with_daemons=False, tell=told.append)
    assert told[1:] == ["without power: core-800m; `lifeline lab heal` boots them"]
    assert carrier(lab, "noc-b", "b-core800m") == "1", "light comes from mid-span, not from the far end"
    with pytest.raises(LabError, match="core-800m is off"):
        lab.run("core-800m", ["true"])
    lab.faults.heal()
    new = lab.status()["core-800m"]
    assert new.on
    assert not old & set(new.processes)
    lab.await_convergence()
    assert pings(lab, "noc-b", "10.0.2.1")


def test_a_node_that_died_and_a_relay_that_died_are_mended_by_heal(lab: Lab) -> None:
    for name in ("sathub", "fabric"):
        for process in processes_in({name: PINS / f"{NAME}-{name}"})[name]:
            with suppress(ProcessLookupError):  # a node's first process takes the others with it
                os.kill(process.pid, signal.SIGKILL)
    lab.faults.heal()
    assert lab.status()["sathub"].on
    assert pings(lab, "sbs-dongcheng", "10.66.0.1", count=2)


def test_a_fading_satellite_loses_and_recovers(lab: Lab) -> None:
    before = lab.driver.impairment("sat-fengtai")
    lab.faults.inject("satellite-degrade", "sat-fengtai", loss_pct=100.0)
    assert pings(lab, "sbs-fengtai", "10.66.0.1") == []
    lab.faults.heal()
    assert lab.driver.impairment("sat-fengtai") == before
    assert pings(lab, "sbs-fengtai", "10.66.0.1", count=2)


def test_the_core_rooms_have_clocks_and_ask_a_third(lab: Lab) -> None:
    """Real chronyd and gpsd at both, wired to a sky that can go wrong; the third arbiter answers over the network."""
    for node in ("core-wired", "core-800m"):
        assert wait_until(lambda node=node: lab.driver.ask_sky(node, {"act": "look"})["receivers"], within_s=20)
        tracking = lab.run(node, ["chronyc", "-n", "-c", "-h", "/run/chrony/chronyd.sock", "tracking"])
        assert tracking.stdout.endswith("Not synchronised\n")  # nobody feeds it: lifeline's daemons do not run here
        watch = "import socket; s = socket.create_connection(('127.0.0.1', 2947), 5); print(s.makefile().readline())"
        assert '"class":"VERSION"' in lab.run(node, [sys.executable, "-c", watch]).stdout
        ask = (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5);"
            "s.connect(('10.0.20.1', 123)); s.send(b'\\x23' + bytes(47)); print(s.recv(48)[0] & 7)"
        )
        assert lab.run(node, [sys.executable, "-c", ask]).stdout.strip() == "4"
    fault = lab.faults.inject("gnss", "core-wired/gps", mode="step", size=1000.0)
    assert lab.driver.ask_sky("core-wired", {"act": "look"})["receivers"]["gps"]["fault"] == "step"
    lab.faults.heal(fault.id)
    assert lab.driver.ask_sky("core-wired", {"act": "look"})["receivers"]["gps"]["fault"] is None


def test_two_labs_stand_side_by_side(lab: Lab, small: Path) -> None:
    other = Lab.up(small, name=f"{NAME}b", with_daemons=False)
    assert 40 <= min(pings(other, "site", "10.0.0.1", count=2)) < 60
    Lab.down(other.name)
    assert not list(PINS.glob(f"{NAME}b-*"))
    assert pings(lab, "sbs-dongcheng", "10.0.1.1")


def test_a_deployment_that_fails_leaves_nothing(small: Path, before: dict[str, set[str]]) -> None:
    small.write_text(SMALL.replace("10.0.0.1/32 via 10.9.0.1", "10.0.0.1/32 via 10.8.0.1"))
    with pytest.raises(LabError, match=r"site did not come up: .*ip route replace 10.0.0.1/32 via 10.8.0.1"):
        Lab.up(small, name=f"{NAME}b", with_daemons=False)
    assert left_behind(before, f"{NAME}b") == {}


def test_down_works_after_up_was_killed_half_way(before: dict[str, set[str]]) -> None:
    name = f"{NAME}c"
    command = [sys.executable, "-m", "noc.cli.main", "lab", "up", "--no-daemons", "--name", name]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("booting" in line for line in process.stderr)
        process.kill()
    inodes = {pin.stat().st_ino for pin in PINS.glob(f"{name}-*")}
    assert len(inodes) == 12
    with pytest.raises(LabError, match="is deploying: run `lifeline lab down`"):
        Lab(name)
    assert Lab.down(name)
    assert in_namespaces(inodes) == []
    assert left_behind(before, name) == {}


def test_down_leaves_nothing_on_the_host(lab: Lab, before: dict[str, set[str]]) -> None:
    inodes = {pin.stat().st_ino for pin in PINS.glob(f"{NAME}-*")}
    lab.faults.inject("fibre-cut", "fibre-dongcheng")
    with lab.popen("sbs-dongcheng", ["sleep", "600"]) as left_running:
        started = monotonic_s()
        assert Lab.down(NAME)
        assert monotonic_s() - started < 3
        assert left_running.wait() == -signal.SIGKILL
    assert in_namespaces(inodes) == []
    assert left_behind(before, NAME) == {}
    assert not Lab.down(NAME)
