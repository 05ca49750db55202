"""What of a plant's state is worth telling, and from when on: conditions, debounced.

A check says yes, no or (None) unknown; unknown changes nothing. Conditions are raised once they have held for their
time, and cleared once they have been away for theirs: utility that flickers is one event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from lifeline.i18n import _
from lifeline.model.judgement import Judgement, Key
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

from .assume import assumed
from .autonomy import Assessment, Figure, Kind, Redundancy, Verdict, assess
from .explain import hours_text, sentence
from .network import Network
from .observe import Observed, PartView
from .situation import LoadCase

Severity = PerceivedSeverity
Cause = ProbableCause

CLEAR_AFTER_S = 60.0
HOT_C, VERY_HOT_C = 35.0, 45.0
"""VRLA loses half its life for every 10 degrees above 20 to 25."""
WEAK = 0.8
"""IEEE 450 and 1188: replace at 80 % of the rated capacity."""
IMBALANCE_PCT = 5.0
LOW_FUEL_PCT, VERY_LOW_FUEL_PCT = 40.0, 20.0
FALLS_FACTOR = 1.5
FALL_WINDOW_S = 3600.0
DROP_PCT = 5.0
"""Fuel that goes without being burnt, of the tank, within `DROP_WINDOW_S`, beyond what gauges are off by."""
DROP_WINDOW_S = 3600.0


class Check(NamedTuple):
    """A check's answer about the site (part empty) or one of its parts."""

    part: str
    name: str
    holds: bool | None
    severity: Severity
    cause: Cause
    text: str
    after_s: float = 0.0


@dataclass(slots=True)
class _Held:
    """Since when a check has said yes, and no."""

    yes_s: float | None = None
    no_s: float | None = None
    raised: bool = False


@dataclass(slots=True)
class Judge:
    """A site's judge between looks."""

    site: str
    _held: dict[Key, _Held] = field(default_factory=dict)
    _autonomy: list[tuple[float, float]] = field(default_factory=list)
    _fuel: dict[str, list[tuple[float, float, bool]]] = field(default_factory=dict)
    _redundant: bool | None = None
    """Whether the plant reaches its target without its worst part when it is full, charged and whole."""

    def judge(
        self,
        observed: Observed,
        assessment: Assessment,
        now_s: float,
        tested_d: Mapping[str, float | None] | None = None,
    ) -> Judgement:
        """Return what holds and what does not.

        Args:
            observed: the plant as its devices show it.
            assessment: its figures.
            now_s: monotonic time.
            tested_d: per unit or generator, days since its last test; None where it was never seen to be tested.
        """
        checks = [
            *self._site_checks(observed, assessment, now_s),
            *(it for view in observed.views.values() for it in _part_checks(view, assessment, observed)),
            *self._fuel_checks(observed, assessment, now_s),
            *_test_checks(assessment, tested_d or {}),
        ]
        judged: Judgement = {}
        for check in checks:
            subject = f"power:{self.site}/{check.part}" if check.part else f"power:{self.site}"
            key = (subject, check.name)
            if (answer := self._debounced(key, check, now_s)) is not None:
                judged[key] = _condition(subject, check) if answer else None
        return judged

    def _debounced(self, key: Key, check: Check, now_s: float) -> bool | None:
        """Return whether a condition stands after this look; None where nobody knows."""
        held = self._held.setdefault(key, _Held())
        if check.holds is None:
            return None
        if check.holds:
            held.no_s = None
            held.yes_s = now_s if held.yes_s is None else held.yes_s
            held.raised = held.raised or now_s - held.yes_s >= check.after_s
        else:
            held.yes_s = None
            held.no_s = now_s if held.no_s is None else held.no_s
            held.raised = held.raised and now_s - held.no_s < CLEAR_AFTER_S
        return held.raised

    def _site_checks(self, observed: Observed, assessment: Assessment, now_s: float) -> Iterator[Check]:
        on = observed.runs_on
        known = on != "unknown"
        figure = assessment.figure(Kind.SYSTEM)
        target_h = assessment.network.plant.target_autonomy_h
        verdict = figure.verdict(target_h)
        lasts = hours_text(figure.mid_h)
        yield Check(
            "",
            "utility-lost",
            on in {"battery", "generator"} if known else None,
            Severity.MAJOR,
            Cause.COMMERCIAL_POWER_FAILURE,
            _("Utility is lost; the site runs on {what} and lasts {lasts}").format(
                what=_("batteries") if on == "battery" else _("a generator"), lasts=lasts
            ),
        )
        yield Check(
            "",
            "on-generator",
            on == "generator" if known else None,
            Severity.WARNING,
            Cause.POWER_PROBLEM,
            _("A generator carries the site, which lasts {lasts}").format(lasts=lasts),
        )
        yield Check(
            "",
            "autonomy-below-target",
            None if verdict is Verdict.UNKNOWN else verdict is not Verdict.MET,
            Severity.MAJOR if verdict is Verdict.MISSED else Severity.MINOR,
            Cause.THRESHOLD_CROSSED,
            _("The site lasts {lasts}, its target is {target:g} h").format(lasts=lasts, target=target_h),
            30.0,
        )
        yield Check(
            "",
            "autonomy-unknown",
            verdict is Verdict.UNKNOWN,
            Severity.INDETERMINATE,
            Cause.INDETERMINATE,
            sentence(assessment, figure),
            60.0,
        )
        n_1 = assessment.figure(Kind.SYSTEM, Redundancy.N_1)
        lost = None if n_1.mid_h is None else n_1.verdict(target_h) is Verdict.MISSED and verdict is not Verdict.MISSED
        if self._redundant is None:
            self._redundant = _is_redundant(assessment)
        if self._redundant:
            text = _("One failure would take the site below its target: {sentence}")
            yield Check(
                "",
                "redundancy-lost",
                lost,
                Severity.WARNING,
                Cause.REDUNDANCY_LOST,
                text.format(sentence=sentence(assessment, n_1)),
                60.0,
            )
        yield self._falling(figure, on, now_s)

    def _falling(self, figure: Figure, runs_on: str, now_s: float) -> Check:
        """Compare what is left with what was left: it falls as fast as time goes, and no faster."""
        holds: bool | None = None
        if figure.mid_h is None or runs_on not in {"battery", "generator"}:
            self._autonomy.clear()
            holds = None if figure.mid_h is None else False
        else:
            self._autonomy = [(at_s, h) for at_s, h in self._autonomy if now_s - at_s <= FALL_WINDOW_S]
            self._autonomy.append((now_s, figure.mid_h))
            (then_s, then_h), gone_h = self._autonomy[0], (now_s - self._autonomy[0][0]) / 3600
            gauges_h = figure.mid_h - (figure.low_h or 0.0)  # gauges that tell whole per cents step by hours
            holds = now_s - then_s >= FALL_WINDOW_S / 3 and then_h - figure.mid_h > FALLS_FACTOR * gone_h + gauges_h
        return Check(
            "",
            "autonomy-falls-fast",
            holds,
            Severity.MAJOR,
            Cause.THRESHOLD_CROSSED,
            _("What is left falls faster than time goes; {lasts} are left").format(lasts=hours_text(figure.mid_h)),
        )

    def _fuel_checks(self, observed: Observed, assessment: Assessment, now_s: float) -> Iterator[Check]:
        """Look at each tank: how much is left, and whether it goes faster than engines burn."""
        network = assessment.network
        running = any(
            view.state in {"running", "loaded"} for view in observed.views.values() if view.section == "generators"
        )
        burn_l_per_h = sum(it.burns[0].l_per_h(it.rated_kw) for it in network.generators.values() if it.burns)
        for name, tank in network.tanks.items():
            known = observed.situation.fuel_l.get(name)
            level = None if known is None or known.value is None else known.value
            pct = None if level is None else 100 * level / tank.capacity_l
            text = "" if pct is None else _("{tank} holds {pct:.0f} %").format(tank=name, pct=pct)
            yield Check(
                name,
                "low-fuel",
                None if pct is None else pct < LOW_FUEL_PCT,
                Severity.MINOR if pct is None or pct >= VERY_LOW_FUEL_PCT else Severity.MAJOR,
                Cause.LOW_FUEL,
                text,
                60.0,
            )
            past = self._fuel.setdefault(name, [])
            past[:] = [it for it in past if now_s - it[0] <= DROP_WINDOW_S]
            if level is None:
                continue
            past.append((now_s, level, running))
            burnt_l = burn_l_per_h * sum((b[0] - a[0]) / 3600 for a, b in pairwise(past) if a[2] or b[2])
            dropped_l = max(it[1] for it in past) - level
            yield Check(
                name,
                "fuel-drop",
                dropped_l > burnt_l + DROP_PCT / 100 * tank.capacity_l,
                Severity.MAJOR,
                Cause.LOW_FUEL,
                _("{tank} lost {n:.0f} l within the hour that no engine burnt: leak or theft").format(
                    tank=name, n=dropped_l - burnt_l
                ),
                30.0,
            )


