"""One device and its links judged, from what an agent would answer."""

from __future__ import annotations

import pytest

from lab.simulators.netwatch_worlds import Controller, Room, Station, router
from lifeline.devices import decode, shipped
from lifeline.devices.follow import Follower
from lifeline.devices.traps import Meaning
from lifeline.model.inventory import DeviceKind
from lifeline.model.records import EventType, PerceivedSeverity, ProbableCause
from netwatch.core.device import DeviceWatch

SUBJECT = "device:s/d"


def answers(told, now_s):
    return {oid: (cell(now_s) if callable(cell) else cell)[1] for oid, cell in told.items()}


class Device:
    def __init__(self, told, profile, kind):
        self.told, self.now_s = told, 1000.0
        family = shipped().family(profile)
        self.follower, self.watch = Follower(family), DeviceWatch(SUBJECT, kind)
        self.watch.knows(family)
        self.family = family

    def ask(self, after_s=5.0):
        self.now_s += after_s
        judged = self.watch.heard(self.follower.take(answers(self.told, self.now_s)), self.now_s)
        return {name: condition for (_subject, name), condition in judged.items()}


def test_following_says_what_decoding_anew_says():
    room = Room()
    for told, profile in (
        (room.told("r"), "environment"),
        (router("a", 3), "generic-snmp"),
        (Station().told("s"), "tait-tb9300"),
    ):
        device = Device(told, profile, DeviceKind.SENSOR)
        for n in range(6):
            room.door, room.temperature_c = n % 2 == 0, 20 + n * 7
            device.ask()
            whole = decode(device.family, answers(device.told, device.now_s))
            assert {it.key: it for it in whole.measurements} == device.follower.measurements
            assert {it.key: it for it in whole.states} == device.follower.states


def test_a_hot_room_with_hysteresis():
    room = Room()
    device = Device(room.told("r"), "environment", DeviceKind.SENSOR)
    assert all(condition is None for condition in device.ask().values())
    room.temperature_c = 36.5
    hot = device.ask()["room-hot[Room temperature]"]
    assert hot.perceived_severity is PerceivedSeverity.MAJOR
    assert hot.event_type is EventType.ENVIRONMENTAL
    room.temperature_c = 33.5
    assert device.ask()["room-hot[Room temperature]"] is not None
    room.temperature_c = 31
    assert device.ask()["room-hot[Room temperature]"] is None


def test_shaking_water_smoke_and_doors():
    room = Room()
    device = Device(room.told("r"), "environment", DeviceKind.SENSOR)
    device.ask()
    room.water = room.smoke = room.door = room.seismic = True
    room.acceleration_m_s2 = 1.2
    raised = {name: it.perceived_severity.value for name, it in device.ask().items() if it}
    assert raised == {
        "env-water[Water under the floor]": "critical", "env-smoke[Smoke detector]": "critical",
        "env-door[Cabinet door]": "minor", "env-seismic[Seismic switch]": "critical",
        "shaking[Ground acceleration]": "critical",
    }  # fmt: skip


def test_isolated_but_serving_is_not_off_air():
    station = Station()
    device = Device(station.told("s"), "tait-tb9300", DeviceKind.BASE_STATION)
    assert device.ask()["isolated"] is None
    station.isolated = True
    judged = device.ask()
    assert judged["isolated"].perceived_severity is PerceivedSeverity.MAJOR
    assert judged["off-air"] is None
    station.isolated = False
    assert device.ask()["isolated"] is None
    station.off_air = True
    judged = device.ask()
    assert judged["off-air"].perceived_severity is PerceivedSeverity.CRITICAL


def test_a_controller_tells_of_its_sites():
    stations = {"north": Station(), "south": Station()}
    device = Device(Controller(stations).told("c"), "tait-tn9300", DeviceKind.RADIO_CONTROLLER)
    device.ask()
    stations["south"].control_channel = False
    raised = [name for name, it in device.ask().items() if it]
    assert raised == ["lmr-control-channel[south]"]


def test_rates_survive_a_restart_of_the_device():
    restarted_s = 0.0
    told = router("a", 1, lambda: restarted_s)
    device = Device(told, "generic-snmp", DeviceKind.ROUTER)
    device.ask()
    device.ask()
    before = device.watch.rate("if.in_octets[eth1]")
    assert before == pytest.approx(device.watch.rate("if.out_octets[eth1]"))
    restarted_s = device.now_s + 1
    device.ask()
    assert device.watch.rate("if.in_octets[eth1]") is None
    assert device.watch.restarts == 1
    device.ask()
    assert device.watch.rate("if.in_octets[eth1]") == pytest.approx(before, rel=0.01)


def test_silence_is_told_once_it_is_a_fact():
    device = Device(router("a"), "generic-snmp", DeviceKind.ROUTER)
    device.ask()
    key = SUBJECT, "unreachable"
    assert device.watch.silent("10.0.0.1 does not answer", 1010)[key] is None
    device.watch.silent("", 1012)
    told = device.watch.silent("10.0.0.1 does not answer", 1014)[key]
    assert told.text == "10.0.0.1 does not answer"


def test_a_trap_raises_and_its_pair_clears():
    watch = DeviceWatch(SUBJECT, DeviceKind.BASE_STATION)
    failed = ProbableCause.COOLING_FAN_FAILURE
    meaning = Meaning("fan-failed", "2", PerceivedSeverity.MINOR, failed, EventType.EQUIPMENT, "fan")
    assert watch.notified(meaning)[SUBJECT, "fan-failed[2]"].detail == {"by": "trap"}
    over = Meaning("fan-failed", "2", PerceivedSeverity.CLEARED, failed, EventType.EQUIPMENT, "")
    assert watch.notified(over) == {(SUBJECT, "fan-failed[2]"): None}


def test_a_wrong_clock_is_told_and_bounded():
    watch = DeviceWatch(SUBJECT, DeviceKind.ROUTER)
    assert watch.clock(-4000)[SUBJECT, "clock-wrong"] is not None
    assert watch.clock(45) == {}
    assert watch.clock(1) == {(SUBJECT, "clock-wrong"): None}
