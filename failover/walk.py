"""A random walk of both ends of a protection group through everything that can happen, watched by invariants.

Two ends with an APS channel that loses, delays, doubles and reorders; paths that fail and heal in either direction,
each end noticing in its own time; signal degrade; operators at both ends; restarts. After every event:

1. At most one switch, told first; never to a failed path while the other is healthy at that end.
2. No end stays on a failed path while the other is healthy, save by lockout, freeze, hold-off, or because the far end
   sees the other one failed.
3. Neither hold-off nor WTR delays anything after both paths had failed.
4. A standing command is the request that stands. Nothing is due in the past.
5. Once faults and losses end, the ends are aligned within `Pair.bound_s`, and no spell of disagreement after that (when
   a wait to restore ends) is longer than news takes to travel. Where a path works in both directions and no lockout or
   freeze stands, traffic gets through.

`python -m failover.walk --steps 1000000 --seed 7` walks; the same seed walks the same way.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from .core.aps import ApsMessage
from .core.protection import (
    BURST,
    BURST_INTERVAL_S,
    COMMANDS,
    LOCAL,
    PERIOD_S,
    ApsConfig,
    Command,
    DampingConfig,
    Effect,
    Outcome,
    Protection,
    ProtectionConfig,
    Select,
    Selector,
    SendAps,
    State,
)

PATHS: Final = tuple(Selector)
_W, _P = PATHS
_LOCKED: Final = (State.LOCKED_OUT, State.FAR_LOCKED_OUT)
_COMMANDS: Final = tuple(Command)


class InvariantError(AssertionError):
    """Something happened that must not; the text says what, and when."""


@dataclass(slots=True)
class End:
    """One end and what its world knows of it."""

    name: str
    machine: Protection
    both_failed: bool = False
    """Both paths had failed since the selected one did: nothing may wait any more."""
    epoch: int = 1


@dataclass(slots=True)
class Settings:
    """What a pair of ends is like."""

    revertive: tuple[bool, bool] = (True, True)
    wtr_s: float = 2.0
    hold_off_s: float = 0.0
    delay_s: float = 0.27
    jitter_s: float = 0.02
    detection_s: float = 0.03
    damping: DampingConfig | None = None


@dataclass(slots=True)
class Pair:
    """Two ends, their paths and their channel, on a virtual clock. Channels are named by who hears."""

    random: random.Random
    settings: Settings = field(default_factory=Settings)
    now: float = 0.0
    loss: float = 0.0
    ends: dict[str, End] = field(default_factory=dict)
    works: dict[tuple[str, Selector], bool] = field(default_factory=dict)
    seen: Counter[State] = field(default_factory=Counter)
    switches: int = 0
    misaligned_since: float = inf
    _events: list[tuple[float, int, str, Callable[[Protection], Any]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        for name in "ab":
            self.ends[name] = self._begin(name, _W, 1)
            for path in PATHS:
                self.works[name, path] = True
                self._later(self.random.random() * 0.1, name, _signal(path, failed=False))
        self.run(2.0)

    def _begin(self, name: str, selector: Selector, epoch: int) -> End:
        settings = self.settings
        config = ProtectionConfig(
            settings.revertive[name == "b"], settings.wtr_s, settings.hold_off_s, damping=settings.damping
        )
        return End(name, Protection(config, self.now, selector, ApsConfig(1, epoch)), epoch=epoch)

    @property
    def travel_s(self) -> float:
        """How long news takes to the other end, with all three messages of a burst."""
        return self.settings.delay_s + self.settings.jitter_s + BURST * BURST_INTERVAL_S

    @property
    def bound_s(self) -> float:
        """Within what time both ends are aligned once faults and losses have ended."""
        return self.settings.detection_s + self.settings.hold_off_s + PERIOD_S + 4 * self.travel_s

    # ---- what may happen ----

    def set_path(self, path: Selector, hearers: str, *, works: bool) -> None:
        """Cut or mend a path in the directions towards the hearers; each notices in its own time."""
        for name in hearers:
            self.works[name, path] = works
            self._later(self.random.random() * self.settings.detection_s, name, _truth(self, name, path))

    def degrade(self, name: str, path: Selector, *, degraded: bool) -> None:
        """Let an end measure a path as lossy, or good again."""
        self._do(self.ends[name], lambda machine: machine.signal_degrade(path, degraded, self.now))

    def command(self, name: str, command: Command) -> Outcome:
        """Give a command at an end, and hold its plan to what it does."""
        end = self.ends[name]
        predicted = end.machine.plan(command, self.now)
        outcome: list[Outcome] = []

        def give(machine: Protection) -> tuple[Effect, ...]:
            outcome.append(machine.command(command, self.now))
            return outcome[0].effects

        self._do(end, give)
        machine = end.machine
        off, on = machine.selector.other, machine.selector
        switched = command is not Command.CLEAR and Select(on) in outcome[0].effects
        if switched and machine.failed(on) and machine.failed(off) is False:
            self._fail(end, f"{command.value} sent traffic to a failed path")
        done = outcome[0].accepted, outcome[0].reason, machine.state, machine.selector
        if done != (predicted.accepted, predicted.reason, predicted.state, predicted.selector):
            self._fail(end, f"{command.value} was predicted as {predicted}, and was {done}")
        return outcome[0]

    def restart(self, name: str) -> None:
        """Restart an end: it adopts its selector and its standing command, and learns the rest anew."""
        old = self.ends[name]
        end = self.ends[name] = self._begin(name, old.machine.selector, old.epoch + 1)
        self._events = [event for event in self._events if event[2] != name]
        heapq.heapify(self._events)
        for command in (old.machine.standing_command, Command.FREEZE if old.machine.frozen else None):
            if command is not None:
                self._do(end, lambda machine, it=command: machine.restore(it, self.now).effects)  # type: ignore[misc]  # mypy infers no lambda with a default
        for path in PATHS:
            self._later(self.random.random() * 0.2, name, _truth(self, name, path))

    def settle(self, extra_s: float = 0.0) -> None:
        """Let losses end, and hold both ends to convergence."""
        self.loss = 0.0
        self.run(self.bound_s)
        self._converged()
        spells_from = self.now
        until = self.now + extra_s
        while self.now < until:
            self._step(until)
            if self._alignable() and self.now - max(self.misaligned_since, spells_from) > 2 * self.travel_s:
                raise InvariantError(f"{self._ends()}: not aligned since {self.misaligned_since:.6f}")
        self._converged(moving=True)

    # ---- time ----

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            self._step(until)

    def _step(self, until: float) -> None:
        at, which = until, None
        for end in self.ends.values():
            due = end.machine.next_deadline()
            if due is not None and due < at:
                at, which = due, end
        if self._events and self._events[0][0] <= at:
            self.now, _, name, happens = heapq.heappop(self._events)
            self._do(self.ends[name], happens)
        elif which is not None:
            self.now = max(at, self.now)
            self._do(which, lambda machine: machine.handle_timer(self.now))
            due = which.machine.next_deadline()
            if due is not None and due <= self.now:
                self._fail(which, f"is due again at {due:.6f}")
        else:
            self.now = until

    def _later(self, seconds: float, name: str, happens: Callable[[Protection], Any]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), name, happens))

    def _do(self, end: End, happens: Callable[[Protection], tuple[Effect, ...]]) -> None:
        before = end.machine.selector
        effects = happens(end.machine)
        for effect in effects:
            if isinstance(effect, SendAps):
                self._send(end.name, effect.message)
        self._check(end, before, effects)

    def _send(self, sender: str, message: ApsMessage) -> None:
        hearer = "b" if sender == "a" else "a"
        if not self.works[hearer, _P]:
            return
        rolled = self.random.random()
        for _ in range(2 if rolled > 0.99 else 1):
            if rolled >= self.loss:
                delay = self.settings.delay_s + self.settings.jitter_s * self.random.random()
                self._later(delay, hearer, lambda machine: machine.receive(message, self.now))

    # ---- what must hold ----

    def _check(self, end: End, before: Selector, effects: tuple[Effect, ...]) -> None:
        machine = end.machine
        on = machine.selector
        on_failed, other_failed = machine.failed(on), machine.failed(on.other)
        self.seen[machine.state] += 1
        if on is not before:
            self.switches += 1
            if effects[0] != Select(on):
                self._fail(end, f"a switch to {on} was not told first: {effects}")
            if on_failed and other_failed is False and machine.state not in _LOCKED:
                self._fail(end, f"switched to the failed path {on}")
        if sum(isinstance(effect, Select) for effect in effects) != (on is not before):
            self._fail(end, f"selects {effects}")
        end.both_failed = bool(on_failed and (other_failed or end.both_failed))
        if on_failed and other_failed is False and not self._excused(end):
            self._fail(end, f"stays on the failed path {on}")
        command = machine.standing_command
        if command is not None and not machine.frozen and machine.request is not LOCAL[COMMANDS[command]]:
            self._fail(end, f"{command.value} stands but is not requested")
        selectors = {it.machine.selector for it in self.ends.values()}
        self.misaligned_since = min(self.misaligned_since, self.now) if len(selectors) > 1 else inf

    def _excused(self, end: End) -> bool:
        machine = end.machine
        if machine.frozen or machine.state in _LOCKED:
            end.both_failed = False  # what they held back is no delay of ours
            return True
        if machine.state is State.NO_COMMON_PATH:
            return True  # the far end sees the other path failed
        return self.settings.hold_off_s > 0 and not end.both_failed

    def _alignable(self) -> bool:
        """Whether some path works in both directions, both ends may move, and can tell each other."""
        if any(end.machine.frozen for end in self.ends.values()):
            return False
        return any(all(self.works[name, path] for name in "ab") for path in PATHS)

    def _converged(self, *, moving: bool = False) -> None:
        if not self._alignable():
            return
        a, b = (end.machine for end in self.ends.values())
        if a.selector is not b.selector and not (moving and self.now - self.misaligned_since <= 2 * self.travel_s):
            raise InvariantError(f"{self._ends()}: not aligned")
        locked = {a.state, b.state} & set(_LOCKED)
        carried = all(self.works[name, a.selector] for name in "ab")
        if not carried and not locked and not moving:
            raise InvariantError(f"{self._ends()}: nothing gets through, although it could")

    def _fail(self, end: End, what: str) -> None:
        raise InvariantError(f"{end.name} at {self.now:.6f} in {end.machine.state.name}: {what}; {self._ends()}")

    def _ends(self) -> str:
        views = [
            f"{end.name}={end.machine.state.name} on {end.machine.selector} (far {end.machine.far_request})"
            for end in self.ends.values()
        ]
        return f"at {self.now:.6f}, {', '.join(views)}, works {self.works}"


def _signal(path: Selector, *, failed: bool) -> Callable[[Protection], tuple[Effect, ...]]:
    return lambda machine: machine.signal_fail(path, failed, 0.0)


def _truth(pair: Pair, name: str, path: Selector) -> Callable[[Protection], tuple[Effect, ...]]:
    return lambda machine: machine.signal_fail(path, not pair.works[name, path], pair.now)


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk has seen."""

    steps: int
    switches: int
    simulated_s: float
    states: frozenset[State]


