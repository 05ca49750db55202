"""One end of a protection group: feeds the protection state machine and carries out its selection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lifeline import clock

from ..core.aps import ApsMessage
from ..core.bfd import SignalFail
from ..core.protection import ApsConfig, Command, Effect, Protection, ProtectionConfig, Selector
from ..core.quality import SignalDegrade
from ..io.rtnetlink import Failure
from ..plan import GroupPlan
from .path import Path
from .routes import Routes
from .worker import Worker

Effects = tuple[Effect, ...]


class GroupEnd:
    """This site's end of a protection group.

    Attributes:
        dirty: what should stand in the kernel does perhaps not; `repair` when a try makes sense.
        trouble: why it does not, empty when it does.
        switch_us: how long the last switch took, from the decision until the kernel had done it.
        aps_unsent: APS messages that the kernel did not take.
        on_trouble: called when `trouble` changes.
        core: the state machine, from `start` on.
    """

    core: Protection

    def __init__(self, plan: GroupPlan, site: str, paths: tuple[Path, Path], routes: Routes, worker: Worker) -> None:
        self.plan = plan
        self.site = site
        self.working, self.protection = paths
        self.dirty = True
        self.trouble = ""
        self.switch_us = 0.0
        self.switch_count = 0
        self.last_switch_at_ns: int | None = None
        self.aps_unsent = 0
        self.on_trouble: Callable[[], None] = lambda: None
        self._routes = routes
        self._worker = worker
        self._under_way = 0

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
        aps = ApsConfig(plan.number, epoch=clock.wall_ns())
        self.core = Protection(config, now, selector, aps)

    @property
    def selector(self) -> Selector:
        """Which path carries the traffic."""
        return self.core.selector

    @property
    def selected(self) -> Path:
        """The path that carries the traffic."""
        return self.working if self.selector is Selector.WORKING else self.protection

    def signal(self, path: Path, change: SignalFail) -> Effects:
        """Tell the state machine that a path's signal failed, or is back."""
        return self.core.signal_fail(self._which(path), change.failed, change.at, change.reason)

    def degrade(self, path: Path, change: SignalDegrade) -> Effects:
        """Tell the state machine that a path is lossy, or good again."""
        return self.core.signal_degrade(self._which(path), change.raised, change.at, "; ".join(change.reasons))

    def receive(self, path: Path, message: ApsMessage, now: float) -> Effects:
        """Tell the state machine what the far end says."""
        return self.core.receive(message, now, self._which(path))

    def _which(self, path: Path) -> Selector:
        return Selector.WORKING if path is self.working else Selector.PROTECTION

    def handle_timer(self, now: float) -> Effects:
        """Let hold-off, WTR and the APS channel's timers run out."""
        return self.core.handle_timer(now)

    def deadline(self) -> float | None:
        """Return when one of them runs out, monotonic seconds."""
        return self.core.next_deadline()

    def commands(self) -> list[Command]:
        """Return the operator's commands that stand at this end."""
        standing = [self.core.standing_command] if self.core.standing_command else []
        return standing + [Command.FREEZE] * self.core.frozen

    # ------------------------------------------------------------ the kernel

    def switch(self, selector: Selector) -> None:
        """Send the traffic by a path, now."""
        self._ask(self._routes.selection(self.plan.id, selector), clock.monotonic_ns())
        self.switch_count += 1
        self.last_switch_at_ns = clock.wall_ns()
        self._worker.wait_briefly()

    def repair(self) -> None:
        """Put nexthop, routes and floating routes in place again, without a change of selector.

        Not where the kernel would refuse (no light on the selected path), nor while it still works on the last request.
        """
        if self._under_way:
            return
        floating = self._routes.floating(self.plan.id) if self.protection.carrier else b""
        if self.selected.carrier:
            self._ask(self._routes.selection(self.plan.id, self.selector) + floating)
        else:
            self._tell(f"no light on {self.selected.plan.interface}")
            self._ask(floating)

    def _ask(self, request: bytes, switch_began_ns: int = 0) -> None:
        if request:
            self._under_way += 1
            self._worker.do(partial(self._carry_out, request), partial(self._answered, switch_began_ns))

    def _carry_out(self, request: bytes) -> tuple[list[Failure], int]:
        return self._routes.socket.request(request), clock.monotonic_ns()

    def _answered(self, switch_began_ns: int, answer: tuple[list[Failure], int]) -> None:
        failures, done_ns = answer
        self._under_way -= 1
        if switch_began_ns:
            self.switch_us = (done_ns - switch_began_ns) / 1000
        if self._under_way:
            return
        if failures:
            self.dirty = True
            self._tell(str(failures[0]))
        elif self.selected.carrier:
            self.dirty = False
            self._tell("")

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self.on_trouble()

    def standing(self) -> dict[str, Any]:
        """Return where the group stands, in short."""
        core = self.core
        return {
            "state": core.state.value,
            "selector": core.selector.value,
            "request": core.request.value,
            "frozen": core.frozen,
            "why": core.why,
        }

    def body(self) -> dict[str, Any]:
        """Return the group's end as reports show it."""
        core = self.core
        wtr_ends_at_ns = None
        if core.wtr_ends_at is not None:  # to the millisecond: the same state must look the same twice
            wtr_ends_at_ns = round(clock.wall_ns() / 1e6 + (core.wtr_ends_at - clock.monotonic_s()) * 1e3) * 1_000_000
        return {
            "group": self.plan.id,
            "site": self.site,
            **self.standing(),
            "working": self.working.body(),
            "protection": self.protection.body(),
            "commands": [command.value for command in self.commands()],
            "aps": self._aps(),
            "wtr_ends_at_ns": wtr_ends_at_ns,
            "switch_count": self.switch_count,
            "last_switch_at_ns": self.last_switch_at_ns,
            "revertive": self.plan.revertive,
            "hold_off_ms": self.plan.hold_off_ms,
            "wtr_ms": self.plan.wtr_ms,
            "trouble": self.trouble,
            "switch_us": round(self.switch_us, 1),
        }

    def _aps(self) -> dict[str, Any]:
        """Return what the far end says, None for what is not known, and what is wrong between the two ends."""
        core, channel = self.core, self.core.channel
        assert channel is not None
        return {
            "heard": channel.heard,
            "far_request": core.far_request.value if core.far_request else None,
            "far_selector": core.far_selector.value if core.far_selector else None,
            "defects": {defect.value: text for defect, text in core.defects.items()},
        }
