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


def free_running() -> tuple[int, int, int]:
    """Read the oscillator that nobody steers beside the clock that is steered.

    Returns:
        CLOCK_MONOTONIC_RAW in ns, CLOCK_REALTIME at the same moment in ns, and half the time that reading took, ns:
        the two belong together no better than that.
    """
    best = (0, 0, 1 << 62)
    for _ in range(5):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        wall = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        if after - before < 2 * best[2]:
            best = ((before + after) // 2, wall, (after - before) // 2)
    return best
