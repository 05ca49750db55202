"""Drills of the time against a clock room of dictionaries: what is seen passes or fails, and the lab is healed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lab.drills import time_drills, time_play
from lab.drills.drill import Pace
from lab.drills.record import Verdict
from lab.drills.time_play import TimeDrill
from lab.lab import DEFAULT_INVENTORY
from lab.scorecard import render
from lifeline.config import load_inventory

INVENTORY = load_inventory(DEFAULT_INVENTORY)
SITE = "core-800m"
PACE = Pace(steady_within=0.2, observe_within=0.2)


class Room:
    """A room whose daemon sees at once what is wrong, unless it is told to be blind, wrong or late."""

    def __init__(self, *, sees: bool = True, error_ns: float = 40.0, serves_on: bool = False) -> None:
        self.sees, self.error_ns, self.serves_on = sees, error_ns, serves_on
        self.wrong: dict[str, str] = {}
        self.healed = 0

    # the lab's faults

    def inject(self, _kind: str, target: str, *, mode: str, size: float) -> Any:
        del size
        at = target.partition("/")[2]
        self.wrong[at] = mode
        return SimpleNamespace(id=at)

    def heal(self, fault: str | None = None) -> None:
        self.healed += 1
        for at in [fault] if fault else list(self.wrong):
            self.wrong.pop(at)

    def active(self) -> list[Any]:
        return [SimpleNamespace(id=at) for at in self.wrong]

    # what is seen of it

    def reasons(self) -> dict[str, str | None]:
        seen = self.wrong if self.sees else {}
        return {it: {"jam": "jammed"}.get(seen[it], seen[it]) if it in seen else None for it in ("beidou", "gps")}

    @property
    def lost(self) -> bool:
        return len(self.wrong) == 2 and self.sees

    def state(self) -> dict[str, Any]:
        reasons = self.reasons()
        return {
            "state": "holdover-in-spec" if self.lost else "locked", "serve": not self.lost,
            "selected": [it for it, reason in reasons.items() if reason is None],
            "sources": [{"source": it, "reason": reason} for it, reason in reasons.items()],
        }  # fmt: skip

    def alarms(self) -> list[dict[str, Any]]:
        name = {"jammed": "jammed", "ramp": "time-ramp"}
        told = [(f"time:{SITE}/{it}", name[why]) for it, why in self.reasons().items() if why in name]
        told += [(f"time:{SITE}", "holdover")] if self.lost else []
        return [{"resource": on, "alarm_type_id": what, "cleared_at_ns": None} for on, what in told]

    def tracking(self) -> str:
        leap = "Not synchronised" if self.lost and not self.serves_on else "Normal"
        return f"42445300,BDS,1,0,{self.error_ns / 1e9:.9f},0,0,0,0,0,0,0,4,{leap}\n"


class Hub:
    def __init__(self, room: Room) -> None:
        self.room = room

    async def live(self, _subject: str) -> list[dict[str, Any]]:
        return [{"fresh": True, "body": self.room.state()}]

    async def state(self) -> dict[str, Any]:
        return {"cursor": 1, "alarms": self.room.alarms(), "groups": []}

    async def stream(self, _after: int) -> Any:
        return
        yield


async def run(name: str, room: Room, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Play a drill that waits for nothing."""
    monkeypatch.setattr(time_play, "LOOK_S", 0.002)
    script = time_drills.write(name, INVENTORY, site=SITE, seed=3)
    steps = tuple(
        replace(step, wishes=tuple(replace(it, within_s=0.5) for it in step.wishes), hold_s=0.02)
        for step in script.steps
    )
    lab = SimpleNamespace(
        inventory=INVENTORY, faults=room, driver=SimpleNamespace(ask_sky=lambda *_: {"truth_ns": 0.0}),
        run=lambda *_: SimpleNamespace(returncode=0, stdout=room.tracking()),
    )  # fmt: skip
    monkeypatch.setattr(TimeDrill, "_patience_s", lambda _self: 0.2)
    return await TimeDrill(lab, Hub(room), 3, replace(script, steps=steps), pace=PACE).run()


@pytest.mark.parametrize("name", ["gnss-jam", "gnss-spoof-ramp", "dual-loss-holdover"])
async def test_a_room_that_does_what_it_should_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    report = await run(name, room, monkeypatch)
    assert report.reasons == ()
    assert report.verdict is Verdict.PASS
    assert room.wrong == {}
    assert all(task.met for task in report.tasks)
    card = render(report.to_json())
    assert f"drill {name} at {SITE}" in card
    assert "the client's clock was off by 40 ns at most" in " ".join(card.split())


async def test_a_daemon_that_sees_nothing_fails_the_drill_and_the_lab_is_healed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room(sees=False)
    report = await run("gnss-jam", room, monkeypatch)
    assert report.verdict is Verdict.FAIL
    assert "jam recognised: did not happen" in report.reasons
    assert report.healed
    assert room.wrong == {}


async def test_a_clock_that_is_dragged_fails_the_drill_whatever_the_daemon_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = await run("gnss-jam", Room(error_ns=900.0), monkeypatch)
    assert any("client's clock was 900 ns off, target 300 ns" in reason for reason in report.reasons)


async def test_time_that_is_served_for_ever_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    report = await run("dual-loss-holdover", Room(serves_on=True), monkeypatch)
    assert "service withdrawn: did not happen" in report.reasons


async def test_a_room_that_is_not_steady_is_not_drilled(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    room.wrong["gps"] = "jam"
    report = await run("gnss-jam", room, monkeypatch)
    assert report.verdict is Verdict.NOT_RUN
    assert any("'gps': 'jammed'" in reason for reason in report.reasons)
    assert room.healed == 0


def test_draws_follow_the_seed_and_a_room_that_holds_for_hours_is_no_place_to_lose_both() -> None:
    assert time_drills.candidates(INVENTORY) == ["core-800m", "core-wired"]
    assert time_drills.candidates(INVENTORY, poor=True) == ["core-800m"]
    drawn = [time_drills.write("gnss-jam", INVENTORY, site=None, seed=seed) for seed in (5, 5)]
    assert drawn[0].site == drawn[1].site
    assert drawn[0].steps[0].faults == drawn[1].steps[0].faults
    sites = {time_drills.write("gnss-jam", INVENTORY, site=None, seed=seed).site for seed in range(20)}
    assert sites == {"core-800m", "core-wired"}
    with pytest.raises(ValueError, match="does not fit 'core-wired'; it fits core-800m"):
        time_drills.write("dual-loss-holdover", INVENTORY, site="core-wired", seed=1)
