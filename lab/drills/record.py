"""What a drill leaves behind: `lifeline.drill/1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from lifeline.model.records import Json

from ..probe import Traffic

SCHEMA = "lifeline.drill/1"


class Verdict(StrEnum):
    """How a drill is rated. A drill that found the network unfit was not run, and proves nothing."""

    PASS = "pass"
    FAIL = "fail"
    NOT_RUN = "not-run"


@dataclass(frozen=True, slots=True)
class Target:
    """What a drill of a protection group is aimed at."""

    site: str
    core: str
    """The far end of the group."""
    group: str
    working: str
    protection: str

    @property
    def ends(self) -> tuple[str, str]:
        """Both sites whose selectors must act."""
        return (self.site, self.core)

    @property
    def subjects(self) -> frozenset[str]:
        """Everything whose alarms concern this target."""
        return frozenset(
            (f"site:{self.site}", f"group:{self.group}", f"link:{self.working}", f"link:{self.protection}")
        )


@dataclass(frozen=True, slots=True)
class Task:
    """A timed critical task. What did not happen has no actual time, and is not met."""

    name: str
    target_ms: float
    actual_ms: float | None

    @property
    def met(self) -> bool:
        """Whether it happened, and in time."""
        return self.actual_ms is not None and self.actual_ms <= self.target_ms

    def shortcoming(self) -> str | None:
        """Return how it fell short of its target; None if it did not."""
        if self.actual_ms is None:
            return f"{self.name}: did not happen"
        return None if self.met else f"{self.name}: {self.actual_ms:.0f} ms, target {self.target_ms:.0f} ms"

    def to_json(self) -> dict[str, Json]:
        """Return the task as the record's object."""
        actual_ms = None if self.actual_ms is None else round(self.actual_ms, 1)
        return {"name": self.name, "target_ms": self.target_ms, "actual_ms": actual_ms, "met": self.met}


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of what happened; `what` is a key of the scorecard's texts, `facts` fill its gaps."""

    at_ms: float
    """Since the cut; negative before it."""
    what: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the moment as the record's object."""
        return {"at_ms": round(self.at_ms, 1), "what": self.what, **self.facts}


@dataclass(frozen=True, slots=True)
class DrillReport:
    """The whole record of one drill."""

    drill: str
    objective: str
    target: Target
    mode: str
    direction: str | None
    seed: int
    started_at_ns: int
    """Wall time."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why it failed or was not run."""
    injection: Mapping[str, float | None] = field(default_factory=dict)
    """In ms since just before the fault's command: when it held, when it took effect, the first lost probes."""
    tasks: tuple[Task, ...] = ()
    traffic: Mapping[str, Mapping[str, Traffic]] = field(default_factory=dict)
    """Direction, then window."""
    limits: Mapping[str, float | None] = field(default_factory=dict)
    """By window, the most that a direction may lose, ms; None for no limit."""
    also: tuple[str, ...] = ()
    """The other sites, where a drill hits several."""
    healed: bool = True
    timeline: tuple[Moment, ...] = ()
    took_s: float = 0.0

    def to_json(self) -> dict[str, Json]:
        """Return the record without its schema's name."""
        return {
            "verdict": str(self.verdict),
            "reasons": list(self.reasons),
            "drill": self.drill,
            "objective": self.objective,
            "target": self.target.site,
            "group": self.target.group,
            "link": self.target.working,
            "also": list(self.also),
            "mode": self.mode,
            "direction": self.direction,
            "seed": self.seed,
            "started_at": datetime.fromtimestamp(self.started_at_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
            "took_s": round(self.took_s, 2),
            "injection": {name: None if ms is None else round(ms, 1) for name, ms in self.injection.items()},
            "tasks": [task.to_json() for task in self.tasks],
            "traffic": {
                direction: {window: numbers.to_json() for window, numbers in windows.items()}
                for direction, windows in self.traffic.items()
            },
            "limits": dict(self.limits),
            "healed": self.healed,
            "timeline": [moment.to_json() for moment in self.timeline],
        }
