"""The fibre-cut drill: a super base station loses its fibre and keeps talking over satellite, and comes back."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from lifeline.clock import monotonic_ns, monotonic_s, wall_ns
from lifeline.i18n import N_
from lifeline.model.inventory import Inventory, Media
from lifeline.model.records import Json
from noc.client import HubUnreachableError

from ..driver import LabError
from ..probe import Flow, ProbeError, ProbeLog, Probes, Traffic
from .judge import NS_PER_MS, Story, Targets, date, rate, shortcomings, timeline
from .record import DrillReport, Target, Verdict
from .steady import unsteady_reasons
from .watch import Hub, Watch

NAME = "fibre-cut"
OBJECTIVE = N_("A super base station that loses its fibre keeps talking over satellite, and comes back without a loss.")
MODES = ("silent", "oneway", "carrier")
DIRECTIONS = ("to-site", "to-core")
TO_HUB, TO_SITE = "site_to_hub", "hub_to_site"
REVERT_MARGIN_MS = 1500
"""Beyond WTR: BFD may take a second to come Up (RFC 5880 6.8.3), and the machine has other things to do."""


class Lab(Protocol):
    """What a drill asks of `lab.lab.Lab`."""

    @property
    def inventory(self) -> Inventory:
        """The inventory that the lab's daemons run on."""
        ...

    @property
    def faults(self) -> Any:
        """Injects, lists and heals faults (`lab.faults.Faults`)."""
        ...

    def popen(self, node: str, argv: Sequence[str], **options: Any) -> Any:
        """Start a program at a node."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the drill waits for what, in seconds."""

    steady_within: float = 15.0
    baseline: float = 0.15
    on_protection: float = 0.8
    """Least time between cut and repair: long enough for probes to come down from the satellite."""
    observe_within: float = 4.0
    revert_beyond_wtr: float = 5.0
    tail: float = 0.2
    drain: float = 0.6


@dataclass(slots=True)
class FibreCut:
    """One run of the drill. What chance decides follows `seed`: the phase of the cut here, the rest in `plan`."""

    lab: Lab
    hub: Hub
    target: Target
    mode: str
    direction: str | None
    seed: int
    targets: Targets = field(default_factory=Targets)
    pace: Pace = field(default_factory=Pace)
    tell: Callable[[str], None] = lambda _text: None
    logs: Mapping[str, ProbeLog] = field(default_factory=dict)
    """The raw probe logs, once the drill has run."""

    async def run(self) -> DrillReport:
        """Run the drill and return its record; the lab is healed whatever happens.

        Raises:
            Exception: the hub could not be reached before anything was done.
        """
        started_ns, started_s = wall_ns(), monotonic_s()
        report = DrillReport(
            NAME, OBJECTIVE, self.target, self.mode, self.direction, self.seed, started_ns, Verdict.NOT_RUN
        )
        cursor, reasons = await self._steady()
        if reasons:
            return replace(report, reasons=tuple(reasons), took_s=monotonic_s() - started_s)
        report = await self._drill(report, Watch(self.hub, cursor))
        return replace(report, took_s=monotonic_s() - started_s)

    async def _drill(self, report: DrillReport, watch: Watch) -> DrillReport:
        following = asyncio.create_task(watch.run())
        reasons: list[str] = []
        try:
            report = await self._cut_and_repair(report, watch)
            _cursor, unsteady = await self._steady()
            reasons += [f"not steady again: {reason}" for reason in unsteady]
        except (ProbeError, LabError, HubUnreachableError, OSError) as error:
            reasons.append(f"the drill broke off: {error}")
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            healed = self._heal()
        if not healed:
            reasons.append("the lab is not healed; run `lifeline lab heal`")
        reasons += report.reasons
        verdict = Verdict.FAIL if reasons else Verdict.PASS
        return replace(report, verdict=verdict, reasons=tuple(reasons), healed=healed)

    async def _cut_and_repair(self, report: DrillReport, watch: Watch) -> DrillReport:
        with Probes(self._flows()) as probes:
            probes.start()
            await watch.until(lambda: watch.connected, self.pace.observe_within)
            # Somewhere between two hellos of the continuity check, never in step with them.
            await asyncio.sleep(self.pace.baseline + random.Random(self.seed).uniform(0, 0.03))

            self.tell("cut")
            fault = self._inject()
            story = Story(self.target, (), cut_ns=fault.began_ns)
            try:
                await self._see_the_switch(watch, story)
            finally:
                self.tell("repair")
                story = replace(story, repair_ns=monotonic_ns())
                self.lab.faults.heal(fault.id)
            await self._see_the_revert(watch, story)
            await asyncio.sleep(self.pace.tail)
            end_ns = monotonic_ns()
            probes.stop()
            self.logs = await asyncio.to_thread(probes.collect, self.pace.drain)
        story = replace(story, sightings=tuple(watch.sightings))
        assert story.repair_ns is not None
        windows = {"cut": (story.cut_ns, story.repair_ns), "revert": (story.repair_ns, end_ns)}
        felt = {d: {name: log.within(w) for name, w in windows.items()} for d, log in self.logs.items()}
        return self._rated(report, story, felt, fault)

    def _rated(
        self, report: DrillReport, story: Story, felt: Mapping[str, Mapping[str, Traffic]], fault: Any
    ) -> DrillReport:
        assert story.repair_ns is not None
        window = (story.cut_ns, story.repair_ns)
        first_lost_ns = {direction: log.first_lost_ns(window) for direction, log in self.logs.items()}
        dated = date(story, first_lost_ns.values(), fault.took_hold_ns)
        tasks = rate(dated, self.targets)
        instants = {"took_hold": fault.took_hold_ns, "took_effect": dated.cut_ns}
        instants |= {f"first_lost_{direction}": ns for direction, ns in first_lost_ns.items()}
        return replace(
            report,
            injection={f"{name}_ms": ns and (ns - story.cut_ns) / NS_PER_MS for name, ns in instants.items()},
            tasks=tasks,
            traffic=felt,
            timeline=timeline(dated),
            reasons=tuple(shortcomings(tasks, felt, self.targets)),
        )

    async def _see_the_switch(self, watch: Watch, story: Story) -> None:
        def seen() -> bool:
            now = replace(story, sightings=tuple(watch.sightings))
            return self._at_both_ends(now.switched()) and self._at_both_ends(now.alarmed())

        at_least_until_s = monotonic_s() + self.pace.on_protection
        await watch.until(seen, self.pace.observe_within)
        await asyncio.sleep(max(0.0, at_least_until_s - monotonic_s()))

    async def _see_the_revert(self, watch: Watch, story: Story) -> None:
        def seen() -> bool:
            now = replace(story, sightings=tuple(watch.sightings))
            return self._at_both_ends(now.reverted()) and self._at_both_ends(now.cleared())

        wtr_s = self.lab.inventory.protection_groups[self.target.group].wtr_ms / 1000
        await watch.until(seen, wtr_s + self.pace.revert_beyond_wtr)

    def _at_both_ends(self, sightings: Mapping[str, Any]) -> bool:
        return all(end in sightings for end in self.target.ends)

    async def _steady(self) -> tuple[int, list[str]]:
        """Wait for the steady state; return the hub's cursor and, if it did not come in time, why not."""
        deadline_s = monotonic_s() + self.pace.steady_within
        while True:
            state: Mapping[str, Json] = await self.hub.state()
            reasons = unsteady_reasons(state, self.target, [str(fault.id) for fault in self.lab.faults.active()])
            if not reasons or monotonic_s() > deadline_s:
                return int(state["cursor"]), reasons
            await asyncio.sleep(0.05)

    def _flows(self) -> list[Flow]:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        site, core = (partial(self.lab.popen, node, **pipes) for node in self.target.ends)
        at_site, at_core = (service_address(self.lab.inventory, end) for end in self.target.ends)
        return [Flow(TO_HUB, site, core, at_site, at_core), Flow(TO_SITE, core, site, at_core, at_site)]

    def _inject(self) -> Any:
        options = {"direction": self.direction} if self.direction else {}
        return self.lab.faults.inject(NAME, target=self.target.working, mode=self.mode, **options)

    def _heal(self) -> bool:
        # Steady meant that no fault stood before ours; healing all of them is healing ours, however far it got.
        self.lab.faults.heal()
        return not self.lab.faults.active()


