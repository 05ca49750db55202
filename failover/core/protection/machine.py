"""The interpreter of the tables: signals, commands, far requests and time in, effects out."""

from __future__ import annotations

import copy
from math import inf
from typing import Final

from ..aps import ApsMessage
from .channel import Channel
from .damping import Damping
from .logic import FarRequest, local_input, resting_request, winner
from .paths import Path
from .requests import CODES, COMMANDS, LOCAL, Command, Input, Request, Selector
from .sentences import (
    REFUSED_ELSEWHERE,
    REFUSED_FROZEN,
    REFUSED_NOBODY,
    REFUSED_NOTHING,
    REFUSED_OUTRANKED,
    REFUSED_STANDS,
    REFUSED_STRANDS,
    REFUSED_UNKNOWN,
    STANDS,
    STANDS_AT_REST,
    TITLES,
    WHY,
    WHY_FROZEN,
    WHY_HOLD_OFF,
    WHY_REQUESTED,
    WHY_SUPPRESSED,
)
from .settings import (
    ApsConfig,
    CommandDropped,
    Defect,
    Effect,
    Outcome,
    Prediction,
    ProtectionConfig,
    Select,
    StateChanged,
)
from .tables import FOLLOWS, NON_REVERTIVE, REVERTIVE, State, Transitions

_TO_PROTECTION: Final = (Command.FORCE, Command.MANUAL_PROTECTION)
_NOBODY: Final = (Input.NR, Input.NR_W, Input.NR_P)
_UNASKED: Final = (Input.NR, Input.EXER)
"""Local inputs that do not outrank what the state itself may ask for: WTR outranks EXER."""
_RESTING: Final[dict[bool, dict[State, Request]]] = {
    revertive: {state: resting_request(table, state) for state in State if (state, Input.NR) in table}
    for revertive, table in ((True, REVERTIVE), (False, NON_REVERTIVE))
}


class IllegalInputError(RuntimeError):
    """The table has no row for this input in this state; the state is as it was."""


