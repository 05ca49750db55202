"""Decides which sources are selected, and how well the site's time is known: evidence in, decision out.

1. What each source says against itself (`evidence`).
2. Who disagrees with whom beyond what both may be off; a step of whole seconds or weeks is named at once.
3. For each disagreement, who has witnesses: other sources, and the oscillator's model as it was before. One more than
   the other decides; a tie is *unresolved*, and neither is selected.
4. A source, or all together, against the oscillator's model: what no oscillator does is the sources' doing.
5. What is clean for long enough is qualified; what is qualified, fine enough and not excluded is selected.
6. The selected ones teach the model; without any the model holds over, and its budget runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import sqrt
from statistics import median
from typing import Final

from lifeline.model.timing import Oscillator, TimeService

from .clockmodel import ClockModel
from .evidence import Setting, against, distance_m, suspicions
from .naming import name_of
from .reasons import ClockState, Evidence, Reason
from .source import CONFIRM, Sample, SourceState, Telemetry
from .verdicts import Change, Decision, SourceView, word

K_DISAGREE: Final = 5.0
"""So many sigmas apart, two disagree."""
K_WITNESS: Final = 3.0
"""Within so many a witness speaks for a source, beyond `K_DISAGREE` against it."""
K_SERVE: Final = 3.0
"""The bound by which service is withdrawn."""
LAGS_S: Final = (6, 20, 60, 240, 1000, 3600)
"""Ages of the model's copies that bear witness: young ones know a step, old ones a slow ramp."""
TRAINED_S: Final = 60.0
"""How long the model learns before it counts as trained, where qualification does not take less."""
SETTLE_S: Final = 10.0
"""How long who was merely absent must be sound."""
TELL_S: Final = 5.0
"""What of the budget is kept for making chronyd withdraw."""
LEAP_QUIET_S: Final = 5.0
"""Around a leap second nobody is listened to: receivers pass it one by one."""
_ODD_TIMES: Final = 100.0
"""A frequency jump of so many times its hourly wander is more than an oscillator does, even a bad one."""
_ABSENT = frozenset({Reason.SILENT, Reason.UNWATCHED, Reason.FAILED, Reason.NO_FIX})


