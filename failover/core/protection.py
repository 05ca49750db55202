"""One end of a 1:1 linear protection group (ITU-T G.8031, RFC 7271), sans-IO: signal fails and time in, effects out.

The rules, before the table:

1. Local request logic (G.8031 11.2) boils what is known of both paths down to one input; the table takes state and
   input to the next state and the selector. Signal fail on protection outranks signal fail on working.
2. Both paths failed: the selector stays where it is. Nothing gets through on either, and the first path to work again
   is taken at once.
3. Revertive (the default): once working works again, traffic returns after it has done so for `wtr_s` (WTR); a signal
   fail on working meanwhile cancels the wait, one on protection ends it by returning at once. Non-revertive: traffic
   stays on protection (DNR) until that fails.
4. Hold-off (G.8031 11.12) lets a lower layer mend the path in use before we act. It applies only while there is
   another path to spare: when the other has failed, or failed and now works again, nothing waits.
5. At start nothing is known of either path and the selector is adopted as found. An unknown path is never a reason to
   switch to it while the present one may work, and never a failure either; a path that is *known* to have failed is
   left even for an unknown one. (A BFD session says within `establish_s` what it knows, so nothing stays unknown save
   by AdminDown.)

This machine acts on signal fail alone. Operator commands, signal degrade and the far end's APS requests are further
inputs and rows of the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from math import inf
from typing import Final


class Selector(StrEnum):
    """A path, and the place of the selector: which path carries traffic."""

    WORKING = "working"
    PROTECTION = "protection"

    @property
    def other(self) -> Selector:
        """The other path of the pair."""
        return Selector.PROTECTION if self is Selector.WORKING else Selector.WORKING


class Request(Enum):
    """What an end requests, in ascending priority (G.8031 table 11-1)."""

    NR = "NR"
    DNR = "DNR"
    WTR = "WTR"
    SF_W = "SF-W"
    SF_P = "SF-P"


class Input(Enum):
    """What moves the machine: the outcome of local request logic, or a timer."""

    UNKNOWN = "some path not yet known, none failed"
    NR = "both paths work"
    SF_W = "signal fail on working"
    SF_P = "signal fail on protection"
    SF_WP = "signal fail on both"
    WTR_EXPIRED = "WTR expired"


class State(Enum):
    """The end's state, by RFC 7271's names where it has one."""

    START_WORKING = "Start on working"
    START_PROTECTION = "Start on protection"
    NORMAL = "Normal"
    UNAVAILABLE = "Unavailable"
    PROTECTING_FAILURE = "Protecting failure"
    NO_PATH = "No path"
    WAIT_TO_RESTORE = "Wait to restore"
    DO_NOT_REVERT = "Do not revert"


REQUESTS: Final[dict[State, Request]] = {
    State.START_WORKING: Request.NR,
    State.START_PROTECTION: Request.NR,
    State.NORMAL: Request.NR,
    State.UNAVAILABLE: Request.SF_P,
    State.PROTECTING_FAILURE: Request.SF_W,
    State.NO_PATH: Request.SF_P,  # it outranks the SF-W that stands as well
    State.WAIT_TO_RESTORE: Request.WTR,
    State.DO_NOT_REVERT: Request.DNR,
}

Transitions = dict[tuple[State, Input], tuple[State, Selector | None]]

_SIGNAL_FAIL: Final[Transitions] = {
    # (state, input): (next state, selector or None to leave it)
    (State.START_WORKING, Input.UNKNOWN): (State.START_WORKING, None),
    (State.START_WORKING, Input.NR): (State.NORMAL, Selector.WORKING),
    (State.START_WORKING, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.START_WORKING, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.START_WORKING, Input.SF_WP): (State.NO_PATH, None),
    (State.START_PROTECTION, Input.UNKNOWN): (State.START_PROTECTION, None),
    (State.START_PROTECTION, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.START_PROTECTION, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.START_PROTECTION, Input.SF_WP): (State.NO_PATH, None),
    (State.NORMAL, Input.NR): (State.NORMAL, None),
    (State.NORMAL, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.NORMAL, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.NORMAL, Input.SF_WP): (State.NO_PATH, None),
    (State.UNAVAILABLE, Input.UNKNOWN): (State.START_WORKING, None),
    (State.UNAVAILABLE, Input.NR): (State.NORMAL, Selector.WORKING),
    (State.UNAVAILABLE, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.UNAVAILABLE, Input.SF_P): (State.UNAVAILABLE, None),
    (State.UNAVAILABLE, Input.SF_WP): (State.NO_PATH, None),
    # Protection was taken untried and has not proved itself: working, which now works, is the better choice.
    (State.PROTECTING_FAILURE, Input.UNKNOWN): (State.START_WORKING, Selector.WORKING),
    (State.PROTECTING_FAILURE, Input.SF_W): (State.PROTECTING_FAILURE, None),
    (State.PROTECTING_FAILURE, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.PROTECTING_FAILURE, Input.SF_WP): (State.NO_PATH, None),
    (State.NO_PATH, Input.NR): (State.NORMAL, Selector.WORKING),
    (State.NO_PATH, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.NO_PATH, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.NO_PATH, Input.SF_WP): (State.NO_PATH, None),
}

REVERTIVE: Final[Transitions] = _SIGNAL_FAIL | {
    (State.START_PROTECTION, Input.NR): (State.WAIT_TO_RESTORE, Selector.PROTECTION),
    (State.PROTECTING_FAILURE, Input.NR): (State.WAIT_TO_RESTORE, Selector.PROTECTION),
    (State.WAIT_TO_RESTORE, Input.NR): (State.WAIT_TO_RESTORE, None),
    (State.WAIT_TO_RESTORE, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.WAIT_TO_RESTORE, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.WAIT_TO_RESTORE, Input.SF_WP): (State.NO_PATH, None),
    (State.WAIT_TO_RESTORE, Input.WTR_EXPIRED): (State.NORMAL, Selector.WORKING),
}

NON_REVERTIVE: Final[Transitions] = _SIGNAL_FAIL | {
    (State.START_PROTECTION, Input.NR): (State.DO_NOT_REVERT, Selector.PROTECTION),
    (State.PROTECTING_FAILURE, Input.NR): (State.DO_NOT_REVERT, Selector.PROTECTION),
    (State.DO_NOT_REVERT, Input.NR): (State.DO_NOT_REVERT, None),
    (State.DO_NOT_REVERT, Input.SF_W): (State.PROTECTING_FAILURE, Selector.PROTECTION),
    (State.DO_NOT_REVERT, Input.SF_P): (State.UNAVAILABLE, Selector.WORKING),
    (State.DO_NOT_REVERT, Input.SF_WP): (State.NO_PATH, None),
}

WHY: Final[dict[State, str]] = {
    State.START_WORKING: "Just started: staying on {on} until both paths are known.",
    State.START_PROTECTION: "Just started: staying on {on}, as found, until both paths are known.",
    State.NORMAL: "Both paths are healthy; carrying on {working}.",
    State.UNAVAILABLE: "Protection path {protection} failed ({protection_reason}); carrying on {working}.",
    State.PROTECTING_FAILURE: "Working path {working} failed ({working_reason}); carrying on {protection}.",
    State.NO_PATH: "Both paths failed, {working} ({working_reason}) and {protection} ({protection_reason});"
    " staying on {on}.",
    State.WAIT_TO_RESTORE: "Working path {working} is healthy; carrying on {protection} until it has been so for"
    " {wtr_s:g} s.",
    State.DO_NOT_REVERT: "Working path {working} is healthy; staying on {protection} because the group is"
    " non-revertive.",
}
_WHY_HOLD_OFF: Final = "Path {on} failed ({reason}); giving it {hold_off_s:g} s to recover (hold-off)."


class IllegalInputError(RuntimeError):
    """The table has no row for this input in this state; the state is as it was."""


@dataclass(frozen=True, slots=True)
class ProtectionConfig:
    """What the administrator decided about a group. `working` and `protection` name the paths for people.

    Raises:
        ValueError: a time is outside G.8031's range.
    """

    revertive: bool = True
    wtr_s: float = 300.0
    """Wait to restore (G.8031 11.13): 5 to 12 minutes in service, 0 allowed in labs."""
    hold_off_s: float = 0.0
    """Hold-off (G.8031 11.12): 0 to 10 s."""
    working: str = "working"
    protection: str = "protection"

    def __post_init__(self) -> None:
        for name, most in (("wtr_s", 720.0), ("hold_off_s", 10.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name):g}, must be 0 to {most:g}")


@dataclass(frozen=True, slots=True)
class Select:
    """Put the selector here, now."""

    selector: Selector


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The machine entered another state: for the record and for people."""

    previous: State
    state: State
    request: Request
    selector: Selector
    why: str
    at: float


