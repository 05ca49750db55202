"""Families of which there is no recording: answers made after their MIBs and register maps."""

from __future__ import annotations

import pytest

from lifeline.devices import Health, decode, shipped
from lifeline.model.records import Quality

TAIT = "1.3.6.1.4.1.3570.2.2.2.1"
SP2 = "1.3.6.1.4.1.12148.10"


def told(family, answers):
    return decode(shipped().family(family), answers)


def register(page, offset):
    return page * 256 + offset


def test_gencomm_registers_become_an_engine():
    engine = told("deepsea-gencomm", {
        register(4, 1): 0xFFF6, register(4, 3): 78, register(4, 5): 247, register(4, 6): 1500, register(4, 7): 500,
        register(4, 8): 0, register(4, 9): 2301, register(6, 0): 0, register(6, 1): 41_000,
        register(7, 6): 0x0007, register(7, 7): 0xA120, register(3, 4): 1, register(5, 128): 3,
    })  # fmt: skip
    assert engine.value("engine.coolant_temperature") == -10
    assert engine.value("fuel.level") == 78
    assert engine.value("engine.battery_voltage") == 24.7
    assert engine.value("genset.frequency") == 50
    assert engine.value("genset.voltage", "L1") == 230.1
    assert engine.value("genset.realpower") == 41_000
    assert engine.value("engine.run_hours") == pytest.approx(500_000 / 3600)
    assert (engine.state("genset.mode"), engine.state("genset.state")) == ("auto", "running")


@pytest.mark.parametrize(
    ("code", "why"),
    [(0xFFFF, "unimplemented"), (0xFFFE, "over"), (0xFFFD, "under"), (0xFFFC, "transducer"), (0xFFFB, "bad data"),
     (0xFFFA, "high"), (0xFFF9, "low"), (0xFFF8, "reserved")],
)  # fmt: skip
def test_gencomms_eight_codes_are_no_fuel(code, why):
    [fuel] = told("deepsea-gencomm", {register(4, 3): code}).all("fuel.level")
    assert (fuel.value, fuel.quality) == (None, Quality.MISSING)
    assert why in fuel.reason


def test_gencomms_codes_of_signed_and_long_registers():
    engine = told("deepsea-gencomm", {register(4, 1): 0x7FFC, register(4, 8): 0xFFFF, register(4, 9): 0xFFFF})
    assert "transducer" in engine.all("engine.coolant_temperature")[0].reason
    assert "unimplemented" in engine.all("genset.voltage")[0].reason


def test_half_a_long_register_is_no_value():
    assert told("deepsea-gencomm", {register(4, 8): 1}).all("genset.voltage") == []
    assert told("deepsea-gencomm", {register(4, 3): 70_000}).all("fuel.level") == []


def test_gencomms_named_alarms_are_four_a_register_the_highest_nibble_first():
    engine = told("deepsea-gencomm", {register(154, 1): 0x1231})
    words = {it.name: it.word for it in engine.states}
    assert words["alarm.emergency-stop"] == "clear"
    assert words["alarm.low-oil-pressure"] == "warning"
    assert words["alarm.high-coolant-temperature"] == "critical"
    assert words["alarm.low-coolant-temperature"] == "clear"


