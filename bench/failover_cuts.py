"""Cuts in turn: every engine has a span of its own, and whichever is at rest is cut next.

So all are cut on the same machine in the same minutes, while the others recover; what disturbs one disturbs all.

Outage is probes lost between the cut and its repair, x 1 ms. Transfer time is told for our own engine: from the moment
the end that sends a direction declares the fibre failed (`at_monotonic_ns` of its fast path's `bfd` report: for
silence when the loop found the detection time over, for loss of light when the kernel's news was read, for the far
end's word the kernel's receive time of its packet), to the sending of the first probe after the last lost one. All
clocks are one, CLOCK_MONOTONIC. A direction that loses nothing has no transfer time.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.probe import ProbeLog
from lifeline.clock import monotonic_ns, monotonic_s

from .failover_pair import LifelinePair, is_down
from .failover_probe import SpanProbe
from .peers.engine import Engine
from .peers.span import FLOWS, Direction, Mode

BASELINE_S, CUT_S, TAIL_S = 0.05, 0.2, 0.35
"""Probes before the cut; the cut; and from the return to the fibre until the next cut: a satellite's delay and more."""
_LOOK_AGAIN_S, _NOT_BEFORE_S, _AT_REST_WITHIN_S = 0.1, 0.4, 60.0
_SENDER = dict(zip(FLOWS, ("site", "core"), strict=True))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of cut: how, and for a one-way cut what it silences."""

    mode: Mode
    direction: Direction
    felt: tuple[str, ...]
    """The flows that it interrupts."""

    def __str__(self) -> str:
        return f"{self.mode} {self.direction}" if self.mode == "oneway" else self.mode


SILENT = Kind("silent", "to-core", FLOWS)
TO_HUB = Kind("oneway", "to-core", FLOWS[:1])
TO_SITE = Kind("oneway", "to-site", FLOWS[1:])
CARRIER = Kind("carrier", "to-core", FLOWS)
KINDS = (SILENT, TO_HUB, TO_SITE, CARRIER)


@dataclass(frozen=True, slots=True)
class Cut:
    """What traffic felt of one cut and of its repair, by flow."""

    kind: Kind
    outage_ms: dict[str, int]
    transfer_ms: dict[str, float]
    revert_lost: dict[str, int]
    """Probes lost from the repair until the traffic was back on the fibre; empty where nobody looked."""
    note: str = ""
    """What is wrong with this cut."""


@dataclass(slots=True)
class Lane:
    """An engine, its probe, what it still has to go through and what it went through."""

    engine: Engine
    probe: SpanProbe
    queue: deque[Kind]
    watch_reverts: bool = False
    """Whether probes go on until the traffic is back; over a satellite they must, or those under way count as lost."""
    done: list[Cut] = field(default_factory=list)
    trouble: str = ""
    """Why there are no more cuts: the engine did not return to the fibre."""
    _repaired_s: float = 0.0
    _look_at_s: float = 0.0
    _at_rest_since_s: float | None = None
    _open: tuple[Kind, int, int] | None = None
    """The last cut, its time and its repair's, while its probes still go."""

    def is_ready(self) -> bool:
        """Tell whether the next cut can come; close the last one when it can.

        Raises:
            TimeoutError: the engine does not come to rest.
        """
        now = monotonic_s()
        if now < self._look_at_s:
            return False
        if self._at_rest_since_s is None:
            if self.engine.at_rest():
                self._at_rest_since_s, self._look_at_s = now, now + TAIL_S
            elif self._repaired_s and now > self._repaired_s + _AT_REST_WITHIN_S:
                raise TimeoutError(f"{self.engine.title} does not return: {self.engine.last_words()}")
            else:
                self._look_at_s = now + _LOOK_AGAIN_S
            return False
        if not self.engine.at_rest():  # for a moment only
            self._at_rest_since_s = None
            return False
        self.close()
        return True

    def cut(self, dice: random.Random) -> None:
        """Cut and repair once; reads the result at once, or when the traffic is back."""
        kind = self.queue.popleft()
        if isinstance(self.engine, LifelinePair):
            self.engine.hear()
        self.probe.start()
        time.sleep(BASELINE_S + dice.random() * 0.02)  # out of step with everybody's timers
        cut_ns = monotonic_ns()
        self.engine.span.cut(kind.mode, kind.direction)
        time.sleep(CUT_S)
        repair_ns = monotonic_ns()
        self._open = (kind, cut_ns, repair_ns)
        if self.watch_reverts:
            self.engine.span.repair()
        else:
            self.close()
            self.engine.span.repair()
        self._repaired_s = monotonic_s()
        self._look_at_s = self._repaired_s + _NOT_BEFORE_S
        self._at_rest_since_s = None

    def close(self) -> None:
        """Take what the probes found of the last cut."""
        if self._open is None:
            return
        (kind, cut_ns, repair_ns), self._open = self._open, None
        end_ns = monotonic_ns()
        logs = self.probe.stop()
        if self.watch_reverts:  # what is sent last is still under way
            reverts = {flow: log.within((repair_ns, end_ns - 2_000_000)).lost for flow, log in logs.items()}
        else:
            reverts = {}
        outages = {flow: log.within((cut_ns, repair_ns)).lost_ms for flow, log in logs.items()}
        transfers, note = self._transfers(logs, (cut_ns, repair_ns)) if any(outages.values()) else ({}, "")
        self.done.append(Cut(kind, outages, transfers, reverts, note))

    def _transfers(self, logs: dict[str, ProbeLog], window: tuple[int, int]) -> tuple[dict[str, float], str]:
        if not isinstance(self.engine, LifelinePair):
            return {}, ""
        declared = {
            node: min((r.at_ns for r in reports if is_down(r) and r.at_ns >= window[0]), default=None)
            for node, reports in self.engine.hear().items()
        }
        transfers: dict[str, float] = {}
        for flow, log in logs.items():
            first_ns = _first_after_the_gap(log, window)
            if first_ns is None:
                continue
            at_ns = declared[_SENDER[flow]]
            if at_ns is None:
                return transfers, f"{_SENDER[flow]} declared nothing, and its traffic was lost"
            transfers[flow] = max(0.0, (first_ns - at_ns) / 1e6)
        return transfers, ""


