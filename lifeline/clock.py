"""The only place that reads a clock.

Cores take `now` as an argument; shells get it here. Monotonic time orders and measures; wall time only labels.
"""

from __future__ import annotations

import time


def monotonic_s() -> float:
    """Return CLOCK_MONOTONIC in seconds: never jumps, the same for every process of this machine."""
    return time.monotonic()


def monotonic_ns() -> int:
    """Return CLOCK_MONOTONIC in nanoseconds."""
    return time.monotonic_ns()


def wall_ns() -> int:
    """Return CLOCK_REALTIME in nanoseconds since the epoch, UTC. It may jump: label with it, never measure."""
    return time.time_ns()
