"""One run of a plan: the fold of its journal entries, and what comes next. Sans-IO.

Whoever drives it asks `next`, and does what that says: puts entries on record and then `apply`s them, carries an effect
out and reports with `outcome`, reads with a probe and reports with `probed`, or waits. A run that is folded from the
journal after a crash and told so with `resume` goes on by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lifeline.audit import digest
from lifeline.model.records import Json

from .actions import Action, Do, Enter, Entry, LegName, Outcome, Probe, Sight, Wait
from .expressions import ExpressionError, fill, holds
from .facts import Facts, judge
from .plan import Plan
from .tables import FINAL, LEGS, OVER, RUNS, STANDS, LegInput, LegState, Recovery, RunInput, RunState

BACKOFF_MOST_S: Final = 300.0
PROBES_MOST: Final = 10
"""How often a probe that cannot read is tried."""
PROBE_PAUSE_S: Final = 1.0
POLL_S: Final = 0.2
"""How often a check that may yet come true is looked at."""
SETTLE_S: Final = 5.0
"""How long after its effect a step's own probe may still read otherwise."""


class IllegalEntryError(Exception):
    """An entry that the present state cannot have; nothing changed."""


@dataclass(slots=True)
class Leg:
    """One leg of a step."""

    state: LegState = LegState.WAITING
    attempt: int = 0
    """Intents so far."""
    failures: int = 0
    detail: str = ""
    input: Json = None
    before: Json = None
    after: Json = None
    fresh: bool = False
    """Whether its intent is this life's and its effect has not been asked for yet."""
    since: float | None = None
    """When this life first looked at it in its present state; monotonic seconds."""
    probes: int = 0
    read: bool = False
    """Whether its own probe has confirmed it."""


def planned(identifier: str, plan: Plan, by: str, why: str, key: str, token: int) -> Entry:
    """Return a run's first entry."""
    return {"type": "planned", "run": identifier, "plan": plan, "hash": digest(plan), "by": by, "why": why,
            "key": key, "token": token}  # fmt: skip


