"""The lab's own speed, the terminal interface against a live hub, and the fibre-cut drills in every mode."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.drills import fibre_cut
from lab.drills.record import DrillReport, Verdict
from lab.drills.verbs import run_fibre_cut
from lab.lab import Lab
from lifeline.clock import monotonic_s

from . import terminal
from .figures import Figure
from .peer_figures import NAME as PEER
from .peer_figures import BirdWorst

LOST_MS, ALARM_MS = 50, 1000
_FIRST_PAINT_S, _RSS_MB, _IDLE_CPU_PCT = 1.0, 80.0, 2.0
_LAB_UP_S, _LAB_DOWN_S = 20.0, 3.0
_RESERVE_S = 30.0
"""What a drill, the terminal and the end of the lab need."""
_PACE = fibre_cut.Pace(steady_within=30.0)
# What the overview carries once its first frame is whole.
_OVERVIEW = (b"Overview", b"Dongcheng", b"Quit")


@dataclass(slots=True)
class _Tally:
    """The worst of all drills so far."""

    wanted: int
    run: int = 0
    passed: int = 0
    lost_ms: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    revert_lost: int = 0
    tasks_ms: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    missed: Counter[str] = field(default_factory=Counter)
    """Tasks that did not happen."""
    reasons: list[str] = field(default_factory=list)

    def add(self, report: DrillReport) -> None:
        self.run += 1
        self.passed += report.verdict is Verdict.PASS
        self.reasons += [f"seed {report.seed} {report.mode}: {reason}" for reason in report.reasons]
        for direction, windows in report.traffic.items():
            key = (report.mode, direction)
            self.lost_ms[key] = max(self.lost_ms[key], windows["cut"].lost_ms)
            self.revert_lost += windows["revert"].lost
        for task in report.tasks:
            if task.actual_ms is None:
                self.missed[task.name] += 1
            else:
                self.tasks_ms[task.name] = max(self.tasks_ms[task.name], task.actual_ms)


def measure(peer: BirdWorst, drills: int, say: Callable[[str], None], left_s: Callable[[], float]) -> Iterator[Figure]:
    """Deploy a lab of the benchmark's own, measure, take it down."""
    name = f"bench{os.getpid()}"
    say(f"lab {name}")
    started_s = monotonic_s()
    with deployed(name) as lab:
        yield Figure("lab up, all routes converged", monotonic_s() - started_s, "s", _LAB_UP_S)
        tally = _drill(lab, drills, say, left_s)
        yield from _of_drills(tally, peer, drills)
        yield from _of_terminal(lab, say)
        started_s = monotonic_s()
    yield Figure("lab down", monotonic_s() - started_s, "s", _LAB_DOWN_S)


@contextmanager
def deployed(name: str) -> Iterator[Lab]:
    """Have a lab up, and take it down."""
    lifeline = [sys.executable, "-m", "noc.cli.main", "lab"]
    try:
        subprocess.run([*lifeline, "up", "--name", name], check=True, stdout=sys.stderr)
        yield Lab(name)
    finally:
        subprocess.run([*lifeline, "down", "--name", name], check=True, stdout=sys.stderr)


def _drill(lab: Lab, drills: int, say: Callable[[str], None], left_s: Callable[[], float]) -> _Tally:
    tally = _Tally(wanted=drills * len(fibre_cut.MODES))
    for mode in fibre_cut.MODES:
        for seed in range(drills):
            if left_s() < _RESERVE_S:
                tally.reasons.append(f"time was up after {tally.run} of {tally.wanted} drills")
                return tally
            target, direction = fibre_cut.plan(lab.inventory, mode=mode, site=None, direction=None, seed=seed)
            report = run_fibre_cut(lab, target, mode, direction, seed, pace=_PACE, tell=lambda _text: None)
            tally.add(report)
            lost = " ".join(f"{d} {w['cut'].lost_ms} ms" for d, w in report.traffic.items())
            times = " ".join(f"{t.name} {t.actual_ms or math.nan:.0f} ms" for t in report.tasks)
            say(f"  {mode} {seed} {target.site}: {report.verdict}, {lost}, {times} {'; '.join(report.reasons)}")
    return tally


def _of_drills(tally: _Tally, peer: BirdWorst, drills: int) -> Iterator[Figure]:
    runs = f"max of {drills}"
    for mode in fibre_cut.MODES:
        for direction in (fibre_cut.TO_HUB, fibre_cut.TO_SITE):
            name = f"fibre cut at 10 ms x 3, {mode}, {direction}: lost_ms, {runs}"
            key = (mode, direction)
            yield Figure(name, tally.lost_ms.get(key), "ms", LOST_MS, peer=PEER, peer_value=peer.cut_ms.get(key))
    yield Figure(
        f"probes lost in {tally.run} reverts", tally.revert_lost, "", 0, peer=PEER, peer_value=peer.revert_lost
    )
    yield Figure("drills passed", tally.passed, "", tally.wanted, "higher", note=" | ".join(tally.reasons[:5]))
    for task, target_ms in (("switch", LOST_MS), ("alarm raised", ALARM_MS), ("site's own report", ALARM_MS)):
        missed = tally.missed[task]
        value = None if missed else tally.tasks_ms.get(task)
        yield Figure(f"{task}, max of {tally.run}", value, "ms", target_ms, note=f"{missed} missed" if missed else "")


def _of_terminal(lab: Lab, say: Callable[[str], None]) -> Iterator[Figure]:
    say("lifeline tui in a terminal of 120x34")
    run = terminal.measure(
        [sys.executable, "-m", "noc.cli.main", "--lang", "en", "tui"],
        _OVERVIEW,
        environment={"LIFELINE_HUB": lab.hub_url},
    )
    yield Figure("TUI first paint", run.first_paint_s, "s", _FIRST_PAINT_S)
    yield Figure("TUI memory (RSS)", run.rss_mb, "MB", _RSS_MB)
    yield Figure("TUI idle CPU", run.idle_cpu_pct, "% of a core", _IDLE_CPU_PCT)
