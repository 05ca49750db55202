"""One end of a protection group: feeds the protection state machine and carries out its selection."""

from __future__ import annotations

from typing import Any

from lifeline import clock

from ..core.bfd import SignalFail
from ..core.protection import Effect, Protection, ProtectionConfig, Selector
from ..plan import GroupPlan
from .path import Path
from .routes import Routes

Effects = tuple[Effect, ...]


class GroupEnd:
    """This site's end of a protection group.

    Attributes:
        dirty: what should stand in the kernel does perhaps not; `repair` when a try makes sense.
        trouble: what the kernel said when it refused the last request, empty when it did not.
        switch_us: how long the last switch took in the kernel and on the way there.
    """

    def __init__(self, plan: GroupPlan, site: str, working: Path, protection: Path, routes: Routes) -> None:
        self.plan = plan
        self.site = site
        self.working = working
        self.protection = protection
        self.dirty = True
        self.trouble = ""
        self.switch_us = 0.0
        self.switch_count = 0
        self.last_switch_at_ns: int | None = None
        self._routes = routes
        self._core: Protection

    def start(self, selector: Selector, now: float) -> None:
        """Begin with the selector that stands in the kernel."""
        plan = self.plan
        config = ProtectionConfig(
            revertive=plan.revertive,
            wtr_s=plan.wtr_ms / 1000,
            hold_off_s=plan.hold_off_ms / 1000,
            working=plan.working,
            protection=plan.protection,
        )
        self._core = Protection(config, now, selector=selector)

    @property
    def selector(self) -> Selector:
        """Which path carries the traffic."""
        return self._core.selector

    def signal(self, path: Path, change: SignalFail) -> Effects:
        """Tell the state machine that a path's signal failed, or is back."""
        which = Selector.WORKING if path is self.working else Selector.PROTECTION
        return self._core.signal_fail(which, change.failed, change.at, change.reason)

    def handle_timer(self, now: float) -> Effects:
        """Let hold-off and WTR run out."""
        return self._core.handle_timer(now)

    def deadline(self) -> float | None:
        """Return when hold-off or WTR runs out, monotonic seconds."""
        return self._core.next_deadline()

    def switch(self, selector: Selector) -> None:
        """Send the traffic by a path, now."""
        began_ns = clock.monotonic_ns()
        failures = self._routes.select(self.plan.id, selector)
        self.switch_us = (clock.monotonic_ns() - began_ns) / 1000
        self.switch_count += 1
        self.last_switch_at_ns = clock.wall_ns()
        self.trouble = str(failures[0]) if failures else ""
        self.dirty = bool(failures)

    def repair(self) -> None:
        """Put nexthop, routes and floating routes in place again, without a change of selector."""
        failures = self._routes.select(self.plan.id, self.selector) + self._routes.float_underneath(self.plan.id)
        self.trouble = str(failures[0]) if failures else ""
        self.dirty = bool(failures)

    def body(self) -> dict[str, Any]:
        """Return the group's end as reports show it."""
        core = self._core
        wtr_ends_at_ns = None
        if core.wtr_ends_at is not None:  # to the millisecond: the same state must look the same twice
            wtr_ends_at_ns = round(clock.wall_ns() / 1e6 + (core.wtr_ends_at - clock.monotonic_s()) * 1e3) * 1_000_000
        return {
            "group": self.plan.id,
            "site": self.site,
            "state": core.state.value,
            "selector": core.selector.value,
            "working": self.working.body(),
            "protection": self.protection.body(),
            "why": core.why,
            "request": core.request.value,
            "wtr_ends_at_ns": wtr_ends_at_ns,
            "switch_count": self.switch_count,
            "last_switch_at_ns": self.last_switch_at_ns,
            "revertive": self.plan.revertive,
            "hold_off_ms": self.plan.hold_off_ms,
            "wtr_ms": self.plan.wtr_ms,
            "trouble": self.trouble,
            "switch_us": round(self.switch_us, 1),
        }
