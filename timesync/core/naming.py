"""What a source's being off looks like: weeks, leap seconds, a replay, a step, a ramp."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from .reasons import Evidence, Reason

_SECOND_NS: Final = 1e9
_WEEK_NS: Final = 604_800e9
_STEP_SHARE: Final = 0.6
"""What comes in one jump, by this share of the whole, is a step; what comes bit by bit a ramp."""


def name_of(misses: Sequence[float], off_ns: float, limit: float, by: str, doubts: Collection[str]) -> Evidence:
    """Return the evidence, under the name of what it looks like.

    Args:
        misses: the source's latest readings less what the model expects, ns, oldest first.
        off_ns: by how much it is off.
        limit: how much would have been allowed, ns.
        by: against what.
        doubts: names of what is suspicious about it.
    """
    seconds, weeks = off_ns / _SECOND_NS, off_ns / _WEEK_NS
    if abs(seconds) > 0.9 and abs(seconds - round(seconds)) < 0.1:
        if abs(weeks) > 0.9 and abs(weeks - round(weeks)) < 1e-5:
            return Evidence(Reason.WEEK, "weeks", round(weeks), 0, "weeks", by)
        return Evidence(Reason.LEAP, "whole-seconds", round(seconds), 0, "s", by)
    if off_ns < 0 and "cn0-even" in doubts:
        return Evidence(Reason.MEACONED, "late-and-even", off_ns, limit, "ns", by)
    jump = max((abs(b - a) for a, b in pairwise(misses)), default=0.0)
    step = bool(misses) and jump > _STEP_SHARE * abs(misses[-1])
    return Evidence(Reason.STEP if step else Reason.RAMP, "offset", off_ns, limit, "ns", by)
