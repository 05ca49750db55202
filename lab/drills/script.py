"""A drill as a script: phases of acts, what must be seen in each, what must not, and what traffic may lose.

The script is data (`lab.drills.protection`); this module plays it against real protected sites and rates what was
seen. What a site reports late because it was cut off counts by when it happened there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lifeline.clock import monotonic_ns, monotonic_s

from ..probe import ProbeLog, Probes, Traffic
from .drill import Drill
from .judge import NS_PER_MS, Sighting, effect_ns, moment
from .record import DrillReport, Moment, Target, Task, Verdict
from .watch import Watch

LATE_S = 30.0
"""How long, after the last phase, what could not be told before is waited for: a hub may have to boot."""

Sees = Callable[[Sighting, Target], bool]


@dataclass(frozen=True, slots=True)
class Inject:
    """Put a fault into the lab.

    Attributes:
        kind: of `lab.faults`.
        on: what it hits: `working` or `protection`, the targets' links; else a name of the lab.
        options: of the fault.
    """

    kind: str
    on: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heal:
    """Undo the fault that an earlier act put on this."""

    on: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a daemon at the targets' sites; its supervisor starts it again."""

    daemon: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


Act = Inject | Heal | Kill | Pause


@dataclass(frozen=True, slots=True)
class Expect:
    """A timed critical task: what every end that is meant must show after the phase began.

    Attributes:
        task: name on the scorecard.
        sees: tells the event by which it is done.
        within_ms: target.
        at: `both` ends, the `site`, or the `core`.
        at_hub: counts from when the hub showed it, not from when it happened.
        awaited: the phase lasts until it is seen; a thing that can only be told later is looked for at the end.
    """

    task: str
    sees: Sees
    within_ms: float
    at: str = "both"
    at_hub: bool = False
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a script, and a window of the traffic's record.

    Attributes:
        name: on the scorecard.
        acts: in their order.
        expects: timed tasks.
        lost_ms: the most that each direction may lose in it; None for no limit, as where there is no way left.
        hold_s: the least time that it lasts after its acts.
        never: by a name for the scorecard, what must not be seen in it.
        once: by a name, what no end may show twice in it.
    """

    name: str
    acts: tuple[Act, ...] = ()
    expects: tuple[Expect, ...] = ()
    lost_ms: float | None = 0
    hold_s: float = 0.5
    never: Mapping[str, Sees] = field(default_factory=dict)
    once: Mapping[str, Sees] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """A whole drill: what it is for, what it hits, how it goes."""

    name: str
    objective: str
    targets: tuple[Target, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """A phase that was played, on the monotonic clock.

    Attributes:
        phase: that was played.
        began_ns: just before its first act.
        ended_ns: when the next one began.
        took_hold_ns: when its first fault was seen to hold; None if it injected none.
        effect_ns: what tasks are timed from: the last probe that came through before a fault, else `began_ns`.
    """

    phase: Phase
    began_ns: int
    ended_ns: int
    took_hold_ns: int | None = None
    effect_ns: int = 0

    def holds(self, at_ns: int) -> bool:
        """Tell whether an instant lies in the phase."""
        return self.began_ns <= at_ns < self.ended_ns


@dataclass(slots=True)
class Scripted(Drill):
    """One run of a script."""

    script: Script
    _standing: dict[str, Any] = field(default_factory=dict)

    @property
    def aims(self) -> tuple[Target, ...]:
        """Every protection group that the drill hits."""
        return self.script.targets

    def blank(self, started_ns: int) -> DrillReport:
        """Return the report of a drill that has not run."""
        first = self.script.targets[0]
        return DrillReport(
            self.script.name, self.script.objective, first, "", None, self.seed, started_ns, Verdict.NOT_RUN,
            also=tuple(target.site for target in self.aims[1:]),
        )  # fmt: skip

    async def play(self, report: DrillReport, watch: Watch) -> DrillReport:
        """Play every phase under traffic, then rate."""
        several = len(self.aims) > 1
        flows = [flow for aim in self.aims for flow in self.flows(aim, f"{aim.site}/" if several else "")]
        played = []
        with Probes(flows) as probes:
            probes.start()
            await watch.until(lambda: watch.connected, self.pace.observe_within)
            # Somewhere between two hellos of the continuity check, never in step with them.
            await asyncio.sleep(self.pace.baseline + random.Random(self.seed).uniform(0, 0.03))
            for phase in self.script.phases:
                self.tell(phase.name)
                played.append(await self._phase(phase, watch))
            await self._hear_the_rest(played, watch)
            probes.stop()
            self.logs = await asyncio.to_thread(probes.collect, self.pace.drain)
        return rated(report, self.aims, played, watch.sightings, self.logs)

    async def _phase(self, phase: Phase, watch: Watch) -> Played:
        began_ns, began_s = monotonic_ns(), monotonic_s()
        took_hold_ns: int | None = None
        for act in phase.acts:
            held_ns = await self._act(act)
            took_hold_ns = took_hold_ns or held_ns
        hold_until_s = monotonic_s() + phase.hold_s
        awaited = [expect for expect in phase.expects if expect.awaited]
        patience_s = max((expect.within_ms / 1000 for expect in awaited), default=0) + self.pace.observe_within

        def seen() -> bool:
            return all(_done(watch.sightings, expect, aim, began_ns) for expect in awaited for aim in self.aims)

        await watch.until(seen, began_s + patience_s - monotonic_s())
        await asyncio.sleep(max(0.0, hold_until_s - monotonic_s()))
        return Played(phase, began_ns, monotonic_ns(), took_hold_ns)

    async def _act(self, act: Act) -> int | None:
        """Do an act; return when a fault was seen to hold."""
        match act:
            case Inject(kind, on, options):
                fault = await asyncio.to_thread(self.lab.faults.inject, kind, target=self._hit(on), **options)
                self._standing[on] = fault
                return int(fault.took_hold_ns)
            case Heal(on):
                await asyncio.to_thread(self.lab.faults.heal, self._standing.pop(on).id)
            case Kill(daemon):
                for aim in self.aims:
                    self.lab.kill(aim.site, daemon)
            case Pause(seconds):
                await asyncio.sleep(seconds)
        return None

    def _hit(self, on: str) -> list[str]:
        if on in ("working", "protection"):
            return [str(getattr(aim, on)) for aim in self.aims]
        return [on]

    async def _hear_the_rest(self, played: Iterable[Played], watch: Watch) -> None:
        def told() -> bool:
            return all(
                _done(watch.sightings, expect, aim, one.began_ns)
                for one in played
                for expect in one.phase.expects
                for aim in self.aims
            )

        await watch.until(lambda: watch.connected and told(), LATE_S)


def rated(
    report: DrillReport,
    aims: tuple[Target, ...],
    played: list[Played],
    sightings: Iterable[Sighting],
    logs: Mapping[str, ProbeLog],
) -> DrillReport:
    """Return the report with tasks, traffic, timeline and every way in which the drill fell short. Pure."""
    seen = sorted(sightings, key=lambda sighting: sighting.happened_ns)
    played = [replace(one, effect_ns=_effect_ns(one, seen, logs)) for one in played]
    tasks = tuple(_task(seen, expect, aims, one) for one in played for expect in one.phase.expects)
    felt = {
        direction: {one.phase.name: log.within((one.began_ns, one.ended_ns)) for one in played}
        for direction, log in logs.items()
    }
    reasons = [text for task in tasks if (text := task.shortcoming())]
    reasons += _lost_too_much(felt, played)
    reasons += [text for one in played for text in _misbehaved(seen, one, aims)]
    limits = {one.phase.name: one.phase.lost_ms for one in played}
    line = _timeline(seen, aims, played)
    return replace(report, tasks=tasks, traffic=felt, limits=limits, timeline=line, reasons=tuple(reasons))


def _effect_ns(one: Played, seen: Iterable[Sighting], logs: Mapping[str, ProbeLog]) -> int:
    """Return when a phase's fault took effect; see `judge.effect_ns`."""
    if one.took_hold_ns is None:
        return one.began_ns
    window = (one.began_ns, one.ended_ns)
    noticed = [s.happened_ns for s in seen if s.event["kind"] == "bfd" and s.body["previous"] == "Up"]
    first_lost = [log.first_lost_ns(window) for log in logs.values()]
    return effect_ns(one.began_ns, first_lost, one.took_hold_ns, [ns for ns in noticed if one.holds(ns)])


