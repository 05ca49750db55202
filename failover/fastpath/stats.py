"""Counters of the fast path, for its snapshots."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any


class Stats:
    """What went late, what was refused, what it cost.

    Attributes:
        graces: how often the other end was given an interval because we woke up late.
    """

    def __init__(self) -> None:
        self.graces = 0
        self._late_wakeups = 0
        self._worst_s = 0.0
        self._worst_recent_s = 0.0
        self._refused: Counter[str] = Counter()

    def woke_late(self, lateness_s: float, threshold_s: float) -> None:
        """Count a wake-up by how long after its deadline it came, which delays a transmission by as much."""
        self._worst_recent_s = max(self._worst_recent_s, lateness_s)
        if lateness_s > threshold_s:
            self._late_wakeups += 1

    def refuse(self, reason: str) -> None:
        """Count a packet that was not for us; only the first 32 reasons are told apart."""
        self._refused[reason if reason in self._refused or len(self._refused) < 32 else "other"] += 1

    def body(self) -> dict[str, Any]:
        """Return the counters; `lateness_max_ms` covers the time since the last call."""
        recent, self._worst_recent_s = self._worst_recent_s, 0.0
        self._worst_s = max(self._worst_s, recent)
        return {
            "late_wakeups": self._late_wakeups,
            "lateness_max_ms": round(recent * 1000, 3),
            "lateness_worst_ms": round(self._worst_s * 1000, 3),
            "graces": self.graces,
            "refused": dict(self._refused),
            "cpu_s": round(time.process_time(), 3),
        }
