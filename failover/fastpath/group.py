"""One end of a protection group: carries out in the kernel what its state machine selects, and tells how it stands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lifeline import clock

from ..core.protection import ApsConfig, Command, DampingConfig, Protection, ProtectionConfig, Selector
from ..io.rtnetlink import Failure
from ..keys import Keys
from ..plan import GroupPlan
from .path import Path
from .routes import Routes
from .worker import Worker


class GroupEnd:
    """This site's end of a protection group.

    Attributes:
        working: a path.
        protection: another path, or the group that serves as one.
        above: groups whose protection path this one is.
        dirty: what should stand in the kernel does perhaps not; `repair` when a try makes sense.
        trouble: why it does not, empty when it does.
        switch_us: how long the last switch took, from the decision until the kernel had done it.
        aps_unsent: APS messages that the kernel did not take.
        on_trouble: called when `trouble` changes.
        core: the state machine, from `start` on.
        keys: what signs its APS messages, None for nothing.
    """

    core: Protection

    def __init__(
        self,
        plan: GroupPlan,
        site: str,
        paths: tuple[Path, Path | GroupEnd],
        routes: Routes,
        worker: Worker,
        keys: Keys,
    ) -> None:
        """Make the end; it begins with `start`.

        Raises:
            KeysError: a key is missing or too short.
        """
        self.rekey(plan, keys)
        self.site = site
        self.working, self.protection = paths
        self.above: list[str] = []
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

    def rekey(self, plan: GroupPlan, keys: Keys) -> None:
        """Use other keys from now on.

        Raises:
            KeysError: a key is missing or too short; nothing was changed.
        """
        self.keys = keys.aps(plan.auth) if plan.auth else None
        self.plan = plan

    def start(self, selector: Selector, now: float) -> None:
        """Begin with the selector that stands in the kernel."""
        plan = self.plan
        config = ProtectionConfig(
            revertive=plan.revertive,
            wtr_s=plan.wtr_ms / 1000,
            hold_off_s=plan.hold_off_ms / 1000,
            working=plan.working,
            protection=plan.protection,
            damping=DampingConfig(**plan.damping) if plan.damping else None,
        )
        aps = ApsConfig(plan.number, epoch=clock.wall_ns())
        self.core = Protection(config, now, selector, aps)

    @property
    def selector(self) -> Selector:
        """Which path carries the traffic."""
        return self.core.selector

    @property
    def selected(self) -> Path:
        """The link that carries the traffic."""
        return self.working if self.selector is Selector.WORKING else self.by_protection

    @property
    def by_protection(self) -> Path:
        """The link by which the protection path goes."""
        return self.protection.selected if isinstance(self.protection, GroupEnd) else self.protection

    @property
    def links(self) -> tuple[Path, ...]:
        """All links by which traffic may go, the one to be preferred first."""
        below = self.protection.links if isinstance(self.protection, GroupEnd) else (self.protection,)
        return (self.working, *below)

    def which(self, path: Path) -> Selector:
        """Return which of the two paths a link belongs to."""
        return Selector.WORKING if path is self.working else Selector.PROTECTION

    def commands(self) -> list[Command]:
        """Return the operator's commands that stand at this end."""
        standing = [self.core.standing_command] if self.core.standing_command else []
        return standing + [Command.FREEZE] * self.core.frozen

    # ------------------------------------------------------------ the kernel

    def route(self, link: str) -> None:
        """Send the traffic by a link, now."""
        self._ask(self._routes.selection(self.plan.id, link), clock.monotonic_ns())
        self._worker.wait_briefly()

    def switched(self) -> None:
        """Count a move of this group's own selector."""
        self.switch_count += 1
        self.last_switch_at_ns = clock.wall_ns()

    def repair(self) -> None:
        """Put nexthop, routes and floating routes in place again, without a change of selector.

        Not where the kernel would refuse (no light on the selected path), nor while it still works on the last request.
        """
        if self._under_way:
            return
        floating = b"".join(self._routes.floating(self.plan.id, path.plan.link) for path in self.links if path.carrier)
        if self.selected.carrier:
            self._ask(self._routes.selection(self.plan.id, self.selected.plan.link) + floating)
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
        return {
            "group": self.plan.id,
            "site": self.site,
            **self.standing(),
            "working": self.working.body(),
            "protection": self._protection(),
            "above": self.above,
            "commands": [command.value for command in self.commands()],
            "aps": self._aps(),
            "wtr_ends_at_ns": None if core.wtr_ends_at is None else _wall_ns(core.wtr_ends_at),
            "damping": self._damping(),
            "switch_count": self.switch_count,
            "last_switch_at_ns": self.last_switch_at_ns,
            "revertive": self.plan.revertive,
            "hold_off_ms": self.plan.hold_off_ms,
            "wtr_ms": self.plan.wtr_ms,
            "trouble": self.trouble,
            "switch_us": round(self.switch_us, 1),
        }

    def _protection(self) -> dict[str, Any]:
        """Return the protection path's body: of a group the link by which it goes, and whether it carries."""
        if isinstance(self.protection, GroupEnd):
            below = {"group": self.protection.plan.id, "carries": self.protection.core.carries}
            return self.by_protection.body() | below
        return self.protection.body()

    def _damping(self) -> dict[str, Any] | None:
        """Return each path's penalty, and until when it is not returned to; None without damping."""
        if self.plan.damping is None:
            return None
        now = clock.monotonic_s()
        paths = {selector.value: self.core.damping(selector) for selector in Selector}
        return {"suppress": self.plan.damping["suppress"], "reuse": self.plan.damping["reuse"]} | {
            name: {
                "penalty": round(path.penalty(now)),
                "suppressed_until_ns": _wall_ns(path.reuse_at) if path.suppressed(now) else None,
            }
            for name, path in paths.items()
            if path is not None
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
            "signed": self.keys is not None,
        }


def _wall_ns(monotonic_s: float) -> int:
    """Return a moment in wall time, to the millisecond: the same state must look the same twice."""
    return round(clock.wall_ns() / 1e6 + (monotonic_s - clock.monotonic_s()) * 1e3) * 1_000_000
