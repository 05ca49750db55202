"""What discharges and battery tests teach, and what is kept of it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from lifeline.devices import Decoded, shipped
from lifeline.model.power import BatteryString, Monitor, PowerPlant, Technology, Ups
from power.core.learn import Discharge, Lesson, discharging, learn, on_test
from power.core.network import Network
from power.core.nut import decode_nut
from power.core.observe import Answer, PartView, observe
from power.core.situation import Known, share_of
from power.io.memory import read_learned

TODAY = date(2026, 5, 12)
NETWORK = Network(PowerPlant(8, 4, ups={"ups-1": Ups(
    module_kw=9, monitor=Monitor(device="ups", protocol="nut", name="ups"),
    strings={"a": BatteryString(Technology.VRLA, 10.0, installed=date(2025, 1, 1), peukert=1.2)})}))  # fmt: skip
UNIT = NETWORK.units["ups-1"]
(PART,) = UNIT.parts


def discharge(true_share: float, down_to: float, *, test: bool = False) -> Discharge:
    """A discharge as a battery would go that holds so much of its new capacity."""
    found, state = Discharge(test), PART.models[1].at(1.0)
    for minute in range(400):
        kw, charge = 2.0 + minute % 7 / 10, PART.models[1].charge(state)
        found.add(minute * 60.0, kw, charge)
        if charge <= down_to:
            break
        state = PART.models[1].after(state, kw / UNIT.battery_efficiency / true_share, 1 / 60)
    return found


@pytest.mark.parametrize("true_share", [0.5, 0.8, 1.0])
def test_a_deep_discharge_teaches_what_the_battery_holds(true_share: float) -> None:
    lesson = learn(UNIT, discharge(true_share, 0.2), {}, 25.0, TODAY)
    assert lesson is not None
    (known,) = lesson.shares.values()
    assert known.value == pytest.approx(true_share, rel=0.02)
    assert known.error == pytest.approx(0.05 * true_share, rel=0.4)


def test_a_short_test_moves_the_estimate_a_little_and_a_shorter_one_not_at_all() -> None:
    before = {"ups-1/a": Known(1.0, error=0.05)}
    deep = learn(UNIT, discharge(0.6, 0.2), before, 25.0, TODAY)
    shallow = learn(UNIT, discharge(0.6, 0.8, test=True), before, 25.0, TODAY)
    assert deep is not None
    assert shallow is not None
    deep_share, shallow_share = deep.shares["ups-1/a"].value, shallow.shares["ups-1/a"].value
    assert deep_share is not None
    assert shallow_share is not None
    assert 0.6 <= deep_share < 0.75 < shallow_share < 0.95
    assert learn(UNIT, discharge(0.6, 0.95), before, 25.0, TODAY) is None


def test_the_lesson_shows_what_was_told_against_what_the_model_had() -> None:
    lesson = learn(UNIT, discharge(0.5, 0.2), {}, 25.0, TODAY)
    assert lesson is not None
    first, last = lesson.curve[0], lesson.curve[-1]
    assert first[1:] == (1.0, 1.0)
    assert last[1] < 0.25
    assert last[2] > 0.5  # a battery of that age would have stood better
    assert [it[0] for it in lesson.curve] == sorted(it[0] for it in lesson.curve)


def test_what_was_learnt_decides_the_figure_and_its_interval() -> None:
    observed = observe(NETWORK, {}, 0.0, TODAY, {"ups-1/a": Known(0.7, error=0.12)})
    band = share_of(PART, "ups-1", observed.situation)
    assert band.mid == pytest.approx(0.7, rel=0.15)  # cold rooms take some of it
    assert band.high - band.low > 2 * 0.12


def test_what_was_learnt_outlives_the_daemon_and_a_broken_file_costs_no_life(tmp_path: Path) -> None:
    file = tmp_path / "learned.json"
    lesson = Lesson({"ups-1/a": Known(0.8, error=0.05)}, [(0.0, 1.0, 1.0), (1.0, 0.4, 0.6)])
    read_learned(file).note("ups-1", lesson, 1_000, test=True)
    again = read_learned(file)
    assert again.health(61_000_001_000)["ups-1/a"][:2] == (0.8, 61.0)
    assert again.curves["ups-1"]["test"] is True
    for text in ("{", "[]", json.dumps({"shares": {"a": [1]}, "curves": {}})):
        file.write_text(text, encoding="utf-8")
        assert read_learned(file).shares == {}


def view(**variables: str) -> PartView:
    told = {"ups.status": "OL", "battery.charge": "95"} | {k.replace("_", "."): v for k, v in variables.items()}
    answer = Answer(decoded(told), 0.0)
    return observe(NETWORK, {"ups-1": answer}, 0.0, TODAY).views["ups-1"]


def decoded(variables: dict[str, str]) -> Decoded:
    return decode_nut(variables, shipped().vocabulary)


def test_a_test_is_a_discharge_and_no_loss_of_utility() -> None:
    running = view(ups_status="OB DISCHRG", ups_test_result="In progress", input_voltage="231")
    assert (running.state, discharging(running), on_test(running)) == ("test", True, True)
    # What says so while its input is dead is an outage, whatever its test says.
    assert view(ups_status="OB DISCHRG", ups_test_result="In progress", input_voltage="0").state == "on-battery"
    assert view(ups_status="OB DISCHRG", ups_test_result="In progress").state == "on-battery"
    assert discharging(view(ups_status="OL CAL")) is True
    assert discharging(view()) is False
    assert discharging(view(ups_status="")) is None
