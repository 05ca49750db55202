"""Every condition of power: what raises it, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest

from lifeline.config import parse_inventory
from lifeline.devices import Decoded, Health, Measurement, State
from lifeline.model.inventory import DeviceKind
from lifeline.model.records import Quality
from power.core.autonomy import Kind, Redundancy, assess
from power.core.judge import Judge
from power.core.network import Network
from power.core.observe import Answer, observe
from power.core.ready import Readiness, readiness
from power.core.situation import Known
from power.core.whatif import Change, what_if

TODAY = date(2026, 5, 12)
TEXT = """\
lifeline: 1
sites:
  vehicle:
    kind: mobile-unit
    name: Core network vehicle
    devices:
      meter: {kind: sensor, address: 10.0.0.1}
      ats: {kind: transfer-switch, address: 10.0.0.2}
      ups: {kind: ups, address: 10.0.0.3}
      genset: {kind: generator, address: 10.0.0.4}
    power:
      target_autonomy_h: 8
      design_load_kw: 4
      test_every_d: 30
      feeds: {shore: {rated_kw: 20, monitor: {device: meter, protocol: snmp}}}
      switches: {ats: {inputs: [shore, g1], monitor: {device: ats, protocol: snmp}}}
      generators:
        g1:
          rated_kw: 12
          tank_l: 200
          filled: 2025-12-01
          burn_l_per_h: [1.2, 2.0, 2.8, 3.6]
          monitor: {device: genset, protocol: modbus}
      ups:
        u:
          input: ats
          module_kw: 3
          modules: 3
          modules_needed: 2
          strings: {a: {technology: lfp, capacity_kwh: 10, installed: 2026-01-01}}
          monitor: {device: ups, protocol: snmp}