def test_spans_of_registers_stay_within_a_page_and_what_a_request_may_carry():
    spans = shipped().family("deepsea-gencomm").registers()
    assert all(count <= 100 and first // 256 == (first + count - 1) // 256 for first, count in spans)
    covered = {register for first, count in spans for register in range(first, first + count)}
    assert {source.register for source in shipped().family("deepsea-gencomm").sources()} <= covered


def test_a_command_is_a_key_and_its_complement():
    [write] = shipped().profiles["deepsea-gencomm"].commands["start"]
    assert write.register == 0x1008
    assert write.values[0] + write.values[1] == 0xFFFF


@pytest.mark.parametrize(
    ("answers", "word", "health"),
    [
        ({".1.1.2.2.0": 1, ".4.1.1.1.0": 3, ".1.1.1.4.0": 2}, "wide-area", Health.OK),
        ({".1.1.2.2.0": 1, ".4.1.1.1.0": 3, ".1.1.1.4.0": 1}, "site-trunking", Health.MAJOR),
        ({".1.1.2.2.0": 1, ".3.8.6.0": 2}, "site-trunking", Health.MAJOR),
        ({".1.1.2.2.0": 0, ".4.1.1.1.0": 3}, "off-air", Health.CRITICAL),
    ],
)
def test_a_base_station_cut_off_is_isolated_but_serving(answers, word, health):
    station = told("tait-tb9300", {TAIT + oid: value for oid, value in answers.items()})
    [site] = [state for state in station.states if state.name == "lmr.site"]
    assert (site.word, site.health) == (word, health)


@pytest.mark.parametrize(("state", "word"), [(0, "unknown"), (1, "clear"), (2, "raised"), (3, "disabled")])
def test_an_alarm_that_is_unavailable_or_disabled_is_not_clear(state, word):
    station = told("tait-tb9300", {f"{TAIT}.3.3.2.0": state})
    [alarm] = [it for it in station.states if it.name == "alarm.rx-synthesizer"]
    assert alarm.word == word
    assert (alarm.health is Health.OK) is (state == 1)


@pytest.mark.parametrize(("flag", "amperes"), [(0, 583), (1, 58.3)])
def test_a_plant_says_in_which_unit_it_writes_currents(flag, amperes):
    plant = told("eltek-sp2", {f"{SP2}.2.15.0": flag, f"{SP2}.9.2.5.0": 583})
    assert plant.value("dc.load_current") == amperes


def test_a_current_whose_unit_nobody_tells_is_suspect():
    [current] = told("eltek-sp2", {f"{SP2}.9.2.5.0": 583}).all("dc.load_current")
    assert current.quality is Quality.SUSPECT


def test_a_room_is_watched_by_the_names_of_its_switches():
    sensor, entity = "1.3.6.1.2.1.99.1.1.1", "1.3.6.1.2.1.47.1.1.1.1.7"
    answers: dict[str, object] = {}
    for index, (name, kind, value, units) in enumerate(
        [("Room", 8, 235, ""), ("Humidity", 9, 410, ""), ("Water under floor", 12, 1, ""), ("Smoke 1", 12, 2, ""),
         ("Front door", 12, 1, ""), ("Seismic switch", 12, 2, ""), ("Ground", 1, 3, "m/s2")], start=1,
    ):  # fmt: skip
        answers |= {
            f"{sensor}.1.{index}": kind, f"{sensor}.2.{index}": 9, f"{sensor}.3.{index}": 1 if kind != 12 else 0,
            f"{sensor}.4.{index}": value, f"{sensor}.5.{index}": 1, f"{sensor}.6.{index}": units,
            f"{entity}.{index}": name,
        }  # fmt: skip
    room = told("environment", answers)
    assert room.value("env.temperature", "Room") == 23.5
    assert room.value("env.humidity", "Humidity") == 41
    assert room.value("env.acceleration", "Ground") == 0.3
    words = {it.name: it.word for it in room.states if it.name.startswith("env.") and it.name != "env.sensor"}
    assert words == {"env.water": "wet", "env.smoke": "clear", "env.door": "open", "env.seismic": "quiet"}


def test_a_transfer_switch_that_is_faulty_feeds_from_neither():
    base = "1.3.6.1.4.1.534.10.2"
    switch = told("eaton-ats2", {f"{base}.2.4.0": 7, f"{base}.2.2.1.2.1": 2301, f"{base}.3.2.1.3.1": 1})
    assert switch.state("ats.source") == "neither"
    assert switch.value("ats.input_voltage", "1") == 230.1
    assert switch.state("ats.source_status", "1") == "bad"
