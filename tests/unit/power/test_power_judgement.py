"""What devices say, what is made of it, and from when on it is told."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeline.config import parse_inventory
from lifeline.devices import Decoded, shipped
from lifeline.model.records import Quality
from power.core.autonomy import Kind, Verdict, assess
from power.core.judge import CLEAR_AFTER_S, Judge
from power.core.network import Network
from power.core.nut import NutError, decode_nut, parse_variables
from power.core.observe import Answer, observe

VOCABULARY = shipped().vocabulary
TODAY = date(2026, 5, 12)
TEXT = """\
lifeline: 1
sites:
  station:
    kind: super-base-station
    name: Station
    devices:
      ups: {kind: ups, address: 10.0.0.1}
      genset: {kind: generator, address: 10.0.0.2}
    power:
      target_autonomy_h: 8
      design_load_kw: 4
      feeds: {feed-a: {rated_kw: 20}}
      generators:
        g1: {rated_kw: 12, tank_l: 200, burn_l_per_h: [1.2, 2.0, 2.8, 3.6], monitor: {device: genset, protocol: modbus}}
      ups:
        ups-1:
          module_kw: 3
          modules: 3
          modules_needed: 2
          strings: {a: {technology: vrla, capacity_kwh: 10, installed: 2025-01-01, peukert: 1.2}}
          monitor: {device: ups, protocol: nut, name: ups}
