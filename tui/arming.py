"""Arming: nothing can be commanded until one has said that one means to, and that runs out by itself. No clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ARMED_S: Final = 300


@dataclass(slots=True)
class Arming:
    """Whether commands are allowed now. Times are this machine's monotonic nanoseconds."""

    until_ns: int = 0

    def arm(self, now_ns: int) -> None:
        """Allow commands from now on for `ARMED_S`."""
        self.until_ns = now_ns + ARMED_S * 1_000_000_000

    def disarm(self) -> None:
        """Allow no more commands."""
        self.until_ns = 0

    def left_s(self, now_ns: int) -> float:
        """Return how many seconds commands are still allowed, 0 when they are not."""
        return max(0, self.until_ns - now_ns) / 1e9
