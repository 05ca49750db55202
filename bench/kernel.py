"""Every figure that the kernel must reach: cuts survived beside BIRD, the lab, the inventory, the terminal, a newcomer.

What hurts most comes first. The fresh clone comes last, its tests last of all, and gets what is left of ten minutes; a
figure that was ended for want of time says so. With SOAK=1 there is no limit, and every figure is measured whole.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lifeline.clock import monotonic_s

from . import clone_figures, drill_figures, inventory_figures, kill_figures, peer_figures
from .figures import Figure

BUDGET_S = 540.0
DRILLS_PER_MODE = 20


@dataclass(frozen=True, slots=True)
class Budget:
    """The time that a benchmark may take altogether."""

    total_s: float
    started_s: float = field(default_factory=monotonic_s)

    def left_s(self) -> float:
        """Return what is left, in seconds; 0 when it is spent."""
        return max(0.0, self.started_s + self.total_s - monotonic_s())


def say(text: str) -> None:
    """Narrate on stderr."""
    print(text, file=sys.stderr, flush=True)


def measure() -> list[Figure]:
    """Measure all and return the figures; a part that breaks off yields what it had and the reason."""
    budget = Budget(math.inf if os.environ.get("SOAK") else BUDGET_S)
    peer = peer_figures.BirdWorst()
    parts: list[Callable[[], Iterable[Figure]]] = [
        inventory_figures.measure,
        lambda: peer_figures.measure(peer, DRILLS_PER_MODE, say),
        lambda: drill_figures.measure(peer, DRILLS_PER_MODE, say, budget.left_s),
        lambda: kill_figures.measure(say),
        lambda: clone_figures.measure(budget.left_s, say),
    ]
    figures: list[Figure] = []
    for part in parts:
        try:
            for figure in part():
                figures.append(figure)
                say(f"  {describe(figure)}")
        except Exception as error:  # noqa: BLE001 - a benchmark reports what it could not measure, and goes on
            traceback.print_exc()
            figures.append(
                Figure(f"part {len(figures)} broke off", None, "", 0, note=f"{type(error).__name__}: {error}")
            )
    return figures


def describe(figure: Figure) -> str:
    """Return a figure as one line for people."""
    mark = {True: "met", False: "MISSED", None: "-"}[figure.met]
    value = "not measured" if figure.value is None else f"{figure.value:g} {figure.unit}"
    target = "" if figure.target is None else f", target {figure.target:g}"
    peer = "" if figure.peer_value is None else f", {figure.peer} {figure.peer_value:g}"
    return f"{figure.name}: {value}{target}{peer} [{mark}]{' ' + figure.note if figure.note else ''}"
