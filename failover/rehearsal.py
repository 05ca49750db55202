"""A run that does nothing: against what is so now (`check`), or against recorded facts (`simulate`).

Both go through the same run and the same executor as a real one; only the effects and the record are others.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from lifeline.model.inventory import Inventory
from lifeline.model.records import Json

from .core.playbook import Do, Entry, Fact, Facts, Outcome, Plan, Probe, Run, RunInput, RunState, Sight, planned
from .core.playbook.gate import Answer, Occupancy, admit
from .executor import drive
from .steps.kind import Command, Context, StepError, StepKind
from .steps.registry import Registry

LOOK_S: Final = 0.05
"""Recorded facts change by steps only: what is not so at once will not become so by waiting."""
_REGISTRY: Final = Registry()

if TYPE_CHECKING:
    from .orchestrator import Orchestrator


async def _nothing(*_command: Any) -> Command:
    return Command("refused", "a simulation commands nothing")


@dataclass
class Recorded:
    """Recorded facts, and how steps turn out: what a simulation has instead of the world.

    Attributes:
        facts: value and age by name.
        maintenance: subjects under maintenance.
        failing: share of sites that fail.
        outcomes: by step, or `undo STEP`: did, refused, failed or lost; `did` if absent.
        changes: by step: facts that are otherwise once it was done, or, where it only looks, while it looks.
    """

    facts: dict[str, Fact] = field(default_factory=dict)
    maintenance: frozenset[str] = frozenset()
    failing: float = 0.0
    outcomes: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Recorded:
        """Build it from a recording.

        Raises:
            ValueError: it is none.
        """
        try:
            facts = {name: Fact(it["value"], float(it.get("age_s", 0.0))) for name, it in data["facts"].items()}
            return cls(facts, frozenset(data.get("maintenance", ())), float(data.get("failing_share", 0.0)),
                       dict(data.get("outcomes", {})), dict(data.get("changes", {})))  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a recording of facts: {error!r}") from None

    @classmethod
    def read(cls, path: Path) -> tuple[Recorded, Mapping[str, Any]]:
        """Read a recording; return it and the whole document.

        Raises:
            ValueError: it is none.
            OSError: it cannot be read.
        """
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return cls.of(data), data

    def get(self, name: str) -> Fact:
        """Return a fact."""
        return self.facts.get(name, Fact())

    def in_maintenance(self, subject: str) -> bool:
        """Tell whether a subject is under maintenance."""
        return subject in self.maintenance

    def failing_share(self) -> float:
        """Return the share of sites that fail."""
        return self.failing

    async def do(self, run: Run, action: Do) -> Outcome:
        """Let a step turn out as recorded, and the facts change with it; what only looks at facts is carried out."""
        name = action.step if action.leg == "do" else f"undo {action.step}"
        kind = _REGISTRY[action.kind]
        if kind.of_facts and name not in self.outcomes:
            self._change(name)  # what a step waits for comes true while it waits
            return await self._looked(kind, run, action)
        result = self.outcomes.get(name, "did")
        if result not in ("did", "refused", "failed", "lost"):
            raise ValueError(f"outcome of {name} is {result!r}, must be did, refused, failed or lost")
        if result == "did":
            self._change(name)
        return Outcome(result, "simulated")  # type: ignore[arg-type]  # checked above

    def _change(self, step: str) -> None:
        self.facts |= {fact: Fact(value, 0.0) for fact, value in self.changes.get(step, {}).items()}

    async def _looked(self, kind: StepKind, run: Run, action: Do) -> Outcome:
        context = Context(run.id, action.key, "simulation", 0, self, Inventory(lifeline=1), _nothing, lambda _key: None)
        try:
            async with asyncio.timeout(LOOK_S):
                return await kind.do(kind.args(action.args), context)
        except TimeoutError:
            return Outcome("failed", "not so in the recording")
        except StepError as error:
            return Outcome("refused", str(error))

    async def look(self, run: Run, action: Probe) -> Sight:
        """A step that did what it should is read so."""
        leg = run.legs[action.leg, action.step]
        if leg.state.value == "verifying":
            return Sight("achieved", "simulated")
        return Sight("untouched", "simulated")


class _Watching:
    """Effects of a check: nothing is done, and what can be read is read."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    async def do(self, run: Run, action: Do) -> Outcome:
        """Check the arguments, and say what can be read now."""
        kind = self._orchestrator.registry[action.kind]
        try:
            kind.args(action.args)
        except StepError as error:
            return Outcome("refused", str(error))
        if not kind.changes:
            return Outcome("did", "would be done")
        sight = await self._orchestrator.effects.look(run, Probe(**{name: getattr(action, name) for name in
                                                                    Probe.__dataclass_fields__}))  # fmt: skip
        if run.steps[action.step]["recovery"] != "probe":
            return Outcome("did", "would be done; it cannot be read")
        return Outcome("did", f"would be done; now: {sight.result}{f' ({sight.detail})' if sight.detail else ''}",
                       before=sight.state)  # fmt: skip

    async def look(self, run: Run, action: Probe) -> Sight:  # noqa: ARG002  # the port's shape
        """Take it as done."""
        return Sight("achieved")


class _Hasty:
    """A clock that does not wait: where facts change by steps only, time brings no news."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def now(self) -> float:
        return self._at_s

    async def pause(self, seconds: float) -> None:
        self._at_s += max(seconds, 1e-6)


async def _rehearse(plan: Plan, facts: Facts, effects: Any, identifier: str) -> tuple[Run, list[Entry]]:
    first = planned(identifier, plan, identifier, "", identifier, 0)
    run, entries = Run(first, 0), [first]

    async def record(run: Run, said: Sequence[Entry]) -> None:
        for entry in said:
            run.apply(entry, 0)
            entries.append(entry)

    await record(run, [run.entry(RunInput.AGREED, identifier)])
    said = admit(run, Occupancy((), 0), facts, facts.failing_share())
    if said.answer is Answer.BEGIN:
        await record(run, [run.entry(RunInput.BEGIN, "")])
        clock = _Hasty()
        await drive(run, facts, effects, record, now=clock.now, pause=clock.pause)
    else:
        await record(run, [run.entry(RunInput.REFUSE, said.why)])
    return run, entries


def _told(run: Run) -> dict[str, Json]:
    steps = [
        {"leg": leg, "step": step, "state": it.state.value, "detail": it.detail, "args": it.input, "before": it.before}
        for leg, step, it in run.walk()
    ]
    return {"state": run.state.value, "reason": run.reason, "steps": steps}


async def simulate(plan: Plan, recorded: Recorded) -> dict[str, Json]:
    """Return how a run of a plan would go with recorded facts."""
    run, _entries = await _rehearse(plan, recorded, recorded, "simulation")
    return _told(run)


async def check(orchestrator: Orchestrator, plan: Plan) -> dict[str, Json]:
    """Return how a run of a plan would begin now: guards and prechecks against what is so, arguments, probes."""
    dry = copy.deepcopy(plan)
    dry["verify"] = []
    for step in dry["steps"]:
        step["verify"] = None  # nothing is done, so nothing can have come true
    run, _entries = await _rehearse(dry, orchestrator.facts, _Watching(orchestrator), "check")
    passed = run.state is RunState.DONE
    return {**_told(run), "state": "passed" if passed else run.state.value}
