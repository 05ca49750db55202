"""The lab's simulated devices: they speak SNMPv3, break and are mended; a radio network falls apart and heals."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import devices
from lab import place as place_module
from lab.driver import LabError
from lab.faults import Faults
from lab.lab import DEFAULT_INVENTORY
from lab.place import Place
from lab.simulators import device_room, device_worlds
from lab.simulators.device_room import Room, notification
from lab.topology_file import load_topology
from lifeline.config import load_inventory
from lifeline.devices import Value
from lifeline.devices.snmp import Access, DeviceError, Session
from netwatch.core.trap import parse

INVENTORY = load_inventory(DEFAULT_INVENTORY)
USER = {"name": "lifeline", "auth": "authentication", "privacy": "private-for-us", "hash": "sha256"}
WHO = Access(user=USER["name"], auth_secret=USER["auth"], privacy_secret=USER["privacy"], auth="sha256")
PORT = 16171
TEMPERATURE = "1.3.6.1.2.1.99.1.1.1.4.1"
UPTIME = "1.3.6.1.2.1.1.3.0"


@pytest.fixture(autouse=True)
def _no_boots_of_other_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pysnmp counts its engines' boots in files that it does not close."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def room(**devices_of: str) -> Room:
    """Return a room of devices on loopback, by name and kind."""
    told = {name: {"kind": kind, "address": f"127.18.0.{n}", "port": PORT}
            for n, (name, kind) in enumerate(devices_of.items(), 1)}  # fmt: skip
    controllers = [it["address"] for it in told.values() if it["kind"] == "radio-controller"]
    return Room({"site": "a", "user": USER, "devices": told, "stations": ["a", "b"],
                 **({"controller": controllers[0]} if controllers else {})})  # fmt: skip


async def ask(address: str, *names: str) -> dict[str, Value]:
    async with Session(address, WHO, port=PORT) as session:
        return await session.get(list(names))


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is awaited is the devices' own, and tells nobody
            await asyncio.sleep(0.02)


async def test_a_room_is_asked_over_snmpv3_and_its_faults_are_felt() -> None:
    sensors = room(room="sensor")
    try:
        assert (await ask("127.18.0.1", TEMPERATURE))[TEMPERATURE] == pytest.approx(2200, abs=40)
        sensors.fault("room", "hot", 50)
        assert (await ask("127.18.0.1", TEMPERATURE))[TEMPERATURE] == pytest.approx(5000, abs=40)
        sensors.heal("room")
        assert (await ask("127.18.0.1", TEMPERATURE))[TEMPERATURE] == pytest.approx(2200, abs=40)
        sensors.fault("room", "reset")
        assert int(str((await ask("127.18.0.1", UPTIME))[UPTIME])) < 1500
        sensors.fault("room", "garbage")
        with pytest.raises((DeviceError, TimeoutError)):
            await ask("127.18.0.1", TEMPERATURE)
    finally:
        sensors.close()


async def test_stations_fall_back_when_their_controller_stops_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_room, "HELLO_S", 0.05)
    monkeypatch.setattr(device_room, "ANSWER_S", 0.1)
    monkeypatch.setattr(device_room, "LOST_S", 1.0)
    radio = room(station="base-station", controller="radio-controller")
    station, controller = radio.devices["station"].world, radio.devices["controller"].world
    assert isinstance(station, device_worlds.Station)
    assert isinstance(controller, device_worlds.Controller)
    task = asyncio.create_task(radio.run())
    try:
        await until(lambda: controller.sites["b"].isolated and not controller.sites["a"].isolated)  # b has no station
        radio.fault("controller", "stopped")
        await until(lambda: station.isolated and controller.sites["a"].isolated)
        radio.heal("controller")
        await until(lambda: not station.isolated and not controller.sites["a"].isolated)
        radio.fault("station", "isolated")
        await until(lambda: controller.sites["a"].isolated)
        assert station.isolated
        radio.heal("station")
        await until(lambda: not controller.sites["a"].isolated)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        radio.close()


def test_every_fault_of_the_commands_is_one_of_a_device() -> None:
    assert sorted(devices.FAULTS) == sorted(device_worlds.MODES)


@pytest.mark.parametrize("kind", ["sensor", "base-station", "radio-controller"])
def test_a_mended_world_is_as_it_was(kind: str) -> None:
    for fault in device_worlds.fits(_world(kind)):
        world, broken = _world(kind), device_worlds.Broken()
        broken.break_(world, fault, 0.0)
        assert broken.kind == fault
        broken.mend(world)
        assert world == _world(kind)
        assert broken == device_worlds.Broken()
    with pytest.raises(ValueError, match="hang"):
        device_worlds.Broken().break_(_world(kind), "none", 0.0)


def _world(kind: str) -> device_worlds.World:
    made = device_worlds.KINDS[kind]
    return made({}) if made is device_worlds.Controller else made()  # type: ignore[call-arg]  # only controllers take sites


def test_a_notification_is_one_that_netwatch_reads() -> None:
    told = parse(notification("1.3.6.1.6.3.1.1.5.3", 5.0, [("1.3.6.1.2.1.2.2.1.1.2", 2)]))
    assert told is not None
    assert told.trap == "1.3.6.1.6.3.1.1.5.3"
    assert told.bindings["1.3.6.1.2.1.2.2.1.1.2"] == 2


def test_a_node_plays_what_the_inventory_has_at_its_site() -> None:
    config = json.loads(devices.files(INVENTORY, "core-800m", USER)["devices.json"])
    assert config["devices"].keys() == {"room", "controller"}
    assert config["controller"] == config["devices"]["controller"]["address"]
    assert set(config["stations"]) == {name for name in INVENTORY.sites if name.startswith("sbs-")}
    assert devices.files(INVENTORY, "noc-b", USER) == devices.files(INVENTORY, "nowhere", USER) == {}


# ---------------------------------------------------------------- as faults of the lab


TOPOLOGY = """\
name: toy
topology:
  defaults: {kind: linux}
  nodes:
    core: {labels: {lifeline.services: devices}}
    bare: {}