def _first_after_the_gap(log: ProbeLog, window: tuple[int, int]) -> int | None:
    """Return when the first probe after the last lost one was sent; None when none was lost, or nothing follows."""
    arrived = {seq for seq, _at_ns in log.received}
    sent = [record for record in log.sent if window[0] <= record[1] < window[1]]
    lost = [number for number, (seq, _at_ns) in enumerate(sent) if seq not in arrived]
    return sent[lost[-1] + 1][1] if lost and lost[-1] + 1 < len(sent) else None


def queue(each: int, kinds: Sequence[Kind] = KINDS) -> deque[Kind]:
    """Return so many cuts of each kind, by turns."""
    return deque(kind for _ in range(each) for kind in kinds)


def run(lanes: Iterable[Lane], until_s: float, say: Callable[[str], None], seed: int = 1) -> None:
    """Cut until all queues are empty or, between two cuts, until the monotonic time is up."""
    lanes = list(lanes)
    dice = random.Random(seed)
    while (waiting := [lane for lane in lanes if lane.queue]) and monotonic_s() < until_s:
        dice.shuffle(waiting)
        ready = next((lane for lane in waiting if _is_ready(lane, say)), None)
        if ready is None:
            time.sleep(0.01)
            continue
        ready.cut(dice)
        if len(ready.done) % 20 == 0:
            say("  " + ", ".join(f"{lane.engine.title}: {len(lane.done)}" for lane in lanes))
    for lane in lanes:
        while lane.watch_reverts and not lane.trouble and not _is_ready(lane, say):
            time.sleep(0.01)
        lane.close()


def _is_ready(lane: Lane, say: Callable[[str], None]) -> bool:
    """Tell whether a lane's next cut can come; one that does not come to rest gets none any more."""
    try:
        return lane.is_ready()
    except TimeoutError as error:
        say(f"  {error}")
        lane.trouble = str(error)
        lane.queue.clear()
        return False


def lane(stack: ExitStack, engine: Engine, cuts: deque[Kind], *, watch_reverts: bool = False) -> Lane:
    """Start an engine and its probe; both end with `stack`."""
    stack.enter_context(engine.span)
    stack.enter_context(engine)
    return Lane(engine, stack.enter_context(SpanProbe(engine.span)), cuts, watch_reverts)


@dataclass(frozen=True, slots=True)
class Felt:
    """Outages of one kind of cut in one direction, in ms."""

    median_ms: float
    max_ms: int
    cuts: int

    def __str__(self) -> str:
        return f"{self.median_ms:g}/{self.max_ms} ({self.cuts})"


def felt(cuts: Iterable[Cut], kind: Kind, flow: str) -> Felt | None:
    """Return what a flow felt of a kind of cut, None when there was none."""
    outages = [cut.outage_ms[flow] for cut in cuts if cut.kind == kind]
    return Felt(statistics.median(outages), max(outages), len(outages)) if outages else None
