"""Groups within groups: the protection path of a group may itself be a group, so fibre -> microwave -> satellite.

A group that serves as a path has failed when it carries nothing (both its paths failed, or it is locked on a failed
one), and is degraded when the path it selects is. It tells so at once; while it switches by itself, or holds off, the
group above hears nothing. Where the lower group takes long to switch, the hold-off of the upper one gives it the time
(G.8031 11.12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush

from ..aps import ApsMessage
from .machine import Protection
from .requests import Command, Selector
from .settings import Effect, Outcome


@dataclass(frozen=True, slots=True)
class Member:
    """A group of a cascade. Each path is the name of a link or of another group."""

    machine: Protection
    working: str
    protection: str

    def path(self, which: Selector) -> str:
        """Return the name of a path."""
        return self.working if which is Selector.WORKING else self.protection


@dataclass(frozen=True, slots=True)
class Reroute:
    """The traffic of a group goes by this link now: it switched, or a group below it did."""

    link: str


GroupEffect = tuple[str, Effect | Reroute]
"""A group's name and what it asks for. `Reroute` says where traffic goes; `Select` then needs no action of its own."""


class Cascade:
    """Protection groups of one end, each of whose paths is a link or another group of these.

    Args:
        members: the groups by name; a name that is none of them is a link.

    Raises:
        ValueError: a group would have to carry itself.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = dict(members)
        below = {
            name: [path for path in (it.working, it.protection) if path in members] for name, it in members.items()
        }
        try:
            upwards = tuple(TopologicalSorter(below).static_order())
        except CycleError as error:
            raise ValueError(f"groups carry each other: {' -> '.join(error.args[1])}") from None
        self._rank = {name: rank for rank, name in enumerate(upwards)}
        self._using: dict[str, list[tuple[str, Selector]]] = {}
        """By link or group: whose path it is, and which of the two."""
        for name in upwards:
            for which in Selector:
                self._using.setdefault(self._members[name].path(which), []).append((name, which))
        self._links = {name: self.link_of(name) for name in upwards}

    def link_of(self, name: str) -> str:
        """Return the link by which the traffic of a group goes; a link is its own."""
        while name in self._members:
            member = self._members[name]
            name = member.path(member.machine.selector)
        return name

    def __getitem__(self, group: str) -> Protection:
        """Return a group's machine, to look at it; what happens is told to the cascade.

        Raises:
            KeyError: there is no such group.
        """
        return self._members[group].machine

    # ---- what happened ----

    def signal_fail(self, link: str, failed: bool, now: float, reason: str = "") -> tuple[GroupEffect, ...]:
        """Take it that a link has failed, or works, in all groups that use it."""
        return self._each(link, now, lambda machine, which: machine.signal_fail(which, failed, now, reason))

    def signal_degrade(self, link: str, degraded: bool, now: float, reason: str = "") -> tuple[GroupEffect, ...]:
        """Take it that a link is lossy, or good again, in all groups that use it."""
        return self._each(link, now, lambda machine, which: machine.signal_degrade(which, degraded, now, reason))

    def receive(
        self, group: str, message: ApsMessage, now: float, path: Selector = Selector.PROTECTION
    ) -> tuple[GroupEffect, ...]:
        """Take an APS message for a group."""
        return self._upward({group: self[group].receive(message, now, path)}, now)

    def command(self, group: str, command: Command, now: float) -> tuple[Outcome, tuple[GroupEffect, ...]]:
        """Carry out an operator's command on a group, or refuse it; what its effects are is in the second part."""
        outcome = self[group].command(command, now)
        return outcome, self._upward({group: outcome.effects}, now)

    def restore(self, group: str, command: Command, now: float) -> tuple[Outcome, tuple[GroupEffect, ...]]:
        """Put a command back that stood in an earlier life of this end."""
        outcome = self[group].restore(command, now)
        return outcome, self._upward({group: outcome.effects}, now)

    def handle_timer(self, now: float) -> tuple[GroupEffect, ...]:
        """Act on what is due at `now` in any group."""
        due = {
            name: member.machine.handle_timer(now)
            for name, member in self._members.items()
            if (deadline := member.machine.next_deadline()) is not None and deadline <= now
        }
        return self._upward(due, now) if due else ()

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` has something to do, monotonic seconds; None when nothing is timed."""
        deadlines = [it.machine.next_deadline() for it in self._members.values()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # ---- the rest ----

    def _each(
        self, link: str, now: float, tell: Callable[[Protection, Selector], tuple[Effect, ...]]
    ) -> tuple[GroupEffect, ...]:
        effects: dict[str, tuple[Effect, ...]] = {}
        for name, which in self._using.get(link, ()):
            effects[name] = effects.get(name, ()) + tell(self[name], which)
        return self._upward(effects, now)

    def _upward(self, effects: dict[str, tuple[Effect, ...]], now: float) -> tuple[GroupEffect, ...]:
        """Let the groups above hear of it, then say where traffic goes, and the rest after that."""
        waiting = [(self._rank[name], name) for name in effects]
        heapify(waiting)
        moved: list[GroupEffect] = []
        while waiting:
            _, name = heappop(waiting)
            for upper, which in self._using.get(name, ()):
                if upper not in effects:
                    heappush(waiting, (self._rank[upper], upper))
                effects[upper] = effects.get(upper, ()) + _tell(self[upper], which, self[name], now)
            if (link := self.link_of(name)) != self._links[name]:
                self._links[name] = link
                moved.append((name, Reroute(link)))
        moved.reverse()  # traffic belongs to the uppermost
        return (*moved, *((name, effect) for name, them in effects.items() for effect in them))


def _tell(upper: Protection, which: Selector, lower: Protection, now: float) -> tuple[Effect, ...]:
    """Tell a group how the one below it fares."""
    if lower.carries is None:
        return ()
    effects = upper.signal_fail(which, not lower.carries, now, "" if lower.carries else lower.why.rstrip("."))
    return effects + upper.signal_degrade(which, lower.degraded(lower.selector), now)
