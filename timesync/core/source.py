"""What is known of one source: its latest samples, what its receiver says, and what is usual for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from lifeline.model.timing import TimeSourceKind

from .reasons import Evidence, Reason

KEPT = 64
CONFIRM = 3
"""The median of so many samples counts: one outlier convicts nobody."""
_USUAL_S = 600.0
"""Time constant of what counts as usual."""


class Sample(NamedTuple):
    """One reading of a source's clock against the oscillator."""

    at_s: float
    """Oscillator's time."""
    phase_ns: float
    """Source's time less oscillator's time, from an origin that is common to all sources."""
    sigma_ns: float
    """What this reading adds to the source's own uncertainty: half the round trip, the resolution of a text."""


class Satellite(NamedTuple):
    """A satellite as a receiver sees it."""

    constellation: str
    number: int
    cn0_db_hz: float | None
    used: bool
    elevation_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a receiver, server or clock says of itself; None is unknown, and unknown is not sound."""

    at_s: float
    fix: int | None = None
    """0 or 1 none, 2 two dimensions, 3 three, 5 time only."""
    satellites: tuple[Satellite, ...] | None = None
    used: int | None = None
    """Satellites used, where they are not told one by one."""
    jamming: str | None = None
    """none, mitigated, raised."""
    spoofing: str | None = None
    """none, indicated, raised."""
    position: tuple[float, float, float | None] | None = None
    """Latitude and longitude, degrees; ellipsoidal height, m."""
    leap_s: int | None = None
    """GPS time less UTC."""
    date_error_s: float | None = None
    """Its date and time less this machine's, s: what no pulse tells."""
    synchronised: bool | None = None
    """Whether a server or clock says that it follows something."""
    stands_still: bool = False
    """Whether it tells the same time again and again."""
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def used_count(self) -> int | None:
        """Satellites used, of all constellations."""
        if self.satellites is not None and any(it.used for it in self.satellites):
            return sum(it.used for it in self.satellites)
        return self.used

    def cn0(self, *, used: bool = False) -> list[float]:
        """Return the C/N0 of each satellite that is heard, dB-Hz."""
        return [it.cn0_db_hz for it in self.satellites or () if it.cn0_db_hz and (it.used or not used)]


@dataclass(slots=True)
class SourceState:
    """One source between looks.

    Attributes:
        verdict: why it was last out, until it has qualified.
        clean_since_s: since when nothing has spoken against it.
        qualified: whether it has been sound for long enough.
    """

    name: str
    kind: TimeSourceKind
    sigma_ns: float
    poll_s: float = 1.0
    has_pulses: bool = True
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT))
    telemetry: Telemetry | None = None
    heard_s: float | None = None
    usual_cn0: float | None = None
    usual_used: float | None = None
    far_fixes: int = 0
    verdict: Reason | None = None
    because: tuple[Evidence, ...] = ()
    clean_since_s: float | None = None
    qualified: bool = False
    suspended: bool = False
    """Whether it was qualified until another disagreed with it, which is not resolved."""

    @property
    def accused(self) -> bool:
        """Whether it has been accused, and has not qualified since."""
        return self.verdict is not None and self.verdict.accuses

    def saying(self, telemetry: Telemetry) -> SourceState:
        """Return a copy that says this, to be looked at."""
        return SourceState(
            self.name, self.kind, self.sigma_ns, self.poll_s, self.has_pulses, self.samples, telemetry,
            usual_cn0=self.usual_cn0, usual_used=self.usual_used, far_fixes=self.far_fixes,
        )  # fmt: skip

    def forget(self) -> None:
        """Reset its history: what it said while it was wrong speaks for nothing."""
        self.samples.clear()
        self.far_fixes = 0

    def forget_but(self, latest: int) -> None:
        """Forget all but the latest samples."""
        for _ in range(len(self.samples) - latest):
            self.samples.popleft()

    def usual(self, telemetry: Telemetry) -> None:
        """Let what a sound receiver says become what is usual for it."""
        before, strengths = self.telemetry, telemetry.cn0()
        share = 1.0 if before is None else min(max(telemetry.at_s - before.at_s, 0.0) / _USUAL_S, 1.0)
        if len(strengths) >= 4:
            now = median(strengths)
            self.usual_cn0 = now if self.usual_cn0 is None else self.usual_cn0 + share * (now - self.usual_cn0)
        if (used := telemetry.used_count) is not None:
            self.usual_used = used if self.usual_used is None else self.usual_used + share * (used - self.usual_used)

    def uncertainty_ns(self) -> float:
        """Return how far a sound source's median of late may be off, one sigma, ns."""
        worst = max((it.sigma_ns for it in self.recent()), default=0.0)
        return float((self.sigma_ns**2 + worst**2) ** 0.5)

    def recent(self) -> list[Sample]:
        """Return the samples whose median counts."""
        return list(self.samples)[-CONFIRM:]
