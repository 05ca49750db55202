"""How long a site lasts alone: batteries, fuel, and both together, with every part there and without the worst one.

The three are never added. While a generator carries the load the batteries wait; they count for bridging all start
attempts and the transfer, and alone where no generator comes. What two parts share (a tank, a pump, a switch) is a
part of its own that may fail: it earns no credit for redundancy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .battery import Band
from .network import Network
from .situation import Known, LoadCase, Situation, holds_of, levels_of, loads_of
from .steady import battery_h, fuel_h


class Kind(StrEnum):
    """What a figure counts."""

    BATTERY = "battery"
    FUEL = "fuel"
    SYSTEM = "system"


class Redundancy(StrEnum):
    """With what a figure reckons."""

    N = "n"
    N_1 = "n-1"


class Verdict(StrEnum):
    """How a figure stands to a target."""

    MET = "met"
    UNCERTAIN = "uncertain"
    """The likeliest figure reaches the target, the low end of the interval does not."""
    MISSED = "missed"
    UNKNOWN = "unknown"


class Figure(NamedTuple):
    """A figure with its interval, hours; without numbers where something is missing."""

    kind: Kind
    redundancy: Redundancy
    case: LoadCase
    low_h: float | None
    mid_h: float | None
    high_h: float | None
    worst: str = ""
    """The part whose failure this figure reckons with."""
    missing: tuple[str, ...] = ()
    """What would have to be known."""
    device_h: float | None = None
    """What the devices themselves say, where they may be believed."""
    model: Band | None = None
    """What the model says, where devices say something too."""
    covered: bool = True
    """Whether the batteries bridge the generators' start; of a system's figure."""

    def verdict(self, target_h: float) -> Verdict:
        """Compare with a target; unknown never meets one."""
        if self.low_h is None or self.mid_h is None:
            return Verdict.UNKNOWN
        if self.low_h >= target_h:
            return Verdict.MET
        return Verdict.UNCERTAIN if self.mid_h >= target_h else Verdict.MISSED

    @property
    def disagrees(self) -> bool:
        """Whether device and model are further apart than their tolerances explain."""
        if self.device_h is None or self.model is None:
            return False
        return not self.model.low / _AGREES <= self.device_h <= self.model.high * _AGREES


_AGREES = 1.3
LEAST_LOAD = 0.10
"""Below this share of its rating no UPS knows how long it lasts."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """All figures of a plant at a moment."""

    network: Network
    situation: Situation
    figures: dict[tuple[Kind, Redundancy, LoadCase], Figure]

    def figure(self, kind: Kind, redundancy: Redundancy = Redundancy.N, case: LoadCase = LoadCase.PRESENT) -> Figure:
        """Return one figure."""
        return self.figures[kind, redundancy, case]


def assess(whole: Network, situation: Situation) -> Assessment:
    """Return all figures of a plant."""
    network = whole.without(situation.lost)
    holds, no_charge = holds_of(network, situation)
    levels, no_level = levels_of(network, situation)
    figures: dict[tuple[Kind, Redundancy, LoadCase], Figure] = {}
    known: dict[tuple[object, ...], _Reckoner] = {}
    for case in LoadCase:
        if case is LoadCase.COOLING and not network.has_cooling:  # nothing to add: the present load's figures hold
            figures |= {
                (kind, n, case): it for (kind, n, _present), it in figures.items() if _present is LoadCase.PRESENT
            }
            continue
        bands, no_load = loads_of(network, situation, case)
        key = (tuple(bands), no_load)
        if key not in known:
            known[key] = _Reckoner(network, bands, holds, levels, (no_load, no_charge, no_level),
                                   carrying=not situation.carrying.isdisjoint(network.generators))  # fmt: skip
        device_h = _device_h(network, situation) if case is LoadCase.PRESENT else None
        for figure in known[key].figures(case, device_h):
            figures[figure[:3]] = figure
    return Assessment(network, situation, figures)


def _device_h(network: Network, situation: Situation) -> float | None:
    """Return the least runtime that units report and may be believed about: at a tenth of their rating and more."""
    told = []
    for name, unit in network.units.items():
        runtime_h = situation.runtime_h.get(name, _NOTHING).value
        kw = situation.load_kw.get(name, _NOTHING).value
        if runtime_h is not None and kw is not None and kw >= LEAST_LOAD * unit.rated_kw:
            told.append(runtime_h)
    return min(told, default=None)


_NOTHING = Known(None)
_Holds = Sequence[dict[str, tuple[float, float]]]
_Levels = Sequence[dict[str, float]]
_ZERO = Band(0.0, 0.0, 0.0)
_N, _N_1 = Redundancy.N, Redundancy.N_1


class _Both(NamedTuple):
    """A figure with all parts and without the worst one."""

    n: Band
    n_1: Band
    worst: str
    covered: bool = True
    covered_n_1: bool = True


class _Reckoner:
    """The figures of a plant for one set of loads."""

    def __init__(
        self,
        network: Network,
        loads: Sequence[Band],
        holds: _Holds,
        levels: _Levels,
        missing: Sequence[tuple[str, ...]],
        *,
        carrying: bool,
    ) -> None:
        self._network, self._holds, self._levels = network, holds, levels
        self._kw = list(zip(*loads, strict=True))
        no_load, no_charge, no_level = missing
        self._no_battery = no_load + no_charge
        self._no_fuel = no_load + no_level if network.generators else ()
        self._cover_h, self._carrying = network.cover_h, carrying
        self._model: Band | None = None
        self._fuel_known: _Both | None = None
        self._battery_known: _Both | None = None
        self._idle: set[str] | None = None

    def figures(self, case: LoadCase, device_h: float | None) -> list[Figure]:
        """Return the six figures of a load case."""
        no_fuel = (*self._no_fuel, *(f"burn:{name}" for name in self._network.unknown_burns[:1]))
        no_system = tuple(dict.fromkeys((*self._no_battery, *no_fuel)))
        battery = _Both(_ZERO, _ZERO, "") if self._no_battery else self._battery(device_h)
        fuel = _Both(_ZERO, _ZERO, "") if no_fuel else self._fuel()
        system = _Both(_ZERO, _ZERO, "") if no_system else self._system(battery, fuel)
        figures = []
        for kind, both, missing in (
            (Kind.BATTERY, battery, self._no_battery),
            (Kind.FUEL, fuel, no_fuel),
            (Kind.SYSTEM, system, no_system),
        ):
            if missing:
                figures += [Figure(kind, n, case, None, None, None, "", missing) for n in (_N, _N_1)]
                continue
            n, n_1, worst, covered, covered_n_1 = both
            told_h, model = (device_h, self._model) if kind is Kind.BATTERY and device_h is not None else (None, None)
            figures.append(Figure(kind, _N, case, n[0], n[1], n[2], "", (), told_h, model, covered))
            figures.append(Figure(kind, _N_1, case, n_1[0], n_1[1], n_1[2], worst, (), None, None, covered_n_1))
        return figures

    def _battery(self, device_h: float | None) -> _Both:
        """Return what batteries last; where devices say something too, the lower counts."""
        if self._battery_known is None:
            n = self._model = Band(*[self._battery_h(self._network, bound) for bound in range(3)])
            failures = self._telling(self._network.battery_failures)
            n_1, worst = self._without_worst(n, failures, self._battery_h)
            self._battery_known = _Both(n, n_1, worst)
        known = self._battery_known
        if device_h is None:
            return known
        n = Band(min(known.n.low, device_h), min(known.n.mid, device_h), known.n.high)
        return _Both(n, Band(min(known.n_1.low, n.low), min(known.n_1.mid, n.mid), known.n_1.high), known.worst)

    def _fuel(self) -> _Both:
        if self._fuel_known is None:
            self._fuel_known = _Both(_ZERO, _ZERO, "")
            if self._network.generators:
                n = Band(*[self._fuel_h(self._network, bound) for bound in range(3)])
                failures = self._telling(self._network.fuel_failures)
                self._fuel_known = _Both(n, *self._without_worst(n, failures, self._fuel_h))
        return self._fuel_known

    def _telling(self, failures: Sequence[str]) -> list[str]:
        """Return the failures that may tell: a module of a unit that can carry all its loads without it does not."""
        if self._idle is None:
            kw = self._kw[0]
            self._idle = {
                f"module:{name}"
                for name, (rated_kw, columns) in self._network.without_module.items()
                if sum([kw[column] for column in columns]) <= rated_kw
            }
        return [name for name in failures if name not in self._idle]

    def _without_worst(
        self, n: Band, failures: Sequence[str], hours_h: Callable[[Network, int], float]
    ) -> tuple[Band, str]:
        """Return what lasts without the part whose failure costs most, and that part; nothing where none costs any."""
        worst, least = "", n.mid
        for name in failures:
            hours = hours_h(self._network.without((name,)), 1)
            if hours < least:
                worst, least = name, hours
        if not worst:
            return n, ""
        network = self._network.without((worst,))
        return Band(hours_h(network, 0), least, hours_h(network, 2)), worst

    def _system(self, battery: _Both, fuel: _Both) -> _Both:
        """Return fuel time where batteries bridge the start, else what batteries last: with all, without the worst."""
        if not self._network.generators:
            return battery
        same = battery.worst == fuel.worst
        without_battery = (battery.n_1, fuel.n_1 if same else fuel.n)
        without_fuel = (battery.n_1 if same else battery.n, fuel.n_1)
        first, second = (self._joined(*it, self._cover_h) for it in (without_battery, without_fuel))
        n_1, worst, bridge = (
            (second, fuel.worst or battery.worst, without_fuel[0])
            if second.mid <= first.mid
            else (first, battery.worst or fuel.worst, without_battery[0])
        )
        # What carries already needs no bridge; once the worst part fails another may have to start.
        cover_h = 0.0 if self._carrying else self._cover_h
        covers = (battery.n.low >= cover_h, bridge.low >= self._cover_h)
        return _Both(self._joined(battery.n, fuel.n, cover_h), n_1, worst, *covers)

    @staticmethod
    def _joined(battery: Band, fuel: Band, cover_h: float) -> Band:
        return Band(*[fuel[n] if battery[n] >= cover_h and fuel[n] > battery[n] else battery[n] for n in (0, 1, 2)])

    def _battery_h(self, network: Network, bound: int) -> float:
        return battery_h(network, self._kw[bound], self._holds[bound], bound)

    def _fuel_h(self, network: Network, bound: int) -> float:
        return fuel_h(network, self._kw[bound], self._levels[bound], bound)
