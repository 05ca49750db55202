"""What every drill on protected sites does: steady state first, watch the hub, heal whatever happens, steady again."""

from __future__ import annotations

import asyncio
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from lifeline.clock import monotonic_s, wall_ns
from lifeline.model.inventory import Inventory
from lifeline.model.records import Json
from noc.client import HubUnreachableError

from ..driver import LabError
from ..probe import Flow, ProbeError, ProbeLog
from .record import DrillReport, Target, Verdict
from .steady import unsteady_reasons
from .watch import Hub, Watch

TO_HUB, TO_SITE = "site_to_hub", "hub_to_site"


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

    def kill(self, node: str, daemon: str) -> None:
        """Kill a daemon of lifeline's at a node with SIGKILL; its supervisor starts it again."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a drill waits for what, in seconds."""

    steady_within: float = 15.0
    baseline: float = 0.15
    on_protection: float = 0.8
    """Least time between cut and repair: long enough for probes to come down from the satellite."""
    observe_within: float = 4.0
    revert_beyond_wtr: float = 5.0
    tail: float = 0.2
    drain: float = 0.6


@dataclass(slots=True)
class Drill(ABC):
    """One run of a drill. What chance decides follows `seed`."""

    lab: Lab
    hub: Hub
    seed: int
    pace: Pace = field(default_factory=Pace, kw_only=True)
    tell: Callable[[str], None] = field(default=lambda _text: None, kw_only=True)
    logs: Mapping[str, ProbeLog] = field(default_factory=dict, kw_only=True)
    """The raw probe logs, once the drill has run."""

    @property
    @abstractmethod
    def aims(self) -> tuple[Target, ...]:
        """Every protection group that the drill hits."""

    @abstractmethod
    def blank(self, started_ns: int) -> DrillReport:
        """Return the report of a drill that has not run."""

    @abstractmethod
    async def play(self, report: DrillReport, watch: Watch) -> DrillReport:
        """Break, watch, repair, rate; return the report with what was seen, its reasons being why it failed."""

    async def run(self) -> DrillReport:
        """Run the drill and return its record; the lab is healed whatever happens.

        Raises:
            Exception: the hub could not be reached before anything was done.
        """
        started_s = monotonic_s()
        report = self.blank(wall_ns())
        cursor, reasons = await self._steady()
        if reasons:
            return replace(report, reasons=tuple(reasons), took_s=monotonic_s() - started_s)
        report = await self._guarded(report, Watch(self.hub, cursor))
        return replace(report, took_s=monotonic_s() - started_s)

    async def _guarded(self, report: DrillReport, watch: Watch) -> DrillReport:
        following = asyncio.create_task(watch.run())
        reasons: list[str] = []
        try:
            report = await self.play(report, watch)
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

    async def _steady(self) -> tuple[int, list[str]]:
        """Wait for the steady state; return the hub's cursor and, if it did not come in time, why not."""
        deadline_s = monotonic_s() + self.pace.steady_within
        while True:
            state: Mapping[str, Json] = await self.hub.state()
            standing = [str(fault.id) for fault in self.lab.faults.active()]
            reasons = [text for aim in self.aims for text in unsteady_reasons(state, aim, standing)]
            if not reasons or monotonic_s() > deadline_s:
                return int(state["cursor"]), list(dict.fromkeys(reasons))
            await asyncio.sleep(0.05)

    def flows(self, target: Target, prefix: str = "") -> list[Flow]:
        """Return both directions of traffic between a target's ends."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        site, core = (partial(self.lab.popen, node, **pipes) for node in target.ends)
        at_site, at_core = (service_address(self.lab.inventory, end) for end in target.ends)
        return [
            Flow(prefix + TO_HUB, site, core, at_site, at_core),
            Flow(prefix + TO_SITE, core, site, at_core, at_site),
        ]

    def _heal(self) -> bool:
        # Steady meant that no fault stood before ours; healing all of them is healing ours, however far it got.
        self.lab.faults.heal()
        return not self.lab.faults.active()


def service_address(inventory: Inventory, site: str) -> str:
    """Return the address that a site's services answer at: the first of its first network."""
    return str(next(iter(inventory.sites[site].prefixes[0].hosts())))