"""


class Driver:
    """A node's devices as dictionaries."""

    def __init__(self) -> None:
        self.wrong: dict[str, str | None] = {"room": None}
        self.deaf = False

    def ask_devices(self, _node: str, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["act"] != "look" and not self.deaf:
            self.wrong[wanted["at"]] = wanted["kind"] if wanted["act"] == "fault" else None
        return {"devices": {name: {"fault": kind, "fits": ["hot", "hang"]} for name, kind in self.wrong.items()}}

    def mend(self) -> None:
        pass


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def faults(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr(place_module, "RUN", tmp_path)
    (tmp_path / "toy.clab.yml").write_text(TOPOLOGY)
    place = Place("toy")
    place.root.mkdir()
    return Faults(load_topology(tmp_path / "toy.clab.yml"), driver, place)  # type: ignore[arg-type] # all that is asked


def test_a_device_is_broken_and_healed_by_whoever_comes_later(faults: Faults, driver: Driver) -> None:
    assert faults.inject("device", "core/room", mode="hot").phase == "standing"
    assert driver.wrong == {"room": "hot"}
    with pytest.raises(LabError, match="already"):
        faults.inject("device", "core/room", mode="hang")
    faults.heal()
    assert driver.wrong == {"room": None}
    assert faults.heal() == []


def test_a_fault_that_does_not_take_hold_is_undone_and_told(faults: Faults, driver: Driver) -> None:
    driver.deaf = True
    with pytest.raises(LabError, match="did not take hold"):
        faults.inject("device", "core/room", mode="hot")
    assert faults.active() == []


@pytest.mark.parametrize(
    ("target", "mode", "says"),
    [
        ("core/rom", "hot", "room"),
        ("bare/room", "hot", "core"),
        ("core/room", "hott", "hot"),
        ("core/room", "", "hang"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(faults: Faults, target: str, mode: str, says: str) -> None:
    with pytest.raises(LabError, match=says) as refused:
        faults.inject("device", target, mode=mode)
    assert refused.value.exit_code == 2
