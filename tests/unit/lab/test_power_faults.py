"""Faults of power plants: planned by name, done in a real room, undone like any other; and how a plant is wired."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from lab import place as place_module
from lab import plants
from lab.driver import LabError
from lab.faults import Faults
from lab.lab import DEFAULT_INVENTORY
from lab.place import Place
from lab.plants import FAULTS, files
from lab.simulators.power_genset import GensetServer
from lab.simulators.power_room import Room
from lab.topology_file import load_topology
from lifeline.config import load_inventory

TOPOLOGY = """\
name: toy
topology:
  defaults: {kind: linux}
  nodes:
    core-wired: {labels: {lifeline.services: plant}}
    bare: {}
"""
INVENTORY = load_inventory(DEFAULT_INVENTORY)
USER = {"name": "lifeline", "auth": "authentication", "privacy": "private-for-us", "hash": "sha256"}


def room_of(site: str) -> Room:
    config = json.loads(files(INVENTORY.sites[site], USER)["plant.json"])
    power = INVENTORY.sites[site].power
    assert power is not None
    return Room(power, config["devices"], None)


class Node:
    """The lab's driver with one room, that is asked without a socket; deaf, it says yes and does nothing."""

    def __init__(self, room: Room) -> None:
        self.room, self.deaf = room, False

    def ask_plant(self, _node: str, wanted: dict[str, Any]) -> dict[str, Any]:
        if self.deaf and wanted["act"] == "fault":
            wanted = {"act": "look"}
        try:
            return json.loads(json.dumps(asyncio.run(self.room.asked(wanted))))
        except ValueError as error:
            raise LabError(str(error), exit_code=2) from error

    def mend(self) -> None:
        pass


@pytest.fixture
def node() -> Node:
    return Node(room_of("core-wired"))


@pytest.fixture
def faults(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr(place_module, "RUN", tmp_path)
    (tmp_path / "toy.clab.yml").write_text(TOPOLOGY)
    place = Place("toy")
    place.root.mkdir()
    return Faults(load_topology(tmp_path / "toy.clab.yml"), node, place)  # type: ignore[arg-type] # all that is asked


def test_a_room_can_do_every_fault_and_no_other(node: Node) -> None:
    assert set(node.room.fits()) == set(FAULTS)
    assert all(node.room.fits().values())


@pytest.mark.parametrize("mode", FAULTS)
def test_every_fault_is_done_and_undone(faults: Faults, node: Node, mode: str) -> None:
    whole = node.room.look()
    at = node.room.fits()[mode][0]
    fault = faults.inject("power", f"core-wired/{at}", mode=mode, size=12.0)
    assert (fault.phase, node.room.faults) == ("standing", {at: mode})
    node.room.plant.step(30)
    faults.heal()
    node.room.plant.step(120)
    healed = node.room.look()
    assert healed.pop("at_s") == whole.pop("at_s") + 150
    for name, tank in healed.pop("tanks").items():
        assert tank["fuel_l"] == pytest.approx(whole["tanks"][name]["fuel_l"], abs=0.1)  # a set that cools down burns
    del whole["tanks"]
    assert healed == whole


def test_all_feeds_are_lost_at_once_and_come_back_one_by_one(faults: Faults, node: Node) -> None:
    faults.inject("power", "core-wired/feed-a", mode="lost")
    rest = faults.inject("power", "core-wired/feeds", mode="lost")
    assert set(node.room.plant.feeds.values()) == {False}
    assert [act.args["wanted"]["at"] for act in rest.acts] == ["feed-b"]
    faults.heal(rest.id)
    assert node.room.plant.feeds == {"feed-a": False, "feed-b": True}


def test_the_plant_is_serviced_once_the_last_fault_is_healed_and_not_before(faults: Faults, node: Node) -> None:
    plant = node.room.plant
    faults.inject("power", "core-wired/feeds", mode="lost")
    stopped = faults.inject("power", "core-wired/generator-1", mode="stops", size=1)
    plant.step(600)
    assert plant.gensets["generator-1"].shut_down
    faults.heal(stopped.id)
    assert plant.gensets["generator-1"].shut_down  # an operator has to reset it
    assert plant.units["ups-a"].charge < 1
    faults.heal()
    assert not plant.gensets["generator-1"].shut_down
    assert plant.units["ups-a"].charge == 1
    assert plant.tanks["generator-2"].fuel_l == 2400


def test_healing_takes_no_fuel_away_that_a_tanker_has_brought(faults: Faults, node: Node) -> None:
    tank = node.room.plant.tanks["generator-1"]
    faults.inject("power", "core-wired/generator-1", mode="level", size=10)
    assert tank.fuel_l == 300
    assert node.ask_plant("core-wired", {"act": "deliver", "at": "generator-1", "litres": 2600}) == {"taken_l": 2600}
    tank.draw(500)  # burnt, in an hour that was a second to the daemon
    faults.heal()
    assert tank.fuel_l == 2900


def test_a_fault_that_does_not_take_hold_is_undone(faults: Faults, node: Node) -> None:
    node.deaf = True
    with pytest.raises(LabError, match="did not take hold"):
        faults.inject("power", "core-wired/ups-a", mode="bypass")
    assert faults.active() == []


@pytest.mark.parametrize(
    ("target", "mode", "says"),
    [
        ("core-wired/feed-aa", "lost", "feed-a"),
        ("core-wired/ups-a", "lost", "feed-a"),
        ("bare/feed-a", "lost", "core-wired"),
        ("core-wired/feed-a", "lst", "lost"),
        ("core-wired", "stuck", "part"),
        ("core-wired/ats-a", "lies", "part"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(faults: Faults, target: str, mode: str, says: str) -> None:
    with pytest.raises(LabError, match=says) as refused:
        faults.inject("power", target, mode=mode)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "wanted",
    [{"act": "explode"}, {"act": "fault", "at": "feed-a", "kind": "lost", "size": float("nan")},
     {"act": "fault", "at": "clock", "kind": "lost"}, {"act": "foretell", "hours": "soon"}],
)  # fmt: skip
async def test_a_room_refuses_what_it_cannot_do(node: Node, wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        await node.room.asked(wanted)
    assert node.room.faults == {}


def test_a_plant_is_wired_as_the_inventory_says() -> None:
    made = json.loads(files(INVENTORY.sites["core-wired"], USER)["plant.json"])
    assert made["user"] == USER
    assert made["devices"]["genset-1"] == {
        "protocol": "modbus", "address": "10.0.1.31", "port": 502,
        "parts": [["generators", "generator-1", ""], ["feeds", "feed-a", ""]],
    }  # fmt: skip
    assert (made["devices"]["ups-a"]["port"], made["devices"]["ats-b"]["port"]) == (3493, 161)
    assert made["control"].endswith(plants.CONTROL)
    assert files(None, USER) == {}


async def test_a_silent_controller_takes_no_connection_and_a_lying_one_tells_nonsense(node: Node) -> None:
    room = node.room
    server = room._modbus["genset-1"]  # what a socket would show, without one
    assert isinstance(server, GensetServer)
    told: list[str] = []
    server.speak = _noting(told, "speak")  # type: ignore[method-assign] # no port is opened here
    server.hush = _noting(told, "hush")  # type: ignore[method-assign] # no port is opened here
    room.fault("genset-1", "silent")
    room.fault("genset-2", "lies")
    room._modbus.pop("genset-2")
    await room.publish()
    room.heal("genset-1")
    await room.publish()
    assert told == ["hush", "speak"]


def _noting(told: list[str], what: str) -> Any:
    async def note() -> None:
        told.append(what)

    return note
