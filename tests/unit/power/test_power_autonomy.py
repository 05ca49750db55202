"""Autonomy as a power engineer would insist: hand-reckoned cases, then what must hold for any plant."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.power_plants import random_plant
from lifeline.config import parse_inventory
from power.core.assume import assumed
from power.core.autonomy import Kind, Redundancy, Verdict, assess
from power.core.body import assessment_to_json, situation_from_json, situation_to_json
from power.core.explain import sentence
from power.core.network import Network
from power.core.reliability import reach_probability
from power.core.shedding import shed_order
from power.core.situation import Known, LoadCase, Situation, holds_of, levels_of
from power.core.steady import ENDLESS_H, battery_h, fuel_h
from power.core.timeline import Scenario, What, run
from power.core.whatif import Change, WhatIfError, load_change, losses, what_if, what_if_all

TODAY = date(2026, 5, 12)
HEAD = "lifeline: 1\nsites:\n  core:\n    kind: core-room-wired\n    name: Core\n    power:\n"
GENERATORS = """\
      generators:
        g1: {rated_kw: 100, tank_l: 1000, burn_l_per_h: [9, 16, 23, 30]}
        g2: {rated_kw: 100, tank_l: 1000, burn_l_per_h: [9, 16, 23, 30]}
"""
SHARED = """\
      tanks: {bulk: {capacity_l: 2000}}
      generators:
        g1: {rated_kw: 100, tank: bulk, burn_l_per_h: [9, 16, 23, 30]}
        g2: {rated_kw: 100, tank: bulk, burn_l_per_h: [9, 16, 23, 30]}
"""
UPS = """\
      ups:
        ups-1:
          module_kw: 30
          modules: 3
          modules_needed: 2
          efficiency: 1
          strings: {a: {technology: vrla, capacity_kwh: 50, count: 2, installed: 2026-05-12, peukert: 1.2}}
"""


def network(text: str, target_h: float = 72, load_kw: float = 50) -> Network:
    head = f"{HEAD}      target_autonomy_h: {target_h}\n      design_load_kw: {load_kw}\n"
    return Network(parse_inventory(head + text).sites["core"].power)


def situation(plant: Network, kw: float = 50, fuel: float = 1.0) -> Situation:
    return Situation(
        TODAY,
        load_kw={"ups-1": Known(kw)},
        charge={"ups-1": Known(1.0)},
        temp_c={"ups-1": Known(25.0)},
        fuel_l={name: Known(tank.capacity_l * fuel) for name, tank in plant.tanks.items()},
    )


def mid(assessment, kind, redundancy=Redundancy.N, case=LoadCase.PRESENT):
    return assessment.figure(kind, redundancy, case).mid_h


def test_two_sets_with_their_own_tanks_reckoned_by_hand():
    plant = network(GENERATORS + UPS)
    assessed = assess(plant, situation(plant))
    # Batteries: 2 x 50 kWh at the 10 h rate are 10 kW; 50 kW are five times that.
    assert isclose(mid(assessed, Kind.BATTERY), 10 / 5**1.2)
    assert isclose(mid(assessed, Kind.BATTERY, Redundancy.N_1), 10 / 10**1.2)
    # Fuel: 900 l above the pipe in each tank, 16 l/h at half load, one set after the other.
    assert isclose(mid(assessed, Kind.FUEL), 2 * 900 / 16)
    assert isclose(mid(assessed, Kind.FUEL, Redundancy.N_1), 900 / 16)
    assert mid(assessed, Kind.SYSTEM) == mid(assessed, Kind.FUEL)  # never the batteries on top
    assert assessed.figure(Kind.SYSTEM).verdict(72) is Verdict.MET
    assert assessed.figure(Kind.SYSTEM, Redundancy.N_1).verdict(72) is Verdict.MISSED


def test_a_burn_table_has_an_intercept_that_proportional_burn_forgets():
    plant = network(GENERATORS + UPS)
    light = assess(plant, situation(plant, kw=12.5))
    burn_l_per_h = 2 * 9 - 16 + (9 - 2) / 25 * 12.5
    assert isclose(mid(light, Kind.FUEL), 1800 / burn_l_per_h)
    assert burn_l_per_h > 30 * 0.125 * 1.3


def test_a_shared_tank_is_no_redundancy():
    plant = network(SHARED + UPS)
    assessed = assess(plant, situation(plant))
    figure = assessed.figure(Kind.FUEL, Redundancy.N_1)
    assert (figure.worst, figure.mid_h) == ("bulk", 0)
    assert mid(assessed, Kind.FUEL) > 72
    system = assessed.figure(Kind.SYSTEM, Redundancy.N_1)
    assert system.mid_h == mid(assessed, Kind.BATTERY)  # batteries alone, where no fuel comes
    assert "bulk" in sentence(assessed, system)


def test_the_pump_of_a_day_tank_is_a_part_that_may_fail():
    plant = network(
        """\
      tanks:
        bulk: {capacity_l: 5000}
        day: {capacity_l: 200, refill_from: bulk, pump_l_per_h: 60}
      generators:
        g1: {rated_kw: 100, tank: day, burn_l_per_h: [9, 16, 23, 30]}