@dataclass(slots=True)
class Arbiter:
    """The arbiter of one site. Feed it `sample` and `telemetry`, and ask `decide` once a second or oftener."""

    service: TimeService
    oscillator: Oscillator
    sources: dict[str, SourceState]
    leap_s: int | None = 18
    """GPS time less UTC; 18 s since 2017."""
    leap_at_s: float | None = None
    """When, in oscillator's time, the next leap second is inserted or has been."""
    model: ClockModel | None = None
    locked_since_s: float | None = None
    was_locked: bool = False
    floor_ns: float = 0.0
    """What the best of the sources that taught the model may be off."""
    excluded: dict[str, str] = field(default_factory=dict)
    """By source: who took it out."""
    chosen: frozenset[str] | None = None
    """The sources that a person selected or locked; None where anyone may be."""
    locked_by: str = ""
    _selected: frozenset[str] = frozenset()
    _taught: frozenset[str] = frozenset()
    """The sources that were selected last: they have taught the model."""
    _doubt_ns: float = 0.0
    """How far sources that disagree may have pulled the model before it showed."""
    _copies: dict[int, deque[ClockModel]] = field(default_factory=dict)
    _decided_s: float | None = None
    _since_s: dict[str, float] = field(default_factory=dict)
    _reasons: dict[str, Reason | None] = field(default_factory=dict)
    _lag: dict[str, int] = field(default_factory=dict)
    """By source: the age of the model's copy that convicted it."""
    _state: ClockState = ClockState.FREE_RUN

    @classmethod
    def of(cls, service: TimeService, sources: Mapping[str, SourceState], oscillator: Oscillator) -> Arbiter:
        """Return an arbiter that has heard nothing yet."""
        return cls(service, oscillator, dict(sources))

    # ---------------------------------------------------------------- what comes in

    def sample(self, name: str, sample: Sample) -> None:
        """Take a source's reading; one that goes back in time is dropped."""
        source = self.sources[name]
        if self._quiet(sample.at_s) or (source.samples and sample.at_s <= source.samples[-1].at_s):
            return
        source.samples.append(sample)
        source.heard_s = sample.at_s
        if self.model is None:
            self.model = ClockModel.begin(self.oscillator, sample.at_s, sample.phase_ns, source.uncertainty_ns())
        elif self.model is not None and self._teaches(source):
            self._learn(source, sample)

    def telemetry(self, name: str, telemetry: Telemetry) -> None:
        """Take what a source says of itself."""
        source = self.sources[name]
        if self.service.antenna is not None and telemetry.position is not None:
            far = distance_m(telemetry.position, self.service.antenna) > self.service.antenna.tolerance_m
            source.far_fixes = source.far_fixes + 1 if far else 0
        setting = Setting(telemetry.at_s, self.service.antenna, self.leap_s)
        if not any(it.reason not in _ABSENT for it in against(source.saying(telemetry), setting)):
            source.usual(telemetry)
        source.telemetry = telemetry

    def _quiet(self, at_s: float) -> bool:
        return self.leap_at_s is not None and abs(at_s - self.leap_at_s) < LEAP_QUIET_S

    def _teaches(self, source: SourceState) -> bool:
        if self._selected:
            return source.name in self._selected
        # Before the first lock some source has to show the oscillator's frequency; nothing is selected by it.
        best = min((it for it in self.sources.values() if it.samples and not it.accused),
                   key=lambda it: (it.sigma_ns, it.name), default=None)  # fmt: skip
        return not self.was_locked and source is best

    def _learn(self, source: SourceState, sample: Sample) -> None:
        assert self.model is not None
        sigma = source.uncertainty_ns() * sqrt(max(len(self._selected), 1))
        miss = sample.phase_ns - self.model.phase_ns(sample.at_s)
        if self.was_locked and abs(miss) > K_DISAGREE * sqrt(self.model.sigma_ns(sample.at_s) ** 2 + sigma**2):
            return  # judged, not learnt from
        self.model = self.model.learn(sample.at_s, sample.phase_ns, sigma)

    # ---------------------------------------------------------------- what people say

    def exclude(self, name: str, by: str) -> None:
        """Take a source out until it is released."""
        self.excluded[name] = by

    def select(self, names: Iterable[str], by: str) -> None:
        """Let nobody else be selected; who is unsound is not selected even then."""
        self.chosen, self.locked_by = frozenset(names), by

    def lock(self, by: str) -> None:
        """Keep to those that are selected now."""
        self.select(self._selected, by)

    def release(self, name: str | None = None) -> None:
        """End an exclusion; without a name, all of them and any choice."""
        if name is None:
            self.excluded.clear()
            self.chosen, self.locked_by = None, ""
        else:
            self.excluded.pop(name, None)

    # ---------------------------------------------------------------- the decision

    def next_deadline(self) -> float | None:
        """Return when `decide` is due at the latest."""
        return None if self._decided_s is None else self._decided_s + 1.0

    def decide(self, now_s: float) -> Decision:
        """Return what holds now."""
        if self.model is not None and self.model.at_s < now_s and not self._quiet(now_s):
            self.model = self.model.ahead(now_s)
        setting = Setting(now_s, self.service.antenna, self.leap_s)
        found = {name: ([] if self._quiet(now_s) else against(source, setting))
                 for name, source in self.sources.items()}  # fmt: skip
        heard = [source for name, source in self.sources.items() if not found[name] and source.samples]
        if not self._quiet(now_s):
            for name, more in self._judge(heard, setting).items():
                found[name] += more
        reasons = {name: self._reason(source, found[name], now_s) for name, source in self.sources.items()}
        self._selected = frozenset(n for n, it in reasons.items() if it is None)
        self._note(now_s)
        state = self._clock_state()
        changes = self._changes(reasons, state, now_s)
        self._decided_s, self._state = now_s, state
        return self._decision(now_s, state, reasons, found, changes, setting)

    def _judge(self, heard: list[SourceState], setting: Setting) -> dict[str, list[Evidence]]:
        """Return what sources, and the model, say against one another."""
        found: dict[str, list[Evidence]] = {}
        ready = [it for it in heard if len(it.samples) >= CONFIRM]
        voters = [it for it in ready if not it.accused]
        for a, b in combinations(voters, 2):
            apart = self._offset_ns(a) - self._offset_ns(b)
            limit = K_DISAGREE * sqrt(a.uncertainty_ns() ** 2 + b.uncertainty_ns() ** 2)
            if abs(apart) > limit:
                self._settle(a, b, apart, limit, voters, setting, found)
        standing = [it for it in voters if it.name not in found]
        for name, more in self._against_model(standing).items():
            found.setdefault(name, []).extend(more)
        unproven = [it for it in ready if not it.qualified and it.name not in found]
        odd = {it.name: evidence for it in unproven if (evidence := self._odd(it, ready, setting))}
        for source in unproven:
            if source.name in odd and not self._vouched_against_model(source, unproven):
                found.setdefault(source.name, []).append(odd[source.name])
        return found

    def _offset_ns(self, source: SourceState) -> float:
        """Return the median of a source's latest readings, less what the model says of those moments."""
        assert self.model is not None
        return median(it.phase_ns - self.model.phase_ns(it.at_s) for it in source.recent())

    def _settle(self, a: SourceState, b: SourceState, apart: float, limit: float, voters: list[SourceState],
                setting: Setting, found: dict[str, list[Evidence]]) -> None:  # fmt: skip
        """Decide between two that disagree, if anything can."""
        score = {a.name: 0, b.name: 0}
        for it in voters:
            if it is not a and it is not b:
                for one, other in ((a, b), (b, a)):
                    score[one.name] += self._agrees(it, one, K_WITNESS) and not self._agrees(it, other, K_DISAGREE)
        witness, lag = self._model_speaks_for(a, b)
        if witness is not None:
            score[witness.name] += 1
        for one in (a, b):
            score[one.name] -= min(len(suspicions(one, setting)), 1)
        if score[a.name] == score[b.name]:
            for one, other in ((a, b), (b, a)):
                evidence = Evidence(Reason.DIVERGED, "apart", apart if one is a else -apart, limit, "ns", other.name)
                found.setdefault(one.name, []).append(evidence)
            return
        wrong, right = (a, b) if score[a.name] < score[b.name] else (b, a)
        by = "holdover" if witness is right else right.name
        self._lag[wrong.name] = lag if witness is right else LAGS_S[0]
        found.setdefault(wrong.name, []).append(self._name(wrong, apart if wrong is a else -apart, limit, by, setting))

    def _agrees(self, a: SourceState, b: SourceState, k: float) -> bool:
        apart = self._offset_ns(a) - self._offset_ns(b)
        return abs(apart) <= k * sqrt(a.uncertainty_ns() ** 2 + b.uncertainty_ns() ** 2)

    def _model_speaks_for(self, a: SourceState, b: SourceState) -> tuple[SourceState | None, int]:
        """Return whom the model as it was speaks for, where it speaks for exactly one, and the age of that copy."""
        for lag, copy in self._witnesses():
            far_a, far_b = (abs(self._residual(copy, it)) for it in (a, b))
            for one, near, far in ((a, far_a, far_b), (b, far_b, far_a)):
                if near <= K_WITNESS and far > K_DISAGREE:
                    return one, lag
        return None, 0

    def _witnesses(self) -> Iterable[tuple[int, ClockModel]]:
        """Yield the model's copies, the youngest first; none before it is trained."""
        for lag in LAGS_S:
            if copies := self._copies.get(lag):
                yield lag, copies[0]

    def _residual(self, copy: ClockModel, source: SourceState) -> float:
        """Return how many sigmas a source lies off what a copy of the model expects."""
        recent = source.recent()
        miss = median(it.phase_ns - copy.phase_ns(it.at_s) for it in recent)
        return miss / sqrt(copy.sigma_ns(recent[-1].at_s) ** 2 + source.uncertainty_ns() ** 2)

    def _against_model(self, standing: list[SourceState]) -> dict[str, list[Evidence]]:
        """Compare those that agree with one another with the model: together, for they may be wrong together."""
        fine = [it for it in standing if self._fine(it) and it.qualified]
        if not fine or not self.was_locked:
            return {}
        for lag, copy in self._witnesses():
            off = {it.name: self._residual(copy, it) for it in fine}
            if all(abs(z) > K_DISAGREE for z in off.values()):
                far, at_s = [self._miss(copy, it) for it in fine], fine[0].samples[-1].at_s
                if len(fine) > 1 and self._oscillator_may(copy, abs(median(far)), at_s - copy.at_s):
                    self._relearn(fine)
                    return {}
                limit, setting = K_DISAGREE * copy.sigma_ns(at_s), Setting(at_s, self.service.antenna, self.leap_s)
                self._lag.update(dict.fromkeys(off, lag))
                return {it.name: [self._name(it, miss, limit, "holdover", setting)]
                        for it, miss in zip(fine, far, strict=True)}  # fmt: skip
        return {}

    def _miss(self, copy: ClockModel, source: SourceState) -> float:
        return median(it.phase_ns - copy.phase_ns(it.at_s) for it in source.recent())

    def _oscillator_may(self, copy: ClockModel, far_ns: float, age_s: float) -> bool:
        """Tell whether an oscillator may have moved so far: sources that agree are believed against it then."""
        return far_ns <= max(_ODD_TIMES * self.oscillator.random_walk_ppb * age_s, K_DISAGREE * copy.sigma_ns())

    def _relearn(self, fine: list[SourceState]) -> None:
        """Begin the model anew: the oscillator is not what it was."""
        at = fine[0].samples[-1]
        y_ppb = self.model.y_ppb if self.model else 0.0
        begun = ClockModel.begin(self.oscillator, at.at_s, at.phase_ns, fine[0].uncertainty_ns())
        self.model = ClockModel(begun.oscillator, begun.at_s, begun.x_ns, y_ppb, 0.0, begun.p)
        self.locked_since_s = at.at_s
        self._copies.clear()

    def _odd(self, source: SourceState, ready: list[SourceState], setting: Setting) -> Evidence | None:
        """Return how a source that is not qualified differs from what is trusted."""
        if not (self.was_locked or self._selected):
            # Two that have both been accused, and disagree, must not qualify side by side.
            against_it = [it for it in ready if source.accused and not self._agrees(it, source, K_DISAGREE)]
            if not against_it or source.verdict is None:
                return None
            return Evidence(source.verdict, "apart", None, None, "ns", against_it[0].name)
        assert self.model is not None
        off = self._offset_ns(source)
        limit = K_DISAGREE * sqrt(self.model.sigma_ns() ** 2 + source.uncertainty_ns() ** 2)
        if abs(off) <= limit:
            return None
        by = "selected" if self._selected else "holdover"
        if source.accused:
            assert source.verdict is not None
            return Evidence(source.verdict, "offset", off, limit, "ns", by)
        return self._name(source, off, limit, by, setting)

    def _vouched_against_model(self, source: SourceState, unproven: list[SourceState]) -> bool:
        """Tell whether, with nothing selected, another fine source says the same: the oscillator is outvoted then."""
        assert self.model is not None
        if self._selected or not self._oscillator_may(self.model, abs(self._offset_ns(source)), self._lost_for_s()):
            return False
        return any(it is not source and self._fine(it) and self._agrees(it, source, K_WITNESS) for it in unproven)

    def _lost_for_s(self) -> float:
        """Return for how long no source has taught the model."""
        newest = max((copies[-1].at_s for copies in self._copies.values() if copies), default=0.0)
        return max((self.model.at_s if self.model else newest) - newest, 1.0)

    def _name(self, source: SourceState, off_ns: float, limit: float, by: str, setting: Setting) -> Evidence:
        assert self.model is not None
        misses = [it.phase_ns - self.model.phase_ns(it.at_s) for it in source.samples]
        doubts = {it.what for it in suspicions(source, setting)}
        return name_of(misses, off_ns, limit, by, doubts)

    # ---------------------------------------------------------------- from evidence to a reason

    def _reason(self, source: SourceState, found: list[Evidence], now_s: float) -> Reason | None:
        """Return why a source is not selected, None where it is; keep its verdict and its time of probation."""
        if found:
            first = min(found, key=lambda it: it.reason.rank)
            accused = next((it for it in found if it.reason.accuses), None)
            self._out(source, (accused or first).reason, tuple(found))
            reason: Reason | None = first.reason
        else:
            reason = self._probation(source, now_s)
        if source.name in self.excluded:
            return Reason.EXCLUDED
        if reason is None and not self._fine(source):
            return Reason.COARSE
        if reason is None and self.chosen is not None and source.name not in self.chosen:
            return Reason.NOT_CHOSEN
        return reason

    def _out(self, source: SourceState, reason: Reason, because: tuple[Evidence, ...]) -> None:
        """Take note that something speaks against a source; an accusation stands until the source has qualified."""
        accused = source.accused
        source.suspended = reason is Reason.DIVERGED and (source.suspended or source.qualified)
        if reason.accuses and not accused:
            if source.name in self._taught:
                self._go_back(self._lag.get(source.name, LAGS_S[0]))
            source.forget()
        if reason.accuses or not accused:
            source.verdict, source.because = reason, because
        source.clean_since_s, source.qualified = None, False

    def _go_back(self, lag: int) -> None:
        """Take the model back to before a source that taught it went wrong: to the copy that convicted it."""
        if copies := self._copies.get(lag):
            self.model = copies[0].ahead(self.model.at_s if self.model else copies[0].at_s)
            for younger in LAGS_S[: LAGS_S.index(lag)]:
                self._copies.pop(younger, None)

    def _probation(self, source: SourceState, now_s: float) -> Reason | None:
        """Return why a source against which nothing speaks is not trusted yet."""
        if source.suspended and all(it.by in self.sources and self.sources[it.by].accused for it in source.because):
            # It was doubted only because another disagreed that has been found wrong since: it is what it was.
            source.verdict, source.because, source.qualified, source.suspended = None, (), True, False
        if source.qualified:
            return None
        if len(source.samples) < CONFIRM:
            return source.verdict if source.accused else Reason.QUALIFYING
        if source.clean_since_s is None:
            source.clean_since_s = now_s
            source.forget_but(CONFIRM)
        if now_s - source.clean_since_s < self._probation_s(source):
            return Reason.QUALIFYING
        source.verdict, source.because, source.qualified, source.suspended = None, (), True, False
        return None

    def _probation_s(self, source: SourceState) -> float:
        """Return how long a source must be clean: long after an accusation, and where nothing vouches for it."""
        full_s = self.service.qualification_s
        if source.verdict is not None and source.verdict not in _ABSENT:
            return full_s
        others = [it for it in self.sources.values()
                  if it is not source and it.clean_since_s is not None and self._fine(it)]  # fmt: skip
        vouched = bool(others) or (self.was_locked and self._bound_ns() <= self.service.limit_ns)
        return min(SETTLE_S, full_s) if vouched else full_s

    def _fine(self, source: SourceState) -> bool:
        return K_SERVE * source.uncertainty_ns() <= self.service.limit_ns

    # ---------------------------------------------------------------- the clock

    def _note(self, now_s: float) -> None:
        """Keep the floor, the time of lock, and copies of the model."""
        if not self._selected:
            self.locked_since_s = None
            self._doubt_ns = self._doubt_ns or self._pulled_ns()
            return
        self._adopt()
        self._doubt_ns, self._taught = 0.0, self._selected
        self.floor_ns = min(self.sources[name].uncertainty_ns() for name in self._selected)
        if self.locked_since_s is None:
            self.locked_since_s = now_s
        if not self.was_locked and now_s - self.locked_since_s >= min(TRAINED_S, self.service.qualification_s):
            self.was_locked = True
        if self.was_locked and self.model is not None and not self._quiet(now_s):
            for lag in LAGS_S:
                copies = self._copies.setdefault(lag, deque())
                if not copies or now_s - copies[-1].at_s >= lag / 4:
                    copies.append(self.model)
                while len(copies) > 1 and now_s - copies[1].at_s >= lag:
                    copies.popleft()

    def _adopt(self) -> None:
        """Begin the model anew where those that are selected after a holdover have outvoted it."""
        fine = [self.sources[name] for name in sorted(self._selected)]
        if self.model is None or not self.was_locked or self.locked_since_s is not None:
            return
        if any(abs(self._offset_ns(it)) > K_DISAGREE * sqrt(self.model.sigma_ns() ** 2 + it.uncertainty_ns() ** 2)
               for it in fine):  # fmt: skip
            self._relearn(fine)

    def _pulled_ns(self) -> float:
        """Return how far those that disagree may have pulled the model before it showed: one of them is right."""
        apart = [self._offset_ns(it) for it in self.sources.values() if it.suspended and it.samples and self.model]
        most = K_DISAGREE * K_SERVE * self.floor_ns  # what lies further off the model has not been learnt from
        return min(max((abs(it) for it in apart), default=0.0), most)

    def _bound_ns(self) -> float:
        if self.model is None:
            return float("inf")
        return K_SERVE * sqrt(self.model.sigma_ns() ** 2 + self.floor_ns**2) + self._doubt_ns

    def _clock_state(self) -> ClockState:
        if self._selected and self.was_locked:
            return ClockState.LOCKED
        if self.was_locked:
            inside = self._bound_ns() <= self.service.limit_ns
            return ClockState.HOLDOVER_IN_SPEC if inside else ClockState.HOLDOVER_OUT_OF_SPEC
        heard = any(it.samples for it in self.sources.values())
        return ClockState.ACQUIRING if heard else ClockState.FREE_RUN

    def _changes(self, reasons: Mapping[str, Reason | None], state: ClockState, now_s: float) -> tuple[Change, ...]:
        changes = [
            Change(name, word(self._reasons.get(name, Reason.QUALIFYING)), word(reason), self.sources[name].because)
            for name, reason in reasons.items()
            if reason is not self._reasons.get(name, Reason.QUALIFYING)
        ]
        for change in changes:
            self._since_s[change.source] = now_s
        if state is not self._state:
            changes.append(Change("", self._state.value, state.value, ()))
            self._since_s[""] = now_s
        self._reasons = dict(reasons)
        return tuple(changes)

    def _decision(
        self,
        now_s: float,
        state: ClockState,
        reasons: Mapping[str, Reason | None],
        found: Mapping[str, list[Evidence]],
        changes: tuple[Change, ...],
        setting: Setting,
    ) -> Decision:
        bound, limit = self._bound_ns(), self.service.limit_ns
        known, sure = self.model is not None and self.was_locked, limit - self._doubt_ns
        left = {k: (self.model.lasts_s(sure, self.floor_ns, k) if known and self.model else 0.0) for k in (1, 2, 3)}
        views = {
            name: SourceView(
                name, source.kind, reasons[name], tuple(found[name]) or source.because, source.verdict,
                self._offset_ns(source) if self.model and source.samples else None, source.uncertainty_ns(),
                source.heard_s, self._since_s.get(name, now_s),
                max(0.0, self._probation_s(source) - (now_s - source.clean_since_s))
                if reasons[name] is Reason.QUALIFYING and source.clean_since_s is not None else None,
                tuple(suspicions(source, setting)), source.telemetry, self.excluded.get(name, ""),
            )
            for name, source in self.sources.items()
        }  # fmt: skip
        fine = [name for name in self._selected if self._fine(self.sources[name])]
        return Decision(
            now_s, state, self._selected, self._serves(state, bound, limit, left[3]), bound if known else None,
            self.floor_ns, limit, left[3], left[2], left[1], len(fine) > 1 or self._vouched(), views, changes,
            self.model, self._since_s.get("", now_s), tuple(sorted(self.chosen)) if self.chosen is not None else None,
            self.locked_by,
        )  # fmt: skip

    def _serves(self, state: ClockState, bound: float, limit: float, left_s: float) -> bool:
        """Tell whether the time may be given on; a holdover ends early enough for chronyd to be told in time."""
        held = state is ClockState.HOLDOVER_IN_SPEC and left_s > TELL_S
        return bound <= limit and (held or state is ClockState.LOCKED)

    def _vouched(self) -> bool:
        """Tell whether a coarser witness agrees with the one source that is selected."""
        one = [self.sources[name] for name in self._selected]
        return any(self._reasons.get(it.name) is Reason.COARSE and all(self._agrees(it, s, K_WITNESS) for s in one)
                   for it in self.sources.values() if it.samples and one)  # fmt: skip
