"""When the kernel saw a packet, on the monotonic clock.

SO_TIMESTAMPNS and SO_TIMESTAMPING stamp wall time, which may jump; everything here measures on the monotonic clock.
"""

from __future__ import annotations

import struct
from typing import Final

from lifeline import clock

SO_TIMESTAMPNS: Final = 35  # Linux; the socket module does not name it
TIMESPEC: Final = struct.Struct("@qq")
_STALE_NS = 10_000_000_000
_EARLY_NS = 100_000_000
_PRECISE_NS = 20_000


class KernelClock:
    """Carries the kernel's stamps over to the monotonic clock. `read` it before each drain."""

    __slots__ = ("_offset_ns",)

    def __init__(self) -> None:
        self._offset_ns = 0

    def read(self) -> None:
        """Learn how far the clocks are apart; again if we were interrupted between one reading and the other."""
        for _ in range(3):
            before_ns, wall_ns, after_ns = clock.monotonic_ns(), clock.wall_ns(), clock.monotonic_ns()
            self._offset_ns = (before_ns + after_ns) // 2 - wall_ns
            if after_ns - before_ns < _PRECISE_NS:
                return

    def monotonic_s(self, timespec: bytes) -> float | None:
        """Return the moment of a stamp, monotonic seconds; None when the wall clock jumped in between."""
        seconds, nanoseconds = TIMESPEC.unpack_from(timespec)
        at_ns = seconds * 1_000_000_000 + nanoseconds + self._offset_ns
        age_ns = clock.monotonic_ns() - at_ns
        return float(at_ns / 1e9) if -_EARLY_NS < age_ns < _STALE_NS else None
