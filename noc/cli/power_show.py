"""What of a plant's power goes to the terminal: a site's state, what would happen at one site, and at many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from lifeline.i18n import _

from .ask import View, age_text
from .output import Styled, emit, emit_table

COLOUR = {"met": "green", "uncertain": "yellow", "missed": "red", "unknown": "magenta",
          "ready": "green", "not-ready": "red"}  # fmt: skip
_TOLD = frozenset({"site-dark", "fuel-out", "battery-empty", "overloaded", "load-dark"})
"""What is told of many sites; the rest is told of one."""


def figure(body: View, kind: str, redundancy: str, case: str = "present") -> Mapping[str, Any]:
    """Return one figure of a live state or an outcome."""
    return next(it for it in body["figures"] if (it["kind"], it["redundancy"], it["load"]) == (kind, redundancy, case))


def span(figure: View) -> str:
    """Return a figure with its interval."""
    from power.core.explain import hours_text

    if figure["h"] is None:
        return _("unknown")
    return f"{hours_text(figure['h'])} ({hours_text(figure['low_h'])} - {hours_text(figure['high_h'])})"


def shown(verdict: str) -> Styled:
    """Return a verdict as a word with its colour."""
    words = {"met": _("met"), "uncertain": _("uncertain"), "missed": _("missed"), "unknown": _("unknown"),
             "ready": _("ready"), "not-ready": _("not ready")}  # fmt: skip
    return Styled(words[verdict], COLOUR[verdict])


def wall(begins: datetime, hours: float) -> str:
    """Return a moment by the clock on the wall; nothing beyond a year."""
    if hours > 24 * 365:
        return "-"
    return (begins + timedelta(hours=hours)).strftime("%m-%d %H:%M")


def outcome_json(outcome: Any) -> dict[str, Any]:
    """Return what comes of a change at a site, for `lifeline.power-whatif/1`."""
    from power.core.body import figures_to_json, timeline_to_json

    return {
        "site": outcome.site,
        "target_h": outcome.network.plant.target_autonomy_h,
        "dark_h": None if outcome.dark_h is None else outcome.dark_h._asdict(),
        "missing": list(outcome.missing),
        "timeline": None if outcome.timeline is None else timeline_to_json(outcome.timeline),
        "figures": figures_to_json(outcome.assessment),
    }


def outcome_verdict(view: View) -> str:
    """Return how the time to dark stands to the target."""
    dark = view["dark_h"]
    if dark is None:
        return "unknown"
    target_h = view["target_h"]
    return "met" if dark["low"] >= target_h else "uncertain" if dark["mid"] >= target_h else "missed"


def _outcome_row(view: View, begins: datetime) -> list[object]:
    from power.core.explain import hours_text

    dark = view["dark_h"]
    end = [f"{view['target_h']:g} h", shown(outcome_verdict(view))]
    if dark is None:
        return [view["site"], _("unknown"), None, None, ", ".join(view["missing"]), *end]
    if view["timeline"]["dark_h"] is None:
        return [view["site"], _("not within {n:g} h").format(n=dark["mid"]), None, None, None, *end]
    spans = [hours_text(dark[bound]) for bound in ("mid", "low", "high")]
    return [view["site"], *spans, wall(begins, dark["mid"]), *end]


def emit_outcome(view: View, begins: datetime) -> None:
    """Show what comes of a change at one site: when it goes dark, what happens, and why."""
    emit_table([_("Site"), _("Dark after"), _("Not before"), _("Not after"), _("At"), _("Target"), _("Verdict")],
               [_outcome_row(view, begins)])  # fmt: skip
    if view["timeline"] is not None:
        emit("")
        emit_table(
            [_("After"), _("At"), _("Part"), _("What happens")],
            [[f"{it['at_h']:.3f} h", wall(begins, it["at_h"]), it["subject"], _happening(it["what"])]
             for it in view["timeline"]["happenings"]],
        )  # fmt: skip
    for redundancy in ("n", "n-1"):
        emit(f"\n{redundancy.upper()}: {figure(view, 'system', redundancy)['sentence']}")


def _happening(what: str) -> str:
    return {
        "lost": _("is lost"), "returned": _("is back"), "starting": _("starts"), "running": _("carries load"),
        "fuel-out": _("runs out of fuel"), "pump-idle": _("pump stands"), "on-battery": _("goes onto its batteries"),
        "on-input": _("is fed again"), "battery-empty": _("is empty"), "overloaded": _("is overloaded"),
        "load-dark": _("is dark"), "load-back": _("is fed again"), "site-dark": _("the site is dark"),
    }[what]  # fmt: skip


def network_timeline(outcomes: Iterable[View]) -> list[dict[str, Any]]:
    """Return what happens at many sites in the order of time: what runs out, and what goes dark."""
    return sorted(_events(outcomes), key=lambda it: it["at_h"])


def _events(outcomes: Iterable[View]) -> Iterator[dict[str, Any]]:
    for outcome in outcomes:
        for it in () if outcome["timeline"] is None else outcome["timeline"]["happenings"]:
            if it["what"] in _TOLD:
                yield {"site": outcome["site"], **it}


def emit_outcomes(outcomes: Sequence[View], begins: datetime) -> None:
    """Show what comes of a change at many sites: who goes dark first, then everything in the order of time."""
    emit_table([_("Site"), _("Dark after"), _("Not before"), _("Not after"), _("At"), _("Target"), _("Verdict")],
               [_outcome_row(it, begins) for it in outcomes])  # fmt: skip
    events = network_timeline(outcomes)
    if events:
        emit("")
        emit_table(
            [_("After"), _("At"), _("Site"), _("Part"), _("What happens")],
            [[f"{it['at_h']:.3f} h", wall(begins, it["at_h"]), it["site"], it["subject"], _happening(it["what"])]
             for it in events],
        )  # fmt: skip


def emit_site(body: View) -> None:
    """Show a site: whether it is ready and why not, what its devices say, and what its batteries hold."""
    emit(_("Runs on {source}").format(source=body["runs_on"]))
    emit(str(shown(body["ready"]["verdict"])))
    for sentence in body["ready"]["because"]:
        emit(f"  {sentence}")
    emit("")
    emit_table([_("Part"), _("State"), _("Heard"), _("Says"), _("In doubt")],
               [_part_row(it) for it in body["parts"]])  # fmt: skip
    if body["batteries"]:
        emit("")
        emit_table(
            [_("Battery"), _("kWh when new"), _("Holds by age"), _("Holds by experience"), _("Learnt")],
            [_battery_row(it) for it in body["batteries"]],
        )
    for unit, it in body["discharges"].items():
        head = _("Last battery test of {unit}") if it["test"] else _("Last discharge of {unit}")
        emit("\n" + head.format(unit=unit))
        emit_table([_("After"), _("Charge"), _("By the model")],
                   [[f"{60 * at_h:.0f} min", f"{charge:.0%}", f"{model:.0%}"]
                    for at_h, charge, model in it["points"]])  # fmt: skip


def _part_row(it: View) -> list[object]:
    if not it["fresh"]:
        heard = _("never") if it["age_s"] is None else age_text(it["age_s"])
        return [it["part"], _("unknown"), heard, it["error"] or "", ""]
    keys = ("battery.charge", "output.realpower", "ups.load", "battery.runtime_s", "battery.temperature", "fuel.level",
            "fuel.volume", "genset.realpower", "engine.battery_voltage")  # fmt: skip
    says = ", ".join(f"{key} {it['values'][key]:.4g}" for key in keys if key in it["values"])
    return [it["part"], it["state"] or _("unknown"), age_text(it["age_s"]), says, "; ".join(it["doubts"])]


def _battery_row(it: View) -> list[object]:
    age, learned = it["by_age"], it["learned"]
    by_age = f"{age['mid']:.0%} ({age['low']:.0%} - {age['high']:.0%})"
    if learned is None:
        return [it["part"], it["kwh"], by_age, _("unknown"), ""]
    error = learned["error"] or 0.0
    return [it["part"], it["kwh"], by_age,
            f"{learned['share']:.0%} ({learned['share'] - error:.0%} - {learned['share'] + error:.0%})",
            age_text(learned["age_s"])]  # fmt: skip
