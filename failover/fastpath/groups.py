"""All ends of protection groups here: one cascade of state machines, and their hands in the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..core.aps import ApsMessage
from ..core.bfd import SignalFail
from ..core.protection import Command, Outcome, Selector
from ..core.protection.cascade import Cascade, GroupEffect, Member
from ..core.quality import SignalDegrade
from ..keys import Keys
from ..plan import FastPathPlan
from .group import GroupEnd
from .path import Path
from .routes import Routes
from .worker import Worker

Effects = tuple[GroupEffect, ...]


class Groups:
    """The groups of this site by id; what happens is told here, and what comes back is to be carried out.

    Args:
        plan: the groups, each after the one that it uses as a path.
        paths: the links by id.
        routes: the kernel's side.
        worker: for the requests to the kernel.
        keys: what signs APS messages.

    Raises:
        KeysError: a key is missing or too short.
    """

    _cascade: Cascade
    _deadline: float | None

    def __init__(
        self, plan: FastPathPlan, paths: Mapping[str, Path], routes: Routes, worker: Worker, keys: Keys
    ) -> None:
        self._ends: dict[str, GroupEnd] = {}
        for group in plan.groups:
            below = self._ends.get(group.protection)
            both = paths[group.working], below or paths[group.protection]
            self._ends[group.id] = GroupEnd(group, plan.site, both, routes, worker, keys)
            if below is not None:
                below.above.append(group.id)
        self._of: dict[str, list[GroupEnd]] = {}
        for end in self:
            for path in end.links:
                self._of.setdefault(path.plan.link, []).append(end)

    def __iter__(self) -> Iterator[GroupEnd]:
        return iter(self._ends.values())

    def __getitem__(self, group: str) -> GroupEnd:
        return self._ends[group]

    def get(self, group: str) -> GroupEnd | None:
        """Return the end of a group, None where none is here."""
        return self._ends.get(group)

    def of(self, path: Path) -> Iterable[GroupEnd]:
        """Return the groups whose traffic may go by a link."""
        return self._of.get(path.plan.link, ())

    def start(self, carrying: Mapping[str, str], now: float) -> None:
        """Begin where the kernel sends the traffic: by group the link, absent for working."""
        for end in self:
            link = carrying.get(end.plan.id, end.plan.working)
            end.start(Selector.WORKING if link == end.plan.working else Selector.PROTECTION, now)
        self._cascade = Cascade({
            end.plan.id: Member(end.core, end.plan.working, end.plan.protection) for end in self
        })  # fmt: skip
        self._moved(())

    # ---- what happened ----

    def signal(self, path: Path, change: SignalFail) -> Effects:
        """Take it that a link has failed, or works."""
        return self._moved(self._cascade.signal_fail(path.plan.link, change.failed, change.at, change.reason))

    def degrade(self, path: Path, change: SignalDegrade) -> Effects:
        """Take it that a link is lossy, or good again."""
        reason = "; ".join(change.reasons)
        return self._moved(self._cascade.signal_degrade(path.plan.link, change.raised, change.at, reason))

    def receive(self, end: GroupEnd, path: Path, message: ApsMessage, now: float) -> Effects:
        """Take what a group's far end says over a link."""
        return self._moved(self._cascade.receive(end.plan.id, message, now, end.which(path)))

    def command(self, end: GroupEnd, command: Command, now: float) -> tuple[Outcome, Effects]:
        """Carry out an operator's command, or refuse it."""
        outcome, effects = self._cascade.command(end.plan.id, command, now)
        return outcome, self._moved(effects)

    def restore(self, end: GroupEnd, command: Command, now: float) -> tuple[Outcome, Effects]:
        """Put a command back that stood in the last life."""
        outcome, effects = self._cascade.restore(end.plan.id, command, now)
        return outcome, self._moved(effects)

    def handle_timer(self, now: float) -> Effects:
        """Let hold-off, WTR and the APS channels' timers run out."""
        return self._moved(self._cascade.handle_timer(now))

    def deadline(self) -> float | None:
        """Return when one of them runs out, monotonic seconds."""
        return self._deadline

    def _moved(self, effects: Effects) -> Effects:
        """Look up the next deadline, once for each thing that happens: the loop asks at every packet."""
        self._deadline = self._cascade.next_deadline()
        return effects