def walk(steps: int, seed: int) -> Walked:
    """Walk a number of random steps.

    Raises:
        InvariantError: something happened that must not.
    """
    dice = random.Random(seed)  # noqa: S311 - a walk that can be walked again
    done, switches, simulated = 0, 0, 0.0
    states: set[State] = set()
    while done < steps:
        pair = Pair(dice, _settings(dice))
        length = min(steps - done, 500)
        for _ in range(length):
            _random_step(pair, dice)
        done += length
        switches += pair.switches
        simulated += pair.now
        states |= set(pair.seen)
    return Walked(done, switches, simulated, frozenset(states))


def _settings(dice: random.Random) -> Settings:
    mixed = dice.random() < 0.1
    revertive = dice.random() < 0.6
    return Settings(
        revertive=(revertive, revertive is not mixed),
        wtr_s=dice.choice((0.0, 0.5, 2.0)),
        hold_off_s=dice.choice((0.0, 0.0, 0.5)),
        delay_s=dice.choice((0.001, 0.05, 0.27)),
        jitter_s=dice.choice((0.0, 0.02)),
        damping=DampingConfig(half_life_s=5.0) if dice.random() < 0.3 else None,
    )


def _random_step(pair: Pair, dice: random.Random) -> None:
    what = dice.random()
    if what < 0.45:
        pair.run(dice.choice((0.0005, 0.004, 0.05, 0.3, 1.0)) * dice.random())
    elif what < 0.65:
        pair.set_path(dice.choice(PATHS), dice.choice(("a", "b", "ab", "ab")), works=dice.random() < 0.55)
    elif what < 0.87:
        name = dice.choice("ab")
        machine = pair.ends[name].machine
        if dice.random() < (0.8 if machine.frozen else 0.3):
            pair.command(name, Command.CLEAR)
        elif machine.state is State.DO_NOT_REVERT and dice.random() < 0.3:
            pair.command(name, Command.EXERCISE)
        else:
            pair.command(name, dice.choice(_COMMANDS))
    elif what < 0.92:
        pair.degrade(dice.choice("ab"), dice.choice(PATHS), degraded=dice.random() < 0.5)
    elif what < 0.95:
        pair.loss = dice.choice((0.0, 0.1, 0.5, 1.0))
    elif what < 0.97:
        pair.restart(dice.choice("ab"))
    else:
        healed = dice.choice((PATHS, PATHS, (_W,), (_P,), ()))
        for path in healed:
            pair.set_path(path, "ab", works=True)
        if healed:
            for name in "ab":
                while pair.ends[name].machine.frozen:
                    pair.command(name, Command.CLEAR)
        pair.settle(dice.random() * 5.0)


def main() -> None:
    """Walk as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    walked = walk(arguments.steps, arguments.seed)
    sys.stdout.write(
        f"{walked.steps} steps, {walked.switches} switches, {walked.simulated_s:.0f} s simulated,"
        f" {len(walked.states)} of {len(State)} states, no invariant violated\n"
    )


if __name__ == "__main__":
    main()
