"""Plays a drill of a playbook: a fault in the lab, the condition at the hub, the run with real steps, the healed lab.

Where the playbook asks for approval the drill gives it as people do: by the command, over TLS, each with a token of
their own, which is made for the drill and revoked after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lifeline.clock import monotonic_ns, monotonic_s, wall_ns
from lifeline.i18n import N_
from noc.client import HubTimeoutError

from .drill import Lab
from .playbook_people import PEOPLE, People, listen
from .playbook_record import Recorder
from .played import Played
from .record import DrillReport
from .watch import Hub, Watch

LOOK_S = 0.1


class PlaybookLab(Lab, Protocol):
    """What a drill of a playbook asks of `lab.lab.Lab`."""

    def run(self, node: str, argv: Sequence[str]) -> Any:
        """Run a program on a node, and return what it printed."""
        ...

    def netns_path(self, node: str) -> Path:
        """Return the file that holds a node's network namespace."""
        ...


class PlaybookHub(Hub, Protocol):
    """What a drill of a playbook asks of `noc.client.HubClient`."""

    async def facts(self, *names: str) -> Mapping[str, Mapping[str, Any]]:
        """Return facts by name."""
        ...

    async def runs(self, playbook: str | None = None) -> Mapping[str, Any]:
        """Return the latest runs."""
        ...

    async def playbook_run(self, identifier: str) -> Mapping[str, Any]:
        """Return a run with its plan and its record."""
        ...

    async def alarm(self, identifier: str) -> Mapping[str, Any]:
        """Return an alarm."""
        ...

    async def ask_playbook(self, name: str, question: Any, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Start a run, among others."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """What effects are looked for in.

    Attributes:
        lab: the lab.
        hub: its hub.
        script: what is played.
        told: the run, its plan and its record.
        calls: what the hub has called out so far.
    """

    lab: PlaybookLab
    hub: PlaybookHub
    script: PlaybookScript
    told: Mapping[str, Any]
    calls: Sequence[str]

    def after(self, step: str) -> Any:
        """Return what a step of the run left behind."""
        return next(it["after"] for it in self.told["record"] if it["step"] == step and it["leg"] == "do")


Effect = Callable[[Stage], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Break:
    """A fault: its kind, what it hits, and its options."""

    kind: str
    target: str | tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlaybookScript:
    """A whole drill of a playbook.

    Attributes:
        name: of the drill.
        objective: a sentence.
        playbook: that must run.
        site: that is hit.
        breaks: the faults.
        begun_by: parameters by which the run is found.
        begins_s: within how long after the faults the run is on record.
        ends_s: within how long after that it is over.
        steps: how each step must end.
        effects: by a name for the scorecard, what must be seen when the run is over.
        people: how many approve it.
        heals_at: the step during which the faults are healed; empty: after the run.
        agrees_at: the step at which a person agrees.
        well: facts, and what must be so of each, before and after.
        held: what must be seen once it is well again, before it is given back.
        back: the playbook that a person runs after the repair, with the same site.
        back_effects: what must be seen when that is over.
    """

    name: str
    objective: str
    playbook: str
    site: str
    breaks: tuple[Break, ...]
    begun_by: Mapping[str, str]
    begins_s: float
    ends_s: float
    steps: Mapping[str, str]
    effects: Mapping[str, Effect] = field(default_factory=dict)
    people: int = 0
    heals_at: str = ""
    agrees_at: str = ""
    well: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    well_within_s: float = 90.0
    held: Mapping[str, Effect] = field(default_factory=dict)
    back: str = ""
    back_steps: Mapping[str, str] = field(default_factory=dict)
    back_effects: Mapping[str, Effect] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[str, ...]:
        """The one site."""
        return (self.site,)


@dataclass(slots=True)
class PlaybookDrill(Played):
    """One run of a script."""

    lab: PlaybookLab
    hub: PlaybookHub
    script: PlaybookScript
    people: People
    recordings: Path | None = None
    """Folder for what the runs were told."""
    _standing: list[Any] = field(default_factory=list)
    _calls: list[str] = field(default_factory=list)
    _agreed: bool = False

    async def _steady(self) -> tuple[int, list[str]]:
        """Wait until no fault stands, no run is under way, and all is well with what will be hit."""
        deadline_s = monotonic_s() + max(self.pace.steady_within, self.script.well_within_s)
        while True:
            state = await self.hub.state()
            reasons = [f"fault {fault.id} is active" for fault in self.lab.faults.active()]
            runs = (await self.hub.runs())["runs"]
            reasons += [f"run {it['run']} of {it['playbook']} is {it['state']}" for it in runs if not _over(it)]
            facts = await self.hub.facts(*self.script.well) if self.script.well else {}
            reasons += [
                f"{name} is not well" for name, is_well in self.script.well.items()
                if facts[name]["age_s"] is None or not is_well(facts[name]["value"])
            ]  # fmt: skip
            if not reasons or monotonic_s() > deadline_s:
                return int(state["cursor"]), reasons
            await asyncio.sleep(LOOK_S * 5)

    async def play(self, report: DrillReport, watch: Watch) -> DrillReport:  # noqa: ARG002 - looks itself, at runs
        """Break, see the run through, heal, see it well again, rate."""
        began_ns = monotonic_ns()
        listener = listen(self.lab.netns_path(self.people.node))
        loop = asyncio.get_running_loop()
        loop.add_reader(listener, lambda: self._calls.append(listener.recv(4096).decode(errors="replace")))
        try:
            await asyncio.to_thread(self.people.admit)
            self._say("phase", name=N_("broken"))
            since_ns, broke_ns = wall_ns(), monotonic_ns()
            for one in self.script.breaks:
                fault = await asyncio.to_thread(self.lab.faults.inject, one.kind, one.target, **one.options)
                self._standing.append(fault)
            told = await self._broken(since_ns, broke_ns)
            await self._heal_now()
            if told is not None and self.script.back:
                await self._give_back(told)
        finally:
            loop.remove_reader(listener)
            listener.close()
            await asyncio.to_thread(self.people.dismiss)
        return self.rated(report, began_ns)

    # ---------------------------------------------------------------- its parts

    async def _broken(self, since_ns: int, broke_ns: int) -> Mapping[str, Any] | None:
        script = self.script
        run = await self._found(script.playbook, script.begun_by, since_ns, script.begins_s)
        at_ns = None if run is None else run["created_at_ns"] - wall_ns() + monotonic_ns()
        self._task(N_("run on record"), script.begins_s, broke_ns, at_ns)
        if run is None:
            return None
        told = await self._through(run["run"], script.people, script.steps, script.ends_s)
        await self._look_for(script.effects, told)
        return told

    async def _give_back(self, told: Mapping[str, Any]) -> None:
        await self._all_well()
        await self._look_for(self.script.held, told)
        self._say("phase", name=N_("given back"))
        begun = await self.hub.ask_playbook(self.script.back, "run", {"site": self.script.site})
        told = await self._through(begun["run"]["run"], 1, self.script.back_steps, self.script.ends_s)
        await self._look_for(self.script.back_effects, told)

    async def _through(
        self, identifier: str, people: int, steps: Mapping[str, str], ends_s: float
    ) -> Mapping[str, Any]:
        """See a run through, approve it, record what it was told, and compare how its steps ended."""
        began_ns, deadline_s = monotonic_ns(), monotonic_s() + ends_s
        recorder, seen = Recorder(self.hub.facts), dict[str, str]()
        approved = False
        while True:
            try:
                told = await self.hub.playbook_run(identifier)
                await recorder.look(told)
            except HubTimeoutError:  # a busy hub is asked again, within the task's time
                if monotonic_s() > deadline_s:
                    raise
                continue
            run = told["run"]
            self._note(run, seen)
            if run["state"] == "planned" and people and not approved:
                approved = True
                await self._approve(run, people)
            await self._at_steps(run)
            if _over(run) or monotonic_s() > deadline_s:
                break
            await asyncio.sleep(LOOK_S)
        ended = run["state"] == "done"
        task = N_("run done") if run["playbook"] == self.script.playbook else N_("run that gives back done")
        self._task(task, ends_s, began_ns, monotonic_ns() if ended else None)
        if not ended:
            self.wrong.append(f"{run['playbook']} is {run['state']}: {run['reason'] or run['held']}")
        states = {it["step"]: it for it in run["steps"] if it["leg"] == "do"}
        self.wrong += [
            f"step {name} of {run['playbook']} is {states[name]['state']}, should be {want}: {states[name]['detail']}"
            for name, want in steps.items() if states[name]["state"] != want
        ]  # fmt: skip
        if self.recordings is not None:
            origin = f"Recorded in the lab by `lifeline drill run {self.script.name}`, seed {self.seed}."
            name = f"{run['playbook']}.{self.script.name.removeprefix('playbook-')}.yml"
            recorder.save(self.recordings / name, told, origin)
        return told

    async def _at_steps(self, run: Mapping[str, Any]) -> None:
        under_way = next(
            (it["step"] for it in run["steps"] if it["leg"] == "do" and it["state"] in ("intended", "verifying")), ""
        )
        if under_way and under_way == self.script.heals_at:
            await self._heal_now()
        if under_way and under_way == self.script.agrees_at and not self._agreed:
            self._agreed = True
            await self._approve(run, 1)

    async def _look_for(self, effects: Mapping[str, Effect], told: Mapping[str, Any]) -> None:
        stage = Stage(self.lab, self.hub, self.script, told, self._calls)
        for name, seen in effects.items():
            began_ns, deadline_s = monotonic_ns(), monotonic_s() + self.pace.observe_within
            while not (found := await seen(stage)) and monotonic_s() < deadline_s:  # noqa: ASYNC110 - a hub is asked
                await asyncio.sleep(LOOK_S)
            self._task(name, self.pace.observe_within, began_ns, monotonic_ns() if found else None)

    async def _heal_now(self) -> None:
        if self._standing:
            self._say("phase", name=N_("healed"))
        while self._standing:
            await asyncio.to_thread(self.lab.faults.heal, self._standing.pop().id)

    async def _all_well(self) -> None:
        deadline_s = monotonic_s() + self.script.well_within_s
        while monotonic_s() < deadline_s:
            facts = await self.hub.facts(*self.script.well)
            if all(facts[it]["age_s"] is not None and ok(facts[it]["value"]) for it, ok in self.script.well.items()):
                return
            await asyncio.sleep(LOOK_S * 5)

    async def _found(
        self, playbook: str, begun_by: Mapping[str, str], since_ns: int, within_s: float
    ) -> Mapping[str, Any] | None:
        deadline_s = monotonic_s() + within_s + self.pace.observe_within
        while monotonic_s() < deadline_s:
            for run in (await self.hub.runs(playbook))["runs"]:
                if run["created_at_ns"] >= since_ns and begun_by.items() <= run["parameters"].items():
                    return dict(run)
            await asyncio.sleep(LOOK_S)
        return None

    # ---------------------------------------------------------------- people

    async def _approve(self, run: Mapping[str, Any], people: int) -> None:
        """Approve as so many people; where several are needed the first tries twice, which must be refused."""
        for who in PEOPLE[:people]:
            said = await asyncio.to_thread(self.people.approve, who, run)
            if said.returncode != 0:
                self.wrong.append(f"{who} could not approve: {said.stderr.strip()}")
            self._say("word", who=who, playbook=run["playbook"])
            if people > 1 and who == PEOPLE[0]:
                again = await asyncio.to_thread(self.people.approve, who, run)
                if again.returncode == 0:
                    self.wrong.append(f"{who} approved twice, and was not refused")

    # ---------------------------------------------------------------- the record

    def _note(self, run: Mapping[str, Any], seen: dict[str, str]) -> None:
        """Put what has changed of a run into the timeline."""
        now = {it["step"]: it["state"] for it in run["steps"] if it["leg"] == "do"} | {"": run["state"]}
        for what, state in now.items():
            if state not in ("waiting", seen.get(what)):
                self._say("run", playbook=run["playbook"], step=what, state=state)
        seen.update(now)


def _over(run: Mapping[str, Any]) -> bool:
    return run["ended_at_ns"] is not None or run["state"] == "needs-human"
