"""Plays a drill on sites' power plants: what the hub shows of them, and what their simulated plants really do.

The truth is the plant's: whether a load of the best priority has power, and when it will be dark if nothing else
happens, which a copy of it is stepped ahead for. What the power daemon promises is held against that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lifeline.clock import monotonic_ns, monotonic_s
from lifeline.i18n import N_

from .drill import Lab
from .played import Played
from .record import DrillReport
from .watch import Hub, Watch

LOOK_S = 0.5
_ENGINES = {"stopped": N_("stopped"), "pre_heat": N_("cranks"), "running": N_("runs"), "cooling": N_("cools down")}
_SOURCES = {"utility": N_("on utility"), "generator": N_("on a generator"), "battery": N_("on batteries")}
_UNKNOWN = N_("nobody knows on what")
HORIZON_H = 400.0
"""How far a plant is stepped ahead."""
_HOUR_S = 3600.0


class PlantLab(Lab, Protocol):
    """What a drill of power asks of `lab.lab.Lab`."""

    @property
    def driver(self) -> Any:
        """What carries the topology out (`lab.driver.Driver`)."""
        ...


class PowerHub(Hub, Protocol):
    """What a drill of power asks of `noc.client.HubClient`."""

    async def live(self, subject: str = "") -> list[dict[str, Any]]:
        """Return what daemons show live."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A site's power at a moment.

    Attributes:
        state: `lifeline.power-state/1`; empty where the hub has none that is fresh.
        alarms: active ones on the site's power: (what follows `power:<site>`, type).
        plant: what the simulated plant says (`lab.simulators.power_room`).
        since_h: plant's time since the first fault, h.
        dark_in_h: in how many hours it will be dark, as a copy of the plant was stepped at this step's beginning; None
            where it was not, infinite where it will not be within `HORIZON_H`.
        rate: how much faster than time the plant's goes.
    """

    state: Mapping[str, Any]
    alarms: frozenset[tuple[str, str]]
    plant: Mapping[str, Any]
    since_h: float
    dark_in_h: float | None
    rate: float

    def figure(self, redundancy: str = "n") -> Mapping[str, Any]:
        """Return how long the site lasts at its present load; empty where nobody says."""
        for it in self.state.get("figures", ()):
            if (it["kind"], it["redundancy"], it["load"]) == ("system", redundancy, "present"):
                figure: Mapping[str, Any] = it
                return figure
        return {}

    @property
    def low_h(self) -> float | None:
        """What the daemon promises at least, h; None: nothing."""
        low_h: float | None = self.figure().get("low_h")
        return low_h


Sees = Callable[[Seen], bool]


@dataclass(frozen=True, slots=True)
class Wish:
    """A timed critical task: what must be seen of a site within a time after its step began."""

    site: str
    task: str
    sees: Sees
    within_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a drill.

    Attributes:
        name: on the scorecard.
        faults: `site/part`, mode and size of what breaks at its beginning; an empty mode heals.
        wishes: what must be seen.
        never: by a name for the scorecard, what must not be, at any site.
        hold_s: how long it lasts at least.
        ahead: whether the plants are stepped ahead once its faults stand.
    """

    name: str
    faults: tuple[tuple[str, str, float], ...] = ()
    wishes: tuple[Wish, ...] = ()
    never: Mapping[str, Sees] = field(default_factory=dict)
    hold_s: float = 2.0
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class PowerScript:
    """A whole drill of power, at one site or several."""

    name: str
    objective: str
    sites: tuple[str, ...]
    steps: tuple[Step, ...]


class Supply(Protocol):
    """What comes from outside while a drill is played."""

    async def bring(self, drill: PowerDrill, seen: Mapping[str, Seen]) -> None:
        """Bring what is due."""
        ...


