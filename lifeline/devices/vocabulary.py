"""The vocabulary: the names under which every device's values are told, their units, and what is plausible."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from ..model.fields import STRICT
from ..model.inventory import DeviceKind
from ..model.records import PerceivedSeverity, ProbableCause, Quality
from .model import Metric, Numbers, UnitText, no_flag


class Health(StrEnum):
    """How well a state is. Unknown is never healthy."""

    OK = "ok"
    WARNING = "warning"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def severity(self) -> PerceivedSeverity:
        """The X.733 severity that says the same."""
        if self is Health.OK:
            return PerceivedSeverity.CLEARED
        return PerceivedSeverity.INDETERMINATE if self is Health.UNKNOWN else PerceivedSeverity(self.value)


@dataclass(frozen=True, slots=True, config=STRICT)
class MetricEntry:
    """A measured quantity."""

    unit: UnitText
    """Unit of its values."""
    text: str
    """What it is."""
    range: Annotated[Numbers, Field(min_length=2, max_length=2)] | None = None
    """Least and greatest plausible value; counters and identifiers have none."""

    @property
    def counter(self) -> bool:
        """Whether it only grows, until it wraps or the device restarts; its text says so."""
        return self.text.endswith("(counter)")


@dataclass(frozen=True, slots=True, config=STRICT)
class StateEntry:
    """A state with named values."""

    text: str
    """What it tells."""
    words: dict[str, Health]
    """Its values and how well each is."""
    cause: ProbableCause = ProbableCause.INDETERMINATE
    """X.733 probable cause of what is not well."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Holds:
    """A thing that can be true of what a device says: of every good value of a metric, or of a state."""

    metric: Metric | None = None
    """The metric: all its good values must comply, and there must be one."""
    below: float | None = None
    """Less than this."""
    above: float | None = None
    """More than this."""
    state: Metric | None = None
    """The state."""
    words: list[str] = Field(default_factory=list)
    """One of these words."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        numeric = self.metric is not None and (self.below is not None or self.above is not None)
        if numeric is (self.state is not None and bool(self.words)):
            raise ValueError(_("needs 'metric' with 'below' or 'above', or 'state' with 'words'"))
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Check:
    """A contradiction between what a device says here and there."""

    kinds: list[DeviceKind]
    """Devices it applies to."""
    when: Annotated[list[Holds], Field(min_length=1)]
    """All of these hold."""
    metrics: Annotated[list[Metric], Field(min_length=1)]
    """Values that cannot be trusted then."""
    because: str
    """Why."""
    quality: Literal[Quality.SUSPECT, Quality.MISSING] = Quality.SUSPECT
    """What becomes of them."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Vocabulary:
    """All names."""

    vocabulary: Annotated[Literal[1], BeforeValidator(no_flag)]
    """Format version."""
    metrics: dict[Metric, MetricEntry]
    """Measured quantities."""
    states: dict[Metric, StateEntry]
    """States."""
    checks: list[Check] = Field(default_factory=list)
    """Contradictions looked for in every device of a kind."""

    def metric(self, name: str) -> MetricEntry | None:
        """Return a metric's entry."""
        return self.metrics.get(name)

    def state(self, name: str) -> StateEntry | None:
        """Return a state's entry; `alarm.*` stands for every alarm that has none of its own."""
        return self.states.get(name) or self.states.get(f"{name.split('.', 1)[0]}.*")
