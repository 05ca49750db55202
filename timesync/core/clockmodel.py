"""The oscillator as a source: x(t) = x0 + y0 t + D t^2 / 2, learnt while sources are sound, trusted while none is.

A Kalman filter of three states: phase x (ns), frequency y (ns/s, which is 10^-9), drift D (10^-9 per s). Frequency
wanders at random and phase has white noise (the usual two-state clock model, e.g. Galleani, "A tutorial on the
two-state model of the atomic clock noise", Metrologia 45 (2008)); the drift is a constant within the stated ageing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from lifeline.model.timing import Oscillator

_HOUR_S = 3600.0
_DAY_S = 86_400.0
HORIZON_S = 30 * _DAY_S
"""No holdover is reckoned further."""

Covariance = tuple[float, float, float, float, float, float]
"""xx, xy, xd, yy, yd, dd of a symmetric matrix."""


@dataclass(frozen=True, slots=True)
class ClockModel:
    """What is known of the oscillator's phase at `at_s`; immutable, so that a copy is a witness of its time."""

    oscillator: Oscillator
    at_s: float
    x_ns: float
    y_ppb: float
    d_ppb_s: float
    p: Covariance

    @classmethod
    def begin(cls, oscillator: Oscillator, at_s: float, phase_ns: float, sigma_ns: float) -> ClockModel:
        """Return a model that knows one phase, and of frequency and drift no more than the oscillator's bounds."""
        spread = oscillator.ageing_ppb_per_day / _DAY_S
        return cls(oscillator, at_s, phase_ns, 0.0, 0.0,
                   (sigma_ns**2, 0.0, 0.0, oscillator.most_ppb**2, 0.0, spread**2))  # fmt: skip

    def ahead(self, at_s: float) -> ClockModel:
        """Return the model at another time, with what has grown of its uncertainty."""
        h = at_s - self.at_s
        _xx, xy, xd, yy, yd, dd = self.p
        walk = self.oscillator.random_walk_ppb**2 / _HOUR_S
        half, age = h * h / 2, abs(h)
        p = (
            self._variance(h),
            xy + h * (xd + yy) + (h * h + half) * yd + h * half * dd + walk * age * h / 2,
            xd + h * yd + half * dd,
            yy + 2 * h * yd + h * h * dd + walk * age,
            yd + h * dd,
            dd,
        )  # fmt: skip
        x_ns = self.x_ns + h * self.y_ppb + half * self.d_ppb_s
        return ClockModel(self.oscillator, at_s, x_ns, self.y_ppb + h * self.d_ppb_s, self.d_ppb_s, p)

    def _variance(self, h: float) -> float:
        """Return the phase's variance h seconds from `at_s`, ns^2: `ahead`'s first entry, without the others."""
        xx, xy, xd, yy, yd, dd = self.p
        half, age = h * h / 2, abs(h)
        grown = self.oscillator.white_ns**2 * age + self.oscillator.random_walk_ppb**2 / _HOUR_S * age**3 / 3
        return xx + 2 * h * xy + 2 * half * xd + h * h * yy + 2 * h * half * yd + half * half * dd + grown

    def learn(self, at_s: float, phase_ns: float, sigma_ns: float) -> ClockModel:
        """Return the model that has seen a sound source's phase."""
        now = self.ahead(at_s)
        xx, xy, xd, yy, yd, dd = now.p
        s = xx + sigma_ns**2
        kx, ky, kd = xx / s, xy / s, xd / s
        miss = phase_ns - now.x_ns
        p = (xx - kx * xx, xy - kx * xy, xd - kx * xd, yy - ky * xy, yd - ky * xd, max(dd - kd * xd, 0.0))
        return ClockModel(
            self.oscillator, at_s, now.x_ns + kx * miss, now.y_ppb + ky * miss, now.d_ppb_s + kd * miss, p
        )

    def phase_ns(self, at_s: float) -> float:
        """Return the phase that is expected at a time."""
        h = at_s - self.at_s
        return self.x_ns + h * self.y_ppb + h * h / 2 * self.d_ppb_s

    def sigma_ns(self, at_s: float | None = None) -> float:
        """Return how uncertain that phase is, one sigma."""
        return sqrt(max(self.p[0] if at_s is None else self._variance(at_s - self.at_s), 0.0))

    def lasts_s(self, limit_ns: float, floor_ns: float, k: float) -> float:
        """Return for how long k sigma of phase and floor together stay within a limit; 0 where they do not now.

        Args:
            limit_ns: greatest error that the network bears.
            floor_ns: what the best source was uncertain by, one sigma; the model can never know better.
            k: how many sigmas count.
        """

        def beyond(h: float) -> bool:
            return k * sqrt(self._variance(h) + floor_ns**2) > limit_ns

        if beyond(0.0):
            return 0.0
        if not beyond(HORIZON_S):
            return HORIZON_S
        low, high = 0.0, HORIZON_S
        while high - low > max(0.5, low / 1000):
            middle = (low + high) / 2
            low, high = (low, middle) if beyond(middle) else (middle, high)
        return low
