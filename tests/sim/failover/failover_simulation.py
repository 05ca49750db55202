"""Two ends of a protection group on a virtual clock: BFD over both paths, a selector at each end, channels that fail.

Each end behaves as a real shell must: it drains what the kernel holds, with the kernel's receive times, before it lets
a detection deadline expire, and gives grace when it was itself that woke up late.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from math import inf

from failover.core import bfd, protection
from failover.core.aps import ApsMessage
from failover.core.packet import ControlPacket, State
from failover.core.protection import ApsConfig, Protection, ProtectionConfig, Selector

PATHS = tuple(Selector)
APS = "aps"
"""Where APS messages go: over the protection path, beside BFD."""
LATE_S = 0.002
"""A wake-up this much after the detection deadline is our own fault."""


@dataclass
class Channel:
    """One direction of a path."""

    delay_s: float
    jitter_s: float = 0.0
    loss: float = 0.0
    cut: bool = False
    reorders: bool = False
    last_arrival: float = 0.0


@dataclass
class End:
    """One end: its sessions, its selector, its kernel's queue."""

    name: str
    sessions: dict[Selector, bfd.Session]
    protection: Protection
    queue: list[tuple[float, Selector, bytes]] = field(default_factory=list)
    asleep_until: float = -inf

    def next_wake(self) -> float:
        """Return when the end wants to run."""
        deadlines = [s.next_deadline() for s in self.sessions.values()]
        deadlines.append(self.protection.next_deadline() or inf)
        if self.queue:
            deadlines.append(self.queue[0][0])
        return max(min(deadlines), self.asleep_until)

    def states(self) -> tuple[State, State]:
        """Return the states of the working and the protection session."""
        return tuple(s.state for s in self.sessions.values())


