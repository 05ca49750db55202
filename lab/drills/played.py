"""What drills have in common that look for themselves, at live states and runs: tasks, the timeline, the rating."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from lifeline.clock import monotonic_ns

from .drill import Drill
from .judge import NS_PER_MS
from .record import DrillReport, Moment, Target, Task, Verdict


class Story(Protocol):
    """What every script tells."""

    @property
    def name(self) -> str:
        """Of the drill."""
        ...

    @property
    def objective(self) -> str:
        """A sentence."""
        ...

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that are hit; the first one is the target."""
        ...


@dataclass(slots=True)
class Played(Drill):
    """One run of a script that hits no protection group.

    Attributes:
        script: what is played.
        wrong: what must not have been.
    """

    script: Story
    wrong: list[str] = field(default_factory=list, kw_only=True)
    _tasks: list[Task] = field(default_factory=list, kw_only=True)
    _moments: list[tuple[int, str, Mapping[str, str]]] = field(default_factory=list, kw_only=True)

    @property
    def aims(self) -> tuple[Target, ...]:
        """None: no protection group is hit."""
        return ()

    def blank(self, started_ns: int) -> DrillReport:
        """Return the report of a drill that has not run."""
        first, *others = self.script.sites
        aim = Target(first, first, "", "", "")
        return DrillReport(self.script.name, self.script.objective, aim, "", None, self.seed, started_ns,
                           Verdict.NOT_RUN, also=tuple(others))  # fmt: skip

    def rated(self, report: DrillReport, began_ns: int) -> DrillReport:
        """Return the report with what was seen since then, its reasons being why the drill failed."""
        moments = tuple(Moment((at_ns - began_ns) / NS_PER_MS, what, facts) for at_ns, what, facts in self._moments)
        short = [text for task in self._tasks if (text := task.shortcoming())]
        return replace(report, tasks=tuple(self._tasks), timeline=moments, reasons=(*short, *self.wrong))

    def _say(self, what: str, **facts: str) -> None:
        """Put a moment into the timeline; a phase is narrated as well."""
        self._moments.append((monotonic_ns(), what, facts))
        if what == "phase":
            self.tell(facts["name"])

    def _task(self, name: str, within_s: float, since_ns: int, at_ns: int | None) -> None:
        """Put a timed task on record; None: it was not seen."""
        took_ms = None if at_ns is None else max(0.0, (at_ns - since_ns) / NS_PER_MS)
        self._tasks.append(Task(name, within_s * 1000, took_ms))