"""
        + UPS
    )
    assessed = assess(plant, situation(plant))
    assert isclose(mid(assessed, Kind.FUEL), (4500 + 180) / 16)
    without_pump = plant.without(["pump:day"])
    assert isclose(mid(assess(without_pump, situation(plant)), Kind.FUEL), 180 / 16)


def test_a_pump_weaker_than_the_engine_lets_the_day_tank_run_dry():
    plant = network(
        """\
      tanks:
        bulk: {capacity_l: 5000}
        day: {capacity_l: 200, refill_from: bulk, pump_l_per_h: 10}
      generators:
        g1: {rated_kw: 100, tank: day, burn_l_per_h: [9, 16, 23, 30]}
"""
        + UPS
    )
    assert isclose(mid(assess(plant, situation(plant)), Kind.FUEL), 180 / 6)


@pytest.mark.parametrize("missing", ["load_kw", "charge", "fuel_l"])
def test_unknown_in_unknown_out(missing):
    plant = network(GENERATORS + UPS)
    assessed = assess(plant, replace(situation(plant), **{missing: {}}))
    system = assessed.figure(Kind.SYSTEM)
    assert system.mid_h is None
    assert system.verdict(0.001) is Verdict.UNKNOWN
    assert "Unknown" in sentence(assessed, system)
    if missing == "load_kw":
        assert assessed.figure(Kind.SYSTEM, case=LoadCase.DESIGN).mid_h is not None


def test_a_generator_whose_burn_nobody_knows_lasts_nobody_knows_how_long():
    plant = network("      generators:\n        g1: {rated_kw: 100, tank_l: 1000}\n" + UPS)
    assert assess(plant, situation(plant)).figure(Kind.FUEL).missing == ("burn:g1",)


def test_fuel_counts_only_where_batteries_bridge_every_start_attempt():
    weak = UPS.replace("capacity_kwh: 50, count: 2", "capacity_kwh: 4, count: 1")
    plant = network(GENERATORS + weak)
    figure = assess(plant, situation(plant)).figure(Kind.SYSTEM)
    assert not figure.covered
    assert figure.mid_h == mid(assess(plant, situation(plant)), Kind.BATTERY)
    assert figure.mid_h < 0.04


def test_device_and_model_the_lower_counts_and_disagreement_is_told():
    plant = network(GENERATORS + UPS)
    told = replace(situation(plant), runtime_h={"ups-1": Known(0.3)})
    figure = assess(plant, told).figure(Kind.BATTERY)
    assert figure.mid_h == 0.3
    assert figure.disagrees
    optimist = replace(situation(plant), runtime_h={"ups-1": Known(40.0)})
    figure = assess(plant, optimist).figure(Kind.BATTERY)
    assert isclose(figure.mid_h, 10 / 5**1.2)
    assert figure.disagrees


def test_a_runtime_told_at_hardly_any_load_is_not_believed():
    plant = network(GENERATORS + UPS)
    told = replace(situation(plant, kw=5), runtime_h={"ups-1": Known(0.1)})
    assert assess(plant, told).figure(Kind.BATTERY).device_h is None


def test_the_chance_to_reach_the_target_as_published_for_well_kept_sets():
    one = network(GENERATORS.split("        g2", maxsplit=1)[0].replace("tank_l: 1000", "tank_l: 3000") + UPS)
    two = network(GENERATORS.replace("tank_l: 1000", "tank_l: 3000") + UPS)
    chance_of_one = reach_probability(assess(one, situation(one)), 72)
    chance_of_two = reach_probability(assess(two, situation(two)), 72)
    assert 0.94 < chance_of_one.mid < 0.96  # NREL: 0.956
    assert 0.99 < chance_of_two.mid < 0.999  # 0.998 without common causes
    empty = situation(two, fuel=0.2)
    assert reach_probability(assess(two, empty), 72).high == 0
    assert reach_probability(assess(two, replace(empty, fuel_l={})), 72) is None


LOADS = """\
      loads:
        core: {kw: 20, inputs: [ups-1]}
        servers: {kw: 20, inputs: [ups-1], priority: 2}
        displays: {kw: 10, inputs: [ups-1], priority: 3}
