"""Damping: a path that fails again and again is not returned to for a while (the penalty of RFC 2439, for a path).

Each failure adds to a penalty, which halves in `half_life_s`. Above `suppress` the path is suppressed until the penalty
has fallen to `reuse`. Suppression holds back the return to a path that works; it never keeps traffic on a path that has
failed, and never delays leaving one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2


@dataclass(frozen=True, slots=True)
class DampingConfig:
    """How flapping is judged.

    Raises:
        ValueError: the thresholds are not in order.
    """

    penalty: float = 1000.0
    """What one failure costs."""
    half_life_s: float = 60.0
    suppress: float = 3000.0
    reuse: float = 1000.0
    maximum: float = 8000.0
    """No penalty is greater: a path is never suppressed longer than log2(maximum / reuse) half-lives."""

    def __post_init__(self) -> None:
        for name in ("penalty", "half_life_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name):g}, must be above 0")
        if not 0 < self.reuse < self.suppress <= self.maximum:
            raise ValueError(
                f"must be 0 < reuse < suppress <= maximum, but they are {self.reuse:g}, {self.suppress:g} and"
                f" {self.maximum:g}"
            )


class Damping:
    """The penalty of one path over time; monotonic seconds."""

    __slots__ = ("_at", "_config", "_penalty", "_reuse_at")

    def __init__(self, config: DampingConfig) -> None:
        self._config = config
        self._penalty = 0.0
        self._at = 0.0
        self._reuse_at: float | None = None

    def failed(self, now: float) -> None:
        """Count a failure."""
        config = self._config
        was_suppressed = self.suppressed(now)
        self._penalty = min(self.penalty(now) + config.penalty, config.maximum)
        self._at = now
        if was_suppressed or self._penalty >= config.suppress:
            self._reuse_at = now + config.half_life_s * log2(self._penalty / config.reuse)

    def penalty(self, now: float) -> float:
        """Return the penalty as it has decayed."""
        return self._penalty * 2.0 ** ((self._at - now) / self._config.half_life_s) if self._penalty else 0.0

    def suppressed(self, now: float) -> bool:
        """Return whether the path is not to be returned to."""
        return self._reuse_at is not None and now < self._reuse_at

    @property
    def reuse_at(self) -> float:
        """When the path may be returned to, monotonic seconds; 0 when it was never suppressed."""
        return self._reuse_at or 0.0

    def reuse_in_s(self, now: float) -> float:
        """Return how long the path stays suppressed; 0 when it is not."""
        return max(0.0, self.reuse_at - now)
