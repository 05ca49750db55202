"""Every drill of protection switching once, on a whole lab: passed or not, and what traffic lost in the switch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lab.drills import protection
from lab.drills.drill import Pace
from lab.drills.protection import SWITCH_MS
from lab.drills.record import DrillReport, Verdict
from lab.drills.verbs import run_script

from .drill_figures import deployed
from .figures import Figure

SEED = 7
_PACE = Pace(steady_within=30.0)


def measure() -> Sequence[Figure]:
    """Deploy a lab of the benchmark's own, run every drill in it, take it down."""
    figures = []
    with deployed(f"bench{os.getpid()}") as lab:
        for name in protection.KINDS:
            script = protection.write(name, lab.inventory, hub="noc-a", site=None, seed=SEED)
            report = run_script(lab, script, SEED, pace=_PACE, tell=lambda _text: None)
            print(f"  {name}: {report.verdict} {'; '.join(report.reasons)}", file=sys.stderr)
            figures += _of(report)
    return figures


def _of(report: DrillReport) -> list[Figure]:
    note = "; ".join(report.reasons)
    passed = Figure(f"{report.drill}: passed", report.verdict is Verdict.PASS, "", 1, "higher", note=note)
    switches = [task.actual_ms for task in report.tasks if task.name == "switch"]
    if not switches:
        return [passed]
    lost = [
        windows[window].lost_ms for windows in report.traffic.values() for window in windows if _bound(report, window)
    ]
    return [
        passed,
        Figure(f"{report.drill}: both ends switched after", switches[0], "ms", SWITCH_MS),
        Figure(f"{report.drill}: most that a direction lost", max(lost, default=None), "ms", SWITCH_MS),
    ]


def _bound(report: DrillReport, window: str) -> bool:
    """Tell whether a window is one in which nothing but the switch may lose."""
    return report.limits[window] in (0, SWITCH_MS)