Effect = Select | StateChanged


@dataclass(slots=True)
class _Path:
    """What is known of a path. `declared` is the failure that the request logic sees: after hold-off."""

    failed: bool | None = None
    reason: str = ""
    failed_at: float = inf
    declared: bool = False


class Protection:
    """One end of a protection group.

    Effects come most urgent first: `Select` before `StateChanged`. After any call, ask `next_deadline()` again.

    Args:
        config: what the administrator decided.
        now: monotonic seconds.
        selector: where the selector stands already; it is adopted without a switch.
    """

    __slots__ = ("_config", "_paths", "_selector", "_state", "_transitions", "_wtr_ends_at")

    def __init__(self, config: ProtectionConfig, now: float, selector: Selector = Selector.WORKING) -> None:
        del now  # nothing is timed before something is known
        self._config = config
        self._transitions = REVERTIVE if config.revertive else NON_REVERTIVE
        self._selector = selector
        self._state = State.START_WORKING if selector is Selector.WORKING else State.START_PROTECTION
        self._paths = {path: _Path() for path in Selector}
        self._wtr_ends_at: float | None = None

    # ---- what happened ----

    def signal_fail(self, path: Selector | str, failed: bool, now: float, reason: str = "") -> tuple[Effect, ...]:
        """Take it that a path has failed, or works, since `now`; `reason` is a clause for people.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        known = self._paths[Selector(path)]
        if failed is known.failed:
            return ()
        known.failed = failed
        known.reason = reason or ("signal fail" if failed else "")
        known.failed_at = now if failed else inf
        known.declared = False
        return self._evaluate(now)

    def handle_timer(self, now: float) -> tuple[Effect, ...]:
        """Act on the end of hold-off and of WTR, when due at `now`. Early calls do nothing."""
        return self._evaluate(now) if now >= self._deadline() else ()

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` has something to do, monotonic seconds; None when nothing is timed."""
        deadline = self._deadline()
        return None if deadline == inf else deadline

    # ---- what is known ----

    @property
    def config(self) -> ProtectionConfig:
        """What the administrator decided."""
        return self._config

    @property
    def state(self) -> State:
        """The machine's state."""
        return self._state

    @property
    def request(self) -> Request:
        """What this end requests: the highest request that stands."""
        return REQUESTS[self._state]

    @property
    def selector(self) -> Selector:
        """Which path carries traffic."""
        return self._selector

    @property
    def wtr_ends_at(self) -> float | None:
        """When traffic returns to working, monotonic seconds; None while no WTR runs."""
        return self._wtr_ends_at

    @property
    def why(self) -> str:
        """One sentence: what holds the selector where it is."""
        on = self._name(self._selector)
        selected, working, protection = (self._paths[p] for p in (self._selector, *Selector))
        if selected.failed and not selected.declared:
            return _WHY_HOLD_OFF.format(on=on, reason=selected.reason, hold_off_s=self._config.hold_off_s)
        return WHY[self._state].format(
            on=on,
            working=self._config.working,
            protection=self._config.protection,
            working_reason=working.reason,
            protection_reason=protection.reason,
            wtr_s=self._config.wtr_s,
        )

    def failed(self, path: Selector | str) -> bool | None:
        """Return whether a path is known to have failed, hold-off or not; None while nothing is known.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        return self._paths[Selector(path)].failed

    # ---- the interpreter ----

    def _name(self, path: Selector) -> str:
        return self._config.working if path is Selector.WORKING else self._config.protection

    def _deadline(self) -> float:
        selected = self._paths[self._selector]
        hold_off_ends_at = inf if selected.declared else selected.failed_at + self._config.hold_off_s
        return min(hold_off_ends_at, inf if self._wtr_ends_at is None else self._wtr_ends_at)

    def _evaluate(self, now: float) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        self._request(now, effects)
        if self._wtr_ends_at is not None and now >= self._wtr_ends_at:
            self._apply(Input.WTR_EXPIRED, now, effects)
            self._request(now, effects)  # the path that was left has no hold-off any more
        return tuple(effects)

    def _request(self, now: float, effects: list[Effect]) -> None:
        self._declare(now)
        self._apply(self._local_request(), now, effects)

    def _declare(self, now: float) -> None:
        """Let failures through to the request logic, the one under our traffic only after hold-off (rule 4)."""
        for name, path in self._paths.items():
            if path.failed and not path.declared:
                may_wait = name is self._selector and not self._paths[name.other].failed
                path.declared = not may_wait or now >= path.failed_at + self._config.hold_off_s

    def _local_request(self) -> Input:
        working, protection = self._paths.values()
        if working.declared:
            return Input.SF_WP if protection.declared else Input.SF_W
        if protection.declared:
            return Input.SF_P
        return Input.UNKNOWN if working.failed is None or protection.failed is None else Input.NR

    def _apply(self, what: Input, at: float, effects: list[Effect]) -> None:
        previous = self._state
        try:
            state, selector = self._transitions[previous, what]
        except KeyError:
            raise IllegalInputError(f"{what.name} in state {previous.name}") from None
        if selector is not None and selector is not self._selector:
            self._selector = selector
            effects.append(Select(selector))
        if state is not previous:
            self._state = state
            self._wtr_ends_at = at + self._config.wtr_s if state is State.WAIT_TO_RESTORE else None
            effects.append(StateChanged(previous, state, self.request, self._selector, self.why, at))