def _done(sightings: Iterable[Sighting], expect: Expect, aim: Target, since_ns: int) -> bool:
    return _shown_ns(sightings, expect, aim, since_ns) is not None


def _shown_ns(sightings: Iterable[Sighting], expect: Expect, aim: Target, since_ns: int) -> int | None:
    """Return when every end that is meant had shown it since an instant; None if one has not."""
    first: dict[str, int] = {}
    for one in sightings:
        if one.happened_ns >= since_ns and one.site in aim.ends and expect.sees(one, aim):
            at_ns = one.seen_ns if expect.at_hub else one.happened_ns
            first[one.site] = min(at_ns, first.get(one.site, at_ns))
    meant = {"both": aim.ends, "site": (aim.site,), "core": (aim.core,)}[expect.at]
    if not all(site in first for site in meant):
        return None
    return max(first[site] for site in meant)


def _task(seen: list[Sighting], expect: Expect, aims: Iterable[Target], one: Played) -> Task:
    shown = [_shown_ns(seen, expect, aim, one.began_ns) for aim in aims]
    done = [ns for ns in shown if ns is not None]
    actual_ms = (max(done) - one.effect_ns) / NS_PER_MS if len(done) == len(shown) else None
    return Task(expect.task, expect.within_ms, actual_ms)


def _lost_too_much(felt: Mapping[str, Mapping[str, Traffic]], played: Iterable[Played]) -> list[str]:
    reasons = []
    for direction, windows in felt.items():
        for one in played:
            numbers, limit = windows[one.phase.name], one.phase.lost_ms
            if limit is not None and numbers.lost_ms > limit:
                reasons.append(f"{direction}, {one.phase.name}: {numbers.lost_ms} ms lost, target {limit:.0f} ms")
            if not numbers.sent:
                reasons.append(f"{direction}, {one.phase.name}: no probe was sent")
    return reasons


def _misbehaved(seen: Iterable[Sighting], one: Played, aims: tuple[Target, ...]) -> list[str]:
    within = [sighting for sighting in seen if one.holds(sighting.happened_ns)]
    reasons = []
    for aim in aims:
        for what, sees in one.phase.never.items():
            reasons += [f"{one.phase.name}: {s.site}: {what}" for s in within if s.site in aim.ends and sees(s, aim)]
        for what, sees in one.phase.once.items():
            for site in aim.ends:
                count = sum(sighting.site == site and sees(sighting, aim) for sighting in within)
                if count > 1:
                    reasons.append(f"{one.phase.name}: {site}: {what} {count} times, once was right")
    return reasons


def _timeline(seen: Iterable[Sighting], aims: tuple[Target, ...], played: list[Played]) -> tuple[Moment, ...]:
    since_ns = played[0].began_ns
    moments = [Moment((one.began_ns - since_ns) / NS_PER_MS, "phase", {"name": one.phase.name}) for one in played]
    moments += [told for sighting in seen for aim in aims if (told := moment(sighting, aim, since_ns))]
    return tuple(sorted(moments, key=lambda each: each.at_ms))
