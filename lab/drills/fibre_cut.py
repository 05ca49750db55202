"""The fibre-cut drill: a super base station loses its fibre and keeps talking over satellite, and comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lifeline.clock import monotonic_ns, monotonic_s
from lifeline.i18n import N_
from lifeline.model.inventory import Inventory, Media

from ..probe import Probes, Traffic
from .drill import TO_HUB, TO_SITE, Drill, Pace
from .judge import NS_PER_MS, Story, Targets, date, rate, shortcomings, timeline
from .record import DrillReport, Target, Verdict
from .watch import Watch

__all__ = ["NAME", "OBJECTIVE", "TO_HUB", "TO_SITE", "FibreCut", "Pace", "candidates", "plan", "targets_for"]

NAME = "fibre-cut"
OBJECTIVE = N_("A super base station that loses its fibre keeps talking over satellite, and comes back without a loss.")
MODES = ("silent", "oneway", "carrier")
DIRECTIONS = ("to-site", "to-core")
REVERT_MARGIN_MS = 1500
"""Beyond WTR: BFD may take a second to come Up (RFC 5880 6.8.3), and the machine has other things to do."""


@dataclass(slots=True)
class FibreCut(Drill):
    """One run of the drill. The phase of the cut follows the seed here, the rest does in `plan`."""

    target: Target
    mode: str
    direction: str | None
    targets: Targets = field(default_factory=Targets)

    @property
    def aims(self) -> tuple[Target, ...]:
        """The one group whose fibre is cut."""
        return (self.target,)

    def blank(self, started_ns: int) -> DrillReport:
        """Return the report of a drill that has not run."""
        return DrillReport(
            NAME, OBJECTIVE, self.target, self.mode, self.direction, self.seed, started_ns, Verdict.NOT_RUN
        )

    async def play(self, report: DrillReport, watch: Watch) -> DrillReport:
        """Cut, see the switch, repair, see the revert, rate."""
        with Probes(self.flows(self.target)) as probes:
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
            limits={"cut": self.targets.lost_ms, "revert": 0},
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

    def _inject(self) -> Any:
        options = {"direction": self.direction} if self.direction else {}
        return self.lab.faults.inject(NAME, target=self.target.working, mode=self.mode, **options)


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
