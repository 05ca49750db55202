"""Records what a run of a playbook was told and how its steps turned out, as a simulation reads it.

A recording is what `lifeline playbook simulate` takes: the facts before the first step, what had changed when each
step was over, how steps turned out, and how the run ended. Only facts that the plan asks for are kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from failover.core.playbook.expressions import ExpressionError, fill
from failover.steps.registry import Registry
from lifeline.model.records import Json

Ask = Callable[..., Awaitable[Mapping[str, Mapping[str, Any]]]]
"""`noc.client.HubClient.facts`."""
_OUTCOMES = {"failed": "failed", "stuck": "lost"}
"""What a step that changes something is told to turn out as, by the state it ended in."""
_OVER = frozenset({"done", "skipped", "failed", "broken", "stuck"})
_REGISTRY = Registry()


@dataclass(slots=True)
class Recorder:
    """Follows one run.

    Attributes:
        ask: tells facts by name.
        before: facts as they were before the first step, each with its age.
        changes: by step, facts that were otherwise when it was over.
    """

    ask: Ask
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[str, Json]] = field(default_factory=dict)
    _known: dict[str, Json] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)

    async def look(self, told: Mapping[str, Any]) -> None:
        """Note which steps are over since the last look, and which of their facts are otherwise.

        Args:
            told: the run, its plan and its record, as `HubClient.playbook_run` returns them.
        """
        plan = told["plan"]
        names = sorted(asked_for(plan))
        found = await self.ask(*names) if names else {}
        if not self.before:
            first = asked_for({**plan, "steps": []})
            self.before = {name: dict(it) for name, it in found.items() if name in first and it["age_s"] is not None}
            self._known = {name: it["value"] for name, it in self.before.items()}
        steps = {step["id"]: step for step in plan["steps"]}
        record = {it["step"]: it for it in told["record"] if it["leg"] == "do"}
        for seen in told["run"]["steps"]:
            name = seen["step"]
            if seen["leg"] == "do" and seen["state"] in _OVER and name not in self._over:
                self._over.add(name)
                facts = {it: found[it]["value"] for it in asked_for(_within(steps[name], plan)) if it in found}
                if seen["do"] == "wait_for" and record[name]["after"] is not None:
                    facts[record[name]["args"]["fact"]] = record[name]["after"]
                news = {it: value for it, value in facts.items() if self._known.get(it) != value}
                self._known |= news
                if news and seen["state"] != "skipped":
                    self.changes[name] = news

    def document(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recording."""
        plan, run = told["plan"], told["run"]
        steps = {it["step"]: it for it in run["steps"] if it["leg"] == "do"}
        outcomes = {
            name: _OUTCOMES[it["state"]] for name, it in steps.items()
            if it["state"] in _OUTCOMES and not _REGISTRY[it["do"]].of_facts
        }  # fmt: skip
        return {
            "parameters": dict(plan["parameters"]),
            "trigger": dict(plan["trigger"]),
            "facts": self.before,
            "changes": self.changes,
            "outcomes": outcomes,
            "expect": {"state": run["state"], **{name: it["state"] for name, it in steps.items()}},
        }

    def save(self, path: Path, told: Mapping[str, Any], origin: str) -> None:
        """Write the recording, with a line on where it comes from."""
        text = yaml.safe_dump(self.document(told), allow_unicode=True, sort_keys=False, width=160,
                              default_flow_style=None)  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {origin}\n{text}", encoding="utf-8")


def _within(step: Mapping[str, Any], plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a plan of that step alone."""
    return {**plan, "guards": [], "verify": [], "steps": [step]}


def asked_for(plan: Mapping[str, Any]) -> set[str]:
    """Return the names of the facts that a plan asks for, but those that only the run will know."""
    names = {**plan["parameters"], "trigger": plan["trigger"]}
    asked = set()
    for text in _texts(plan):
        with contextlib.suppress(ExpressionError):
            asked.add(str(fill(text, names)))
    return asked


def _texts(node: Any) -> Iterable[str]:
    """Yield the values of every key `fact`, and the fact of each gate of time."""
    if isinstance(node, Mapping):
        if node.get("do") == "time.gate":
            yield f"live:time:{node['args']['site']}"
        for key, value in node.items():
            if key == "fact" and isinstance(value, str):
                yield value
            elif key != "trigger":
                yield from _texts(value)
    elif isinstance(node, list):
        for one in node:
            yield from _texts(one)
