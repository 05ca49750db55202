"""Playbooks: their format, their plans, and how a run goes on. Sans-IO."""

from .actions import Action, Do, Enter, Entry, Outcome, Probe, Sight, Wait
from .facts import UNKNOWN, Fact, Facts, Verdict, judge
from .model import Check, Playbook, Step, Trigger
from .plan import Kind, Plan, PlanError, resolve
from .run import IllegalEntryError, Run, planned
from .tables import ACTIVE, FINAL, LegInput, LegState, Recovery, RunInput, RunState

__all__ = [
    "ACTIVE",
    "FINAL",
    "UNKNOWN",
    "Action",
    "Check",
    "Do",
    "Enter",
    "Entry",
    "Fact",
    "Facts",
    "IllegalEntryError",
    "Kind",
    "LegInput",
    "LegState",
    "Outcome",
    "Plan",
    "PlanError",
    "Playbook",
    "Probe",
    "Recovery",
    "Run",
    "RunInput",
    "RunState",
    "Sight",
    "Step",
    "Trigger",
    "Verdict",
    "Wait",
    "judge",
    "planned",
    "resolve",
]
