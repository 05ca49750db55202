"""A sliding window of measurements, in ten steps: recording is an addition, the oldest tenth falls off at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from .quality_types import Figures

STEPS: Final = 10


class Step:
    """What was learnt in a tenth of a window. Delays are seconds; one-way ones have an arbitrary, common zero."""

    __slots__ = (
        "answered", "backward", "burst", "delays", "duplicates", "forward", "late", "lost", "lost_backward",
        "lost_forward", "reordered",
    )  # fmt: skip

    def __init__(self) -> None:
        self.answered = self.lost = self.lost_forward = self.lost_backward = self.burst = 0
        self.reordered = self.duplicates = self.late = 0
        self.delays: list[float] = []
        self.forward: list[float] = []
        self.backward: list[float] = []


class Window:
    """The last ten complete steps, and the one that is being filled.

    Args:
        length_s: of the window, seconds.
        now: monotonic seconds.

    Attributes:
        step: where to record.
        step_ends_at: when `turn` is due, monotonic seconds.
    """

    __slots__ = ("_step_s", "_steps", "step", "step_ends_at")

    def __init__(self, length_s: float, now: float) -> None:
        self._step_s = length_s / STEPS
        self._steps: deque[Step] = deque(maxlen=STEPS)
        self.clear(now)

    def clear(self, now: float) -> None:
        """Forget everything and start anew."""
        self._steps.clear()
        self.step = Step()
        self.step_ends_at = now + self._step_s

    def turn(self, now: float) -> None:
        """Close the present step, and leave as many empty ones as went by unnoticed."""
        for series in (self.step.delays, self.step.forward, self.step.backward):
            series.sort()  # so that `_merged` has ten sorted runs to merge
        self._steps.append(self.step)
        behind = int((now - self.step_ends_at) / self._step_s)
        self._steps.extend(Step() for _ in range(min(behind, STEPS)))
        self.step = Step()
        self.step_ends_at += (behind + 1) * self._step_s

    def figures(self, *, directions: bool) -> Figures:
        """Return the figures of the complete steps.

        Args:
            directions: whether losses can be told apart by direction.
        """
        steps = self._steps
        answered = sum(step.answered for step in steps)
        lost = sum(step.lost for step in steps)
        forward = sum(step.lost_forward for step in steps)
        backward = sum(step.lost_backward for step in steps)
        probes = answered + lost
        delays = _merged(step.delays for step in steps)
        most = _spread(delays)  # a one-way spread beyond the two-way one is the reflector's clock, not the path
        return Figures(
            probes=probes,
            answered=answered,
            loss_pct=_share(lost, probes),
            loss_forward_pct=_share(forward, probes) if directions else None,
            loss_backward_pct=_share(backward, probes - forward) if directions else None,
            burst=max((step.burst for step in steps), default=0),
            delay_ms=delays[len(delays) // 2] * 1000 if delays else None,
            jitter_forward_ms=_least(most, _spread(_merged(step.forward for step in steps))),
            jitter_backward_ms=_least(most, _spread(_merged(step.backward for step in steps))),
            reordered=sum(step.reordered for step in steps),
            duplicates=sum(step.duplicates for step in steps),
            late=sum(step.late for step in steps),
        )


def _merged(series: Iterable[list[float]]) -> list[float]:
    merged = [value for values in series for value in values]
    merged.sort()
    return merged


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole > 0 else None


def _spread(ordered: list[float]) -> float | None:
    """Return how far the 95th percentile lies above the least value, ms (RFC 5481 4.2).

    Rounded down in rank, so that a single outlier is never the 95th percentile of two values or more.
    """
    return (ordered[(len(ordered) - 1) * 95 // 100] - ordered[0]) * 1000 if len(ordered) > 1 else None


def _least(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)
