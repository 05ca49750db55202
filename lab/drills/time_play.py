"""Plays a drill on a site's clock room: what the hub shows of its time, what its client's clock really does.

The client is the site's chronyd. What its clock has against the host's is `System time` of its tracking report, to a
nanosecond, for with `-x` it leaves the host's clock alone; what true time has against the host's its simulated sky
knows. Their difference is the client's error.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lifeline.clock import monotonic_ns, monotonic_s

from .drill import Lab
from .played import Played
from .record import DrillReport
from .watch import Hub, Watch

LOOK_S = 0.25
CLIENT = "client's clock"


class ClockLab(Lab, Protocol):
    """What a drill of the time asks of `lab.lab.Lab`."""

    @property
    def driver(self) -> Any:
        """What carries the topology out (`lab.driver.Driver`)."""
        ...

    def run(self, node: str, argv: Sequence[str]) -> Any:
        """Run a program on a node, and return what it printed."""
        ...


class TimeHub(Hub, Protocol):
    """What a drill of the time asks of `noc.client.HubClient`."""

    async def live(self, subject: str = "") -> list[dict[str, Any]]:
        """Return what daemons show live."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A site's time at a moment.

    Attributes:
        at_ns: monotonic.
        state: `lifeline.time-state/1`; empty where the hub has none that is fresh.
        alarms: active ones on the site's time: (what follows `time:<site>`, type).
        served: whether the client's chronyd says that it is synchronised.
        error_ns: the client's, while it is served.
    """

    at_ns: int
    state: Mapping[str, Any]
    alarms: frozenset[tuple[str, str]]
    served: bool
    error_ns: float | None

    def reason(self, source: str) -> str | None:
        """Return why a source is not selected; None where it is, `unknown` where nobody says."""
        told = next((it for it in self.state.get("sources", ()) if it["source"] == source), None)
        reason: str | None = "unknown" if told is None else told["reason"]
        return reason

    @property
    def steady(self) -> bool:
        """Whether both receivers are selected and the client follows."""
        return bool(self.state.get("state") == "locked" and self.state["serve"] and self.served
                    and {"beidou", "gps"} <= set(self.state["selected"]))  # fmt: skip


Sees = Callable[[Seen], bool]


@dataclass(frozen=True, slots=True)
class Wish:
    """A timed critical task: what must be seen within a time after its step began."""

    task: str
    sees: Sees
    within_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a drill.

    Attributes:
        name: on the scorecard.
        faults: receiver, mode and size of what breaks at its beginning; an empty mode heals.
        wishes: what must be seen.
        never: by a name for the scorecard, what must not be.
        error_ns: the most that the client's clock may be off while it is served.
        hold_s: how long it lasts at least.
    """

    name: str
    faults: tuple[tuple[str, str, float], ...] = ()
    wishes: tuple[Wish, ...] = ()
    never: Mapping[str, Sees] = field(default_factory=dict)
    error_ns: float = 1500.0
    hold_s: float = 5.0


