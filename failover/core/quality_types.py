"""What goes into the measurement of a path, its configuration, and what comes out, its effects and figures."""

from __future__ import annotations

from dataclasses import dataclass

from .stamp import SenderPacket

PROBES_PER_WINDOW = 20, 10_000
"""Least and most; with fewer a percentile means little, with more a judgement takes too long."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Degraded from `raise_at` on, until `clear_at` or less; what lies between changes nothing.

    Raises:
        ValueError: they are not apart.
    """

    raise_at: float
    clear_at: float

    def __post_init__(self) -> None:
        if not 0 <= self.clear_at < self.raise_at:
            raise ValueError(f"clear_at {self.clear_at:g} must be at least 0 and less than raise_at {self.raise_at:g}")

    def judge(self, value: float, *, degraded: bool) -> bool:
        """Return whether a value counts as degraded, given whether it did before."""
        return value > self.clear_at if degraded else value >= self.raise_at


@dataclass(frozen=True, slots=True)
class QualityConfig:
    """What the administrator decides about the measurement of a path.

    Raises:
        ValueError: a value makes no sense; the text says which.
    """

    interval_s: float
    """Between probes."""
    window_s: float
    """How far back figures look; they are judged ten times in each window."""
    timeout_s: float = 2.0
    """An answer later than this is a lost probe; a silence this long is an outage, which is BFD's to tell."""
    loss_pct: Threshold | None = None
    """Share of probes lost, judged in each direction."""
    delay_ms: Threshold | None = None
    """Median two-way delay without the time spent in the reflector."""
    jitter_ms: Threshold | None = None
    """95th percentile of one-way delay above the least one (RFC 5481 4.2), judged in each direction."""
    stateful: bool = True
    """Whether the reflector numbers its answers itself; if not, no direction can be told for losses."""
    ssid: int = 0
    """STAMP Session Identifier (RFC 8972 3), 0 for none."""

    def __post_init__(self) -> None:
        least, most = PROBES_PER_WINDOW
        if self.interval_s <= 0 or self.timeout_s <= 0:
            raise ValueError("interval_s and timeout_s must be more than 0")
        if not least <= self.probes_per_window <= most:
            raise ValueError(f"{self.probes_per_window} probes in a window, must be {least} to {most}")
        if self.loss_pct and self.loss_pct.raise_at * self.probes_per_window < 200:
            raise ValueError("loss_pct.raise_at is less than two probes of a window")
        if self.delay_ms and self.delay_ms.raise_at >= self.timeout_s * 1000:
            raise ValueError("delay_ms.raise_at is beyond timeout_s")

    @property
    def probes_per_window(self) -> int:
        """How many probes a window holds."""
        return round(self.window_s / self.interval_s)

    @property
    def least_probes(self) -> int:
        """How many a window must hold before it is judged: half of what it may."""
        return self.probes_per_window // 2


@dataclass(frozen=True, slots=True)
class Figures:
    """A window of measurements. What is not known is None. Forward is from here to the reflector."""

    probes: int
    """Probes whose fate is known, outages left out."""
    answered: int
    loss_pct: float | None
    loss_forward_pct: float | None
    loss_backward_pct: float | None
    """Of the probes that reached the reflector."""
    burst: int
    """The most probes lost in a row."""
    delay_ms: float | None
    """Median of the two-way delay."""
    jitter_forward_ms: float | None
    jitter_backward_ms: float | None
    reordered: int
    """Answers that a later probe's answer overtook."""
    duplicates: int
    late: int
    """Answers that came after their probe was given up as lost."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this packet now."""

    packet: SenderPacket


@dataclass(frozen=True, slots=True)
class SignalDegrade:
    """The path is now known to be degraded, or to be no longer. `reasons` are clauses for people."""

    raised: bool
    reasons: tuple[str, ...]
    figures: Figures
    at: float


Effect = Send | SignalDegrade
