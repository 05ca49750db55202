"""What is asked of each part of a plant: checks as plain answers, debounced by the judge.

A check says yes, no or (None) unknown; unknown changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lifeline.i18n import _
from lifeline.model.power import PowerPlant
from lifeline.model.records import PerceivedSeverity, ProbableCause

from .autonomy import Assessment, Kind, Redundancy
from .explain import hours_text
from .observe import Observed, PartView
from .situation import LoadCase

Severity = PerceivedSeverity
Cause = ProbableCause

HOT_C, VERY_HOT_C = 35.0, 45.0
"""VRLA loses half its life for every 10 degrees above 20 to 25."""
WEAK = 0.8
"""IEEE 450 and 1188: replace at 80 % of the rated capacity."""
_SURE = 0.1
"""An estimate that may be off by more than this calls no battery weak."""
IMBALANCE_PCT = 5.0


class Check(NamedTuple):
    """A check's answer about the site (part empty) or one of its parts."""

    part: str
    name: str
    holds: bool | None
    severity: Severity
    cause: Cause
    text: str
    after_s: float = 0.0


def part_checks(view: PartView, assessment: Assessment, observed: Observed) -> Iterator[Check]:
    """Yield what is asked of a part, by what its own device says."""
    plant = assessment.network.plant
    if getattr(plant, view.section)[view.part].monitor is None:
        return
    yield Check(
        view.part,
        "silent",
        not view.fresh,
        Severity.MAJOR,
        Cause.COMMUNICATIONS_PROTOCOL_ERROR,
        _("{part} does not answer; what it does is unknown").format(part=view.part),
    )
    yield Check(
        view.part,
        "doubtful",
        bool(view.doubts) if view.fresh else None,
        Severity.WARNING,
        Cause.CORRUPT_DATA,
        "; ".join(view.doubts[:3]),
        60.0,
    )
    if view.section in {"ups", "dc_plants"}:
        yield from _unit_checks(view, assessment, observed)
    elif view.section == "generators":
        yield from _generator_checks(view, observed, plant)
    elif view.section == "switches":
        yield from _switch_checks(view, assessment, observed)


def _unit_checks(view: PartView, assessment: Assessment, observed: Observed) -> Iterator[Check]:
    part, state = view.part, view.state
    battery_h = assessment.figures[Kind.BATTERY, Redundancy.N, LoadCase.PRESENT].mid_h
    yield Check(
        part,
        "on-battery",
        None if state is None else state in {"on-battery", "discharge"},
        Severity.MAJOR,
        Cause.BATTERY_DISCHARGING,
        _("{part} runs on its batteries; they last {lasts}").format(part=part, lasts=hours_text(battery_h)),
    )
    yield Check(
        part,
        "bypass",
        None if state is None else state in {"bypass", "emergency-bypass"},
        Severity.MAJOR,
        Cause.POWER_PROBLEM,
        _("{part} is on bypass: nothing bridges").format(part=part),
    )
    yield Check(
        part,
        "off",
        None if state is None else state in {"off", "sleeping"},
        Severity.CRITICAL,
        Cause.POWER_PROBLEM,
        _("{part} is off").format(part=part),
    )
    kw = observed.situation.load_kw.get(part)
    rated_kw, module_kw = _ratings(assessment, part)
    value = None if kw is None else kw.value
    yield Check(
        part,
        "overload",
        None if value is None else value > rated_kw,
        Severity.CRITICAL,
        Cause.POWER_PROBLEM,
        _("{part} carries {kw:.1f} kW, more than its {rated:g} kW").format(part=part, kw=value or 0, rated=rated_kw),
        5.0,
    )
    spare = None if value is None or module_kw == rated_kw else value > rated_kw - module_kw
    yield Check(
        part,
        "redundancy-lost",
        spare,
        Severity.MINOR,
        Cause.REDUNDANCY_LOST,
        _("{part} carries {kw:.1f} kW: one module less would not do").format(part=part, kw=value or 0),
        30.0,
    )
    celsius = view.values.get("battery.temperature")
    yield Check(
        part,
        "battery-hot",
        None if celsius is None else celsius > HOT_C,
        Severity.MAJOR if (celsius or 0) > VERY_HOT_C else Severity.MINOR,
        Cause.HIGH_TEMPERATURE,
        _("The batteries of {part} are at {n:.0f} degrees").format(part=part, n=celsius or 0),
        120.0,
    )
    yield Check(
        part,
        "battery-weak",
        _is_weak(view, observed),
        Severity.MAJOR,
        Cause.BATTERY_FAILURE,
        _("The batteries of {part} are weak: replace them").format(part=part),
    )
    spread = view.values.get("battery.imbalance")
    yield Check(
        part,
        "string-imbalance",
        None if spread is None else spread > IMBALANCE_PCT,
        Severity.MINOR,
        Cause.BATTERY_FAILURE,
        _("The strings of {part} are {n:.0f} % apart").format(part=part, n=spread or 0),
        300.0,
    )
    charge = view.values.get("battery.charge")
    low = view.states.get("battery.status") in {"low", "depleted"} or (charge is not None and charge < 20)
    yield Check(
        part,
        "battery-low",
        low if view.fresh else None,
        Severity.CRITICAL,
        Cause.LOW_BATTERY,
        _("The batteries of {part} are nearly empty").format(part=part),
    )