"""


def test_the_least_important_is_shed_first_and_no_more_than_needed():
    plant = network(GENERATORS + UPS + LOADS, target_h=130)
    steps = shed_order(plant, situation(plant))
    assert [step.load for step in steps] == ["", "displays", "servers"]
    assert [step.verdict for step in steps][-1] is Verdict.MET
    assert steps[-2].verdict is not Verdict.MET
    assert [it.load for it in shed_order(plant, replace(situation(plant), load_kw={}))] == [""]


def test_what_if_tells_what_happens_in_its_order():
    plant = network("      feeds: {feed-a: {rated_kw: 200, substation: East}}\n" + GENERATORS + UPS)
    outcome = what_if("core", plant, situation(plant), Change(lose=("feed:1", "genset:2")))
    whats = [(it.subject, it.what) for it in outcome.timeline.happenings]
    assert whats[0] == ("feed-a", What.LOST)
    order = [("ups-1", What.ON_BATTERY), ("g1", What.RUNNING), ("g1", What.FUEL_OUT), ("site", What.SITE_DARK)]
    assert [it for it in whats if it in order][: len(order)][0] == order[0]
    assert all(it in whats for it in order)
    assert isclose(outcome.dark_h.mid, 900 / 16 + 10 / 5**1.2, rel_tol=0.01)  # the recharged batteries carry on
    assert outcome.dark_h.low < outcome.dark_h.mid < outcome.dark_h.high


def test_with_utility_there_nothing_goes_dark():
    plant = network("      feeds: {feed-a: {rated_kw: 200}}\n" + GENERATORS + UPS)
    assert what_if("core", plant, situation(plant), Change(lose=("genset:all",))).timeline.dark_h is None


def test_feeds_of_one_substation_go_together_everywhere():
    plant = network("      feeds: {a: {rated_kw: 200, substation: East}, b: {rated_kw: 200, substation: East}}\n" + UPS)
    other = network("      feeds: {a: {rated_kw: 200, substation: West}}\n" + UPS)
    first, second = what_if_all(
        {"other": (other, situation(other)), "core": (plant, situation(plant))}, Change(lose=("substation:east",))
    )
    assert (first.site, second.site) == ("core", "other")
    assert second.timeline.dark_h is None


@pytest.mark.parametrize("word", ["feed:9", "genset:x", "nonsense:1", "ups-9", "string:ups-1/b", "pump:bulk"])
def test_what_is_not_there_cannot_be_lost(word):
    with pytest.raises(WhatIfError, match="there"):
        losses(network(GENERATORS + UPS).plant, [word])


def test_loads_are_changed_in_words():
    assert load_change("+20%") == (1.2, None)
    assert load_change("45 kW") == (1.0, 45)
    for text in ("20%", "-120%", "many"):
        with pytest.raises(WhatIfError):
            load_change(text)


def test_a_situation_survives_the_wire():
    plant = network(GENERATORS + UPS)
    there = situation(plant)
    assert situation_from_json(situation_to_json(there)) == there
    assert situation_from_json(situation_to_json(there), older_s=5).charge["ups-1"].age_s == 5
    with pytest.raises(ValueError, match="no situation"):
        situation_from_json({"today": "2026-05-12"})


def test_assumptions_are_read_or_refused():
    plant = network(GENERATORS + UPS)
    there = assumed(plant, "load=50%,fuel=80%,charge=90%,temp=10", TODAY)
    assert there.load_kw["site"].value == 25
    assert there.fuel_l["g1"].value == 800
    for text in ("fuel=180%", "colour=red", "fuel", "temp=5kw"):
        with pytest.raises(ValueError, match="%"):
            assumed(plant, text, TODAY)


@st.composite
def plants(draw):
    """Return a plant and a situation in which everything is known."""
    rng = random.Random(draw(st.integers(0, 10**6)))
    plant = Network(random_plant(rng))
    load = draw(st.floats(0.1, 1))
    return plant, Situation(
        TODAY,
        load_kw={name: Known(kw * load) for name, kw in plant.design_kw.items()},
        charge={name: Known(draw(st.floats(0.2, 1))) for name in plant.units},
        fuel_l={name: Known(tank.capacity_l * draw(st.floats(0.2, 1))) for name, tank in plant.tanks.items()},
        temp_c={name: Known(draw(st.floats(-5, 35))) for name in plant.units},
    )


@given(plants())
@settings(max_examples=60, deadline=None)
def test_what_holds_for_every_plant(case):
    plant, there = case
    assessed = assess(plant, there)
    for figure in assessed.figures.values():
        assert 0 <= figure.low_h <= figure.mid_h <= figure.high_h
        assert sentence(assessed, figure)
    for load in LoadCase:
        for kind in Kind:
            assert mid(assessed, kind, Redundancy.N_1, load) <= mid(assessed, kind, Redundancy.N, load) + 1e-9
        system, fuel, battery = (mid(assessed, kind, case=load) for kind in (Kind.SYSTEM, Kind.FUEL, Kind.BATTERY))
        assert system in {fuel, battery}
    assert assessment_to_json(assessed)["target_h"] == plant.plant.target_autonomy_h


@given(plants(), st.floats(1.01, 2))
@settings(max_examples=40, deadline=None)
def test_more_load_never_lasts_longer(case, factor):
    plant, there = case
    heavier = replace(there, load_kw={name: Known(it.value * factor) for name, it in there.load_kw.items()})
    for kind in (Kind.BATTERY, Kind.FUEL):
        before, after = assess(plant, there).figure(kind), assess(plant, heavier).figure(kind)
        # A load that needs one set more may use fuel that one set alone cannot reach: only batteries are monotonic.
        if kind is Kind.BATTERY and before.mid_h < ENDLESS_H:
            assert after.mid_h <= before.mid_h * (1 + 1e-6)


@given(plants())
@settings(max_examples=40, deadline=None)
def test_the_timeline_and_the_figures_agree_at_a_steady_load(case):
    """Two ways to the same: what closed steps say of batteries and fuel, and what happens event by event."""
    plant, there = case
    there = replace(there, charge=dict.fromkeys(plant.units, Known(1.0)))  # figures count no fuel for recharging
    holds, _missing = holds_of(plant, there)
    levels, _missing = levels_of(plant, there)
    kw = [load.kw * 0.5 for load in plant.loads]
    alone = plant.without(plant.generators)
    scenario = Scenario(tuple((0.0, feed) for feed in plant.plant.feeds), profile=((0.0, tuple(kw)),))
    dark_h = run(alone, scenario, holds[1], levels[1]).dark_h
    assert dark_h is None or isclose(dark_h, battery_h(alone, kw, holds[1], 1), rel_tol=1e-6, abs_tol=1e-9)
    timeline = run(plant, scenario, holds[1], levels[1])
    burning_h = fuel_h(plant, kw, levels[1], 1)
    if timeline.dark_h is not None and burning_h > 0 and battery_h(plant, kw, holds[1], 1) > 0.1:
        assert timeline.dark_h >= burning_h * 0.98  # what the start drew is charged again
