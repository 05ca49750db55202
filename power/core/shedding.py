"""Which loads to shed, in which order, until the target is reached."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .autonomy import Figure, Kind, Redundancy, Verdict, assess
from .network import Network
from .situation import Known, LoadCase, Origin, Situation


@dataclass(frozen=True, slots=True)
class Shed:
    """A step of the plan: what has been shed up to here, and what that gives."""

    load: str
    """What is shed in this step; empty in the first, which sheds nothing."""
    kw: float
    """What that load draws."""
    figure: Figure
    verdict: Verdict


def shed_order(network: Network, situation: Situation, redundancy: Redundancy = Redundancy.N) -> list[Shed]:
    """Return the steps to reach the plant's target: the least important load first, the largest among equals.

    It ends with the first step whose low figure reaches the target, or when only loads of the best priority are left.
    Without knowing the loads it ends at once: nothing is shed on a guess.
    """
    target_h = network.plant.target_autonomy_h
    figure = assess(network, situation).figure(Kind.SYSTEM, redundancy)
    steps = [Shed("", 0.0, figure, figure.verdict(target_h))]
    loads = sorted(
        (it for it in network.loads if it.priority > network.best_priority), key=lambda it: (-it.priority, -it.kw)
    )
    shed: dict[str, Known] = {}
    for load in loads:
        if steps[-1].verdict in {Verdict.MET, Verdict.UNKNOWN}:
            break
        shed[load.name] = Known(0.0, origin=Origin.ASSUMED)
        figure = assess(network, replace(situation, load_kw={**situation.load_kw, **shed})).figure(
            Kind.SYSTEM, redundancy, LoadCase.PRESENT
        )
        steps.append(Shed(load.name, load.kw, figure, figure.verdict(target_h)))
    return steps
