"""What the arbiter answers: the sources with their reasons, the clock's state, and how well the time is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lifeline.model.timing import TimeSourceKind

from .clockmodel import ClockModel
from .reasons import ClockState, Evidence, Reason, Suspicion
from .source import Telemetry


@dataclass(frozen=True, slots=True)
class Change:
    """A source's reason, or (without a name) the clock's state, has changed."""

    source: str
    before: str
    after: str
    because: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source as the arbiter sees it."""

    name: str
    kind: TimeSourceKind
    reason: Reason | None
    """Why it is not selected; None where it is."""
    evidence: tuple[Evidence, ...]
    verdict: Reason | None
    """What it has been accused of, until it has qualified."""
    offset_ns: float | None
    """Off the trusted time."""
    uncertainty_ns: float
    """How far a sound source of this make may be off, one sigma."""
    heard_s: float | None
    since_s: float
    """Since when the reason holds."""
    qualifies_in_s: float | None
    suspicions: tuple[Suspicion, ...]
    telemetry: Telemetry | None
    excluded_by: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds at a moment."""

    at_s: float
    state: ClockState
    selected: frozenset[str]
    serve: bool
    """Whether the site's time may be given on."""
    bound_ns: float | None
    """The time's error does not exceed this, three sigmas; None where nobody knows."""
    floor_ns: float
    """What the best source may be off, one sigma: nothing here is known better than that."""
    limit_ns: float
    left_low_s: float
    """How long the time stays within the limit without any source, at three sigmas; by this service is withdrawn."""
    left_mid_s: float
    left_high_s: float
    corroborated: bool
    """Whether two independent sources agree; else one is believed for want of another."""
    sources: Mapping[str, SourceView]
    changes: tuple[Change, ...]
    model: ClockModel | None
    since_s: float
    chosen: tuple[str, ...] | None
    chosen_by: str


def word(reason: Reason | None) -> str:
    """Return a source's standing as a word."""
    return "selected" if reason is None else reason.value
