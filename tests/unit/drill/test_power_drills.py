"""Drills of power against real simulated plants on a clock of looks, and a hub that sees what is, or does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from lab.drills import power_drills, power_play
from lab.drills.drill import Pace
from lab.drills.power_play import PowerDrill, Seen
from lab.drills.power_supply import Tanker
from lab.drills.record import Verdict
from lab.lab import DEFAULT_INVENTORY
from lab.scorecard import render
from lab.simulators.power_room import Room
from lifeline.config import load_inventory
from power.core.assume import assumed
from power.core.body import situation_to_json
from power.core.network import Network

INVENTORY = load_inventory(DEFAULT_INVENTORY)
SITE = "core-800m"
PACE = Pace(steady_within=0.3, observe_within=0.1)
LOOK_S = 3.0
"""How far each look moves the plant's clock."""


class World:
    """The lab's faults, its driver and its hub in one: one room, and a daemon that may be blind or promise too much."""

    def __init__(self, site: str = SITE, *, sees: bool = True, promises: float = 0.95) -> None:
        spec = INVENTORY.sites[site].power
        assert spec is not None
        self.site, self.sees, self.promises = site, sees, promises
        self.room = Room(spec, {}, None)
        self.standing: dict[str, list[str]] = {}
        self._dark_at: tuple[object, float] = (None, 0.0)

    # the lab

    def inject(self, _kind: str, target: str, *, mode: str, size: float) -> Any:
        at = target.partition("/")[2]
        self.standing[at] = list(self.room.plant.feeds) if at == "feeds" else [at]
        for part in self.standing[at]:
            self.room.fault(part, mode, size)
        return SimpleNamespace(id=at)

    def heal(self, fault: str | None = None) -> None:
        for at in [fault] if fault else list(self.standing):
            for part in self.standing.pop(at):
                self.room.heal(part)

    def active(self) -> list[Any]:
        return [SimpleNamespace(id=at) for at in self.standing]

    def ask_plant(self, _site: str, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["act"] == "look":
            self.room.plant.step(LOOK_S * self.room.rate, 60 if self.room.rate > 1 else 1)
        return asyncio.run(self.room.asked(wanted))

    # the hub

    def dark_in_h(self) -> float:
        plant = self.room.plant
        key = (dict(plant.feeds), {name: it.shut_down for name, it in plant.gensets.items()}, dict(self.room.faults))
        if self._dark_at[0] != key:
            told_h = plant.foretell(400, 600)
            self._dark_at = key, plant.now_s + 3600 * (1000.0 if told_h is None else told_h)
        return (self._dark_at[1] - plant.now_s) / 3600

    async def live(self, _subject: str = "") -> list[dict[str, Any]]:
        plant, dark_h = self.room.plant, self.dark_in_h()
        on = "battery" if any(it.on_battery for it in plant.units.values()) else "utility"
        on = "generator" if on == "utility" and not any(plant.feeds.values()) else on
        figure = {"kind": "system", "redundancy": "n", "load": "present", "low_h": self.promises * dark_h}
        lost = [name for name, it in plant.gensets.items() if it.shut_down]
        body = {"runs_on": on if self.sees else "utility", "figures": [figure], "outage": {"dark_h": dark_h},
                "situation": {"lost": lost if self.sees else []}}  # fmt: skip
        return [{"fresh": True, "body": body}]

    async def state(self) -> dict[str, Any]:
        told = [] if any(self.room.plant.feeds.values()) else [("", "utility-lost")]
        told += [(f"/{name}", "start-failed") for name, it in self.room.plant.gensets.items() if it.start_failed]
        alarms = [{"resource": f"power:{self.site}{at}", "alarm_type_id": name, "cleared_at_ns": None}
                  for at, name in told if self.sees]  # fmt: skip
        return {"cursor": 1, "alarms": alarms, "groups": []}

    async def stream(self, _after: int) -> Any:
        return
        yield


async def run(name: str, world: World, monkeypatch: pytest.MonkeyPatch, patience_s: float = 10.0) -> Any:
    """Play a drill that waits for nothing but its plant."""
    monkeypatch.setattr(power_play, "LOOK_S", 0.001)
    monkeypatch.setattr(PowerDrill, "_patience_s", staticmethod(lambda: patience_s))
    script = power_drills.write(name, INVENTORY, site=world.site, seed=3)
    lab = SimpleNamespace(inventory=INVENTORY, faults=world, driver=world)
    return await PowerDrill(lab, world, 3, _brief(script, patience_s), pace=PACE).run()


def _brief(script: Any, within_s: float) -> Any:
    steps = tuple(
        replace(step, hold_s=0.01, wishes=tuple(replace(it, within_s=min(it.within_s, within_s)) for it in step.wishes))
        for step in script.steps
    )
    return replace(script, steps=steps)


@pytest.mark.parametrize("name", ["utility-loss", "generator-start-failure", "72h"])
async def test_a_room_that_survives_and_is_told_of_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    report = await run(name, world, monkeypatch)
    assert report.reasons == ()
    assert report.verdict is Verdict.PASS
    assert (world.standing, world.room.faults) == ({}, {})
    card = render(report.to_json())
    assert f"drill {name} at {SITE}" in card
    assert "core-800m/loads: fed" in card


async def test_a_daemon_that_sees_nothing_fails_the_drill_and_the_plant_is_whole_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(sees=False)
    report = await run("generator-start-failure", world, monkeypatch, 0.2)
    assert report.verdict is Verdict.FAIL
    assert {"loss told: did not happen", "start failure told: did not happen"} <= set(report.reasons)
    assert report.healed
    assert world.room.faults == {}


async def test_a_promise_that_cannot_be_kept_fails_the_drill_though_the_room_survives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = await run("72h", World(promises=1.3), monkeypatch, 1.5)
    assert "promise kept: did not happen" in report.reasons
    assert "the hours of its target pass: core-800m: more was promised than there was" in report.reasons
    assert not any("dark" in reason for reason in report.reasons)


async def test_a_room_that_goes_dark_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for unit in world.room.plant.units.values():
        unit.strings = {}  # nothing bridges until the generator runs
    report = await run("utility-loss", world, monkeypatch, 0.3)
    assert "all utility lost: core-800m: the site was dark" in report.reasons


async def test_a_room_that_is_not_steady_is_not_drilled(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.inject("power", f"{SITE}/feeds", mode="lost", size=0.0)
    report = await run("utility-loss", world, monkeypatch, 0.1)
    assert report.verdict is Verdict.NOT_RUN
    assert "fault feeds is active" in report.reasons


def test_draws_follow_the_seed_and_the_race_is_everywhere() -> None:
    assert power_drills.candidates(INVENTORY) == ["core-800m", "core-wired"]
    drawn = [power_drills.write("generator-start-failure", INVENTORY, site="core-wired", seed=n) for n in range(12)]
    assert {it.steps[0].faults[0][0] for it in drawn} == {"core-wired/generator-1", "core-wired/generator-2"}
    race = power_drills.write("fuel-race", INVENTORY, site=None, seed=1)
    assert race.sites == ("core-800m", "core-wired")
    assert ("core-wired/generator-2", "level", 25.0) in race.steps[1].faults
    with pytest.raises(ValueError, match="fits core-800m, core-wired together"):
        power_drills.write("fuel-race", INVENTORY, site=SITE, seed=1)
    with pytest.raises(ValueError, match="does not fit 'noc-a'"):
        power_drills.write("72h", INVENTORY, site="noc-a", seed=1)


def seen_of(site: str, room: Room) -> Seen:
    power = INVENTORY.sites[site].power
    assert power is not None
    situation = assumed(Network(power), "load=70%,fuel=25%,charge=100%,temp=25", date(2026, 11, 24))
    state = {"situation": situation_to_json(situation)}
    return Seen(state, frozenset({("/x", "low-fuel")}), room.look(), 0.0, None, 1.0)


async def test_one_tanker_serves_all_rooms_in_time_and_fills_what_it_brings() -> None:
    rooms = {}
    for site in power_drills.candidates(INVENTORY):
        power = INVENTORY.sites[site].power
        assert power is not None
        rooms[site] = Room(power, {}, None)
        for tank in power_drills.tanks_of(power):
            rooms[site].fault(tank, "level", 25)
    notes: list[tuple[str, str]] = []

    async def ask(site: str, wanted: dict[str, Any]) -> dict[str, Any]:
        return await rooms[site].asked(wanted)

    drill: Any = SimpleNamespace(wrong=[], note=lambda who, what: notes.append((who, what)), ask=ask)
    tanker = Tanker(INVENTORY)
    await tanker.bring(drill, {site: seen_of(site, room) for site, room in rooms.items()})
    assert drill.wrong == []
    assert tanker.trips is not None
    assert {it.site for it in tanker.trips} == set(rooms)
    assert all(it.late_h == 0 for it in tanker.trips)
    first = min(tanker.trips, key=lambda it: it.arrive_h)
    before_l = sum(it.fuel_l for it in rooms[first.site].plant.tanks.values())
    rooms[first.site].plant.now_s += first.arrive_h * 3600
    await tanker.bring(drill, {site: seen_of(site, room) for site, room in rooms.items()})
    after_l = sum(it.fuel_l for it in rooms[first.site].plant.tanks.values())
    assert after_l - before_l == pytest.approx(first.litres)
    assert first not in tanker.trips
    assert any("are there" in what for _who, what in notes)
