"""The live state of a site's time: `lifeline.time-state/1`, and the words for a decision's evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lifeline.i18n import _

from .reasons import Evidence, Reason
from .verdicts import Change, Decision, SourceView

SCHEMA = "lifeline.time-state/1"
HISTORY = 50


def live_state(
    site: str,
    decision: Decision,
    gate: Mapping[str, Any],
    clients: Sequence[Mapping[str, Any]] = (),
    troubles: Mapping[str, str] | None = None,
    history: Iterable[Mapping[str, Any]] = (),
    leap: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the time daemon shows of its site.

    Args:
        site: its id.
        decision: what holds.
        gate: what is given on, and what chronyd says of it.
        clients: sampled devices.
        troubles: by source, why it cannot be asked.
        history: the latest changes, newest first.
        leap: what is known of leap seconds.
    """
    troubles = troubles or {}
    return {
        "schema": SCHEMA,
        "site": site,
        "state": decision.state.value,
        "clock_class": decision.state.clock_class,
        "since_s": _rounded(decision.at_s - decision.since_s, 0),
        "serve": decision.serve,
        "corroborated": decision.corroborated,
        "selected": sorted(decision.selected),
        "unresolved": sorted(n for n, it in decision.sources.items() if it.reason is Reason.DIVERGED),
        "bound_ns": _rounded(decision.bound_ns),
        "floor_ns": _rounded(decision.floor_ns),
        "limit_ns": decision.limit_ns,
        "budget_s": {
            "low": _rounded(decision.left_low_s, 0),
            "mid": _rounded(decision.left_mid_s, 0),
            "high": _rounded(decision.left_high_s, 0),
        },
        "oscillator": None if decision.model is None else {
            "frequency_ppb": _rounded(decision.model.y_ppb, 3),
            "drift_ppb_per_day": _rounded(decision.model.d_ppb_s * 86_400, 4),
            "sigma_ns": _rounded(decision.model.sigma_ns()),
        },
        "chosen": list(decision.chosen) if decision.chosen is not None else None,
        "chosen_by": decision.chosen_by,
        "gate": dict(gate),
        "leap": None if leap is None else dict(leap),
        "sources": [_source(it, decision, troubles.get(name, "")) for name, it in sorted(decision.sources.items())],
        "clients": [dict(it) for it in clients],
        "history": [dict(it) for it in history],
    }  # fmt: skip


def _source(view: SourceView, decision: Decision, trouble: str) -> dict[str, Any]:
    said = view.telemetry
    return {
        "source": view.name,
        "kind": view.kind.value,
        "reason": view.reason.value if view.reason else None,
        "verdict": view.verdict.value if view.verdict else None,
        "evidence": [evidence_to_json(it) for it in view.evidence],
        "offset_ns": _rounded(view.offset_ns),
        "uncertainty_ns": _rounded(view.uncertainty_ns),
        "heard_s": None if view.heard_s is None else _rounded(decision.at_s - view.heard_s, 1),
        "since_s": _rounded(decision.at_s - view.since_s, 0),
        "qualifies_in_s": _rounded(view.qualifies_in_s, 0),
        "suspicions": [it.what for it in view.suspicions],
        "excluded_by": view.excluded_by or None,
        "trouble": trouble or None,
        "fix": said.fix if said else None,
        "used": said.used_count if said else None,
        "jamming": said.jamming if said else None,
        "spoofing": said.spoofing if said else None,
        "leap_s": said.leap_s if said else None,
        "detail": dict(said.detail) if said else {},
        "satellites": None if said is None or said.satellites is None else [
            [it.constellation, it.number, _rounded(it.cn0_db_hz, 0), it.used] for it in said.satellites
        ],
    }  # fmt: skip


def evidence_to_json(evidence: Evidence) -> dict[str, Any]:
    """Return evidence as JSON."""
    body = evidence._asdict() | {"reason": evidence.reason.value, "value": _rounded(evidence.value, 3)}
    return body | {"text": sentence(body)}


def change_to_json(change: Change, at_ns: int) -> dict[str, Any]:
    """Return a change as an event's body; at_ns is wall time."""
    return {
        "source": change.source or None,
        "before": change.before,
        "after": change.after,
        "at_ns": at_ns,
        "evidence": [evidence_to_json(it) for it in change.because],
    }


def amount(value: float | None, unit: str) -> str:
    """Return a figure as people say it: nanoseconds grow to micro-, milliseconds and seconds."""
    if value is None:
        return _("unknown")
    if unit != "ns":
        return f"{value:.3g} {unit}".rstrip()
    for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.0f} ns"


def sentence(evidence: Mapping[str, Any]) -> str:
    """Return evidence, as `evidence_to_json` has it, as a sentence."""
    value, limit = amount(evidence["value"], evidence["unit"]), amount(evidence["limit"], evidence["unit"])
    values = {"value": value, "limit": limit, "by": evidence["by"]}
    match evidence["reason"]:
        case "silent":
            text = _("nothing received for {value}; {limit} are allowed")
        case "unwatched":
            text = _("nothing gives its pulses: it is told of, never selected")
        case "failed":
            text = _("it says itself that it is not synchronised")
        case "no-fix":
            text = _("the receiver has no fix")
        case "frozen":
            text = _("its time stands still")
        case "foreign":
            text = _("it uses none of its own satellites but those of {by}: are two receivers swapped?")
        case "jammed":
            text = {
                "jam-flag": _("the receiver says that it is jammed"),
                "cn0-drop": _("C/N0 fell by {value} over all satellites; {limit} are too much"),
            }.get(evidence["what"], _("it uses no satellite any more; usual are {limit}"))
        case "spoofed":
            text = _("the receiver says that its signals are false")
        case "meaconed" | "moved" if evidence["what"] == "position":
            text = _("its position lies {value} from the surveyed antenna; {limit} are allowed")
        case "week":
            text = _("its date is off by {value}")
        case "leap":
            text = _("it is off by whole seconds: {value} where {limit} is right")
        case "diverged":
            text = _("{value} apart from {by}, and nothing tells which of the two is wrong")
        case "coarse":
            text = _("too coarse for this network: a witness only")
        case _:
            text = _("{value} off against {by}; {limit} are allowed")
    return text.format(**values)


def _rounded(value: float | None, digits: int = 1) -> float | None:
    if value is None or value != value or abs(value) == float("inf"):  # noqa: PLR0124 - not a number is no JSON
        return None
    return round(value, digits)
