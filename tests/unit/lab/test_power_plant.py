"""The simulated plant: switches that take their time, tanks that are shared, sets that crank, a look ahead."""

from __future__ import annotations

import pytest

from lab.simulators.power_devices import gauge, transfer_switch
from lab.simulators.power_genset import EngineState
from lab.simulators.power_plant import SimulatedPlant
from lifeline.config import parse_inventory

SITE = """\
lifeline: 1
sites:
  room:
    kind: core-room-wired
    name: Room
    power:
      target_autonomy_h: 8
      design_load_kw: 40
      feeds: {feed-a: {rated_kw: 100}, feed-b: {rated_kw: 100}}
      tanks:
        bulk: {capacity_l: 1000}
        day: {capacity_l: 100, refill_from: bulk, pump_l_per_h: 60}
      generators:
        one: &set {rated_kw: 60, tank: day, burn_l_per_h: [5.6, 9.3, 13, 17], start_attempts: 2, crank_cycle_s: 20}
        two: *set
      switches:
        ats-a: {inputs: [feed-a, one], transfer_s: 3}
        ats-b: {inputs: [feed-b, two], transfer_s: 3}
      ups:
        ups-a: {input: ats-a, module_kw: 30, modules: 2, battery_kwh: 20}
        ups-b: {input: ats-b, module_kw: 30, modules: 2, battery_kwh: 20}
      loads: {all: {kw: 40, inputs: [ups-a, ups-b]}}
"""


@pytest.fixture
def plant() -> SimulatedPlant:
    spec = parse_inventory(SITE).sites["room"].power
    assert spec is not None
    return SimulatedPlant(spec)


def lose_all(plant: SimulatedPlant) -> None:
    plant.feeds = dict.fromkeys(plant.feeds, False)


def test_batteries_bridge_until_the_set_runs_and_the_switch_has_moved(plant: SimulatedPlant) -> None:
    plant.feeds["feed-a"] = False
    plant.step(1, 1)
    assert (plant.switches["ats-a"].at, plant.units["ups-a"].on_battery) == ("feed-a", True)
    plant.step(11, 1)
    assert plant.gensets["one"].state is EngineState.RUNNING
    assert (plant.switches["ats-a"].at, plant.units["ups-a"].on_battery) == (None, True)
    plant.step(4, 1)
    assert (plant.switches["ats-a"].at, plant.units["ups-a"].on_battery) == ("one", False)
    assert plant.units["ups-b"].source == "ats-b"
    assert plant.gensets["two"].state is EngineState.STOPPED
    assert (plant.senses("one"), plant.senses("two")) == (False, True)
    plant.feeds["feed-a"] = True
    plant.step(5, 1)
    assert plant.switches["ats-a"].at == "feed-a"
    assert plant.gensets["one"].state is EngineState.COOLING


def test_a_switch_that_sticks_opens_and_never_closes_though_the_set_runs(plant: SimulatedPlant) -> None:
    plant.stuck.add("ats-a")
    plant.step(10)
    assert plant.switches["ats-a"].at == "feed-a"
    plant.feeds["feed-a"] = False
    plant.step(60)
    told = {name: cell(0.0) if callable(cell) else cell for name, cell in transfer_switch(plant, "ats-a").items()}
    assert plant.gensets["one"].state is EngineState.RUNNING
    assert told["1.3.6.1.4.1.318.1.1.17.3.1.1.0"][1] == 1  # neither
    assert [told[f"1.3.6.1.4.1.318.1.1.17.4.{n}.4.0"][1] for n in (1, 2)] == [2, 1]  # bad, and good
    plant.stuck.clear()
    plant.step(10)
    assert plant.switches["ats-a"].at == "one"


def test_both_sets_die_of_one_dry_tank_and_not_before_the_bulk_tank_is_dry_too(plant: SimulatedPlant) -> None:
    lose_all(plant)
    plant.step(3600)
    assert plant.gensets["one"].tank is plant.gensets["two"].tank
    day, bulk = plant.tanks["day"], plant.tanks["bulk"]
    assert day.fuel_l == pytest.approx(100, abs=1)  # the pump keeps up
    burnt_l = 880 - day.fuel_l - bulk.fuel_l
    assert burnt_l == pytest.approx(2 * plant.gensets["one"].burn(plant.gensets["one"].load_kw), rel=0.1)
    bulk.fuel_l = bulk.floor_l
    plant.step(40 * 3600)
    assert {it.shut_down for it in plant.gensets.values()} == {True}
    assert day.dry
    assert gauge(bulk)()[0] == 100  # per mille: what no pump reaches


def test_a_set_cranks_twice_and_gives_up(plant: SimulatedPlant) -> None:
    plant.gensets["one"].fails_to_start = True
    plant.feeds["feed-a"] = False
    plant.step(25, 1)
    assert not plant.gensets["one"].shut_down
    plant.step(20, 1)
    assert (plant.gensets["one"].shut_down, plant.gensets["one"].registers()[0x9A04]) == (True, 0x1311)
    plant.service()
    plant.gensets["one"].fails_to_start = False
    plant.step(20, 1)
    assert plant.gensets["one"].carries


@pytest.mark.parametrize("broken", ["nothing", "one"])
def test_what_is_foretold_comes_true_and_changes_nothing(plant: SimulatedPlant, broken: str) -> None:
    for name in plant.gensets:
        plant.gensets[name].fails_to_start = broken == "one" or name == "two"
    plant.tanks["bulk"].fuel_l = 150
    lose_all(plant)
    plant.step(60)
    before = plant.tanks["bulk"].fuel_l, plant.now_s
    told_h = plant.foretell(200, 30)
    assert told_h is not None
    assert (plant.tanks["bulk"].fuel_l, plant.now_s) == before
    plant.step(told_h * 3600 * 0.98)
    assert not plant.dark
    plant.step(told_h * 3600 * 0.04)
    assert plant.dark
    assert plant.foretell(0.5) == 0


def test_a_leak_empties_its_tank(plant: SimulatedPlant) -> None:
    plant.tanks["bulk"].leak_l_per_h = 100
    plant.step(3600)
    assert plant.tanks["bulk"].fuel_l == pytest.approx(800 - 100 - 20, abs=1)  # and the day tank took its fill
