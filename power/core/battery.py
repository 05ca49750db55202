"""How long a battery carries a load: the manufacturer's table, the kinetic model or Peukert, derated.

Every model is homogeneous: a battery that holds the share f of what it held when new carries P as a new one carries
P / f. Models therefore know new strings only, and whoever asks divides the load by the share that is left and by the
number of strings. Power in kW, energy in kWh, time in hours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import exp, inf, log
from typing import NamedTuple, Protocol

from lifeline.model.power import BatteryString, Technology

State = tuple[float, ...]
"""What a model remembers of a string between loads."""


class Band(NamedTuple):
    """A value with the interval it lies in."""

    low: float
    mid: float
    high: float


class Model(Protocol):
    """A string when new: states are what is left, loads are kW."""

    def at(self, charge: float) -> State:
        """Return the rested state at a state of charge, 0 to 1."""

    def charge(self, state: State) -> float:
        """Return the state of charge, 0 to 1."""

    def left_h(self, state: State, kw: float) -> float:
        """Return how long a constant load lasts, hours; infinite without load."""

    def after(self, state: State, kw: float, hours: float) -> State:
        """Return the state after a constant load, never beyond empty."""


class Proportional:
    """Discharge in proportion to the time a load would last: the base of tables and of Peukert."""

    def duration_h(self, kw: float) -> float:
        """Return how long a full string carries a constant load."""
        raise NotImplementedError

    def at(self, charge: float) -> State:
        """Return the state at a state of charge."""
        return (charge,)

    def charge(self, state: State) -> float:
        """Return the state of charge."""
        return state[0]

    def left_h(self, state: State, kw: float) -> float:
        """Return how long a constant load lasts."""
        return state[0] * self.duration_h(kw) if kw > 0 else inf

    def after(self, state: State, kw: float, hours: float) -> State:
        """Return the state after a constant load."""
        if kw <= 0:
            return state
        duration_h = self.duration_h(kw)
        return (max(0.0, state[0] - hours / duration_h) if duration_h > 0 else 0.0,)


class Table(Proportional):
    """A manufacturer's constant-power table, interpolated log-log.

    Lighter loads than the table's lightest get the energy of that one, no more; heavier ones than its heaviest get
    nothing: nobody has promised that the string carries them.
    """

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        """Keep (hours, kW), hours growing and power falling."""
        rising = sorted((kw, hours) for hours, kw in points)
        self._log_kw = [log(kw) for kw, _hours in rising]
        self._log_h = [log(hours) for _kw, hours in rising]

    def duration_h(self, kw: float) -> float:
        """Return how long a full string carries a constant load."""
        x, xs, ys = log(kw), self._log_kw, self._log_h
        if x <= xs[0]:
            return exp(ys[0] + xs[0] - x)
        if x > xs[-1] + 1e-9:
            return 0.0
        i = min(bisect_right(xs, x), len(xs) - 1)
        return exp(ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]))


class Peukert(Proportional):
    """t = H (C / (P H))^k, in energy; loads below the rated one get the rated energy and no more."""

    def __init__(self, capacity_kwh: float, rated_h: float, exponent: float) -> None:
        self._rated_kw, self._rated_h, self._exponent = capacity_kwh / rated_h, rated_h, exponent

    def duration_h(self, kw: float) -> float:
        """Return how long a full string carries a constant load."""
        ratio = self._rated_kw / kw
        return self._rated_h * (ratio if ratio >= 1 else ratio**self._exponent)


class Kinetic:
    """The kinetic battery model (Manwell and McGowan 1993), in energy: two wells, one of which feeds the load.

    With k' the rate constant and c the share of the available well:
    q1(t) = q1 e^-k't + (q k' c - P)(1 - e^-k't) / k' - P c (k't - 1 + e^-k't) / k'.
    """

    def __init__(self, capacity_kwh: float, rated_h: float, c: float, k_per_h: float) -> None:
        self._c, self._k = c, k_per_h
        kt = k_per_h * rated_h
        decay = exp(-kt)
        self._full_kwh = capacity_kwh * (1 - decay + c * (kt - 1 + decay)) / (kt * c)
        """What an endless discharge would yield."""

    def at(self, charge: float) -> State:
        """Return the rested state at a state of charge."""
        return (self._c * self._full_kwh * charge, (1 - self._c) * self._full_kwh * charge)

    def charge(self, state: State) -> float:
        """Return the state of charge."""
        return (state[0] + state[1]) / self._full_kwh

    def left_h(self, state: State, kw: float) -> float:
        """Return when the available well runs dry.

        q1 is an exponential and a falling line, convex or concave throughout: Newton's method from where the line alone
        is at zero (or both wells are empty, where that lies in the past) stays on one side of the root.
        """
        if kw <= 0:
            return inf
        total = state[0] + state[1]
        if state[0] <= 0:
            return 0.0
        available, c, k = state[0], self._c, self._k
        fed, drawn = total * c - kw / k, kw * c
        line_h = total / kw - (1 - c) / (c * k)
        hours = line_h if line_h > 0 else total / kw
        for _step in range(60):
            decay = exp(-k * hours)
            # `_available` and its slope, written out: this loop is where a network's figures spend their time.
            left = available * decay + fed * (1 - decay) - drawn * (hours - (1 - decay) / k)
            slope = k * decay * (fed - available) - drawn * (1 - decay)
            step = left / slope
            hours -= step
            if hours < 0:
                hours = 0.0
            enough = 1e-5 * hours + 1e-12  # it converges quadratically: what is left is far less
            if -enough <= step <= enough:
                break
        return hours

    def after(self, state: State, kw: float, hours: float) -> State:
        """Return the state after a constant load."""
        total = state[0] + state[1]
        available = max(0.0, self._available(state, total, kw, hours))
        return (available, max(0.0, total - kw * hours - available))

    def _available(self, state: State, total: float, kw: float, hours: float) -> float:
        """Return the available well after a constant load."""
        k, c = self._k, self._c
        kt = k * hours
        decay = exp(-kt)
        return state[0] * decay + (total * k * c - kw) * (1 - decay) / k - kw * c * (kt - 1 + decay) / k


_PEUKERT = {
    Technology.VRLA: Band(1.3, 1.2, 1.1),
    Technology.FLOODED: Band(1.3, 1.2, 1.1),
    Technology.NICD: Band(1.15, 1.1, 1.05),
    Technology.LFP: Band(1.08, 1.05, 1.02),
}
"""Exponents where the data sheet gives none, as they bound the time: 1.1 to 1.3 for lead, about 1.05 for lithium."""
_MODEL_ERROR = {"table": 0.05, "kinetic": 0.08, "peukert": 0.10}
"""How far a model that was fed right figures may be off."""


def model_of(string: BatteryString) -> tuple[Model, Model, Model, float, str]:
    """Return a string's model for the low, middle and high figure, its relative error, and its name."""
    if string.constant_power:
        table = Table([(point.minutes / 60, point.kw) for point in string.constant_power])
        return table, table, table, _MODEL_ERROR["table"], "table"
    if string.kibam_c is not None and string.kibam_k_per_h is not None:
        kinetic = Kinetic(string.capacity_kwh, string.rated_h, string.kibam_c, string.kibam_k_per_h)
        return kinetic, kinetic, kinetic, _MODEL_ERROR["kinetic"], "kinetic"
    exponents = Band(*[string.peukert] * 3) if string.peukert else _PEUKERT[string.technology]
    low, mid, high = (Peukert(string.capacity_kwh, string.rated_h, it) for it in exponents)
    return low, mid, high, _MODEL_ERROR["peukert"], "peukert"


_LEAD = ((-3.9, 1.52), (1.7, 1.35), (4.4, 1.30), (10.0, 1.19), (15.6, 1.11), (18.3, 1.08), (21.1, 1.04), (25.0, 1.0))
"""IEEE Std 485 Table 1: by how much a lead cell must be larger when it is cold. Warm cells get no credit."""
_TYPICAL_NICD = ((-20.0, 1.40), (-10.0, 1.25), (0.0, 1.12), (10.0, 1.05), (25.0, 1.0))
_TYPICAL_LFP = ((-20.0, 2.0), (-10.0, 1.40), (0.0, 1.15), (10.0, 1.05), (25.0, 1.0))
_COLD = {
    Technology.VRLA: _LEAD,
    Technology.FLOODED: _LEAD,
    Technology.NICD: _TYPICAL_NICD,
    Technology.LFP: _TYPICAL_LFP,
}


@lru_cache(4096)
def temperature_factor(technology: Technology, temp_c: float) -> float:
    """Return the share of its capacity that a string yields at an electrolyte temperature, degrees Celsius."""
    table = _COLD[technology]
    if temp_c >= table[-1][0]:
        return 1.0
    i = max(1, next(i for i, (at_c, _factor) in enumerate(table) if temp_c < at_c))
    (cold_c, cold), (warm_c, warm) = table[i - 1], table[i]
    return 1 / max(1.0, warm + (cold - warm) * (warm_c - temp_c) / (warm_c - cold_c))


def ageing(string: BatteryString, today: date) -> Band:
    """Return the share of its new capacity that a string holds, judged by its age alone.

    It falls to 80 % over the design life (IEEE 450, IEEE 1188; IEEE 485's ageing factor 1.25) and as fast beyond. An
    unknown age counts as the end of life, and may be anything from there to new.
    """
    if string.installed is None:
        return Band(0.75, 0.8, 1.0)
    share = 1 - 0.2 * max(0, (today - string.installed).days) / 365.25 / string.design_life_y
    mid = max(0.3, share)
    return Band(mid - 0.1 * (1 - mid) / 0.2, mid, min(1.0, mid + 0.05))


@dataclass(frozen=True, slots=True)
class Part:
    """Equal strings of a unit, as the autonomy model sees them."""

    name: str
    """`<unit>/<string>`."""
    string: BatteryString
    count: int
    models: tuple[Model, Model, Model]
    error: float
    method: str

    @property
    def capacity_kwh(self) -> float:
        """Energy when new."""
        return self.string.capacity_kwh * self.count


def part_of(unit: str, name: str, string: BatteryString) -> Part:
    """Return the part that a unit's strings of one kind are."""
    *models, error, method = model_of(string)
    low, mid, high = models
    return Part(f"{unit}/{name}", string, string.count, (low, mid, high), error, method)