class World:
    """The network and its clock; `log` holds (time, end, path or None, effect)."""

    def __init__(
        self, seed=0, *, wtr_s=2.0, hold_off_s=0.0, revertive=True,
        detect_mult=3, fibre_interval_us=10_000, fibre_s=0.001, sat_s=0.27, aps=False,
    ):  # fmt: skip
        self.random = random.Random(seed)
        self.now = 0.0
        self.log = []
        self.wire = []
        self.grace = True
        self.order = itertools.count()
        self.group = ProtectionConfig(revertive, wtr_s, hold_off_s, "fibre", "satellite")
        self.intervals_us = {Selector.WORKING: fibre_interval_us, Selector.PROTECTION: 300_000}
        self.detect_mult = detect_mult
        self.discriminators = itertools.count(1)
        self.lives = itertools.count(1)
        self.aps = aps
        delays = {Selector.WORKING: fibre_s, Selector.PROTECTION: sat_s}
        self.channels = {(end, path): Channel(delays[path]) for end in "ab" for path in PATHS}  # by sender
        self.ends = {name: self.start(name) for name in "ab"}

    def start(self, name, selector=Selector.WORKING):
        """Return a fresh end, as after a start of its process."""
        sessions = {
            path: bfd.Session(
                bfd.SessionConfig(next(self.discriminators), interval, interval, self.detect_mult),
                self.now,
                self.random.random,
            )
            for path, interval in self.intervals_us.items()
        }
        aps = ApsConfig(group=1, epoch=next(self.lives)) if self.aps else None
        return End(name, sessions, Protection(self.group, self.now, selector, aps))

    def restart(self, name):
        """Restart an end's process: all state is lost, the selector is adopted from the kernel."""
        self.ends[name] = self.start(name, self.ends[name].protection.selector)

    def farewell(self, name):
        """Stop an end's process in order, as for an upgrade, and start it anew at once."""
        end = self.ends[name]
        for path, session in end.sessions.items():
            self.perform(end, path, session.admin_down(self.now))
        self.restart(name)

    # ---- faults ----

    def cut(self, path, *senders):
        """Cut a path, in the directions of the senders given or in both."""
        for sender in senders or "ab":
            self.channels[sender, Selector(path)].cut = True

    def heal(self, path=None):
        """Mend a path, or all."""
        for (_, name), channel in self.channels.items():
            if path in (None, name):
                channel.cut = False

    # ---- time ----

    def run(self, seconds):
        """Let time pass."""
        end_at = self.now + seconds
        while True:
            arrival = self.wire[0][0] if self.wire else inf
            end = min(self.ends.values(), key=End.next_wake)
            at = max(self.now, min(arrival, end.next_wake()))
            if at > end_at:
                break
            self.now = at
            if arrival <= at:
                _, _, name, path, data = heapq.heappop(self.wire)
                self.ends[name].queue.append((arrival, path, data))
            else:
                self.wake(end)
        self.now = end_at

    def run_until(self, condition, limit_s=60.0):
        """Let time pass until a condition holds; return how long that took."""
        begin = self.now
        while not condition(self):
            assert self.now - begin < limit_s, "never came true"
            self.run(0.001)
        return self.now - begin

    def wake(self, end):
        """Run an end once: drain, then timers."""
        queue, end.queue = end.queue, []
        for arrival, path, data in queue:
            if path == APS:
                self.perform(end, None, end.protection.receive(ApsMessage.decode(data), arrival))
                continue
            self.perform(end, path, end.sessions[path].receive(ControlPacket.decode(data), arrival))
        for path, session in end.sessions.items():
            deadline = session.detection_deadline
            if self.grace and deadline is not None and self.now > deadline + LATE_S:
                session.grace(session.config.required_min_rx_us / 1e6 + LATE_S, self.now)
            self.perform(end, path, session.handle_timer(self.now))
        self.perform(end, None, end.protection.handle_timer(self.now))
        self.check(end)

    def perform(self, end, path, effects):
        """Do what a session or a selector asks for."""
        for effect in effects:
            self.log.append((self.now, end.name, path, effect))
            if isinstance(effect, bfd.Send):
                self.transmit(end, path, effect.packet.encode())
            elif isinstance(effect, protection.SendAps):
                self.transmit(end, APS, effect.message.encode())
            elif isinstance(effect, bfd.SignalFail):
                switched = end.protection.signal_fail(path, effect.failed, self.now, effect.reason)
                self.perform(end, None, switched)
            elif isinstance(effect, bfd.StateChanged) and effect.state is State.UP:
                end.sessions[path.other].far_end_is_back(self.now)  # both paths lead to the same machine

    def transmit(self, end, path, data):
        """Put a packet on the wire."""
        channel = self.channels[end.name, Selector.PROTECTION if path == APS else path]
        if channel.cut or self.random.random() < channel.loss:
            return
        arrival = self.now + channel.delay_s + channel.jitter_s * self.random.random()
        if not channel.reorders:
            arrival = channel.last_arrival = max(arrival, channel.last_arrival)
        far = "b" if end.name == "a" else "a"
        heapq.heappush(self.wire, (arrival, next(self.order), far, path, data))

    def check(self, end):
        """Hold, after every step: no traffic on a path known to have failed while the other is known to work."""
        group = end.protection
        selected, other = group.failed(group.selector), group.failed(group.selector.other)
        excused = group.config.hold_off_s or group.state is protection.State.NO_COMMON_PATH
        assert not (selected and other is False and not excused), group.why
        if isinstance(last := self.log[-1][3] if self.log else None, protection.Select):
            assert group.failed(last.selector) is not True, "switched to a failed path"

    # ---- what to look at ----

    def selectors(self):
        """Return both ends' selectors."""
        return tuple(end.protection.selector for end in self.ends.values())

    def effects(self, kind, since=-inf, end=None):
        """Return (time, end, path, effect) of a kind."""
        return [x for x in self.log if isinstance(x[3], kind) and x[0] >= since and end in (None, x[1])]

    def normal(self):
        """Whether all is well."""
        return all(
            end.protection.state is protection.State.NORMAL and set(end.states()) == {State.UP}
            for end in self.ends.values()
        )


def up(seed=0, **settings):
    """Return a world in which everything has come up."""
    world = World(seed, **settings)
    world.run_until(World.normal, 5.0)
    world.run(1.0)
    world.log.clear()
    return world