"""
Told = Mapping[str, float | str]
UPS: Told = {"ups.source": "online", "battery.charge": 100.0, "output.realpower": 3000.0, "battery.temperature": 24.0,
             "battery.test": "passed"}  # fmt: skip
GENSET: Told = {"genset.state": "stopped", "genset.mode": "auto", "genset.alarm": "clear", "fuel.level": 80.0,
                "engine.battery_voltage": 13.2}  # fmt: skip
ATS: Told = {"ats.source": "a", "ats.switch": "ok"}
HEALTHY: Mapping[str, Told] = {"shore": {"mains.status": "ok"}, "ats": ATS, "u": UPS, "g1": GENSET}


def network(old: str = "", new: str = "") -> Network:
    plant = parse_inventory(TEXT.replace(old, new) if old else TEXT).sites["vehicle"].power
    assert plant is not None
    return Network(plant)


def says(told: Told) -> Decoded:
    """A device that says just this."""
    measured = tuple(Measurement(k.partition("#")[0], k.partition("#")[2], v, "", Quality.GOOD, "", "", "")
                     for k, v in told.items() if isinstance(v, float))  # fmt: skip
    states = tuple(State(k, "", v, Health.OK, "", "", "") for k, v in told.items() if isinstance(v, str) and v)
    return Decoded("x", DeviceKind.UPS, "", "", "", "", measured, states, ())


class Vehicle:
    """A plant that is looked at again and again."""

    def __init__(self, plant: Network | None = None) -> None:
        self.network, self.judge, self.now_s = plant or network(), Judge("vehicle"), 0.0
        self.tested_d: dict[str, float | None] = {}
        self.health: dict[str, Known] = {}

    def look(self, after_s: float = 10.0, **changes: Told) -> set[tuple[str, str]]:
        """Hear all devices once, changed as told, and return what stands."""
        self.now_s += after_s
        told = {name: {**it, **changes.get(name, {})} for name, it in HEALTHY.items()}
        answers = {name: Answer(says(it), self.now_s - 0.1 * n) for n, (name, it) in enumerate(reversed(told.items()))}
        self.observed = observe(self.network, answers, self.now_s, TODAY, self.health)
        self.assessment = assess(self.network, self.observed.situation)
        judged = self.judge.judge(self.observed, self.assessment, self.now_s, self.tested_d)
        return {(subject.partition("/")[2], name) for (subject, name), it in judged.items() if it is not None}

    def stare(self, looks: int = 40, after_s: float = 10.0, **changes: Told) -> set[tuple[str, str]]:
        """Look many times at the same, and return what stands in the end."""
        for _look in range(looks - 1):
            self.look(after_s, **changes)
        return self.look(after_s, **changes)


LOST: dict[str, Told] = {"shore": {"mains.status": "failed"}, "u": {"ups.source": "on-battery"}}


@pytest.mark.parametrize(
    ("changes", "raised"),
    [
        ({}, None),
        (LOST, ("", "utility-lost")),
        (LOST, ("u", "on-battery")),
        (LOST, ("g1", "not-started")),
        ({**LOST, "g1": {"genset.start": "failed"}}, ("g1", "start-failed")),
        ({"shore": {"mains.status": "failed"}, "ats": {"ats.source": "b"},
          "g1": {"genset.state": "running", "genset.realpower": 3400.0}}, ("", "on-generator")),
        ({**LOST, "ats": {"ats.source": "neither"}, "g1": {"genset.state": "running"}}, ("ats", "transfer-failed")),
        ({**LOST, "ats": {"ats.source": "a"}, "g1": {"genset.state": "running"}}, ("ats", "transfer-failed")),
        ({"ats": {"ats.source": "neither"}}, ("ats", "transfer-failed")),
        ({"g1": {"fuel.level": 30.0}}, ("g1", "low-fuel")),
        ({"g1": {"genset.mode": "off"}}, ("g1", "not-automatic")),
        ({"g1": {"genset.alarm": "shutdown"}}, ("g1", "engine-alarm")),
        ({"g1": {"engine.battery_voltage": 11.1}}, ("g1", "start-battery-low")),
        ({"u": {"battery.test": "failed"}}, ("u", "battery-weak")),
        ({"u": {"battery.temperature": 41.0}}, ("u", "battery-hot")),
        ({"u": {"battery.voltage#1": 54.0, "battery.voltage#2": 48.0}}, ("u", "string-imbalance")),
        ({"u": {"battery.status": "low"}}, ("u", "battery-low")),
        ({"u": {"output.realpower": 7000.0}}, ("u", "redundancy-lost")),
        ({"u": {"output.realpower": 9500.0}}, ("u", "overload")),
        ({"u": {"ups.source": "bypass"}}, ("u", "bypass")),
        ({"u": {"ups.source": "off"}}, ("u", "off")),
        ({"u": {"battery.runtime_s": 600.0}}, ("", "runtime-doubtful")),
        ({"u": {"battery.charge": 0.0}}, ("u", "doubtful")),
        # It says that it is fed, and nothing lives that could feed it.
        ({"shore": {"mains.status": "failed"}}, ("u", "doubtful")),
    ],
)  # fmt: skip
def test_what_raises_a_condition(changes: dict[str, Told], raised: tuple[str, str] | None) -> None:
    stands = Vehicle().stare(**changes)
    assert raised in stands if raised else not stands


def test_a_single_string_has_no_redundancy_to_lose_and_two_generators_have() -> None:
    assert ("", "redundancy-lost") not in Vehicle().stare(g1={"genset.state": "failed"})
    second = "        g2: {rated_kw: 12, tank_l: 200, burn_l_per_h: [1.2, 2, 2.8, 3.6], monitor: *controller}\n"
    text = TEXT.replace("monitor: {device: genset", "monitor: &controller {device: genset")
    text = text.replace("      ups:\n        u:", f"{second}      ups:\n        u:").replace(
        "          input: ats\n", ""
    )
    text = text.replace("      switches: {ats: {inputs: [shore, g1], monitor: {device: ats, protocol: snmp}}}\n", "")
    text = text.replace("capacity_kwh: 10", "count: 2, capacity_kwh: 5")
    plant = parse_inventory(text).sites["vehicle"].power
    assert plant is not None
    two = Network(plant)
    vehicle = Vehicle(two)
    twin = dict(HEALTHY) | {"g2": GENSET}
    for broken, expected in ((False, False), (True, True)):
        for _look in range(20):
            vehicle.now_s += 10
            told = twin | ({"g2": {**GENSET, "genset.start": "failed"}} if broken else {})
            answers = {name: Answer(says(it), vehicle.now_s) for name, it in told.items()}
            observed = observe(two, answers, vehicle.now_s, TODAY)
            judged = vehicle.judge.judge(observed, assess(two, observed.situation), vehicle.now_s)
        assert (judged["power:vehicle", "redundancy-lost"] is not None) is expected


def test_a_brown_out_flicker_is_one_event() -> None:
    vehicle = Vehicle()
    stood = [("", "utility-lost") in vehicle.look(5, **(LOST if n % 2 else {})) for n in range(20)]
    assert stood == [False] + [True] * 19


def test_fuel_that_goes_as_thieves_take_it_is_told_once_and_a_delivery_is_no_theft() -> None:
    vehicle = Vehicle()
    stood = [("g1", "fuel-drop") in vehicle.look(30, g1={"fuel.level": level}) for level in (80.0, 80.0, *[70.0] * 8)]
    assert stood[2] is False  # one reading is no theft yet
    assert stood[-1] is True
    assert ("g1", "fuel-drop") not in Vehicle().stare(g1={"fuel.level": 100.0})


def test_a_gauge_that_sways_within_its_error_is_no_theft() -> None:
    vehicle = Vehicle()
    for n in range(60):
        assert ("g1", "fuel-drop") not in vehicle.look(60, g1={"fuel.level": 80.0 - 4 * (n % 2)})


def test_what_is_left_falls_faster_than_time() -> None:
    running: Told = {"genset.state": "running", "genset.realpower": 3400.0}
    for burns, expected in ((1.7, False), (25.0, True)):
        vehicle = Vehicle()
        for minute in range(70):
            level = 80.0 - 100 * burns / 200 * minute / 60
            stands = vehicle.look(60, shore={"mains.status": "failed"}, ats={"ats.source": "b"},
                                  g1={**running, "fuel.level": level})  # fmt: skip
        assert (("", "autonomy-falls-fast") in stands) is expected


@pytest.mark.parametrize(("days", "overdue"), [(None, True), (31.0, True), (29.0, False)])
def test_a_test_that_is_overdue_is_told(days: float | None, overdue: bool) -> None:
    vehicle = Vehicle()
    vehicle.tested_d = {"u": days}
    assert (("u", "test-overdue") in vehicle.stare(10)) is overdue


def test_a_gauge_that_stands_still_while_energy_is_drawn_lies() -> None:
    vehicle = Vehicle()
    assert ("u", "gauge-stuck") not in vehicle.stare(12, 60, **LOST)
    assert ("u", "gauge-stuck") in vehicle.stare(30, 60, **LOST)
    honest = Vehicle()
    for minute in range(60):
        charge = 100.0 - 100 * 3.2 * minute / 60 / 10
        assert ("u", "gauge-stuck") not in honest.look(60, **{**LOST, "u": {"ups.source": "on-battery",
                                                                           "battery.charge": charge}})  # fmt: skip


def test_an_estimate_that_may_be_far_off_calls_no_battery_weak() -> None:
    for error, weak in ((0.05, True), (0.3, False)):
        vehicle = Vehicle()
        vehicle.health = {"u/a": Known(0.7, error=error)}
        assert (("u", "battery-weak") in vehicle.stare(3)) is weak


def test_old_fuel_is_told() -> None:
    assert ("g1", "fuel-old") not in Vehicle().look()
    assert ("g1", "fuel-old") in Vehicle(network("filled: 2025-12-01", "filled: 2024-12-01")).look()


def test_a_silent_device_is_told_after_three_polls_and_makes_figures_unknown() -> None:
    vehicle = Vehicle()
    vehicle.look()
    later_s = vehicle.now_s + 31
    observed = observe(vehicle.network, {"u": Answer(says(UPS), vehicle.now_s)}, later_s, TODAY)
    assessment = assess(vehicle.network, observed.situation)
    judged = vehicle.judge.judge(observed, assessment, later_s)
    assert judged["power:vehicle/u", "silent"] is not None
    assert assessment.figure(Kind.SYSTEM).mid_h is None


# ---------------------------------------------------------------- what runs already


def test_a_generator_that_carries_needs_no_bridge_but_its_successor_does() -> None:
    """Batteries that an outage has emptied must not make a site with fuel for days count as minutes from dark."""
    vehicle = Vehicle()
    vehicle.look(
        shore={"mains.status": "failed"},
        ats={"ats.source": "b"},
        u={"battery.charge": 0.4, "ups.source": "eco"},
        g1={"genset.state": "loaded", "genset.realpower": 3400.0},
    )
    assert vehicle.observed.situation.carrying == {"g1"}
    assert "shore" in vehicle.observed.situation.lost
    n, n_1 = (vehicle.assessment.figure(Kind.SYSTEM, it) for it in Redundancy)
    assert n.mid_h is not None
    assert n.mid_h > 50
    assert n_1.mid_h is not None
    assert n_1.mid_h < 1
    outcome = what_if("vehicle", vehicle.network, vehicle.observed.situation, Change(lose=("feed:all",)))
    assert outcome.dark_h is not None
    assert outcome.dark_h.mid > 50
    # A failed feed is not counted on: with the generator gone too, batteries are all there is.
    outcome = what_if("vehicle", vehicle.network, vehicle.observed.situation, Change(lose=("genset:1",)))
    assert outcome.dark_h is not None
    assert outcome.dark_h.mid < 1


# ---------------------------------------------------------------- ready or not


@pytest.mark.parametrize(
    ("changes", "verdict", "because"),
    [
        ({}, Readiness.READY, ""),
        ({"g1": {"fuel.level": 35.0}}, Readiness.NOT_READY, "35 %"),
        ({"u": {"battery.charge": 70.0}}, Readiness.NOT_READY, "70 %"),
        ({"g1": {"genset.mode": "manual"}}, Readiness.NOT_READY, "automatic"),
        ({"g1": {"genset.start": "failed"}}, Readiness.NOT_READY, "failed to start"),
        ({"g1": {"genset.alarm": "raised"}}, Readiness.NOT_READY, "alarm"),
        ({"g1": {"engine.battery_voltage": 11.0}}, Readiness.NOT_READY, "start battery"),
        ({"u": {"ups.source": "off"}}, Readiness.NOT_READY, "bypass"),
        ({"g1": {"genset.mode": ""}}, Readiness.UNKNOWN, "automatic"),
    ],
)
def test_a_vehicle_is_ready_or_not_and_why(changes: dict[str, Told], verdict: Readiness, because: str) -> None:
    vehicle = Vehicle()
    vehicle.look(**changes)
    ready = readiness(vehicle.network, vehicle.observed, vehicle.assessment)
    assert ready.verdict is verdict
    assert because in " ".join(ready.because)


def test_a_vehicle_that_nobody_hears_is_not_called_ready() -> None:
    plant = network()
    observed = observe(plant, {}, 0.0, TODAY)
    ready = readiness(plant, observed, assess(plant, observed.situation))
    assert ready.verdict is Readiness.UNKNOWN
    assert len(ready.because) >= 4
