"""The chance of reaching a target: which generators start and run on, and what the fuel of those that do allows.

Each set starts with its start probability and runs on with exp(-t / mttf). The plant's common-cause share of failures
takes all sets at once (beta factor); the rest is independent. A set that fails is reckoned as never having run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import exp, prod

from .autonomy import Assessment
from .battery import Band
from .network import Network
from .situation import LoadCase, column, holds_of, levels_of, loads_of
from .steady import battery_h, fuel_h

_MOST_SETS = 6
"""Beyond so many, subsets of the others are not looked at: they count as failed."""


def reach_probability(assessment: Assessment, target_h: float, case: LoadCase = LoadCase.PRESENT) -> Band | None:
    """Return the chance that a site lasts so long from now without utility; None where something is not known.

    The interval comes from that of loads, fuel and batteries: its low end is the chance if these are at their worst.
    """
    network, situation = assessment.network, assessment.situation
    loads, no_load = loads_of(network, situation, case)
    holds, no_charge = holds_of(network, situation)
    levels, no_level = levels_of(network, situation)
    needs_fuel = bool(network.generators)
    if no_load or no_charge or (needs_fuel and no_level) or network.unknown_burns:
        return None
    bounds = []
    for bound in range(3):
        kw = column(loads, bound)
        bridge_h = battery_h(network, kw, holds[bound], bound)
        if bridge_h >= target_h:
            bounds.append(1.0)
        elif not needs_fuel or bridge_h < network.cover_h:
            bounds.append(0.0)
        else:
            bounds.append(_chance(network, kw, levels[bound], bound, target_h))
    return Band(*bounds)


def _chance(network: Network, kw: Sequence[float], levels: Mapping[str, float], bound: int, target_h: float) -> float:
    """Sum the chances of all combinations of sets that carry the load to the target."""
    beta = network.plant.common_cause
    names = list(network.generators)[:_MOST_SETS]
    lasts = {name: network.generators[name].start_probability
             * exp(-target_h / network.generators[name].mttf_h) for name in names}  # fmt: skip
    fails = {name: (1 - beta) * (1 - chance) for name, chance in lasts.items()}
    together = beta * max(1 - chance for chance in lasts.values())
    total = 0.0
    for n in range(1, len(names) + 1):
        for alive in combinations(names, n):
            dead = [name for name in network.generators if name not in alive]
            if fuel_h(network.without(dead), kw, levels, bound) >= target_h:
                total += prod(1 - fails[name] for name in alive) * prod(fails.get(name, 1.0) for name in dead)
    return (1 - together) * total
