"""What is known of a plant at a moment, and what follows for loads, batteries and tanks: each as low, middle and high.

Unknown stays unknown: a figure that needs a value that nobody knows has the names of what is missing, and no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from .battery import Band, Part, ageing, temperature_factor
from .network import LoadNode, Network


class Origin(StrEnum):
    """Where a value comes from."""

    MEASURED = "measured"
    ASSUMED = "assumed"
    LEARNED = "learned"
    DESIGN = "design"


class Known(NamedTuple):
    """A value as somebody knows it. None: nobody does, because it is missing, stale or a sentinel."""

    value: float | None
    age_s: float = 0.0
    origin: Origin = Origin.MEASURED
    error: float | None = None
    """What it may be off by, where whoever knows it says so."""


class LoadCase(StrEnum):
    """Which loads a figure is for."""

    PRESENT = "present"
    DESIGN = "design"
    COOLING = "cooling"
    """The present load with all cooling at its design power."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything known of a plant beside its inventory."""

    today: date
    """The day, by which batteries and fuel age."""
    load_kw: Mapping[str, Known] = field(default_factory=dict)
    """Per load or per unit (its output), kW."""
    charge: Mapping[str, Known] = field(default_factory=dict)
    """Per unit, state of charge, 0 to 1."""
    temp_c: Mapping[str, Known] = field(default_factory=dict)
    """Per unit, battery temperature, degrees Celsius."""
    health: Mapping[str, Known] = field(default_factory=dict)
    """Per battery part, share of its new capacity as learnt from discharges and tests."""
    fuel_l: Mapping[str, Known] = field(default_factory=dict)
    """Per tank, litres, the unusable part included."""
    runtime_h: Mapping[str, Known] = field(default_factory=dict)
    """Per unit, what the device says it lasts, hours."""
    lost: frozenset[str] = frozenset()
    """Parts that are known not to be there, failed feeds among them, in the network's names of losses."""
    carrying: frozenset[str] = frozenset()
    """Generators that carry load already: no battery has to bridge their start."""


LOAD_ERROR = 0.03
"""What UPS and meters are off by."""
LEVEL_ERROR = 0.02
"""What fuel gauges are off by, of the tank's volume."""
CHARGE_ERROR = 0.05
LEARNED_ERROR = 0.05
_ROOM_C = Band(10.0, 20.0, 25.0)
"""Battery temperature where nobody measures it."""
_NOTHING = Known(None)


def loads_of(network: Network, situation: Situation, case: LoadCase) -> tuple[list[Band], tuple[str, ...]]:
    """Return the loads in the network's order, the highest for the low figure of what lasts, and what is missing."""
    missing: list[str] = []
    bands: list[Band] = []
    for load in network.loads:
        unmeasured = load.cooling and situation.load_kw.get(load.name, _NOTHING).value is None
        if case is LoadCase.DESIGN or (load.cooling and (case is LoadCase.COOLING or unmeasured)):
            bands.append(Band(load.kw, load.kw, load.kw))
            continue
        kw = _present_kw(network, situation, load, missing)
        bands.append(Band(kw * (1 + LOAD_ERROR), kw, kw * (1 - LOAD_ERROR)))
    return bands, tuple(dict.fromkeys(missing))


def _present_kw(network: Network, situation: Situation, load: LoadNode, missing: list[str]) -> float:
    """Return a load as measured itself, or as its share of what its units deliver."""
    measured = situation.load_kw.get(load.name, _NOTHING).value
    if measured is not None:
        return measured
    units = [name for name in load.inputs if name in network.plant.ups or name in network.plant.dc_plants]
    if not units:
        missing.append(f"load:{load.name}")
        return load.kw
    measured_kw = design_kw = 0.0
    for name in units:
        value = situation.load_kw.get(name, _NOTHING).value
        if value is None:
            missing.append(f"load:{name}")
            continue
        measured_kw += value
        design_kw += network.design_kw.get(name, 0.0)
    return load.kw * measured_kw / design_kw if design_kw else load.kw


def holds_of(
    network: Network, situation: Situation
) -> tuple[tuple[dict[str, tuple[float, float]], ...], tuple[str, ...]]:
    """Return per bound each battery part's state of charge and share of its new capacity, and what is missing.

    The low share is divided by the plant's design margin.
    """
    holds: tuple[dict[str, tuple[float, float]], ...] = ({}, {}, {})
    missing = []
    for unit in network.units.values():
        if not unit.parts:
            continue
        charge = situation.charge.get(unit.name, _NOTHING)
        if charge.value is None:
            missing.append(f"charge:{unit.name}")
        value = 1.0 if charge.value is None else charge.value
        slack = 0.0 if value >= 1 else CHARGE_ERROR
        charges = (max(0.0, value - slack), value, min(1.0, value + slack))
        for part in unit.parts:
            shares = share_of(part, unit.name, situation)
            margins = (network.plant.design_margin, 1.0, 1.0)
            for bound in range(3):
                holds[bound][part.name] = (charges[bound], shares[bound] / margins[bound])
    return holds, tuple(missing)


def share_of(part: Part, unit: str, situation: Situation) -> Band:
    """Return the share of its new capacity that a part yields, by age or experience, temperature and model error."""
    learned, error = situation.health.get(part.name, _NOTHING).value, situation.health.get(part.name, _NOTHING).error
    slack = LEARNED_ERROR if error is None else error
    health = (
        ageing(part.string, situation.today) if learned is None else Band(learned - slack, learned, learned + slack)
    )
    measured_c = situation.temp_c.get(unit, _NOTHING).value
    temps_c = _ROOM_C if measured_c is None else Band(measured_c - 2, measured_c, measured_c + 2)
    technology = part.string.technology
    return Band(
        max(0.01, health.low) * temperature_factor(technology, temps_c.low) * (1 - part.error),
        max(0.01, health.mid) * temperature_factor(technology, temps_c.mid),
        max(0.01, health.high) * temperature_factor(technology, temps_c.high) * (1 + part.error),
    )


def levels_of(network: Network, situation: Situation) -> tuple[tuple[dict[str, float], ...], tuple[str, ...]]:
    """Return per bound the fuel in each tank, litres, and what is missing."""
    levels: tuple[dict[str, float], ...] = ({}, {}, {})
    missing = []
    for name, tank in network.tanks.items():
        known = situation.fuel_l.get(name, _NOTHING).value
        if known is None:
            missing.append(f"fuel:{name}")
        value = 0.0 if known is None else min(known, tank.capacity_l)
        slack = LEVEL_ERROR * tank.capacity_l
        for bound, level in enumerate((max(0.0, value - slack), value, min(tank.capacity_l, value + slack))):
            levels[bound][name] = level
    return levels, tuple(missing)


def column(bands: Sequence[Band], bound: int) -> list[float]:
    """Return one bound of many bands."""
    return [band[bound] for band in bands]
