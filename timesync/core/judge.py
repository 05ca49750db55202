"""A decision as conditions: what the operator is told, with its cause and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lifeline.i18n import _
from lifeline.model.judgement import Judgement
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

from .body import amount, evidence_to_json, sentence
from .reasons import ClockState, Reason
from .verdicts import Decision, SourceView

Severity = PerceivedSeverity
Cause = ProbableCause
LOST_CLASSES = frozenset({Reason.SILENT, Reason.FAILED, Reason.NO_FIX})
_WORDS = {
    Reason.FROZEN: "frozen", Reason.FOREIGN: "wrong-constellation", Reason.JAMMED: "jammed", Reason.SPOOFED: "spoofed",
    Reason.MEACONED: "meaconed", Reason.MOVED: "position-moved", Reason.WEEK: "week-error", Reason.LEAP: "leap-error",
    Reason.STEP: "time-step", Reason.RAMP: "time-ramp",
}  # fmt: skip
"""Accusations have a condition each: whoever is told `jammed` looks elsewhere than who is told `time-step`."""
_CAUSES = {Reason.JAMMED: Cause.DEGRADED_SIGNAL, Reason.FOREIGN: Cause.CONFIGURATION_OR_CUSTOMIZATION_ERROR,
           Reason.FROZEN: Cause.RECEIVER_FAILURE}  # fmt: skip


class _Check(NamedTuple):
    source: str
    name: str
    holds: bool | None
    severity: Severity
    cause: Cause
    text: str
    detail: Mapping[str, Any]


def judge(
    site: str,
    decision: Decision,
    troubles: Mapping[str, str],
    chrony: str | None,
    clients: Sequence[Mapping[str, Any]] = (),
    leap_table: str = "",
) -> Judgement:
    """Return what holds and what does not.

    Args:
        site: its id.
        decision: what the arbiter says.
        troubles: by source, why it cannot be asked; empty where it can.
        chrony: what is wrong with chronyd, empty where nothing is, None where nobody is fed.
        clients: sampled devices, as `lifeline.time-state/1` has them.
        leap_table: what is wrong with the table of leap seconds; empty where nothing is.
    """
    judged: Judgement = {}
    for check in [
        *_site(decision, chrony, leap_table),
        *(it for view in decision.sources.values() for it in _source(view, troubles)),
    ]:
        subject = f"time:{site}/{check.source}" if check.source else f"time:{site}"
        if check.holds is not None:
            judged[subject, check.name] = _condition(subject, check) if check.holds else None
    for client in clients:
        subject = f"device:{client['site']}/{client['device']}"
        text = _("{device} is {offset} off the site's trusted time; {limit} are allowed").format(
            device=client["device"], offset=amount(client["offset_ns"], "ns"),
            limit=amount(client["limit_ns"], "ns"))  # fmt: skip
        check = _Check("", "time-offset", client["off"], Severity.MAJOR, Cause.LOSS_OF_SYNCHRONISATION, text, {})
        if check.holds is not None:
            judged[subject, check.name] = _condition(subject, check) if check.holds else None
    return judged


def _site(decision: Decision, chrony: str | None, leap_table: str) -> Iterator[_Check]:
    state = decision.state
    left = {"low_s": decision.left_low_s, "mid_s": decision.left_mid_s, "high_s": decision.left_high_s}
    yield _Check("", "holdover", state is ClockState.HOLDOVER_IN_SPEC, Severity.MAJOR, Cause.TIMING_PROBLEM,
                 _("No source is sound; the oscillator holds the time for {n:.0f} min at least").format(
                     n=decision.left_low_s / 60), left)  # fmt: skip
    spent = state is ClockState.HOLDOVER_OUT_OF_SPEC
    yield _Check("", "time-lost", spent or (state is ClockState.LOCKED and not decision.serve), Severity.CRITICAL,
                 Cause.LOSS_OF_SYNCHRONISATION,
                 _("The time cannot be vouched for within {limit}; it is not served").format(
                     limit=amount(decision.limit_ns, "ns")), {"bound_ns": decision.bound_ns})  # fmt: skip
    apart = sorted(name for name, it in decision.sources.items() if it.reason is Reason.DIVERGED)
    yield _Check("", "unresolved", bool(apart), Severity.MAJOR, Cause.TIMING_PROBLEM,
                 _("{sources} disagree, and nothing tells which is wrong: compare them with a third source, "
                   "then exclude one").format(sources=", ".join(apart)), {"sources": apart})  # fmt: skip
    yield _Check("", "uncorroborated", state is ClockState.LOCKED and not decision.corroborated, Severity.WARNING,
                 Cause.REDUNDANCY_LOST,
                 _("Only {source} gives the time: nothing would show if it were wrong").format(
                     source=", ".join(sorted(decision.selected))), {})  # fmt: skip
    yield _Check("", "chrony", None if chrony is None else bool(chrony), Severity.MAJOR,
                 Cause.COMMUNICATIONS_SUBSYSTEM_FAILURE, chrony or "", {})  # fmt: skip
    yield _Check("", "leap-table", bool(leap_table), Severity.WARNING,
                 Cause.CONFIGURATION_OR_CUSTOMIZATION_ERROR, leap_table, {})  # fmt: skip


def _source(view: SourceView, troubles: Mapping[str, str]) -> Iterator[_Check]:
    told = [evidence_to_json(it) for it in view.evidence]
    trouble = troubles.get(view.name, "")
    lost = view.reason in LOST_CLASSES
    why = "; ".join([*(sentence(it) for it in told[:2]), *([trouble] if trouble else [])])
    unknown = None if view.reason in {Reason.EXCLUDED, Reason.UNWATCHED} else lost
    yield _Check(view.name, "source-lost", unknown, Severity.MINOR, Cause.RECEIVER_FAILURE,
                 _("{source} gives no time: {why}").format(source=view.name, why=why), {"evidence": told})  # fmt: skip
    for reason, name in _WORDS.items():
        holds = view.verdict is reason
        text = _("{source} is isolated: {why}").format(source=view.name, why=why)
        cause = _CAUSES.get(reason, Cause.TIMING_PROBLEM)
        yield _Check(view.name, name, holds, Severity.MAJOR, cause, text, {"evidence": told})


def _condition(subject: str, check: _Check) -> Condition:
    kind = EventType.EQUIPMENT if check.cause is Cause.RECEIVER_FAILURE else EventType.QUALITY_OF_SERVICE
    return Condition(subject, check.name, check.severity, kind, check.cause, check.text, check.detail)
