"""Judges one device: what it answers, that it does not, what it sends unasked. Sans-IO.

A verdict is told as the change to what was known. What the device calls unknown, and what it tells no more, changes
nothing: unknown never clears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Final

from lifeline.devices.decode import Measurement, State
from lifeline.devices.follow import News
from lifeline.devices.library import Family
from lifeline.devices.model import Limit
from lifeline.devices.traps import Meaning
from lifeline.devices.vocabulary import Health
from lifeline.i18n import _
from lifeline.model.inventory import DeviceKind
from lifeline.model.judgement import Judgement
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause, Quality

from . import rates
from .limits import Usual, beyond
from .reach import Patience, Reach

UNREACHABLE: Final = "unreachable"
ISOLATED: Final = "isolated"
CLOCK_WRONG: Final = "clock-wrong"
SENSELESS: Final = "agent-senseless"
CLOCK_WRONG_S: Final = 60.0
_SITE_STATE: Final = "lmr.site"
_SILENT_STATES: Final = frozenset({"if.oper", "if.admin"})
"""A port that is down is nobody's alarm unless a link of the inventory ends there: `links` judges these."""
_HC: Final = ("1.3.6.1.2.1.31.1.1.1.",)
_UPTIME: Final = "system.uptime_s"


@dataclass(slots=True)
class _Series:
    """What is remembered of one measured value."""

    sample: rates.Sample | None = None
    rate: float | None = None
    moved_s: float = 0.0
    value: float | None = None
    raised: set[str] = field(default_factory=set)
    usual: Usual = field(default_factory=Usual)


