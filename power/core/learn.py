"""What a discharge teaches: the share of its new capacity that a battery really holds.

While a unit runs on its batteries, its load and charge are noted. When it is over, the share is sought with which the
model would have gone from the first charge to the last under that very load; half of it and half of what was known
before is what is known now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .battery import Part, temperature_factor
from .network import UnitNode

LEAST_DEPTH = 0.2
"""A discharge of less than a fifth teaches nothing: gauges and voltages say little at the top."""
_WEIGHT = 0.5
_ROUNDS = 40


@dataclass(slots=True)
class Discharge:
    """A discharge as it happens: (seconds, kW, state of charge)."""

    samples: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, at_s: float, kw: float, charge: float) -> None:
        """Note a moment."""
        self.samples.append((at_s, kw, charge))

    @property
    def depth(self) -> float:
        """How far it has gone, 0 to 1."""
        return self.samples[0][2] - self.samples[-1][2] if self.samples else 0.0


def learn(
    unit: UnitNode, discharge: Discharge, before: Mapping[str, float], temp_c: float | None
) -> dict[str, float] | None:
    """Return per battery part the share of its new capacity that it holds, or None where the discharge taught nothing.

    Args:
        unit: whose batteries they are.
        discharge: what happened.
        before: what was known per part.
        temp_c: battery temperature during it; 20 degrees where unknown.
    """
    if discharge.depth < LEAST_DEPTH or not unit.parts:
        return None
    low, high = 0.1, 2.0
    for _round in range(_ROUNDS):
        share = (low + high) / 2
        end = _end_charge(unit.parts, unit.battery_efficiency, discharge, share)
        if end < discharge.samples[-1][2]:
            low = share
        else:
            high = share
    cold = temperature_factor(unit.parts[0].string.technology, 20.0 if temp_c is None else temp_c)
    seen = min(1.2, max(0.1, share / cold))
    return {
        part.name: _WEIGHT * seen + (1 - _WEIGHT) * before[part.name] if part.name in before else seen
        for part in unit.parts
    }


def _end_charge(parts: tuple[Part, ...], efficiency: float, discharge: Discharge, share: float) -> float:
    """Return the charge at which the model would have ended with so much of its capacity."""
    whole_kwh = sum(part.capacity_kwh for part in parts)
    states = [part.models[1].at(discharge.samples[0][2]) for part in parts]
    for (start_s, kw, _charge), (end_s, _kw, _end) in zip(discharge.samples, discharge.samples[1:], strict=False):
        hours = (end_s - start_s) / 3600
        for n, part in enumerate(parts):
            each_kw = kw / efficiency * part.capacity_kwh / whole_kwh / part.count / share
            states[n] = part.models[1].after(states[n], each_kw, hours)
    return sum(
        part.models[1].charge(state) * part.capacity_kwh for part, state in zip(parts, states, strict=True)
    ) / whole_kwh  # fmt: skip