"""
NETWORK = Network(parse_inventory(TEXT).sites["station"].power)
GOOD = {"ups.status": "OL", "battery.charge": "100", "battery.runtime": "7000", "ups.realpower": "3000"}


def ups(**changes: str) -> Decoded:
    return decode_nut(GOOD | {name.replace("_", "."): value for name, value in changes.items()}, VOCABULARY)


def genset(**values: object) -> Decoded:
    """A generator as NUT could never tell it: the states alone matter here."""
    from lifeline.devices import Health, Measurement, State
    from lifeline.model.inventory import DeviceKind

    states = tuple(State(k.replace("_", "."), "", str(v), Health.OK, "", "", "") for k, v in values.items()
                   if isinstance(v, str))  # fmt: skip
    level = float(values.get("level", 80))
    fuel = Measurement("fuel.level", "", level, "%", Quality.GOOD, "", "", "")
    return Decoded("x", DeviceKind.GENERATOR, "", "", "", "", (fuel,), states, ())


@dataclass
class Station:
    """A station that is looked at again and again."""

    judge: Judge
    now_s: float = 0.0

    def look(self, *, after_s: float = 10.0, ups_says: Decoded | None = None, genset_says: Decoded | None = None):
        """Go on by some time, hear the devices that speak, and return the names of what stands."""
        self.now_s += after_s
        answers = {}
        if ups_says is not None:
            answers["ups-1"] = Answer(ups_says, self.now_s)
        if genset_says is not None:
            answers["g1"] = Answer(genset_says, self.now_s)
        observed = observe(NETWORK, answers, self.now_s, TODAY)
        judged = self.judge.judge(observed, assess(NETWORK, observed.situation), self.now_s)
        return {(subject.partition("/")[2], name) for (subject, name), it in judged.items() if it is not None}


@pytest.fixture
def station() -> Station:
    return Station(Judge("station"))


STOPPED = genset(genset_state="stopped", genset_mode="auto")


def test_a_healthy_station_has_nothing_to_tell(station):
    for _look in range(20):
        assert not station.look(ups_says=ups(), genset_says=STOPPED)


def test_loss_of_utility_is_told_at_the_first_look(station):
    station.look(ups_says=ups(), genset_says=STOPPED)
    raised = station.look(ups_says=ups(ups_status="OB DISCHRG"), genset_says=STOPPED)
    assert {("", "utility-lost"), ("ups-1", "on-battery")} <= raised


def test_a_flicker_is_one_event(station):
    stood = []
    for n in range(12):
        flags = "OB DISCHRG" if n % 2 else "OL CHRG"
        stood.append(("ups-1", "on-battery") in station.look(after_s=3, ups_says=ups(ups_status=flags)))
    assert stood == [False] + [True] * 11
    for _look in range(int(CLEAR_AFTER_S / 10)):
        assert ("ups-1", "on-battery") in station.look(ups_says=ups())
    assert ("ups-1", "on-battery") not in station.look(ups_says=ups())


@pytest.mark.parametrize(("flags", "name"), [("OFF", "off"), ("OL BYPASS", "bypass"), ("OFF OL", "off")])
def test_off_and_bypass_do_not_back_the_load(station, flags, name):
    assert ("ups-1", name) in station.look(ups_says=ups(ups_status=flags), genset_says=STOPPED)
    observed = observe(NETWORK, {"ups-1": Answer(ups(ups_status=flags), 0.0)}, 0.0, TODAY)
    assert observed.situation.lost == {"ups-1"}
    battery = assess(NETWORK, observed.situation).figure(Kind.BATTERY)
    assert battery.verdict(0.01) is not Verdict.MET


def test_a_generator_that_should_run_and_does_not_is_told(station):
    on_battery = ups(ups_status="OB DISCHRG")
    names = [station.look(ups_says=on_battery, genset_says=STOPPED) for _look in range(7)]
    assert ("g1", "not-started") not in names[2]
    assert ("g1", "not-started") in names[-1]


def test_not_in_automatic_mode_is_no_generator(station):
    manual = genset(genset_state="stopped", genset_mode="manual")
    for _look in range(5):
        raised = station.look(ups_says=ups(), genset_says=manual)
    assert ("g1", "not-automatic") in raised
    answers = {"ups-1": Answer(ups(), 0.0), "g1": Answer(manual, 0.0)}
    assert "g1" in observe(NETWORK, answers, 0.0, TODAY).situation.lost


def test_a_silent_device_is_told_and_unknown_clears_nothing(station):
    station.look(ups_says=ups(ups_status="OB DISCHRG"))
    raised = station.look(after_s=100)
    assert ("ups-1", "silent") in raised
    assert ("ups-1", "on-battery") not in raised  # it is not judged at all: what stood stands


def test_fuel_that_goes_without_an_engine_is_told(station):
    for n in range(8):
        idle = genset(genset_state="stopped", genset_mode="auto", level=80 - 3 * n)
        raised = station.look(after_s=30, ups_says=ups(), genset_says=idle)
    assert ("g1", "fuel-drop") in raised


def test_fuel_that_an_engine_burns_is_not():
    station = Station(Judge("station"))
    level = 80.0
    for _look in range(120):
        level -= 3.5 / 200 * 100 / 120
        raised = station.look(after_s=30, ups_says=ups(),
                              genset_says=genset(genset_state="running", genset_mode="auto", level=level))  # fmt: skip
        assert ("g1", "fuel-drop") not in raised


def test_what_a_device_says_against_itself_is_not_believed(station):
    lying = ups(battery_runtime="0", battery_charge="0")
    for _look in range(8):
        raised = station.look(ups_says=lying, genset_says=STOPPED)
    assert ("ups-1", "doubtful") in raised
    observed = observe(NETWORK, {"ups-1": Answer(lying, 0.0)}, 0.0, TODAY)
    assert observed.situation.charge["ups-1"].value is None
    assert "ups-1" not in observed.situation.runtime_h


# ---------------------------------------------------------------- NUT


def lines(*variables: str) -> list[str]:
    return ["BEGIN LIST VAR ups", *variables, "END LIST VAR ups"]


def test_variables_are_read_with_their_escapes():
    told = parse_variables("ups", lines('VAR ups device.model "Smart \\"X\\" \\\\ 3"', 'VAR ups ups.status "OL"'))
    assert told == {"device.model": 'Smart "X" \\ 3', "ups.status": "OL"}


@pytest.mark.parametrize(
    "answer", [["ERR DATA-STALE"], ["ERR UNKNOWN-UPS"], lines('VAR other x "1"'), lines("nonsense"), lines()[:1], []]
)
def test_refusals_and_half_answers_are_told(answer):
    with pytest.raises(NutError):
        parse_variables("ups", answer)


@given(st.lists(st.text(max_size=40), max_size=6))
def test_no_answer_surprises(answer):
    with contextlib.suppress(NutError):
        decode_nut(parse_variables("ups", answer), VOCABULARY)


@given(st.dictionaries(st.sampled_from(["battery.charge", "battery.runtime", "ups.load", "ups.status"]), st.text()))
def test_no_value_surprises(variables):
    decoded = decode_nut(variables, VOCABULARY)
    assert all((it.value is None) == (it.quality is Quality.MISSING) for it in decoded.measurements)


@pytest.mark.parametrize(
    ("variable", "value"), [("battery.charge", "-1"), ("battery.runtime", "nan"), ("battery.charge", "full"),
                            ("battery.runtime", "4294967295"), ("ups.load", "900")],
)  # fmt: skip
def test_sentinels_and_nonsense_are_no_good_values(variable, value):
    (measured,) = decode_nut({variable: value}, VOCABULARY).measurements
    assert measured.quality is not Quality.GOOD
