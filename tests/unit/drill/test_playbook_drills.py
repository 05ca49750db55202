"""Drills of playbooks against a hub of dictionaries: what becomes of the run passes or fails, and the lab is healed."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lab.drills import playbook_drills, playbook_play
from lab.drills.drill import Pace
from lab.drills.playbook_play import PlaybookDrill
from lab.drills.record import DrillReport, Verdict
from lab.lab import DEFAULT_INVENTORY
from lab.scorecard import render
from lifeline.clock import wall_ns
from lifeline.config import load_inventory
from noc.client import HubTimeoutError

INVENTORY = load_inventory(DEFAULT_INVENTORY)
PACE = Pace(steady_within=0.2, observe_within=0.2)
PLAN: dict[str, Any] = {
    "playbook": "centre-lost", "parameters": {"site": "noc-b"}, "trigger": {"kind": "condition"}, "verify": [],
    "guards": [{"fact": "site:{{ site }}", "that": "true"}],
    "steps": [
        {"id": "gone", "do": "wait_for", "args": {"fact": "alarm:site:{{ site }} unreachable"}},
        {"id": "others", "do": "wait_for", "args": {"fact": "sites"}},
        {"id": "charge", "do": "command", "args": {}},
        {"id": "call", "do": "notify", "args": {}},
    ],
}  # fmt: skip


class World:
    """Lab and hub at once. A run begins when a fault is put in, goes on once two have approved, and then is over."""

    def __init__(self, *, starts: bool = True, broken: str = "", lenient: bool = False, acknowledges: bool = True,
                 timeouts: int = 0) -> None:  # fmt: skip
        self.starts, self.broken, self.lenient, self.acknowledges = starts, broken, lenient, acknowledges
        self.timeouts = timeouts
        self.standing: list[str] = []
        self.agreed: list[str] = []
        self.began_ns = 0
        self.dismissed = False
        self.inventory = INVENTORY
        self.faults = SimpleNamespace(inject=self.inject, heal=self.heal, active=lambda: list(self.standing))

    # the lab

    def inject(self, kind: str, _target: object, **_options: object) -> Any:
        self.began_ns = wall_ns()
        self.standing.append(kind)
        return SimpleNamespace(id=kind)

    def heal(self, fault: str | None = None) -> None:
        self.standing = [it for it in self.standing if fault is not None and it != fault]

    def netns_path(self, _node: str) -> Path:
        return Path("/proc/self/ns/net")

    # its people

    @property
    def people(self) -> Any:
        return SimpleNamespace(node="noc-a", admit=lambda: None, dismiss=self.dismiss, approve=self.approve)

    def dismiss(self) -> None:
        self.dismissed = True

    def approve(self, who: str, _run: object) -> Any:
        refused = who in self.agreed and not self.lenient
        self.agreed += [] if refused else [who]
        return SimpleNamespace(returncode=5 if refused else 0, stderr="already")

    # the hub

    async def state(self) -> dict[str, Any]:
        return {"cursor": 1}

    async def facts(self, *names: str) -> dict[str, dict[str, Any]]:
        values: dict[str, Any] = {"site:noc-b": {"agent": "up"}, "sites": {"silent": []}}
        return {name: {"value": values.get(name), "age_s": 0.0} for name in names}

    async def runs(self, _playbook: str | None = None) -> dict[str, Any]:
        begun = self.starts and self.began_ns
        return {"runs": [self.run()] if begun else []}

    def run(self) -> dict[str, Any]:
        over = len(set(self.agreed)) == 2
        steps = [
            {"leg": "do", "step": it["id"], "do": it["do"], "detail": "",
             "state": ("failed" if it["id"] == self.broken else "done") if over else "waiting"}
            for it in PLAN["steps"]
        ]  # fmt: skip
        state = ("compensated" if self.broken else "done") if over else "planned"
        return {"run": "r1", "playbook": "centre-lost", "state": state, "reason": "", "held": "", "hash": "h",
                "parameters": PLAN["parameters"], "created_at_ns": self.began_ns + 1,
                "ended_at_ns": wall_ns() if over else None, "steps": steps}  # fmt: skip

    async def playbook_run(self, _identifier: str) -> dict[str, Any]:
        if self.timeouts:
            self.timeouts -= 1
            raise HubTimeoutError("busy")
        after = {"gone": {"text": "nothing answers"}, "others": {"silent": ["noc-b"]}}
        record = [{"leg": "do", "step": it["id"], "after": after.get(it["id"]), "before": None,
                   "args": {"fact": str(it["args"].get("fact", "")).replace("{{ site }}", "noc-b")}}
                  for it in PLAN["steps"]]  # fmt: skip
        return {"run": self.run(), "plan": PLAN, "record": record}

    async def alarm(self, _identifier: str) -> dict[str, Any]:
        return {"acknowledged_by": "trigger:condition" if self.acknowledges else None}

    async def stream(self, _after: int) -> Any:
        return
        yield


async def drill(world: World, monkeypatch: pytest.MonkeyPatch, recordings: Path | None = None) -> DrillReport:
    """Play the drill of a lost centre, with nobody on call."""

    def unheard(_netns: Path) -> socket.socket:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    monkeypatch.setattr(playbook_play, "listen", unheard)
    monkeypatch.setattr(playbook_play, "LOOK_S", 0.005)
    script = playbook_drills.write("playbook-centre-lost", INVENTORY, site=None, seed=1)
    effects = dict(list(script.effects.items())[:1])
    well = {name: holds for name, holds in script.well.items() if name.startswith("site")}
    script = replace(script, begins_s=0.2, ends_s=1.0, effects=effects, well=well, well_within_s=0.2)
    lab: Any = world
    return await PlaybookDrill(lab, lab, 1, script, world.people, recordings, pace=PACE).run()


async def test_a_run_that_does_what_it_should_passes_and_is_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(timeouts=2)
    report = await drill(world, monkeypatch, tmp_path)
    assert report.reasons == ()
    assert report.verdict is Verdict.PASS
    assert world.agreed == ["drill-ann", "drill-bob"]
    assert world.dismissed
    assert world.standing == []
    card = " ".join(render(report.to_json()).split())
    assert "drill playbook-centre-lost at noc-b" in card
    assert "drill-bob approves centre-lost" in card
    recorded = yaml.safe_load((tmp_path / "centre-lost.centre-lost.yml").read_text())
    assert recorded["facts"] == {"site:noc-b": {"value": {"agent": "up"}, "age_s": 0.0}}
    assert recorded["changes"] == {"gone": {"alarm:site:noc-b unreachable": {"text": "nothing answers"}},
                                   "others": {"sites": {"silent": ["noc-b"]}}}  # fmt: skip
    assert recorded["expect"] == {"state": "done", "gone": "done", "others": "done", "charge": "done", "call": "done"}


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (World(starts=False), "run on record: did not happen"),
        (World(broken="charge"), "step charge of centre-lost is failed, should be done"),
        (World(lenient=True), "drill-ann approved twice, and was not refused"),
        (World(acknowledges=False), "the alarm says who is in charge: did not happen"),
    ],
)
async def test_what_falls_short_fails_and_the_lab_is_healed(
    world: World, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await drill(world, monkeypatch)
    assert report.verdict is Verdict.FAIL
    assert any(reason in it for it in report.reasons), report.reasons
    assert world.standing == []
    assert world.dismissed
    assert report.healed


def test_draws_follow_the_seed_and_an_unfit_site_is_told() -> None:
    drawn = {playbook_drills.write("playbook-fibre-cut", INVENTORY, site=None, seed=it).site for it in range(20)}
    assert len(drawn) > 2
    again = [playbook_drills.write("playbook-fibre-cut", INVENTORY, site=None, seed=4).breaks for _ in range(2)]
    assert again[0] == again[1]
    for name in ("playbook-fibre-cut", "playbook-core-room-lost", "playbook-centre-lost", "playbook-time-diverges"):
        with pytest.raises(ValueError, match=r"nowhere|lost|oscillator|station"):
            playbook_drills.write(name, INVENTORY, site="nowhere", seed=1)
