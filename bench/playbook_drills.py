"""The drill of every playbook that ships, once, on a whole lab: real faults, real steps, two people who approve."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lab.drills import playbook_drills
from lab.drills.drill import Pace
from lab.drills.record import DrillReport, Verdict
from lab.drills.verbs import run_playbook
from lifeline.clock import monotonic_s

from .drill_figures import deployed
from .figures import Figure

SEED = 7
BUDGET_S = 510.0
RESERVE_S = 40.0
"""What the end of the lab and a drill that has just begun to heal need."""
_PACE = Pace(steady_within=60.0)


def measure() -> Sequence[Figure]:
    """Deploy a lab of the benchmark's own, run every drill in it, take it down."""
    ends_s = monotonic_s() + BUDGET_S
    figures: list[Figure] = []
    with deployed(f"bench{os.getpid()}") as lab:
        for name in playbook_drills.NAMES:
            if monotonic_s() > ends_s - RESERVE_S:
                figures.append(Figure(f"{name}: passed", None, "", 1, "higher", note="time was up"))
                continue
            script = playbook_drills.write(name, lab.inventory, site=None, seed=SEED)
            report = run_playbook(lab, script, SEED, pace=_PACE, tell=lambda _text: None)
            print(f"  {name}: {report.verdict} {report.took_s:.0f} s {'; '.join(report.reasons)}", file=sys.stderr)
            figures.append(_of(report))
    return figures


def _of(report: DrillReport) -> Figure:
    note = "; ".join([f"{task.name} {task.actual_ms or 0:,.0f} ms" for task in report.tasks[:2]] + [*report.reasons])
    return Figure(f"{report.drill}: passed", report.verdict is Verdict.PASS, "", 1, "higher", note=note)
