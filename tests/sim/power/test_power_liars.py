"""What is told of a plant whose devices lie, or whose generator has no reason to run."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from lab.simulators.power_devices import LYING_CONTROLLER, LYING_UPS
from lab.simulators.power_plant import SimulatedPlant
from lifeline.config import parse_inventory
from lifeline.devices import decode, shipped
from lifeline.model.power import Monitor
from power.core.autonomy import Kind, assess
from power.core.judge import Judge
from power.core.network import Network
from power.core.nut import decode_nut
from power.core.observe import Answer, observe

GOVNET = (Path(__file__).parents[3] / "containerlab" / "govnet.inventory.yml").read_text(encoding="utf-8")
GENCOMM, WORDS = shipped().family("deepsea-gencomm"), shipped().vocabulary
POLL_S = 5.0


class Room:
    """The wired room, everything but its switches asked each five seconds."""

    def __init__(self) -> None:
        spec = parse_inventory(GOVNET).sites["core-wired"].power
        assert spec is not None
        monitor = Monitor(device="x", protocol="nut", name="x", poll_s=POLL_S)
        asked = {section: {name: replace(it, monitor=monitor) for name, it in getattr(spec, section).items()}
                 for section in ("feeds", "generators", "ups")}  # fmt: skip
        deaf = {name: replace(it, monitor=None) for name, it in spec.switches.items()}
        self.plant, self.network = SimulatedPlant(spec), Network(replace(spec, switches=deaf, **asked))
        self.judge, self.now_s, self.system_h = Judge("core-wired"), 0.0, None
        self.lie_of_ups: dict[str, str] = {}
        self.lie_of_set: dict[int, int] = {}

    def go(self, seconds: float) -> set[str]:
        """Let time pass; return what stands."""
        stands: set[str] = set()
        for _poll in range(int(seconds / POLL_S)):
            self.plant.step(POLL_S)
            self.now_s += POLL_S
            answers = {name: Answer(decode_nut({**self.plant.nut_variables(name), **(self.lie_of_ups if name == "ups-a"
                                    else {})}, WORDS), self.now_s) for name in self.plant.units}  # fmt: skip
            for n, (name, it) in enumerate(self.plant.gensets.items()):
                told = Answer(decode(GENCOMM, {**it.registers(), **(self.lie_of_set if n == 0 else {})}), self.now_s)
                answers |= {name: told, f"feed-{'ab'[n]}": told}
            observed = observe(self.network, answers, self.now_s, date(2026, 11, 24))
            assessment = assess(self.network, observed.situation)
            self.system_h = assessment.figure(Kind.SYSTEM).mid_h
            judged = self.judge.judge(observed, assessment, self.now_s)
            stands = {f"{subject.partition('/')[2]}:{name}" for (subject, name), it in judged.items() if it is not None}
        return stands


@pytest.fixture
def room() -> Room:
    found = Room()
    assert found.go(30) == set()
    return found


def test_a_ups_without_load_and_with_minutes_for_ever_is_doubted(room: Room) -> None:
    room.lie_of_ups = dict(LYING_UPS)
    assert room.go(90) == {"ups-a:doubtful"}


def test_a_tank_at_250_per_cent_is_doubted_and_not_counted_on(room: Room) -> None:
    room.lie_of_set = dict(LYING_CONTROLLER)
    assert {"generator-1:doubtful", ":autonomy-unknown"} <= room.go(90)
    assert room.system_h is None


def test_a_generator_beside_a_feed_that_lives_is_not_missed(room: Room) -> None:
    room.plant.feeds["feed-a"] = False
    room.plant.stuck.add("ats-a")
    stands = room.go(120)
    assert {"ups-a:on-battery", ":utility-lost"} <= stands
    assert "generator-2:not-started" not in stands


def test_a_generator_that_nobody_calls_though_its_feed_is_dead_is_missed(room: Room) -> None:
    room.plant.feeds["feed-a"] = False
    room.plant.switches["ats-a"].inputs = ("feed-a",)  # its start signal is broken
    assert "generator-1:not-started" in room.go(120)
