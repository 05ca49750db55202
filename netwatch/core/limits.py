"""Thresholds: with hysteresis, or against what is usual for the value itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

LEARN: Final = 60
"""Values that have to be seen before what is usual is known."""
_SHARE: Final = 0.02
"""Weight of a new value in what is usual: about the last fifty count."""
_STEADY: Final = 0.01
"""Least deviation, as a share of the mean: a value that never moved may move a little."""


def beyond(value: float, *, above: float | None, below: float | None, clear: float | None, raised: bool) -> bool:
    """Tell whether a value is beyond a threshold, given whether it was before.

    Args:
        value: the value.
        above: beyond is more than this, or
        below: beyond is less than this.
        clear: once beyond, it is so until back at this; the threshold itself where None.
        raised: whether it was beyond before.
    """
    if above is not None:
        return value > (above if clear is None or not raised else clear)
    assert below is not None
    return value < (below if clear is None or not raised else clear)


@dataclass(slots=True)
class Usual:
    """What is usual for a value: its mean and deviation, exponentially weighted (West 1979).

    While a value is unusual it teaches nothing, so that a lasting fault does not become the custom.
    """

    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0
    raised: bool = False

    def unusual(self, value: float, deviations: float) -> bool:
        """Take a value; tell whether it is further from the mean than so many deviations.

        It stays unusual until within half of that.
        """
        if self.seen >= LEARN:
            allowed = deviations * max(sqrt(self.variance), _STEADY * abs(self.mean))
            distance = abs(value - self.mean)
            self.raised = distance > (allowed / 2 if self.raised else allowed)
            if self.raised:
                return True
        self.seen += 1
        share = max(_SHARE, 1 / self.seen)
        difference = value - self.mean
        self.mean += share * difference
        self.variance = (1 - share) * (self.variance + share * difference * difference)
        return False