def _ratings(assessment: Assessment, part: str) -> tuple[float, float]:
    """Return a unit's rating and that of one of its modules, kW."""
    plant = assessment.network.plant
    if part in plant.ups:
        return plant.ups[part].rated_kw, plant.ups[part].module_kw
    return plant.dc_plants[part].rated_kw, plant.dc_plants[part].rectifier_kw


def _is_weak(view: PartView, observed: Observed) -> bool | None:
    words = [view.states.get(key) for key in ("battery.test", "battery.replace", "battery.status")]
    if words[0] == "failed" or words[1] == "yes" or words[2] in {"weak", "failed", "disconnected"}:
        return True
    learned = [
        it.value
        for name, it in observed.situation.health.items()
        if name.startswith(f"{view.part}/") and it.value is not None and (it.error or 0.0) <= _SURE
    ]
    if learned:
        return min(learned) < WEAK
    return False if any(words) else None


def _generator_checks(view: PartView, observed: Observed, plant: PowerPlant) -> Iterator[Check]:
    part, state = view.part, view.state
    fresh = view.fresh
    failed = (
        view.states.get("genset.start") == "failed"
        or state == "failed"
        or (view.states.get("alarm.fail-to-start") in {"critical", "raised"})
    )
    beside = {name for it in plant.switches.values() if part in it.inputs for name in it.inputs if name in plant.feeds}
    fed = any(observed.views[name].state == "ok" for name in beside)  # its switch has no need of it
    called = observed.runs_on == "battery" and state == "stopped" and not fed
    yield Check(
        part,
        "start-failed",
        failed if fresh else None,
        Severity.CRITICAL,
        Cause.STANDBY_POWER_GENERATOR_FAILURE,
        _("{part} failed to start").format(part=part),
    )
    yield Check(
        part,
        "not-started",
        called and not failed if fresh and state else None,
        Severity.CRITICAL,
        Cause.STANDBY_POWER_GENERATOR_FAILURE,
        _("Utility is lost and {part} does not run").format(part=part),
        45.0,
    )
    mode = view.states.get("genset.mode")
    yield Check(
        part,
        "not-automatic",
        None if mode is None else mode in {"off", "stop", "manual", "blocked"},
        Severity.MAJOR,
        Cause.STANDBY_POWER_GENERATOR_FAILURE,
        _("{part} is not in automatic mode: it will not start by itself").format(part=part),
        30.0,
    )
    alarm = view.states.get("genset.alarm")
    yield Check(
        part,
        "engine-alarm",
        None if alarm is None else alarm in {"raised", "shutdown"},
        Severity.CRITICAL if alarm == "shutdown" else Severity.MAJOR,
        Cause.ENGINE_FAILURE,
        _("{part} has an alarm: {word}").format(part=part, word=alarm),
    )
    volts = view.values.get("engine.battery_voltage")
    least = None if volts is None else 11.8 if volts < 18 else 23.6
    yield Check(
        part,
        "start-battery-low",
        None if volts is None or least is None else volts < least,
        Severity.MAJOR,
        Cause.LOW_BATTERY,
        _("The start battery of {part} has {n:.1f} V").format(part=part, n=volts or 0),
        60.0,
    )


def _switch_checks(view: PartView, assessment: Assessment, observed: Observed) -> Iterator[Check]:
    inputs = assessment.network.plant.switches[view.part].inputs
    chosen = dict(zip("ab", inputs, strict=False)).get(view.state or "")
    on_dead = chosen is not None and observed.views.get(chosen, view).state == "failed"
    dead = view.state == "neither" or view.states.get("ats.switch") == "failed" or on_dead
    stuck = dead and any(
        it.state in {"ok", "running", "loaded"}
        for it in observed.views.values()
        if it.section in {"feeds", "generators"}
    )
    yield Check(
        view.part,
        "transfer-failed",
        stuck if view.fresh else None,
        Severity.CRITICAL,
        Cause.EQUIPMENT_MALFUNCTION,
        _("{part} did not transfer: a source lives and the load has none").format(part=view.part),
        15.0,
    )


def test_checks(assessment: Assessment, tested_d: Mapping[str, float | None]) -> Iterator[Check]:
    """Yield what is overdue for a test; per unit or generator the days since its last one, None for never."""
    every_d = assessment.network.plant.test_every_d
    if every_d is None:
        return
    for part, days in tested_d.items():
        yield Check(
            part,
            "test-overdue",
            days is None or days > every_d,
            Severity.WARNING,
            Cause.THRESHOLD_CROSSED,
            _("{part} was never seen to be tested").format(part=part)
            if days is None
            else _("{part} was last tested {n:.0f} days ago").format(part=part, n=days),
            60.0,
        )