def _is_redundant(assessment: Assessment) -> bool:
    whole = Network(assessment.network.plant)
    best = assumed(whole, "load=100%,charge=100%,fuel=100%,temp=25", assessment.situation.today)
    figure = assess(whole, best).figure(Kind.SYSTEM, Redundancy.N_1, LoadCase.DESIGN)
    return figure.verdict(whole.plant.target_autonomy_h) in {Verdict.MET, Verdict.UNCERTAIN}


def _part_checks(view: PartView, assessment: Assessment, observed: Observed) -> Iterator[Check]:
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
        yield from _generator_checks(view, observed)
    elif view.section == "switches":
        yield from _switch_checks(view, observed)


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
        if name.startswith(f"{view.part}/") and it.value is not None
    ]
    if learned:
        return min(learned) < WEAK
    return False if any(words) else None


def _generator_checks(view: PartView, observed: Observed) -> Iterator[Check]:
    part, state = view.part, view.state
    fresh = view.fresh
    failed = (
        view.states.get("genset.start") == "failed"
        or state == "failed"
        or (view.states.get("alarm.fail-to-start") in {"critical", "raised"})
    )
    called = observed.runs_on == "battery" and state == "stopped"
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


def _switch_checks(view: PartView, observed: Observed) -> Iterator[Check]:
    dead = view.state == "neither" or view.states.get("ats.switch") == "failed"
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


def _test_checks(assessment: Assessment, tested_d: Mapping[str, float | None]) -> Iterator[Check]:
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


_EVENT_TYPES = {
    Cause.COMMUNICATIONS_PROTOCOL_ERROR: EventType.COMMUNICATIONS,
    Cause.HIGH_TEMPERATURE: EventType.ENVIRONMENTAL,
    Cause.COMMERCIAL_POWER_FAILURE: EventType.ENVIRONMENTAL,
    Cause.THRESHOLD_CROSSED: EventType.QUALITY_OF_SERVICE,
    Cause.CORRUPT_DATA: EventType.PROCESSING_ERROR,
}


def _condition(subject: str, check: Check) -> Condition:
    event_type = _EVENT_TYPES.get(check.cause, EventType.EQUIPMENT)
    return Condition(subject, check.name, check.severity, event_type, check.cause, check.text)
