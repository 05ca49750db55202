"""When a device is asked next: spread over the period, sooner in doubt, more seldom when dead. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zlib import crc32

SOFT_SHARE: Final = 0.4
"""In a soft state the next question comes after this share of the period."""
_SPREAD: Final = 0.1


def phase(name: str) -> float:
    """Return where in the period a device's turn is, 0 to 1: the same in every life, evenly spread over devices."""
    return crc32(name.encode()) / 2**32


@dataclass(slots=True)
class Pace:
    """One device's rhythm.

    Args:
        name: the device's.
        period_s: between questions while all is well.
        most_s: between questions to a device that is dead.
    """

    name: str
    period_s: float
    most_s: float = 60.0
    _wait_s: float = 0.0
    _turn: int = 0

    def first(self) -> float:
        """Return how long to wait before the first question."""
        return phase(self.name) * self.period_s

    def after(self, *, soft: bool, down: bool) -> float:
        """Return how long after one question's turn the next one comes, seconds.

        The way back from a dead device's seldom questions is one step: its first answer makes it soft. Turns to dead
        devices are spread a little anew each time, so that those that died together are not asked together.
        """
        if soft:
            self._wait_s = 0.0
            return self.period_s * SOFT_SHARE
        if not down:
            self._wait_s = 0.0
            return self.period_s
        self._wait_s = min(self.most_s, max(self.period_s, 1.5 * self._wait_s))
        self._turn += 1
        return self._wait_s * (1 + _SPREAD * (phase(f"{self.name}#{self._turn}") - 0.5))
