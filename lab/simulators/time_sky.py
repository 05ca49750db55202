"""Satellites, receivers and oscillators with their noise and their faults: what the sky would show at an antenna.

Errors of a sound receiver: white noise of its pulse, a slow wander as of ionosphere and multipath, a constant of its
antenna cable. An attack changes what its signals say, not what the clock behind the simulator knows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import cos, pi, radians, sin

M_PER_DEG = 111_320.0
FAULTS = ("jam", "step", "ramp", "meacon", "silent", "frozen", "leap", "week", "walk")
NUMBERS = {"beidou": (6, 9, 13, 16, 19, 21, 23, 25, 27, 30), "gps": (3, 6, 9, 14, 17, 19, 22, 28, 31)}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a receiver's signals, from an instant on."""

    kind: str
    since_s: float
    size: float = 0.0
    """ns of a step or a delay, ns/s of a ramp, s of a leap, weeks, m/s of a walk; of a jam ns/s: many receivers go on
    with pulses by their own oscillator, and 0 is one that stops them."""

    def error_ns(self, at_s: float) -> float:
        """Return by how much the receiver's time is false."""
        age_s = at_s - self.since_s
        match self.kind:
            case "step":
                return self.size
            case "ramp" | "jam":
                return self.size * age_s
            case "meacon":
                return -abs(self.size)
            case "leap":
                return self.size * 1e9
            case "week":
                return self.size * 604_800e9
            case _:
                return 0.0


@dataclass(frozen=True, slots=True)
class SkySatellite:
    """A satellite as a receiver hears it."""

    constellation: str
    number: int
    azimuth_deg: float
    elevation_deg: float
    cn0_db_hz: float
    used: bool


@dataclass(slots=True)
class Receiver:
    """A receiver of one constellation."""

    constellation: str
    lat_deg: float
    lon_deg: float
    height_m: float
    rng: random.Random
    noise_ns: float = 30.0
    wander_ns: float = 20.0
    bias_ns: float = 0.0
    fault: Fault | None = None
    _phase: float = field(init=False)

    def __post_init__(self) -> None:
        self._phase = self.rng.uniform(0, 2 * pi)

    def speaks(self, at_s: float) -> bool:
        """Tell whether anything comes out of it."""
        return not self._has("silent", at_s)

    def pulse_ns(self, at_s: float) -> float | None:
        """Return the error of its pulse, ns, or None where it gives none."""
        if not self.speaks(at_s) or (self._has("jam", at_s) and self.fault and not self.fault.size):
            return None
        own = self.bias_ns + self.rng.gauss(0, self.noise_ns)
        own += self.wander_ns * sin(2 * pi * at_s / 5400 + self._phase)
        if self._has("frozen", at_s):
            assert self.fault is not None
            return own - (at_s - self.fault.since_s) * 1e9
        return own + (self.fault.error_ns(at_s) if self.fault and at_s >= self.fault.since_s else 0.0)

    def position(self, at_s: float) -> tuple[float, float, float]:
        """Return latitude, longitude and height of its solution."""
        east = north = 0.0
        if self._has("walk", at_s):
            assert self.fault is not None
            east = self.fault.size * (at_s - self.fault.since_s)
        if self._has("meacon", at_s):
            north = 250.0
        north, east = north + self.rng.gauss(0, 0.8), east + self.rng.gauss(0, 0.8)
        return (
            self.lat_deg + north / M_PER_DEG,
            self.lon_deg + east / (M_PER_DEG * cos(radians(self.lat_deg))),
            self.height_m + self.rng.gauss(0, 1.5),
        )

    def satellites(self, at_s: float) -> list[SkySatellite]:
        """Return what it hears: low satellites weak, high ones strong; alike where one transmitter speaks for all."""
        found = []
        for n, number in enumerate(NUMBERS[self.constellation]):
            turn = at_s / 43_082 * 2 * pi + n * 2.4
            elevation = 45 + 40 * sin(turn)
            cn0 = 33 + 14 * sin(radians(elevation)) + self.rng.gauss(0, 0.7)
            if self._has("jam", at_s):
                cn0 -= 22
            if self._has("meacon", at_s):
                cn0 = 47.5 + self.rng.gauss(0, 0.4)
            heard = cn0 > 18
            used = heard and elevation > 10 and not self._has("jam", at_s)
            found.append(SkySatellite(self.constellation, number, (n * 40 + at_s / 240) % 360, elevation,
                                      max(cn0, 0.0) if heard else 0.0, used))  # fmt: skip
        return found

    def _has(self, kind: str, at_s: float) -> bool:
        return self.fault is not None and self.fault.kind == kind and at_s >= self.fault.since_s


@dataclass(slots=True)
class TrueOscillator:
    """An oscillator with white phase noise, frequency that walks, and ageing; moved on second by second."""

    rng: random.Random
    y_ppb: float
    walk_ppb_per_hour: float
    white_ns: float
    ageing_ppb_per_day: float = 0.0
    at_s: float = 0.0
    x_ns: float = 0.0

    def ahead(self, at_s: float) -> float:
        """Move on to a later time and return true time less oscillator's time, ns."""
        h = at_s - self.at_s
        if h > 0:
            self.x_ns += self.y_ppb * h + self.rng.gauss(0, self.white_ns * h**0.5)
            self.y_ppb += self.rng.gauss(0, self.walk_ppb_per_hour * (h / 3600) ** 0.5)
            self.y_ppb += self.ageing_ppb_per_day * h / 86_400
            self.at_s = at_s
        return self.x_ns
