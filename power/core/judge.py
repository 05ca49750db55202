"""What of a plant's state is worth telling, and from when on: conditions, debounced.

A check says yes, no or (None) unknown; unknown changes nothing. Conditions are raised once they have held for their
time, and cleared once they have been away for theirs: utility that flickers is one event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from lifeline.i18n import _
from lifeline.model.judgement import Judgement, Key
from lifeline.model.records import Condition, EventType

from .assume import assumed
from .autonomy import Assessment, Figure, Kind, Redundancy, Verdict, assess
from .checks import Cause, Check, Severity, part_checks, test_checks
from .explain import OLD_FUEL_D, fuel_ages_d, hours_text, sentence
from .network import Network
from .observe import Observed
from .situation import Known, LoadCase

_NOTHING = Known(None)
CLEAR_AFTER_S = 60.0
LOW_FUEL_PCT, VERY_LOW_FUEL_PCT = 40.0, 20.0
FALLS_FACTOR = 1.5
FALL_WINDOW_S = 3600.0
DROP_PCT = 5.0
"""Fuel that goes without being burnt, of the tank, within `DROP_WINDOW_S`, beyond what gauges are off by."""
DROP_WINDOW_S = 3600.0
STUCK_DUE, STUCK_GONE = 0.15, 0.02
"""A gauge that shows less than the second gone when the first has been drawn, of a new battery, stands still."""


@dataclass(slots=True)
class _Held:
    """Since when a check has said yes, and no."""

    yes_s: float | None = None
    no_s: float | None = None
    raised: bool = False


@dataclass(slots=True)
class _Drawn:
    """A discharge: the charge at its begin, what was drawn since, kWh, and when that was last reckoned."""

    charge: float
    at_s: float
    kwh: float = 0.0


@dataclass(slots=True)
class Judge:
    """A site's judge between looks."""

    site: str
    _held: dict[Key, _Held] = field(default_factory=dict)
    _autonomy: list[tuple[float, float]] = field(default_factory=list)
    _fuel: dict[str, list[tuple[float, float, bool]]] = field(default_factory=dict)
    _drawn: dict[str, _Drawn] = field(default_factory=dict)
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
            *(it for view in observed.views.values() for it in part_checks(view, assessment, observed)),
            *self._fuel_checks(observed, assessment, now_s),
            *self._stuck_gauges(observed, assessment, now_s),
            *test_checks(assessment, tested_d or {}),
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
        battery = assessment.figure(Kind.BATTERY)
        yield Check(
            "",
            "runtime-doubtful",
            None if battery.device_h is None else battery.disagrees,
            Severity.WARNING,
            Cause.CORRUPT_DATA,
            _("The devices say that batteries last {device}, the model says {model}: one of them is wrong").format(
                device=hours_text(battery.device_h), model=hours_text(battery.model.mid if battery.model else None)
            ),
            300.0,
        )

    def _stuck_gauges(self, observed: Observed, assessment: Assessment, now_s: float) -> Iterator[Check]:
        """Look at each discharge: a state of charge that stands still while energy is drawn is a lie."""
        for name, unit in assessment.network.units.items():
            view = observed.views[name]
            charge, kw = (known.get(name, _NOTHING).value for known in (
                observed.situation.charge, observed.situation.load_kw))  # fmt: skip
            if view.state not in {"on-battery", "discharge"}:
                self._drawn.pop(name, None)
                if view.state is not None and unit.parts:
                    yield _stuck(name, 0.0, 0.0, holds=False)
                continue
            if charge is None or kw is None or not unit.parts:
                continue
            drawn = self._drawn.setdefault(name, _Drawn(charge, now_s))
            drawn.kwh += kw / unit.battery_efficiency * (now_s - drawn.at_s) / 3600
            drawn.at_s = now_s
            due = drawn.kwh / sum(part.capacity_kwh for part in unit.parts)
            gone = drawn.charge - charge
            yield _stuck(name, due, gone, holds=due >= STUCK_DUE and gone < STUCK_GONE)

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
        ages_d = dict(fuel_ages_d(network, observed.situation))
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
            age_d = ages_d.get(name)
            yield Check(
                name,
                "fuel-old",
                None if age_d is None else age_d > OLD_FUEL_D,
                Severity.WARNING,
                Cause.LOW_FUEL,
                _("The fuel in {tank} is {n} days old and may not burn well").format(tank=name, n=age_d),
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


def _stuck(part: str, due: float, gone: float, *, holds: bool) -> Check:
    text = _("{part} has given {due:.0%} of its batteries' energy and shows {gone:.0%} gone: its gauge stands still")
    return Check(part, "gauge-stuck", holds, Severity.MAJOR, Cause.CORRUPT_DATA,
                 text.format(part=part, due=due, gone=max(0.0, gone)))  # fmt: skip


def _is_redundant(assessment: Assessment) -> bool:
    whole = Network(assessment.network.plant)
    best = assumed(whole, "load=100%,charge=100%,fuel=100%,temp=25", assessment.situation.today)
    figure = assess(whole, best).figure(Kind.SYSTEM, Redundancy.N_1, LoadCase.DESIGN)
    return figure.verdict(whole.plant.target_autonomy_h) in {Verdict.MET, Verdict.UNCERTAIN}


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
