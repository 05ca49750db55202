"""What a discharge or a battery test teaches: the share of its new capacity that a battery really holds.

While a unit runs on its batteries, in an outage or a test, its load and charge are noted. When it is over, the share is
sought with which the model would have gone from the first charge to the last under that very load. That and what was
known before are weighed by how far each may be off: a deep discharge settles the matter, a short test hardly moves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import hypot
from typing import NamedTuple

from .battery import Part, ageing, temperature_factor
from .network import UnitNode
from .observe import PartView
from .situation import Known, Origin

LEAST_DEPTH = 0.1
"""A discharge of less than a tenth teaches nothing: gauges and voltages say little at the top."""
GAUGE_ERROR = 0.03
"""What a state of charge is off by at each end."""
AGE_ERROR = 0.25
"""What age alone is off by: strings fail early, and without a word."""
CHANGED = 0.1
"""What a battery may have changed by since it was last discharged."""
_LEAST_ERROR = 0.03
_ROUNDS = 40
_MOST_SAMPLES = 4000


@dataclass(slots=True)
class Discharge:
    """A discharge as it happens: (seconds, kW, state of charge)."""

    test: bool = False
    """Whether it is a battery test: utility is there."""
    samples: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, at_s: float, kw: float, charge: float) -> None:
        """Note a moment; of a long discharge every second one is forgotten."""
        if len(self.samples) >= _MOST_SAMPLES:
            del self.samples[1:-1:2]
        self.samples.append((at_s, kw, charge))

    @property
    def depth(self) -> float:
        """How far it has gone, 0 to 1."""
        return self.samples[0][2] - self.samples[-1][2] if self.samples else 0.0


class Lesson(NamedTuple):
    """What a discharge taught."""

    shares: Mapping[str, Known]
    """Per battery part the share of its new capacity that it holds, and what that may be off by."""
    curve: Sequence[tuple[float, float, float]]
    """Hours from its begin, state of charge as told, and as the model had it with what was known before."""


def discharging(view: PartView) -> bool | None:
    """Tell whether a unit's batteries give power, in an outage or a test; None where nobody knows."""
    if view.state in {"on-battery", "discharge"} or on_test(view):
        return True
    return None if view.state is None else view.states.get("battery.status") == "discharging"


def on_test(view: PartView) -> bool:
    """Tell whether a unit says that it tests its batteries."""
    return view.states.get("battery.test") == "running"


def learn(
    unit: UnitNode, discharge: Discharge, before: Mapping[str, Known], temp_c: float | None, today: date
) -> Lesson | None:
    """Return what a discharge taught, or None where it was too short.

    Args:
        unit: whose batteries they are.
        discharge: what happened.
        before: what was known per part.
        temp_c: battery temperature during it; 20 degrees where unknown.
        today: the day, by which strings age of which nothing was learnt before.
    """
    if discharge.depth < LEAST_DEPTH or not unit.parts:
        return None
    low, high = 0.1, 2.0
    for _round in range(_ROUNDS):
        share = (low + high) / 2
        end = _modelled(unit, discharge, dict.fromkeys([part.name for part in unit.parts], share))[-1]
        if end < discharge.samples[-1][2]:
            low = share
        else:
            high = share
    cold = temperature_factor(unit.parts[0].string.technology, 20.0 if temp_c is None else temp_c)
    seen = min(1.2, max(0.1, share / cold))
    seen_error = seen * hypot(GAUGE_ERROR, GAUGE_ERROR) / discharge.depth
    prior = {part.name: _prior(part, before.get(part.name), today) for part in unit.parts}
    shares = {}
    for name, (value, error) in prior.items():
        weight = error**2 / (error**2 + seen_error**2)
        shares[name] = Known(value + weight * (seen - value), 0.0, Origin.LEARNED,
                             max(_LEAST_ERROR, weight**0.5 * seen_error))  # fmt: skip
    modelled = _modelled(unit, discharge, {name: value * cold for name, (value, _error) in prior.items()})
    begun_s = discharge.samples[0][0]
    curve = [((at_s - begun_s) / 3600, charge, model)
             for (at_s, _kw, charge), model in zip(discharge.samples, modelled, strict=True)]  # fmt: skip
    return Lesson(shares, _thinned(curve))


def _prior(part: Part, before: Known | None, today: date) -> tuple[float, float]:
    """Return what was known of a part, and what that may be off by now."""
    if before is None or before.value is None:
        return ageing(part.string, today).mid, AGE_ERROR
    return before.value, hypot(before.error or 0.0, CHANGED)


def _modelled(unit: UnitNode, discharge: Discharge, shares: Mapping[str, float]) -> list[float]:
    """Return the state of charge at each sample, as the model has it with such shares of the capacity."""
    held = [part.capacity_kwh * shares[part.name] for part in unit.parts]
    states = [part.models[1].at(discharge.samples[0][2]) for part in unit.parts]
    charges = [discharge.samples[0][2]]
    for (start_s, kw, _charge), (end_s, _kw, _end) in zip(discharge.samples, discharge.samples[1:], strict=False):
        each_kw = kw / unit.battery_efficiency / sum(held)
        hours = (end_s - start_s) / 3600
        for n, part in enumerate(unit.parts):
            states[n] = part.models[1].after(states[n], each_kw * part.string.capacity_kwh, hours)
        left = sum(part.models[1].charge(it) * kwh for part, it, kwh in zip(unit.parts, states, held, strict=True))
        charges.append(left / sum(held))
    return charges


def _thinned(curve: Sequence[tuple[float, float, float]], points: int = 12) -> list[tuple[float, float, float]]:
    """Return so many points of a curve, the first and the last among them."""
    every = (len(curve) - 1) / points
    return [curve[round(n * every)] for n in range(points + 1)] if len(curve) > points else list(curve)
