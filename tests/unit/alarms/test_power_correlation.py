"""What the power daemon says of a dead UPS, correlated: it is why the router behind it is dead, and its links too."""

from __future__ import annotations

from datetime import date

import pytest
from alarm_world import Fact, Watch, path_down, topology_of

from lab.simulators.power_plant import SimulatedPlant
from lifeline.config import parse_inventory
from lifeline.devices import shipped
from lifeline.model.records import Condition
from power.core.autonomy import assess
from power.core.judge import Judge
from power.core.network import Network
from power.core.nut import decode_nut
from power.core.observe import Answer, observe

SITE = "s1"
PLANT = """\
lifeline: 1
sites:
  s1:
    kind: super-base-station
    name: S
    devices: {ups: {kind: ups, address: 10.1.1.9}}
    power:
      target_autonomy_h: 8
      design_load_kw: 3
      feeds: {feed-a: {rated_kw: 10}}
      ups:
        ups-1:
          module_kw: 3
          modules: 2
          battery_kwh: 12
          monitor: {device: ups, protocol: nut, name: ups}
"""


def facts(plant: SimulatedPlant) -> list[Fact]:
    """Return what the power daemon raises of a plant, its UPS asked twice in ten seconds."""
    network, judge = Network(plant.spec), Judge(SITE)
    found: list[Condition] = []
    for now_s in (100.0, 110.0):
        answers = {"ups-1": Answer(decode_nut(plant.nut_variables("ups-1"), shipped().vocabulary), now_s)}
        observed = observe(network, answers, now_s, date(2026, 11, 24))
        judged = judge.judge(observed, assess(network, observed.situation), now_s)
        found = [condition for condition in judged.values() if condition is not None]
    return [
        Fact(it.subject, it.name, 0, it.perceived_severity, it.probable_cause, f"{SITE}/power", type=it.event_type)
        for it in found
    ]


@pytest.fixture
def plant() -> SimulatedPlant:
    spec = parse_inventory(PLANT).sites[SITE].power
    assert spec is not None
    return SimulatedPlant(spec)


def roots_of(told: list[Fact]) -> dict[str, str]:
    """Return each alarm's root."""
    watch = Watch(topology_of(4))
    watch.tell(*(it.event() for it in told))
    watch.tick()
    return {name: verdict.root for name, verdict in watch.verdicts().items()}


ROUTER = Fact(f"device:{SITE}/router", "unreachable", 1, node=f"{SITE}/netwatch")
LINKS = [path_down(f"fibre-{SITE}", 1), path_down(f"sat-{SITE}", 1)]


def test_a_dead_ups_is_why_the_router_is_dead_and_its_links_are_down(plant: SimulatedPlant) -> None:
    plant.feeds["feed-a"] = False
    plant.units["ups-1"].charge = 0.0
    plant.step(10)
    told = facts(plant)
    off = next(it for it in told if it.name == "off")
    assert off.subject == f"power:{SITE}/ups-1"
    roots = roots_of([*told, ROUTER, *LINKS])
    assert {roots[it.id] for it in (ROUTER, *LINKS)} == {off.id}


def test_a_ups_on_its_batteries_is_not_why_a_router_is_dead(plant: SimulatedPlant) -> None:
    plant.feeds["feed-a"] = False
    plant.step(10)
    told = facts(plant)
    assert {"on-battery", "utility-lost"} <= {it.name for it in told}
    assert roots_of([*told, ROUTER])[ROUTER.id] == ROUTER.id


def test_a_ups_that_carries_too_much_still_carries(plant: SimulatedPlant) -> None:
    plant.load_share = 3.0
    plant.step(10)
    told = facts(plant)
    assert "overload" in {it.name for it in told}
    assert roots_of([*told, ROUTER])[ROUTER.id] == ROUTER.id