@dataclass(frozen=True, slots=True)
class TimeScript:
    """A whole drill of a site's time."""

    name: str
    objective: str
    site: str
    steps: tuple[Step, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """The one site."""
        return (self.site,)


@dataclass(slots=True)
class TimeDrill(Played):
    """One run of a script."""

    lab: ClockLab
    hub: TimeHub
    script: TimeScript
    _standing: dict[str, Any] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    """By source, site and client, what was seen last."""

    async def _steady(self) -> tuple[int, list[str]]:
        """Wait until both receivers are selected and nothing is wrong with the site's time."""
        deadline_s = monotonic_s() + max(self.pace.steady_within, self._patience_s())
        while True:
            state = await self.hub.state()
            seen = await self._look()
            self._told = _words(self.script.site, seen)
            reasons = [f"fault {fault.id} is active" for fault in self.lab.faults.active()]
            if not seen.steady:
                told = {it["source"]: it["reason"] for it in seen.state.get("sources", ())}
                reasons.append(f"{self.script.site}: {seen.state.get('state', 'not heard of')}, {told}")
            reasons += [
                f"alarm {name} on time:{self.script.site}{what} is active" for what, name in sorted(seen.alarms)
            ]
            if not reasons or monotonic_s() > deadline_s:
                return int(state["cursor"]), reasons
            await asyncio.sleep(LOOK_S)

    def _patience_s(self) -> float:
        timing = self.lab.inventory.sites[self.script.site].timing
        return 90.0 + (timing.qualification_s if timing else 0.0)

    async def play(self, report: DrillReport, watch: Watch) -> DrillReport:  # noqa: ARG002 - looks itself, at live states
        """Play every step, then rate."""
        began_ns, worst_ns = monotonic_ns(), 0.0
        for step in self.script.steps:
            self._say("phase", name=step.name)
            worst_ns = max(worst_ns, await self._step(step))
        self._say("client", error=f"{worst_ns:,.0f} ns")
        return self.rated(report, began_ns)

    async def _step(self, step: Step) -> float:
        """Play a step; return the client's worst error in it, ns."""
        for at, mode, size in step.faults:
            if mode:
                target = f"{self.script.site}/{at}"
                fault = await asyncio.to_thread(self.lab.faults.inject, "gnss", target, mode=mode, size=size)
                self._standing[at] = fault
            else:
                await asyncio.to_thread(self.lab.faults.heal, self._standing.pop(at).id)
        began_ns = monotonic_ns()
        done: dict[str, int] = {}
        wrong: set[str] = set()
        worst_ns = 0.0
        ends_s = monotonic_s() + max([step.hold_s, *(it.within_s + self.pace.observe_within for it in step.wishes)])
        least_s = monotonic_s() + step.hold_s
        while monotonic_s() < least_s or (len(done) < len(step.wishes) and monotonic_s() < ends_s):
            seen = await self._look()
            for wish in step.wishes:
                if wish.task not in done and wish.sees(seen):
                    done[wish.task] = seen.at_ns
            wrong |= {f"{step.name}: {what}" for what, sees in step.never.items() if sees(seen)}
            worst_ns = max(worst_ns, abs(seen.error_ns or 0.0))
            self._note(seen)
            await asyncio.sleep(LOOK_S)
        if worst_ns > step.error_ns:
            wrong.add(f"{step.name}: {CLIENT} was {worst_ns:,.0f} ns off, target {step.error_ns:,.0f} ns")
        self.wrong += sorted(wrong)
        for wish in step.wishes:
            self._task(wish.task, wish.within_s, began_ns, done.get(wish.task))
        return worst_ns

    def _note(self, seen: Seen) -> None:
        """Put what has changed into the timeline."""
        before, self._told = self._told, _words(self.script.site, seen)
        for who, what in self._told.items():
            if before.get(who) != what:
                self._moments.append((seen.at_ns, "time", {"who": who, "is": what}))

    async def _look(self) -> Seen:
        subject = f"time:{self.script.site}"
        views = await self.hub.live(subject)
        body: Mapping[str, Any] = next((it["body"] for it in views if it["fresh"]), {})
        alarms = (await self.hub.state())["alarms"]
        active = frozenset(
            (str(it["resource"]).removeprefix(subject), str(it["alarm_type_id"])) for it in alarms
            if it["cleared_at_ns"] is None and str(it["resource"]).split("/")[0] == subject
        )  # fmt: skip
        served, error_ns = await asyncio.to_thread(self._client)
        return Seen(monotonic_ns(), body, active, served, error_ns)

    def _client(self) -> tuple[bool, float | None]:
        """Ask the site's chronyd what it has against the host, and the sky what true time has."""
        site = self.script.site
        timing = self.lab.inventory.sites[site].timing
        command = timing.chrony.command_socket if timing and timing.chrony else ""
        truth_ns = float(self.lab.driver.ask_sky(site, {"act": "look"})["truth_ns"])
        said = self.lab.run(site, ["chronyc", "-n", "-c", "-h", command, "tracking"])
        row = next(csv.reader(said.stdout.splitlines()), [])
        if said.returncode or len(row) < 14 or row[13] == "Not synchronised":
            return False, None
        return True, float(row[4]) * 1e9 - truth_ns


def _words(site: str, seen: Seen) -> dict[str, str]:
    """Return, in words, how the site's time, each of its sources and its client are."""
    words = {str(it["source"]): str(it["reason"] or "selected") for it in seen.state.get("sources", ())}
    if seen.state:
        words[site] = str(seen.state["state"])
    words[CLIENT] = "served" if seen.served else "not served"
    return words