class Protection:
    """One end of a protection group.

    Effects come most urgent first: at most one `Select`, then `SendAps`, then what is for the record. After any call,
    ask `next_deadline()` again.

    Args:
        config: what the administrator decided.
        now: monotonic seconds.
        selector: where the selector stands already; it is adopted without a switch.
        aps: how to speak with the far end; None: this end acts alone.
    """

    __slots__ = (
        "_channel", "_command", "_config", "_damping", "_deadline", "_frozen", "_paths", "_resting", "_selector",
        "_state", "_transitions", "_wtr_ends_at",
    )  # fmt: skip

    def __init__(
        self, config: ProtectionConfig, now: float, selector: Selector = Selector.WORKING, aps: ApsConfig | None = None
    ) -> None:
        self._config = config
        self._transitions: Transitions = REVERTIVE if config.revertive else NON_REVERTIVE
        self._resting = _RESTING[config.revertive]
        self._selector = selector
        self._state = State.START_WORKING if selector is Selector.WORKING else State.START_PROTECTION
        self._paths = {path: Path() for path in Selector}
        self._damping = {path: Damping(config.damping) for path in Selector} if config.damping else None
        self._command: Command | None = None
        self._frozen = False
        self._wtr_ends_at: float | None = None
        self._channel = Channel(aps, now, revertive=config.revertive) if aps else None
        self._deadline = now if aps else inf  # the first message is due at once

    # ---- what happened ----

    def signal_fail(self, path: Selector | str, failed: bool, now: float, reason: str = "") -> tuple[Effect, ...]:
        """Take it that a path has failed, or works, since `now`; `reason` is a clause for people.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        known = self._paths[Selector(path)]
        if failed is known.failed:
            return ()
        known.signal_fail(failed, now, reason)
        return self._evaluate(now)

    def signal_degrade(self, path: Selector | str, degraded: bool, now: float, reason: str = "") -> tuple[Effect, ...]:
        """Take it that a path is lossy, or good again; there is no hold-off, whoever measures has waited long enough.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        known = self._paths[Selector(path)]
        if degraded is known.degraded:
            return ()
        known.signal_degrade(degraded, reason)
        if degraded and self._damping:
            self._damping[Selector(path)].failed(now)
        return self._evaluate(now)

    def receive(
        self, message: ApsMessage, now: float, path: Selector | str = Selector.PROTECTION
    ) -> tuple[Effect, ...]:
        """Take an APS message that came over a path. Authentication, where used, has been checked before.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        if self._channel is None:
            return ()
        effects: list[Effect] = []
        self._channel.receive(message, now, Selector(path), effects)
        return self._evaluate(now, effects)

    def handle_timer(self, now: float) -> tuple[Effect, ...]:
        """Act on hold-off, WTR and the APS channel's timers, when due at `now`. Early calls do nothing."""
        if now < self._deadline:
            return ()
        effects: list[Effect] = []
        if self._channel is not None:
            self._channel.expire(now, effects)
        return self._evaluate(now, effects)

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` has something to do, monotonic seconds; None when nothing is timed."""
        return None if self._deadline == inf else self._deadline

    # ---- commands ----

    def command(self, command: Command, now: float) -> Outcome:
        """Carry out an operator's command, or refuse it with the reason; nothing is queued (G.8031 11.11)."""
        if refusal := self._refusal(command, now):
            return Outcome(False, refusal)
        clear_wtr = False
        if command is Command.FREEZE:
            self._frozen = True
        elif command is not Command.CLEAR:
            self._command = command
        elif self._frozen:
            self._frozen = False
        elif self._command is not None:
            self._command = None
        else:
            clear_wtr = True
        effects = self._evaluate(now, clear_wtr=clear_wtr)
        return Outcome(True, self.why, effects)

    def restore(self, command: Command, now: float) -> Outcome:
        """Put a command back that stood in an earlier life of this end, before anything is known of the paths.

        It is forgotten like any other as soon as a higher request stands.

        Raises:
            ValueError: the command is CLEAR.
        """
        if command is Command.CLEAR:
            raise ValueError("CLEAR never stands")
        if command is Command.FREEZE:
            self._frozen = True
        elif (self._state, COMMANDS[command]) not in self._transitions:
            return Outcome(False, REFUSED_OUTRANKED.format(command=TITLES[command], stands=self._stands(Input.NR)))
        else:
            self._command = command
        effects = self._evaluate(now)
        return Outcome(True, self.why, effects)

    def plan(self, command: Command, now: float) -> Prediction:
        """Return what a command would do now; nothing changes."""
        trial = self.fork()
        outcome = trial.command(command, now)
        switches = trial.selector is not self._selector
        return Prediction(
            command, outcome.accepted, outcome.reason, trial.state, trial.request, trial.selector, switches
        )

    def _refusal(self, command: Command, now: float) -> str:
        title, config = TITLES[command], self._config
        if self._frozen and command is not Command.CLEAR:
            return REFUSED_FROZEN
        if command is Command.FREEZE:
            return ""
        if command is Command.CLEAR:
            return self._nothing_to_clear()
        if command is self._command:
            return REFUSED_STANDS.format(command=title)
        stands = self._outranking(command, now)
        if stands is not None:
            return REFUSED_OUTRANKED.format(command=title, stands=self._stands(stands))
        if command is Command.EXERCISE:
            speaks = self._channel is not None and self._channel.heard
            return "" if speaks else REFUSED_NOBODY.format(command=title)
        target = Selector.PROTECTION if command in _TO_PROTECTION else Selector.WORKING
        if target is self._selector:
            return ""
        if self._paths[target].failed is None:
            return REFUSED_UNKNOWN.format(command=title, path=self._name(target))
        if self._strands(target):
            return REFUSED_STRANDS.format(command=title, working=config.working, protection=config.protection)
        return ""

    def _outranking(self, command: Command, now: float) -> Input | None:
        """Return what stands against a command, None when nothing does."""
        what = COMMANDS[command]
        if self._command is not None:
            standing = COMMANDS[self._command]
            if CODES[LOCAL[standing]] >= CODES[LOCAL[what]]:
                return standing
        wins = self._decide(now, command)
        if wins is not what:
            return wins
        return None if (self._state, what) in self._transitions else Input.UNKNOWN

    def _strands(self, target: Selector) -> bool:
        """Whether a switch leads to a failed path while the present one works: only a lockout outranks SF-W."""
        far = self._far
        told = target is Selector.WORKING and far is not None and far.request is Request.SF_W
        return self._paths[self._selector].failed is not True and (self._paths[target].failed is True or told)

    def _nothing_to_clear(self) -> str:
        if self._frozen or self._command is not None or self._state is State.WAIT_TO_RESTORE:
            return ""
        if self._state in FOLLOWS:
            what = next(what for what, target in self._transitions_here().items() if target is self._state)
            return REFUSED_ELSEWHERE.format(stands=self._stands(what))
        return REFUSED_NOTHING

    def _transitions_here(self) -> dict[Input, State]:
        return {what: after for (before, what), (after, _) in self._transitions.items() if before is self._state}

    def _stands(self, what: Input) -> str:
        names = {"working": self._config.working, "protection": self._config.protection}
        if what in STANDS:
            return STANDS[what].format(**names)
        return STANDS_AT_REST[self._resting.get(self._state, Request.NR)]

    def fork(self) -> Protection:
        """Return a machine that is as this one and goes its own way from here."""
        other = copy.copy(self)
        other._paths = {name: copy.copy(path) for name, path in self._paths.items()}  # noqa: SLF001 - one of our own
        other._damping = self._damping and {name: copy.copy(it) for name, it in self._damping.items()}  # noqa: SLF001 - one of our own
        other._channel = self._channel and self._channel.fork()  # noqa: SLF001 - one of our own
        return other

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
        return self._state.request

    @property
    def selector(self) -> Selector:
        """Which path carries traffic."""
        return self._selector

    @property
    def standing_command(self) -> Command | None:
        """The operator's command that stands at this end, FREEZE apart."""
        return self._command

    @property
    def frozen(self) -> bool:
        """Whether FREEZE stands."""
        return self._frozen

    @property
    def wtr_ends_at(self) -> float | None:
        """When traffic returns to working, monotonic seconds, damping included; None while no WTR runs."""
        if self._wtr_ends_at is None or self._damping is None:
            return self._wtr_ends_at
        return max(self._wtr_ends_at, self._damping[Selector.WORKING].reuse_at)

    @property
    def far_request(self) -> Request | None:
        """What the far end requests; None while it is not heard."""
        return self._far.request if self._far else None

    @property
    def far_selector(self) -> Selector | None:
        """Where the far end carries traffic; None while it is not heard."""
        return self._far.signal if self._far else None

    @property
    def defects(self) -> dict[Defect, str]:
        """Failures of protocol that stand, with a clause for people."""
        return self._channel.defects if self._channel else {}

    @property
    def channel(self) -> Channel | None:
        """The APS channel with its counters, where there is one."""
        return self._channel

    def damping(self, path: Selector | str) -> Damping | None:
        """Return a path's penalty, None when the group has no damping.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        return self._damping[Selector(path)] if self._damping else None

    def failed(self, path: Selector | str) -> bool | None:
        """Return whether a path is known to have failed, hold-off or not; None while nothing is known.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        return self._paths[Selector(path)].failed

    def degraded(self, path: Selector | str) -> bool:
        """Return whether a path is known to be lossy.

        Raises:
            ValueError: `path` is neither `working` nor `protection`.
        """
        return self._paths[Selector(path)].degraded

    @property
    def carries(self) -> bool | None:
        """Whether traffic gets through as far as this end knows, hold-off included; None while that is not known.

        It is the group's own signal fail, upside down, for a group above that uses this one as a path.
        """
        selected = self._paths[self._selector]
        if selected.declared:
            return False
        return None if selected.failed is None else True

    @property
    def why(self) -> str:
        """One sentence: what holds the selector where it is."""
        on = self._name(self._selector)
        selected, working, protection = (self._paths[p] for p in (self._selector, *Selector))
        if self._frozen:
            return WHY_FROZEN.format(on=on)
        if selected.failed and not selected.declared:
            return WHY_HOLD_OFF.format(on=on, reason=selected.reason, hold_off_s=self._config.hold_off_s)
        template = WHY.get(self._state) or WHY_REQUESTED[self._state]
        if self._state is State.WAIT_TO_RESTORE and self.wtr_ends_at != self._wtr_ends_at:
            template = WHY_SUPPRESSED
        return template.format(
            on=on,
            working=self._config.working,
            protection=self._config.protection,
            working_reason=working.reason,
            protection_reason=protection.reason,
            working_degrade=working.degrade_reason,
            protection_degrade=protection.degrade_reason,
            wtr_s=self._config.wtr_s,
        )

    # ---- the interpreter ----

    @property
    def _far(self) -> FarRequest | None:
        return self._channel.far if self._channel else None

    def _name(self, path: Selector) -> str:
        return self._config.working if path is Selector.WORKING else self._config.protection

    def _evaluate(
        self, now: float, effects: list[Effect] | None = None, *, clear_wtr: bool = False
    ) -> tuple[Effect, ...]:
        """Go on until nothing moves any more, then tell: the switch first, the far end next."""
        noticed = effects if effects is not None else []
        before = self._selector
        changes: list[Effect] = []
        if not self._frozen:
            while self._step(now, changes, clear_wtr=clear_wtr):
                clear_wtr = False
        urgent: list[Effect] = [Select(self._selector)] if self._selector is not before else []
        if self._channel is not None:
            message = self._channel.tell(self.request, self._selector, now, noticed)
            if message is not None:
                urgent.append(message)
        self._deadline = self._next()
        return (*urgent, *changes, *noticed)

    def _step(self, now: float, changes: list[Effect], *, clear_wtr: bool) -> bool:
        """Let the winning input act; return whether anything moved."""
        self._declare(now)
        what = self._decide(now, self._command, clear_wtr=clear_wtr)
        if self._command is not None and what is not COMMANDS[self._command]:
            dropped, self._command = self._command, None
            changes.append(CommandDropped(dropped, self._stands(what), now))
        return self._apply(what, now, changes)

    def _declare(self, now: float) -> None:
        """Let failures through to the request logic, the one under our traffic only after hold-off."""
        for name, path in self._paths.items():
            if path.failed and not path.declared:
                may_wait = name is self._selector and not self._paths[name.other].failed
                path.declared = not may_wait or now >= path.failed_at + self._config.hold_off_s
                if path.declared and self._damping:
                    self._damping[name].failed(now)
        if self._channel is not None:
            self._channel.protection_failed(self._paths[Selector.PROTECTION].declared, now)

    def _decide(self, now: float, command: Command | None, *, clear_wtr: bool = False) -> Input:
        working, protection = self._paths.values()
        far = self._far
        local = local_input(working, protection, command, self._selector, far)
        resting = self._resting.get(self._state, Request.NR) if local in _UNASKED else Request.NR
        wtr_ends_at = self.wtr_ends_at
        over = wtr_ends_at is not None and (clear_wtr or now >= wtr_ends_at)
        if over:
            resting = Request.NR
        what = winner(local, resting, self._state, self._selector, far)
        return Input.WTR_EXPIRED if over and what in _NOBODY else what

    def _apply(self, what: Input, at: float, changes: list[Effect]) -> bool:
        previous, selector_before = self._state, self._selector
        try:
            state, selector = self._transitions[previous, what]
        except KeyError:
            raise IllegalInputError(f"{what.name} in state {previous.name}") from None
        if selector is not None:
            self._selector = selector
        if state is not previous:
            self._state = state
            self._wtr_ends_at = at + self._config.wtr_s if state is State.WAIT_TO_RESTORE else None
            changes.append(StateChanged(previous, state, self.request, self._selector, self.why, at))
        return state is not previous or self._selector is not selector_before

    def _next(self) -> float:
        deadline = self._channel.deadline() if self._channel else inf
        if self._frozen:
            return deadline
        selected = self._paths[self._selector]
        if not selected.declared:
            deadline = min(deadline, selected.failed_at + self._config.hold_off_s)
        wtr_ends_at = self.wtr_ends_at
        return deadline if wtr_ends_at is None else min(deadline, wtr_ends_at)