class Run:
    """One run.

    Attributes:
        id: its id.
        plan: what it does.
        hash: of the plan.
        by: who started it.
        why: for the record.
        key: what it was started for; no two runs have the same.
        state: where it is.
        reason: why it is there, as a sentence.
        agreed: who agreed to the plan.
        consents: who agreed since it began, to its going on.
        aborting: who wants it to end; empty: nobody.
        freed: who lets it begin although too much fails at once; empty: nobody.
        created_ns, began_ns, ended_ns: wall time.
        entries: how many.
    """

    def __init__(self, first: Entry, at_ns: int) -> None:
        if first.get("type") != "planned":
            raise IllegalEntryError("a run begins with its plan")
        self.id: str = first["run"]
        self.plan: Plan = first["plan"]
        self.hash: str = first["hash"]
        self.by: str = first["by"]
        self.why: str = first["why"]
        self.key: str = first["key"]
        self.state = RunState.PLANNED
        self.reason = ""
        self.agreed: list[str] = []
        self.consents: list[str] = []
        self.aborting = ""
        self.freed = ""
        self.created_ns = at_ns
        self.began_ns: int | None = None
        self.ended_ns: int | None = None
        self.entries = 1
        self.steps: dict[str, dict[str, Any]] = {step["id"]: step for step in self.plan["steps"]}
        self.legs: dict[tuple[LegName, str], Leg] = {}
        for identifier in self.steps:
            self.legs["do", identifier] = Leg()
            self.legs["undo", identifier] = Leg()
        self._since: float | None = None

    # ---------------------------------------------------------------- the fold

    def apply(self, entry: Mapping[str, Json], at_ns: int) -> None:
        """Fold an entry in.

        Raises:
            IllegalEntryError: the present state cannot have it.
        """
        match entry.get("type"):
            case "run":
                self._apply_run(entry, at_ns)
            case "step":
                self._apply_step(entry)
            case "agreed" if self.state is RunState.PLANNED:
                self.agreed.append(entry["by"])
            case "agreed":
                self.consents.append(entry["by"])
            case "abort":
                self.aborting = entry["by"]
            case "freed":
                self.freed = entry["by"]
            case "resumed":
                self.resume()
            case other:
                raise IllegalEntryError(f"no such entry: {other!r}")
        self.entries += 1

    def _apply_run(self, entry: Mapping[str, Json], at_ns: int) -> None:
        what = RunInput(entry["input"])
        after = RUNS.get((self.state, what))
        if after is None:
            raise IllegalEntryError(f"{what} while {self.state}")
        self.state, self._since = after, None
        self.reason = str(entry.get("reason", ""))
        if what is RunInput.BEGIN:
            self.began_ns = at_ns
        if what in {RunInput.FORWARD, RunInput.BACK}:
            self.aborting = ""
        if after in FINAL:
            self.ended_ns = at_ns

    def _apply_step(self, entry: Mapping[str, Json]) -> None:
        leg = self.legs[entry["leg"], entry["step"]]
        what = LegInput(entry["input"])
        after = LEGS.get((leg.state, what))
        if after is None:
            raise IllegalEntryError(f"{what} while {entry['step']} is {leg.state}")
        leg.state, leg.since, leg.read = after, None, False
        leg.detail = str(entry.get("detail", ""))
        if what is LegInput.INTEND:
            leg.attempt, leg.input, leg.fresh, leg.probes = leg.attempt + 1, entry["args"], True, 0
        if entry.get("counts"):
            leg.failures += 1
        if what in {LegInput.AGAIN, LegInput.HANDLED}:
            leg.failures = 0
        for name in ("before", "after"):
            if entry.get(name) is not None:
                setattr(leg, name, entry[name])

    def resume(self) -> None:
        """Take note that whoever drove it died: an intent without an outcome is not known any more."""
        for leg in self.legs.values():
            leg.fresh, leg.since, leg.probes, leg.read = False, None, 0, False
        self._since = None

    # ---------------------------------------------------------------- what comes next

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    def next(self, now: float, facts: Facts) -> Action:
        """Return what to do next.

        Args:
            now: monotonic seconds.
            facts: what is known.
        """
        match self.state:
            case RunState.RUNNING:
                return self._forward(now, facts)
            case RunState.VERIFYING:
                return self._verify(now, facts)
            case RunState.COMPENSATING:
                return self._back(now, facts)
            case _:
                return Wait(None, self.reason)

    def _forward(self, now: float, facts: Facts) -> Action:
        for identifier, step in self.steps.items():
            leg = self.legs["do", identifier]
            if leg.state in {LegState.DONE, LegState.SKIPPED}:
                continue
            if leg.state is LegState.STUCK:
                return self._enter(RunInput.STUCK, f"nobody knows whether {identifier} was done: {leg.detail}")
            if leg.state in {LegState.FAILED, LegState.BROKEN}:
                if step["on_failure"] == "continue":
                    continue
                return self._enter(RunInput.BROKEN, f"{identifier} {leg.state}: {leg.detail}")
            if self.aborting and leg.state in {LegState.WAITING, LegState.PAUSING}:
                return self._enter(RunInput.ABORT, f"aborted by {self.aborting}")
            return self._leg("do", identifier, step, now, facts)
        return self._enter(RunInput.STEPS_DONE, "")

    def _verify(self, now: float, facts: Facts) -> Action:
        if self.aborting:
            return self._enter(RunInput.ABORT, f"aborted by {self.aborting}")
        since = self._since = now if self._since is None else self._since
        for check in self.plan["verify"]:
            verdict = judge(check, facts, self.names())
            if not verdict.holds:
                if now < since + check["within_s"]:
                    return Wait(now + POLL_S, verdict.why)
                return self._enter(RunInput.NOT_VERIFIED, verdict.why)
        return self._enter(RunInput.VERIFIED, "")

    def _back(self, now: float, facts: Facts) -> Action:
        left = []
        for identifier, step in reversed(self.steps.items()):
            done, leg = self.legs["do", identifier], self.legs["undo", identifier]
            if done.state not in STANDS or leg.state in {LegState.DONE, LegState.SKIPPED}:
                continue
            if step["compensate"] is None:
                if done.state is LegState.BROKEN and step["changes"] and step["on_failure"] == "compensate":
                    return self._enter(RunInput.STUCK, f"{identifier} may stand and has no compensation: {done.detail}")
                left += [identifier] if step["changes"] else []
                continue
            if leg.state in OVER:
                return self._enter(RunInput.STUCK, f"{identifier} could not be taken back: {leg.detail}")
            return self._leg("undo", identifier, step["compensate"], now, facts)
        standing = f"; left standing: {', '.join(left)}" if left else ""
        return self._enter(RunInput.UNDONE, f"{self.reason}{standing}")

    def _leg(self, name: LegName, identifier: str, step: Mapping[str, Any], now: float, facts: Facts) -> Action:
        leg = self.legs[name, identifier]
        leg.since = now if leg.since is None else leg.since
        match leg.state:
            case LegState.WAITING:
                return self._begin(name, identifier, step, leg, now, facts)
            case LegState.INTENDED if leg.fresh:
                return Do(**self._call(name, identifier, step, leg))
            case LegState.INTENDED:
                lost = Outcome("lost", "the process died between intent and outcome")
                return Enter((self._outcome(name, identifier, step, leg, lost, counts=False),))
            case LegState.PROBING:
                wait_until = leg.since + leg.probes * PROBE_PAUSE_S
                return Probe(**self._call(name, identifier, step, leg)) if now >= wait_until else Wait(wait_until)
            case LegState.PAUSING:
                pause = self._backoff_s(step, leg)
                return self._step(name, identifier, LegInput.READY) if now >= leg.since + pause else Wait(
                    leg.since + pause, leg.detail)  # fmt: skip
            case _verifying:
                return self._confirm(name, identifier, step, leg, now, facts)

    @staticmethod
    def _backoff_s(step: Mapping[str, Any], leg: Leg) -> float:
        retry = step.get("retry")
        if retry is None or not leg.failures:
            return 0.0
        return float(min(retry["backoff_s"] * 2.0 ** min(leg.failures - 1, 16), BACKOFF_MOST_S))

    def _begin(
        self, name: LegName, identifier: str, step: Mapping[str, Any], leg: Leg, now: float, facts: Facts
    ) -> Action:
        names = self.names()
        try:
            if step.get("when") and not holds(step["when"], names):
                return self._step(name, identifier, LegInput.SKIP, detail=f"not {step['when']}")
            args = fill(step["args"], names)
        except ExpressionError as error:
            return self._step(name, identifier, LegInput.NOT_READY, detail=str(error))
        if step.get("precheck"):
            verdict = judge(step["precheck"], facts, names)
            if not verdict.holds:
                assert leg.since is not None
                if now < leg.since + step["precheck"]["within_s"]:
                    return Wait(now + POLL_S, verdict.why)
                return self._step(name, identifier, LegInput.NOT_READY, detail=verdict.why)
        return self._step(name, identifier, LegInput.INTEND, args=args, input_hash=digest(args))

    def _confirm(
        self, name: LegName, identifier: str, step: Mapping[str, Any], leg: Leg, now: float, facts: Facts
    ) -> Action:
        """Confirm an effect: by the kind's own probe, then by the fact that the step names."""
        assert leg.since is not None
        if step["recovery"] == Recovery.PROBE and not leg.read:
            at = leg.since + leg.probes * POLL_S
            return Probe(**self._call(name, identifier, step, leg)) if now >= at else Wait(at)
        check = step.get("verify")
        if check is None:
            return self._step(name, identifier, LegInput.VERIFIED)
        verdict = judge(check, facts, self.names())
        if verdict.holds:
            return self._step(name, identifier, LegInput.VERIFIED, detail=verdict.why)
        if now < leg.since + check["within_s"]:
            return Wait(now + POLL_S, verdict.why)
        return self._step(name, identifier, LegInput.NOT_VERIFIED, detail=verdict.why)

    def _call(self, name: LegName, identifier: str, step: Mapping[str, Any], leg: Leg) -> dict[str, Any]:
        return {"leg": name, "step": identifier, "kind": step["do"], "args": leg.input,
                "key": f"{self.id}/{name}/{identifier}/{leg.attempt}", "timeout_s": step["timeout_s"]}  # fmt: skip

    # ---------------------------------------------------------------- what became of it

    def asked(self, action: Do) -> None:
        """Take note that an effect is on its way; it is asked for once."""
        self.legs[action.leg, action.step].fresh = False

    def outcome(self, action: Do, outcome: Outcome) -> Entry:
        """Return the entry that says what became of an effect."""
        leg = self.legs[action.leg, action.step]
        counts = outcome.result in {"failed", "lost"}
        return self._outcome(action.leg, action.step, self._spec(action), leg, outcome, counts=counts)

    def _outcome(
        self, name: LegName, identifier: str, step: Mapping[str, Any], leg: Leg, outcome: Outcome, *, counts: bool
    ) -> Entry:
        what = LegInput(outcome.result)
        recovery = Recovery(step["recovery"])
        if what in {LegInput.FAILED, LegInput.LOST} and recovery is Recovery.REPEAT:
            what = LegInput.EXHAUSTED if counts and self._exhausted(step, leg, 1) else LegInput.LOST_HARMLESS
        elif what is LegInput.FAILED and recovery is Recovery.HUMAN:
            what = LegInput.FAILED_BLIND
        elif what is LegInput.LOST and recovery is Recovery.HUMAN:
            what = LegInput.LOST_BLIND
        return self._entry(name, identifier, what, detail=outcome.detail, before=outcome.before, after=outcome.after,
                           counts=counts)  # fmt: skip

    def probed(self, action: Probe, sight: Sight, now: float) -> Entry | None:
        """Return the entry that says what a probe read; None: it is to be read again."""
        leg, step = self.legs[action.leg, action.step], self._spec(action)
        leg.probes += 1
        if leg.state is LegState.VERIFYING:
            if sight.result == "achieved":
                leg.read = True
                return None
            assert leg.since is not None
            if now < leg.since + SETTLE_S and sight.result != "unreadable":
                return None
            if sight.result == "unreadable" and leg.probes < PROBES_MOST:
                return None
            return self._entry(action.leg, action.step, LegInput.NOT_VERIFIED, detail=sight.detail, after=sight.state)
        if sight.result == "unreadable":
            if leg.probes < PROBES_MOST:
                return None
            return self._entry(action.leg, action.step, LegInput.OTHERWISE,
                               detail=f"it cannot be read: {sight.detail}")  # fmt: skip
        what = LegInput(sight.result)
        if what is LegInput.UNTOUCHED and self._exhausted(step, leg, 0):
            what = LegInput.EXHAUSTED
        detail = "; ".join(filter(None, (leg.detail, sight.detail)))
        return self._entry(action.leg, action.step, what, detail=detail, after=sight.state)

    @staticmethod
    def _exhausted(step: Mapping[str, Any], leg: Leg, more: int) -> bool:
        return bool(leg.failures + more > (step.get("retry") or {"max": 0})["max"])

    def _spec(self, action: Do | Probe) -> Mapping[str, Any]:
        step = self.steps[action.step]
        return step if action.leg == "do" else step["compensate"]

    # ---------------------------------------------------------------- what people say

    def troubled(self) -> tuple[LegName, str] | None:
        """Return the leg about which a human must say something."""
        for identifier, step in reversed(self.steps.items()):
            done, undo = self.legs["do", identifier], self.legs["undo", identifier]
            if undo.state in OVER - {LegState.DONE, LegState.SKIPPED}:
                return "undo", identifier
            if done.state is LegState.STUCK:
                return "do", identifier
            if done.state is LegState.BROKEN and undo.state is LegState.WAITING and step["compensate"] is None:
                return "undo", identifier
        return None

    def decide(self, verdict: Literal["handled", "again", "back", "close"], by: str) -> tuple[Entry, ...]:
        """Return the entries of a human's decision about a run that needs one.

        Args:
            verdict: `handled`: it stands, or was done by hand; `again`: nothing of it stands, try again; `back`: take
                everything back; `close`: end the run here, as it is.
            by: who decides.

        Raises:
            IllegalEntryError: the run needs no human, or that decision makes no sense.
        """
        if self.state is not RunState.NEEDS_HUMAN:
            raise IllegalEntryError(f"the run is {self.state}, it needs no human")
        place = self.troubled()
        said = f"{by} says: {verdict}"
        if verdict == "close" or place is None:
            return (self._run(RunInput.CLOSE, said, by),)
        name, identifier = place
        if verdict == "back":
            if name == "undo":
                raise IllegalEntryError(f"taking {identifier} back is what failed; say handled, again or close")
            return (self._entry(name, identifier, LegInput.GIVE_UP, detail=said), self._run(RunInput.BACK, said, by))
        what = LegInput(verdict)
        if (self.legs[name, identifier].state, what) not in LEGS:
            raise IllegalEntryError(f"{identifier} cannot be taken back by the playbook; say handled or close")
        after = RunInput.FORWARD if name == "do" else RunInput.BACK
        return self._entry(name, identifier, what, detail=said), self._run(after, said, by)

    # ---------------------------------------------------------------- words

    def names(self) -> dict[str, Json]:
        """Return what expressions may name."""
        steps = {
            identifier: {"state": leg.state.value, "detail": leg.detail, "before": leg.before, "after": leg.after}
            for (name, identifier), leg in self.legs.items()
            if name == "do"
        }
        # A step's name has hyphens, an expression's has none.
        steps = {identifier.replace("-", "_"): seen for identifier, seen in steps.items()}
        return {**self.plan["parameters"], "trigger": self.plan["trigger"], "steps": steps, "run": self.id}

    def entry(self, what: RunInput, reason: str, by: str = "") -> Entry:
        """Return an entry about the run as a whole."""
        return self._run(what, reason, by)

    @staticmethod
    def _run(what: RunInput, reason: str, by: str = "") -> Entry:
        return {"type": "run", "input": what.value, "reason": reason, **({"by": by} if by else {})}

    def _enter(self, what: RunInput, reason: str) -> Enter:
        return Enter((self._run(what, reason),))

    def _step(self, leg: LegName, step: str, what: LegInput, **more: Json) -> Enter:
        return Enter((self._entry(leg, step, what, **more),))

    @staticmethod
    def _entry(leg: LegName, step: str, what: LegInput, **more: Json) -> Entry:
        kept = {key: value for key, value in more.items() if value not in (None, "", False)}
        return {"type": "step", "leg": leg, "step": step, "input": what.value, **kept}

    def walk(self) -> Iterator[tuple[LegName, str, Leg]]:
        """Yield the legs that have begun, in the order in which they are done."""
        for identifier in self.steps:
            yield "do", identifier, self.legs["do", identifier]
        for identifier in reversed(self.steps):
            leg = self.legs["undo", identifier]
            if leg.state is not LegState.WAITING:
                yield "undo", identifier, leg
