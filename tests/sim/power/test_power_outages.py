"""Whole outages on a virtual clock: a simulated plant, what its devices would say, and what the core makes of it.

The plant (lab/simulators) and the model (power/core) share no code: that they agree is the point.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest

from lab.simulators.power_plant import SimulatedPlant
from lifeline.config import parse_inventory
from lifeline.devices import decode, shipped
from lifeline.model.power import Monitor
from power.core.autonomy import Assessment, Kind, Verdict, assess
from power.core.judge import Judge
from power.core.network import Network
from power.core.nut import decode_nut
from power.core.observe import Answer, Observed, observe

GOVNET = (Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml").read_text(encoding="utf-8")
LIBRARY = shipped()
GENCOMM = LIBRARY.family("deepsea-gencomm")
TODAY = date(2026, 11, 24)
HOUR_S = 3600.0


@dataclass
class Room:
    """A room, its plant and its judge on a virtual clock."""

    plant: SimulatedPlant
    network: Network
    judge: Judge
    now_s: float = 0.0
    raised: dict[str, float] = field(default_factory=dict)
    """Every condition ever raised, and when first."""
    standing: set[str] = field(default_factory=set)
    assessment: Assessment | None = None
    observed: Observed | None = None

    def go(self, hours: float, step_s: float = 60.0) -> None:
        """Let time pass; look at every step."""
        ends_s = self.now_s + hours * HOUR_S
        while self.now_s < ends_s and self.plant.dark_at_s is None:
            self.plant.step(step_s)
            self.now_s += step_s
            self.look()

    def look(self) -> None:
        """Hear every device once, reckon and judge."""
        answers = {name: Answer(decode_nut(self.plant.nut_variables(name), LIBRARY.vocabulary), self.now_s)
                   for name in self.plant.units}  # fmt: skip
        answers |= {
            name: Answer(decode(GENCOMM, it.registers()), self.now_s) for name, it in self.plant.gensets.items()
        }
        self.observed = observe(self.network, answers, self.now_s, TODAY)
        self.assessment = assess(self.network, self.observed.situation)
        judged = self.judge.judge(self.observed, self.assessment, self.now_s)
        for (subject, name), condition in judged.items():
            label = f"{subject.partition('/')[2]}:{name}".lstrip(":")
            if condition is None:
                self.standing.discard(label)
            else:
                self.standing.add(label)
                self.raised.setdefault(label, self.now_s)

    @property
    def system_h(self) -> float | None:
        assert self.assessment is not None
        return self.assessment.figure(Kind.SYSTEM).mid_h

    def lose_utility(self) -> None:
        self.plant.feeds = dict.fromkeys(self.plant.feeds, False)


def room(site: str, **options: float) -> Room:
    """Return a room of the lab's network, all its devices watched."""
    spec = parse_inventory(GOVNET).sites[site].power
    assert spec is not None
    # The lab's inventory may name monitors or not: here every part is asked.
    monitor = Monitor(device="x", protocol="nut", name="x", poll_s=60)
    spec = replace(
        spec,
        ups={name: replace(it, monitor=monitor) for name, it in spec.ups.items()},
        generators={name: replace(it, monitor=monitor) for name, it in spec.generators.items()},
    )
    found = Room(SimulatedPlant(spec, **options), Network(spec), Judge(site))
    found.go(0.05)
    return found


def test_the_wired_room_lasts_72_hours_without_utility() -> None:
    wired = room("core-wired")
    first_h = wired.system_h
    assert first_h is not None
    assert wired.assessment.figure(Kind.SYSTEM).verdict(72) is Verdict.MET
    wired.lose_utility()
    wired.go(72, step_s=120)
    assert wired.plant.dark_at_s is None
    assert "utility-lost" in wired.standing
    left_h = wired.system_h
    assert left_h == pytest.approx(first_h - 72, rel=0.05)  # it falls as time goes
    assert "autonomy-falls-fast" not in wired.raised
    assert "generator-1:fuel-drop" not in wired.raised


def test_the_radio_room_lasts_8_hours_though_its_generator_never_starts() -> None:
    radio = room("core-800m")
    radio.plant.gensets["generator-1"].fails_to_start = True
    radio.lose_utility()
    radio.go(8)
    assert radio.plant.dark_at_s is None
    assert {"utility-lost", "generator-1:start-failed", "ups-1:on-battery"} <= radio.standing
    assert radio.raised["generator-1:start-failed"] - radio.raised["utility-lost"] <= 120


def test_the_wired_room_survives_one_generator_that_fails_to_start() -> None:
    wired = room("core-wired")
    wired.plant.gensets["generator-1"].fails_to_start = True
    wired.lose_utility()
    wired.go(12, step_s=120)
    assert wired.plant.dark_at_s is None
    assert "generator-1:start-failed" in wired.standing
    assert "generator-1" in wired.observed.situation.lost


def test_predicted_time_to_dark_comes_true_when_everything_fails() -> None:
    radio = room("core-800m", fuel_share=0.3)
    outage_h = radio.system_h
    assert outage_h is not None
    radio.lose_utility()
    radio.plant.gensets["generator-1"].stops_after_s = 600
    radio.go(1)
    predicted_h = radio.now_s / HOUR_S + radio.system_h  # batteries alone from here
    radio.go(60)
    assert radio.plant.dark_at_s is not None
    figure_low = radio.plant.dark_at_s / HOUR_S
    assert figure_low == pytest.approx(predicted_h, rel=0.3)  # unknown age and temperature, rather than the true ones


def test_a_fuel_leak_is_told_and_what_is_left_falls_faster_than_time() -> None:
    wired = room("core-wired")
    wired.lose_utility()
    wired.go(1)
    wired.plant.tanks["generator-2"].leak_l_per_h = 600
    wired.go(2)
    assert {"generator-2:fuel-drop", "autonomy-falls-fast"} <= wired.raised.keys()


def test_a_flickering_feed_is_one_event() -> None:
    wired = room("core-wired")
    spells = []
    for n in range(10):
        wired.plant.feeds = dict.fromkeys(wired.plant.feeds, n % 2 == 1)
        wired.plant.step(5)
        wired.now_s += 5
        wired.look()
        spells.append("ups-a:on-battery" in wired.standing)
    assert spells == [True] * 10


def test_a_bypassed_ups_is_no_battery() -> None:
    radio = room("core-800m")
    radio.plant.bypassed.add("ups-1")
    radio.go(0.1)
    assert "ups-1:bypass" in radio.standing
    assert radio.assessment.figure(Kind.BATTERY).mid_h == 0