def candidates(inventory: Inventory) -> dict[str, Target]:
    """Return, by site, what the drill can be aimed at: groups whose working path is a fibre."""
    found = {}
    for group_id, group in inventory.protection_groups.items():
        working = inventory.links[group.working]
        if working.media is not Media.FIBRE:
            continue
        for site in (working.a.site, working.b.site):
            if inventory.sites[site].kind == "super-base-station":
                core = working.far_end(site).site
                found[site] = Target(site, core, group_id, group.working, group.protection)
    return found


def plan(
    inventory: Inventory, *, mode: str, site: str | None, direction: str | None, seed: int
) -> tuple[Target, str | None]:
    """Return the target and, for a one-way cut, the direction: as given, else as the seed has it.

    Raises:
        ValueError: no fibre of the inventory protects that site, or a direction was given for a cut that has none.
    """
    chance = random.Random(seed)
    fit = candidates(inventory)
    if not fit:
        raise ValueError("no protection group of the inventory works over a fibre")
    if site is not None and site not in fit:
        raise ValueError(f"no protected fibre ends at {site!r}; there are {', '.join(sorted(fit))}")
    if direction is not None and mode != "oneway":
        raise ValueError(f"a {mode} cut has no direction")
    drawn_site, drawn_direction = chance.choice(sorted(fit)), chance.choice(DIRECTIONS)
    return fit[site or drawn_site], direction or (drawn_direction if mode == "oneway" else None)


def targets_for(inventory: Inventory, target: Target, lost_ms: float) -> Targets:
    """Return the targets of a drill; the wait to restore is the group's own."""
    group, working = inventory.protection_groups[target.group], inventory.links[target.working]
    assert working.bfd is not None
    detect_ms = working.bfd.interval_ms * (working.bfd.detect_mult + 1)
    return Targets(lost_ms=lost_ms, detect_ms=detect_ms, revert_ms=group.wtr_ms + REVERT_MARGIN_MS)


def service_address(inventory: Inventory, site: str) -> str:
    """Return the address that a site's services answer at: the first of its first network."""
    return str(next(iter(inventory.sites[site].prefixes[0].hosts())))
