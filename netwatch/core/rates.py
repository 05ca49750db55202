"""Rates from counters that wrap and devices that restart. A rate that cannot be known is None, never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_TICKS_S: Final = 2**32 / 100
"""sysUpTime counts hundredths in 32 bits: it wraps after 497 days (RFC 3418)."""
_SLACK_S: Final = 3.0
_DRIFT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """A counter's value and when it was seen, on our clock and on the device's."""

    value: float
    at_s: float
    uptime_s: float | None = None


def restarted(before_s: float | None, now_s: float | None, elapsed_s: float) -> bool:
    """Tell whether a device has restarted between two looks at its sysUpTime.

    Args:
        before_s: sysUpTime at the first look; None where it is not told.
        now_s: at the second.
        elapsed_s: between them, on our clock.
    """
    if before_s is None or now_s is None:
        return False
    expected_s = before_s + elapsed_s
    slack_s = _SLACK_S + _DRIFT * elapsed_s
    return now_s < expected_s - slack_s and abs(now_s + _TICKS_S - expected_s) > slack_s


def rate(before: Sample, now: Sample, bits: int = 32) -> float | None:
    """Return how fast a counter grows, per second; None after a restart or a reset, or without time between.

    A counter that is lower than before has wrapped if that makes it grow by less than half its range; else it was
    set back. One of 64 bits does not wrap within a machine's life (RFC 2863 3.1.6).
    """
    elapsed_s = now.at_s - before.at_s
    if elapsed_s <= 0 or restarted(before.uptime_s, now.uptime_s, elapsed_s):
        return None
    grown = now.value - before.value
    if grown < 0:
        grown += 2**bits
        if bits == 64 or not 0 <= grown < 2 ** (bits - 1):
            return None
    return grown / elapsed_s
