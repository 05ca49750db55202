"""The live state of a site's power as JSON, `lifeline.power-state/1`: what the hub keeps, and others reckon from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from .autonomy import Assessment, Figure
from .battery import ageing
from .explain import inputs, sentence
from .network import Network
from .observe import Observed
from .ready import readiness
from .reliability import reach_probability
from .shedding import shed_order
from .situation import Known, LoadCase, Origin, Situation
from .timeline import Timeline
from .whatif import Change, Outcome, discharge_curve, what_if

SCHEMA = "lifeline.power-state/1"
_KNOWN = ("load_kw", "charge", "temp_c", "health", "fuel_l", "runtime_h")

Json = Any


def situation_to_json(situation: Situation) -> dict[str, Json]:
    """Return a situation as JSON: each value with its age and origin."""
    told: dict[str, Json] = {
        field: {
            name: {"value": it.value, "age_s": round(it.age_s, 1), "origin": it.origin.value, "error": it.error}
            for name, it in getattr(situation, field).items()
        }
        for field in _KNOWN
    }
    return {
        "today": situation.today.isoformat(),
        **told,
        "lost": sorted(situation.lost),
        "carrying": sorted(situation.carrying),
    }


def situation_from_json(body: Mapping[str, Json], older_s: float = 0.0) -> Situation:
    """Build a situation from JSON.

    Args:
        body: as `situation_to_json` gives it.
        older_s: how long ago that was.

    Raises:
        ValueError: it is no situation; the text says what is wrong.
    """
    try:
        known = {
            field: {
                name: Known(it["value"], it["age_s"] + older_s, Origin(it["origin"]), it["error"])
                for name, it in body[field].items()
            }
            for field in _KNOWN
        }
        return Situation(date.fromisoformat(body["today"]), **known, lost=frozenset(body["lost"]),
                         carrying=frozenset(body["carrying"]))  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no situation of a power plant: {error!r}") from None


def figures_to_json(assessment: Assessment) -> list[dict[str, Json]]:
    """Return all figures, each with its interval, verdict, sentence and inputs."""
    return [_figure_to_json(assessment, figure, case) for (*_names, case), figure in assessment.figures.items()]


def _figure_to_json(assessment: Assessment, figure: Figure, case: LoadCase) -> dict[str, Json]:
    target_h = assessment.network.plant.target_autonomy_h
    return {
        "kind": figure.kind.value,
        "redundancy": figure.redundancy.value,
        "load": case.value,
        "low_h": figure.low_h,
        "h": figure.mid_h,
        "high_h": figure.high_h,
        "target_h": target_h,
        "verdict": figure.verdict(target_h).value,
        "worst": figure.worst or None,
        "missing": list(figure.missing),
        "device_h": figure.device_h,
        "disagrees": figure.disagrees,
        "sentence": sentence(assessment, figure),
        "inputs": [it._asdict() for it in inputs(assessment, figure)],
    }


def assessment_to_json(assessment: Assessment) -> dict[str, Json]:
    """Return all figures, the chance of reaching the target, and the order in which to shed."""
    target_h = assessment.network.plant.target_autonomy_h
    chance = reach_probability(assessment, target_h)
    steps = shed_order(assessment.network, assessment.situation)
    return {
        "target_h": target_h,
        "figures": figures_to_json(assessment),
        "probability": None if chance is None else chance._asdict(),
        "shed": [
            {"load": it.load, "kw": it.kw, "h": it.figure.mid_h, "low_h": it.figure.low_h, "verdict": it.verdict.value}
            for it in steps
        ],
    }


def timeline_to_json(timeline: Timeline) -> dict[str, Json]:
    """Return what happens, and the discharge curve."""
    return {
        "dark_h": timeline.dark_h,
        "happenings": [{"at_h": it.at_h, "subject": it.subject, "what": it.what.value} for it in timeline.happenings],
        "charge": [list(point) for point in timeline.charges],
        "fuel_l": dict(timeline.levels_l),
    }


def _learned(known: Known | None) -> dict[str, Json] | None:
    return None if known is None else {"share": known.value, "error": known.error, "age_s": round(known.age_s)}


def live_state(
    site: str,
    network: Network,
    observed: Observed,
    assessment: Assessment,
    errors: Mapping[str, str],
    curves: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """Return a site's live state, `lifeline.power-state/1`.

    Args:
        site: its id.
        network: the plant, nothing lost.
        observed: as its devices show it.
        assessment: its figures.
        errors: per part, why its device does not answer.
        curves: per unit, its last discharge as told and as the model had it.
    """

    def without(*lost: str) -> Outcome:
        return what_if(site, network, observed.situation, Change(lose=("feed:all", *lost)))

    outage = without()
    ready = readiness(network, observed, assessment)
    also = [(name, without(name).dark_h) for name in network.single_failures]
    return {
        "schema": SCHEMA,
        "site": site,
        "runs_on": observed.runs_on,
        "ready": {"verdict": ready.verdict.value, "because": list(ready.because)},
        **assessment_to_json(assessment),
        "situation": situation_to_json(observed.situation),
        "parts": [{**view.to_json(), "error": errors.get(name) or None} for name, view in observed.views.items()],
        "batteries": [
            {
                "part": part.name,
                "kwh": part.capacity_kwh,
                "method": part.method,
                "by_age": ageing(part.string, observed.situation.today)._asdict(),
                "learned": _learned(observed.situation.health.get(part.name)),
            }
            for unit in network.units.values()
            for part in unit.parts
        ],
        "discharges": dict(curves or {}),
        "outage": None
        if outage.timeline is None
        else {**timeline_to_json(outage.timeline), "charge": [list(point) for point in discharge_curve(outage)]},
        "whatif": [
            {"lose": name, "low_h": it and it.low, "h": it and it.mid, "high_h": it and it.high} for name, it in also
        ],
        "graph": network.graph,
    }