@dataclass(slots=True)
class PowerDrill(Played):
    """One run of a script."""

    lab: PlantLab
    hub: PowerHub
    script: PowerScript
    supply: Supply | None = None
    _standing: dict[str, str] = field(default_factory=dict)
    """Faults by `site/part`."""
    _told: dict[str, str] = field(default_factory=dict)
    _began_s: dict[str, float] = field(default_factory=dict)
    """Per site, the plant's time at the first fault."""
    _dark_at_s: dict[str, float] = field(default_factory=dict)
    """Per site, the plant's time when it would be dark, as it was last stepped ahead."""

    async def _steady(self) -> tuple[int, list[str]]:
        """Wait until every site runs on utility, is known, and nothing is wrong with its power."""
        deadline_s = monotonic_s() + max(self.pace.steady_within, self._patience_s())
        while True:
            state = await self.hub.state()
            seen = {site: await self._look(site, state) for site in self.script.sites}
            reasons = [f"fault {fault.id} is active" for fault in self.lab.faults.active()]
            for site, it in seen.items():
                runs_on = it.state.get("runs_on", "not heard of")
                if runs_on != "utility" or it.low_h is None:
                    reasons.append(f"{site}: runs on {runs_on}, lasts {it.low_h} h at least")
                reasons += [f"alarm {name} on power:{site}{what} is active" for what, name in sorted(it.alarms)]
            if not reasons or monotonic_s() > deadline_s:
                return int(state["cursor"]), reasons
            await asyncio.sleep(LOOK_S)

    @staticmethod
    def _patience_s() -> float:
        return 120.0  # conditions clear a minute after what they told of

    async def play(self, report: DrillReport, watch: Watch) -> DrillReport:  # noqa: ARG002 - looks itself, at live states
        """Play every step, then rate."""
        began_ns = monotonic_ns()
        for site in self.script.sites:
            self._began_s[site] = float((await self.ask(site, {"act": "look"}))["at_s"])
        for step in self.script.steps:
            self._say("phase", name=step.name)
            await self._step(step)
        return self.rated(report, began_ns)

    async def ask(self, site: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a site's plant."""
        answer: dict[str, Any] = await asyncio.to_thread(self.lab.driver.ask_plant, site, wanted)
        return answer

    async def _break(self, step: Step) -> None:
        for target, mode, size in step.faults:
            if mode:
                fault = await asyncio.to_thread(self.lab.faults.inject, "power", target, mode=mode, size=size)
                self._standing[target] = fault.id
            else:
                await asyncio.to_thread(self.lab.faults.heal, self._standing.pop(target))

    def note(self, who: str, what: str) -> None:
        """Put a moment into the timeline."""
        self._say("power", who=who, **{"is": what})

    async def _step(self, step: Step) -> None:
        began_ns, began_s = monotonic_ns(), monotonic_s()
        await self._break(step)
        if step.ahead:
            for site in self.script.sites:
                at_s = float((await self.ask(site, {"act": "look"}))["at_s"])
                dark_h = (await self.ask(site, {"act": "foretell", "hours": HORIZON_H}))["dark_h"]
                self._dark_at_s[site] = float("inf") if dark_h is None else at_s + dark_h * _HOUR_S
        done: dict[Wish, int] = {}
        wrong: set[str] = set()
        ends_s = began_s + max([step.hold_s, *(it.within_s + self.pace.observe_within for it in step.wishes)])
        while monotonic_s() < began_s + step.hold_s or (len(done) < len(step.wishes) and monotonic_s() < ends_s):
            state = await self.hub.state()
            seen = {site: await self._look(site, state) for site in self.script.sites}
            for wish in step.wishes:
                if wish not in done and wish.sees(seen[wish.site]):
                    done[wish] = monotonic_ns()
            wrong |= {f"{step.name}: {site}: {what}" for site, it in seen.items()
                      for what, sees in step.never.items() if sees(it)}  # fmt: skip
            self._note(seen)
            if self.supply is not None:
                await self.supply.bring(self, seen)
            await asyncio.sleep(LOOK_S)
        self.wrong += sorted(wrong)
        for wish in step.wishes:
            name = wish.task if len(self.script.sites) == 1 else f"{wish.site}: {wish.task}"
            self._task(name, wish.within_s, began_ns, done.get(wish))

    async def _look(self, site: str, state: Mapping[str, Any]) -> Seen:
        subject = f"power:{site}"
        views = await self.hub.live(subject)
        body: Mapping[str, Any] = next((it["body"] for it in views if it["fresh"]), {})
        alarms = frozenset(
            (str(it["resource"]).removeprefix(subject), str(it["alarm_type_id"])) for it in state["alarms"]
            if it["cleared_at_ns"] is None and str(it["resource"]).split("/")[0] == subject
        )  # fmt: skip
        plant = await self.ask(site, {"act": "look"})
        at_s, dark_at_s = float(plant["at_s"]), self._dark_at_s.get(site)
        return Seen(body, alarms, plant, (at_s - self._began_s.get(site, at_s)) / _HOUR_S,
                    None if dark_at_s is None else (dark_at_s - at_s) / _HOUR_S, float(plant["rate"]))  # fmt: skip

    def _note(self, seen: Mapping[str, Seen]) -> None:
        """Put what has changed into the timeline."""
        told = {who: what for site, it in seen.items() for who, what in _words(site, it)}
        for who, what in told.items():
            if self._told.get(who) != what:
                self.note(who, what)
        self._told = told


def _words(site: str, seen: Seen) -> Sequence[tuple[str, str]]:
    """Return, in words, what a site really runs on, and what its daemon says."""
    plant = seen.plant
    sets = [(f"{site}/{name}", N_("shut down") if it["shut_down"] else _ENGINES.get(it["state"], it["state"]))
            for name, it in plant["generators"].items()]  # fmt: skip
    dark = [(f"{site}/loads", N_("dark") if plant["dark"] else N_("fed"))]
    return (*dark, *sets, (site, _SOURCES.get(seen.state.get("runs_on", ""), _UNKNOWN)))
