"""A run of a playbook as people and programs see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lifeline.model.records import Json

from .core.playbook import FINAL, Run, RunState


def view_of(run: Run, held: str, token: int) -> dict[str, Json]:
    """Return a run's live state, `lifeline.playbook-state/1`.

    Args:
        run: the run.
        held: why it has not begun, empty where nothing holds it.
        token: the fencing token of this orchestrator.
    """
    return {
        "schema": "lifeline.playbook-state/1", "run": run.id, "playbook": run.plan["playbook"],
        "version": run.plan["version"], "state": run.state.value, "reason": run.reason,
        "held": held, "by": run.by, "why": run.why, "hash": run.hash,
        "approval": run.plan["approval"], "agreed": list(run.agreed), "aborting": run.aborting,
        "parameters": run.plan["parameters"], "locks": run.plan["locks"], "created_at_ns": run.created_ns,
        "began_at_ns": run.began_ns, "ended_at_ns": run.ended_ns, "token": token,
        "steps": [
            {"leg": leg, "step": step, "do": _spec(run, leg, step)["do"], "text": run.steps[step]["text"],
             "args": _spec(run, leg, step).get("args", {}), "state": it.state.value, "attempt": it.attempt,
             "detail": it.detail}
            for leg, step, it in run.walk()
        ],
    }  # fmt: skip


def record_of(run: Run) -> list[dict[str, Json]]:
    """Return what each step was given, found before it, and left behind."""
    return [
        {"leg": leg, "step": step, "args": it.input, "before": it.before, "after": it.after}
        for leg, step, it in run.walk()
    ]


def by_state(runs: Iterable[Run]) -> dict[str, float]:
    """Return how many runs there are in each state that is not final."""
    counts = {state.value: 0.0 for state in RunState if state not in FINAL}
    for run in runs:
        if not run.over:
            counts[run.state.value] += 1
    return counts


def _spec(run: Run, leg: str, step: str) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = run.steps[step]
    return spec if leg == "do" else spec.get("compensate") or {"do": ""}
