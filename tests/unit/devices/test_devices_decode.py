"""The decode engine against answers made by hand: every rule once."""

from __future__ import annotations

import pytest

from lifeline.devices import Health, decode, identify, shipped
from lifeline.model.records import Quality

RFC1628 = "1.3.6.1.2.1.33.1"


def ups(**changes):
    answers = {
        f"{RFC1628}.2.1.0": 2, f"{RFC1628}.2.3.0": 42, f"{RFC1628}.2.4.0": 100, f"{RFC1628}.4.1.0": 3,
        f"{RFC1628}.4.4.1.2.1": 230, f"{RFC1628}.4.4.1.5.1": 35,
    }  # fmt: skip
    answers |= {f"{RFC1628}.{key[1:].replace('_', '.')}": value for key, value in changes.items()}
    return decode(shipped().family("rfc1628"), answers)


def test_minutes_become_seconds_and_words_stand_for_numbers():
    told = ups()
    assert told.value("battery.runtime_s") == 2520
    assert told.state("ups.source") == "online"
    assert told.value("ups.load", "1") == 35
    assert not told.problems


@pytest.mark.parametrize("sentinel", [65535, 4294967295, 2147483647, -1, "n/a", "", b"\xff\xfe", 2**70])
def test_a_sentinel_is_missing_and_says_why(sentinel):
    [runtime] = ups(_2_3_0=sentinel).all("battery.runtime_s")
    assert (runtime.value, runtime.quality) == (None, Quality.MISSING)
    assert runtime.reason


def test_a_runtime_below_ten_percent_load_is_suspect():
    told = ups(_4_4_1_5_1=7)
    assert told.value("battery.runtime_s") is None
    assert told.all("battery.runtime_s")[0].quality is Quality.SUSPECT


def test_on_line_with_no_runtime_contradicts_itself():
    assert ups(_2_3_0=0).all("battery.runtime_s")[0].quality is Quality.SUSPECT


def test_a_normal_battery_without_charge_contradicts_itself():
    assert ups(_2_4_0=0).all("battery.charge")[0].quality is Quality.SUSPECT


def test_tenths_where_the_mib_says_volts_are_told_but_suspect():
    [voltage] = ups(_4_4_1_2_1=2302).all("output.voltage")
    assert (voltage.value, voltage.quality) == (230.2, Quality.SUSPECT)


def test_an_enumeration_nobody_knows_is_unknown_and_never_healthy():
    [source] = [state for state in ups(_4_1_0=99).states if state.name == "ups.source"]
    assert (source.word, source.health) == ("unknown", Health.UNKNOWN)
    assert ups(_4_1_0=99).state("ups.source") is None


def test_the_more_precise_object_goes_first_and_the_other_stands_in():
    family = shipped().family("apc-ups")
    high, whole = "1.3.6.1.4.1.318.1.1.1.2.3.1.0", "1.3.6.1.4.1.318.1.1.1.2.2.1.0"
    assert decode(family, {high: 995, whole: 99}).value("battery.charge") == 99.5
    assert decode(family, {high: -1, whole: 99}).value("battery.charge") == 99


def test_a_profile_goes_before_what_it_includes():
    told = decode(shipped().family("eaton-xups"), {"1.3.6.1.4.1.534.1.2.1.0": 600, f"{RFC1628}.2.3.0": 99})
    assert [it.value for it in told.all("battery.runtime_s")] == [600]


def test_sensors_of_rfc_3433_carry_their_scale_and_precision():
    base, name = "1.3.6.1.2.1.99.1.1.1", "1.3.6.1.2.1.47.1.1.1.1.7"
    told = decode(shipped().family("generic-snmp"), {
        f"{base}.1.7": 8, f"{base}.2.7": 9, f"{base}.3.7": 1, f"{base}.4.7": 415, f"{name}.7": "CPU",
        f"{base}.1.8": 4, f"{base}.2.8": 8, f"{base}.3.8": 0, f"{base}.4.8": 3300, f"{name}.8": "3V3",
    })  # fmt: skip
    assert told.value("device.temperature", "CPU") == 41.5
    assert told.value("device.voltage", "3V3") == 3.3


def test_the_most_telling_sign_wins_and_any_agent_is_at_least_generic():
    assert identify({"1.3.6.1.2.1.1.2.0": "1.3.6.1.4.1.534.1"}, shipped())[0].profile == "eaton-xups"
    assert identify({"1.3.6.1.2.1.1.2.0": ".1.3.6.1.4.1.99999.1"}, shipped())[0].profile == "generic-snmp"
    assert identify({}, shipped()) == []
