"""Busy neighbours: does a machine without a free moment make anybody switch for nothing, and how much does it slow us?

Four busy loops on whatever processors there are. Every engine of the run goes on without a cut, its sessions going
down are counted; at the same time a second pair of our own is cut, silently, as it was when the machine was idle.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lifeline.clock import monotonic_s

from . import failover_cuts
from .failover_cuts import SILENT, Cut
from .failover_pair import LifelinePair
from .figures import Figure
from .peers.engine import Engine
from .peers.span import FLOWS, Span

BUSY_LOOPS = 4
SLOWER_MAX = 1.2
_CUTS = 24
_LISTEN_S = 2.0


@contextmanager
def busy(loops: int = BUSY_LOOPS) -> Iterator[None]:
    """Keep processors busy at ordinary priority until the block ends."""
    argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(argv) for _ in range(loops)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def measure(
    ours: LifelinePair, peers: Sequence[Engine], idle: Sequence[Cut], soak_s: float, say: Callable[[str], None]
) -> Iterator[Figure]:
    """Run the load beside engines that stand uncut.

    Args:
        ours: a pair at rest.
        peers: peers at rest.
        idle: our cuts without load.
        soak_s: how long, in seconds; the cuts happen meanwhile.
        say: narrates.
    """
    engines = [ours, *peers]
    with ExitStack() as stack:
        lane = failover_cuts.lane(
            stack, LifelinePair(Span(split_backup=True)), failover_cuts.queue(_CUTS, [SILENT]), watch_reverts=True
        )
        lane.engine.settle()
        for engine in engines:
            engine.settle()
        flaps, switches = [engine.flaps() for engine in engines], ours.switches()
        began_s, stolen_s, healthy = monotonic_s(), _stolen_s(), len(ours.downs())
        with busy():
            failover_cuts.run([lane], began_s + soak_s, say)
            while (left_s := began_s + soak_s - monotonic_s()) > 0:
                ours.hear()
                time.sleep(min(_LISTEN_S, left_s))
            flaps = [engine.flaps() - before for engine, before in zip(engines, flaps, strict=True)]
        seconds = monotonic_s() - began_s
        stolen_s = _stolen_s() - stolen_s
        time.sleep(1.2)  # our next snapshot
        switches = ours.switches() - switches
    counted = ", ".join(f"{engine.title} {count}" for engine, count in zip(engines, flaps, strict=True))
    where = f"{seconds:.0f} s, {BUSY_LOOPS} busy loops, 10 ms x 3"
    why = [
        f"{node} after {report.at_ns / 1e9 - began_s:.1f} s: {report.body['diag']}"
        for node, report in ours.downs()[healthy:]
    ]
    machine = f"the hypervisor kept {stolen_s:.2f} s; our wake-ups at most {ours.lateness_ms():.1f} ms late"
    least = min(zip(flaps[1:], peers, strict=True), key=lambda pair: pair[0], default=None)
    yield Figure(
        "false switches under load",
        switches,
        "",
        0,
        peer=f"{least[1].title}, sessions down" if least else None,
        peer_value=least[0] if least else None,
        note="; ".join([where, f"sessions that went down, both ends: {counted}", machine, *why[:6]]),
    )
    yield from _slower(idle, lane.done, where)


def _stolen_s() -> float:
    """Return the processor time that the hypervisor gave to others (proc(5), `steal`), in seconds."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def _slower(idle: Sequence[Cut], loaded: Sequence[Cut], where: str) -> Iterator[Figure]:
    for flow in FLOWS:
        calm, under = (failover_cuts.felt(cuts, SILENT, flow) for cuts in (idle, loaded))
        name = f"silent cut under load, {flow}: median outage, times idle"
        if calm is None or under is None:
            yield Figure(name, None, "x", SLOWER_MAX, note="no cuts")
            continue
        note = f"{where}; median/max ms (cuts): {under}, idle {calm}"
        yield Figure(name, under.median_ms / max(calm.median_ms, 1), "x", SLOWER_MAX, note=note)
    outages = [cut.outage_ms[flow] for cut in loaded for flow in FLOWS]
    if outages:
        note = f"{where}; median {statistics.median(outages):g}"
        yield Figure("silent cut under load: longest outage", max(outages), "ms", note=note)