class DeviceWatch:
    """One device as it is known.

    Attributes:
        subject: `device:<site>/<device>`.
        reach: whether it answers.
        heard_s: when it last answered; None before the first time.
        restarts: how often it has restarted while watched.
        ping_s: round trip of the last ping that was answered; None when the last one was not, or there was none.
        skew_s: how far its clock is off ours where it tells; None where it does not.
    """

    def __init__(self, subject: str, kind: DeviceKind, patience: Patience | None = None) -> None:
        """Know nothing yet.

        Args:
            subject: `device:<site>/<device>`.
            kind: what it is.
            patience: when a silence is a fact.
        """
        self.subject = subject
        self.kind = kind
        self.reach = Reach(patience or Patience())
        self.heard_s: float | None = None
        self.why = ""
        self.restarts = 0
        self.skew_s: float | None = None
        self.ping_s: float | None = None
        self._series: dict[str, _Series] = {}
        self._uptime: tuple[float, float] | None = None
        self._limits: Mapping[str, list[Limit]] = {}
        self._family: Family | None = None

    def knows(self, family: Family) -> None:
        """Take the family that the device was recognised as."""
        self._family = family
        self._limits = family.limits

    # ---------------------------------------------------------------- what happens

    def heard(self, news: News, now_s: float) -> Judgement:
        """Take a round of answers; return what it changes."""
        self.reach.answer(now_s)
        self.heard_s, self.why = now_s, ""
        judged = self._reach_judged(now_s)
        uptime_s = next((it.value for it in news.measurements if it.metric == _UPTIME), None)
        if uptime_s is not None:
            if self._uptime and rates.restarted(self._uptime[0], uptime_s, now_s - self._uptime[1]):
                self.restarts += 1
            self._uptime = uptime_s, now_s
        for measurement in news.measurements:
            self._measured(measurement, uptime_s, now_s, judged)
        for key in self._still_watched():
            self._still(key, now_s, judged)
        for state in news.states:
            self._state(state, judged)
        return judged

    def silent(self, why: str, now_s: float) -> Judgement:
        """Take a question that was not answered.

        Args:
            why: in words, for people.
            now_s: monotonic.
        """
        self.reach.silence(now_s)
        self.why = why
        return self._reach_judged(now_s)

    def notified(self, meaning: Meaning) -> Judgement:
        """Take a notification."""
        name = f"{meaning.condition}[{meaning.instance}]" if meaning.instance else meaning.condition
        if meaning.severity is PerceivedSeverity.CLEARED:
            return {(self.subject, name): None}
        text = _("The device says so itself: {object}").format(object=meaning.object or meaning.condition)
        return {(self.subject, name): Condition(
            self.subject, name, meaning.severity, meaning.event_type, meaning.cause, text, {"by": "trap"}
        )}  # fmt: skip

    def clock(self, skew_s: float) -> Judgement:
        """Take how far the device's clock is off ours, seconds; positive: it is ahead."""
        self.skew_s = skew_s
        key = self.subject, CLOCK_WRONG
        if abs(skew_s) < CLOCK_WRONG_S / 2:
            return {key: None}
        if abs(skew_s) < CLOCK_WRONG_S:
            return {}
        text = _("Its clock is off by {seconds:.0f} s; its own times are not used").format(seconds=skew_s)
        return {
            key: Condition(*key, PerceivedSeverity.WARNING, EventType.EQUIPMENT, ProbableCause.TIMING_PROBLEM, text)
        }

    def cut_off(self, columns: Sized) -> Judgement:
        """Take which tables its agent does not tell to their end: too long, or round in circles."""
        key = self.subject, SENSELESS
        if not columns:
            return {key: None}
        text = _("Its agent tells {n} tables without end or in circles; they are cut off").format(n=len(columns))
        return {key: self._condition(
            SENSELESS, PerceivedSeverity.WARNING, ProbableCause.SOFTWARE_PROGRAM_ABNORMALLY_TERMINATED, text
        )}  # fmt: skip

    def due(self, now_s: float) -> Judgement:
        """Return what the passing of time alone changes."""
        return self._reach_judged(now_s)

    def next_deadline(self) -> float | None:
        """Return when `due` has something to say, if nothing happens before."""
        return self.reach.next_deadline()

    def rate(self, key: str) -> float | None:
        """Return how fast a counter grows, per second; None where that is not known."""
        series = self._series.get(key)
        return series.rate if series else None

    def rates(self) -> dict[str, float]:
        """Return every rate that is known, by the counter's key."""
        return {key: it.rate for key, it in self._series.items() if it.rate is not None}

    # ---------------------------------------------------------------- judging

    def _reach_judged(self, now_s: float) -> Judgement:
        key = self.subject, UNREACHABLE
        flapping = self.reach.flapping(now_s)
        if not self.reach.down and not flapping:
            return {key: None} if self.reach.known else {}
        if flapping:
            text = _("It comes and goes; it counts as down until it has kept still")
        else:
            text = self.why or _("It does not answer")
            if self.ping_s is not None:
                text = _("{why}; pings it does answer").format(why=text)
        return {key: Condition(
            *key, PerceivedSeverity.MAJOR, EventType.COMMUNICATIONS,
            ProbableCause.COMMUNICATIONS_SUBSYSTEM_FAILURE, text, {"flapping": flapping},
        )}  # fmt: skip

    def _measured(self, it: Measurement, uptime_s: float | None, now_s: float, judged: Judgement) -> None:
        limits = self._limits.get(it.metric)
        entry = self._family.vocabulary.metrics.get(it.metric) if self._family else None
        counter = entry is not None and entry.counter
        if not counter and not limits:
            return
        series = self._series.get(it.key)
        if series is None:
            series = self._series[it.key] = _Series(moved_s=now_s)
        if it.quality is not Quality.GOOD or it.value is None:
            series.sample = series.rate = None
            return  # a doubtful value neither raises nor clears
        if counter:
            sample = rates.Sample(it.value, now_s, uptime_s)
            if series.sample is not None:
                series.rate = rates.rate(series.sample, sample, 64 if it.place.startswith(_HC) else 32)
            series.sample = sample
            return
        if it.value != series.value:
            series.value, series.moved_s = it.value, now_s
        for limit in limits or ():
            if limit.still_s is None:
                self._limit(limit, it, series, judged)

    def _limit(self, limit: Limit, it: Measurement, series: _Series, judged: Judgement) -> None:
        assert it.value is not None
        name = f"{limit.condition}[{it.instance}]" if it.instance else limit.condition
        if limit.deviates is not None:
            raised = series.usual.unusual(it.value, limit.deviates)
            bound = _("usual is {mean:.4g}").format(mean=series.usual.mean)
        else:
            raised = beyond(it.value, above=limit.above, below=limit.below, clear=limit.clear,
                            raised=limit.condition in series.raised)  # fmt: skip
            bound = f"> {limit.above:g}" if limit.above is not None else f"< {limit.below:g}"
        (series.raised.add if raised else series.raised.discard)(limit.condition)
        key = self.subject, name
        text = f"{it.key} {it.value:.4g} {it.unit} ({bound})"
        judged[key] = self._condition(name, limit.severity, limit.cause, text) if raised else None

    def _still_watched(self) -> list[str]:
        if not any(limit.still_s for limits in self._limits.values() for limit in limits):
            return []
        return [key for key, it in self._series.items() if it.value is not None]

    def _still(self, key: str, now_s: float, judged: Judgement) -> None:
        metric, _bracket, instance = key.partition("[")
        series = self._series[key]
        for limit in self._limits.get(metric, ()):
            if limit.still_s is not None:
                name = f"{limit.condition}[{instance}" if instance else limit.condition
                stuck = now_s - series.moved_s >= limit.still_s
                text = _("{key} has not moved for {minutes:.0f} min").format(key=key, minutes=limit.still_s / 60)
                condition = self._condition(name, limit.severity, limit.cause, text) if stuck else None
                judged[self.subject, name] = condition

    def _state(self, state: State, judged: Judgement) -> None:
        if state.name in _SILENT_STATES:
            return
        if state.name == _SITE_STATE:
            self._site_state(state, judged)
            return
        name = state.key.replace(".", "-").replace("_", "-")
        if state.health is Health.OK:
            judged[self.subject, name] = None
        elif state.health is not Health.UNKNOWN:
            entry = self._family.vocabulary.state(state.name) if self._family else None
            cause = entry.cause if entry else ProbableCause.INDETERMINATE
            text = f"{state.key}: {state.word}"
            judged[self.subject, name] = self._condition(name, state.health.severity, cause, text)

    def _site_state(self, state: State, judged: Judgement) -> None:
        """Judge how a trunked site serves: cut from its core and serving is degraded, not off the air."""
        isolated, off = state.word in {"site-trunking", "failsoft"}, state.word == "off-air"
        if state.health is Health.UNKNOWN:
            return
        judged[self.subject, ISOLATED] = Condition(
            self.subject, ISOLATED, PerceivedSeverity.MAJOR, EventType.COMMUNICATIONS,
            ProbableCause.COMMUNICATIONS_SUBSYSTEM_FAILURE,
            _("Isolated but serving: cut from its core, it carries calls within its own area"), {"serves": state.word},
        ) if isolated else None  # fmt: skip
        judged[self.subject, "off-air"] = Condition(
            self.subject, "off-air", PerceivedSeverity.CRITICAL, EventType.EQUIPMENT,
            ProbableCause.TRANSMITTER_FAILURE, _("Off the air: it serves nobody"),
        ) if off else None  # fmt: skip

    def _condition(self, name: str, severity: PerceivedSeverity, cause: ProbableCause, text: str) -> Condition:
        environmental = self.kind is DeviceKind.SENSOR
        event_type = EventType.ENVIRONMENTAL if environmental else EventType.EQUIPMENT
        return Condition(self.subject, name, severity, event_type, cause, text)
