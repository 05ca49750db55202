"""A change of a router's configuration: the interpreter of the tables. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from . import configuration
from .configuration import ConfigurationError, Scope
from .dialects import Dialect
from .outcomes import (
    Confirm,
    Done,
    Effect,
    Failed,
    Finish,
    GuardRefused,
    Lost,
    Outcome,
    Passage,
    Passed,
    Probe,
    Read,
    Record,
    Rejected,
    Revert,
    Shown,
    Unreadable,
    Wait,
    Waited,
    Write,
)
from .redaction import redact
from .settings import Goal
from .tables import GUARDED, PLAIN, RESULTS, Input, State, Transitions

_LOOKS: Final = frozenset({State.READING, State.VERIFYING, State.LOOKING, State.CHECKING})
_COUNTED: Final = frozenset(
    {
        (State.VERIFYING, Input.UNREADABLE),
        (State.LOOKING, Input.UNREADABLE),
        (State.CHECKING, Input.UNREADABLE),
        (State.CHECKING, Input.AS_WANTED),
        (State.CHECKING, Input.OTHERWISE),
    }
)
"""What uses up an attempt."""
_MARGIN_S: Final = 5.0
"""How much later than its timer a device may be done with restoring itself."""


class GuardPolicy(StrEnum):
    """Whether a change is made under commit-confirm."""

    OFF = "off"
    PREFER = "prefer"
    """Where the device can; else without."""
    REQUIRE = "require"
    """Or not at all."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a change is made."""

    guard: GuardPolicy = GuardPolicy.PREFER
    guard_s: float = 60.0
    """How long the device waits for a confirmation; platforms round up to what they can count."""
    attempts: int = 4
    """How often a device that does not answer, or does not take its old configuration back, is tried."""
    pause_s: float = 2.0
    """Between attempts."""
    settle_s: float = 10.0
    """How long a device may still be busy with a line whose answer did not reach us: only then it is believed."""


class IllegalOutcomeError(Exception):
    """An outcome that the present state cannot have; nothing changed."""


class Transaction:
    """One change on one device. Times are monotonic seconds; each effect is answered with one outcome.

    Raises:
        ValueError: there are no goals, or two contradict each other.
    """

    def __init__(self, dialect: Dialect, goals: Sequence[Goal], policy: Policy | None = None) -> None:
        if len({goal.setting.key for goal in goals}) != len(goals) or not goals:
            raise ValueError("a change needs goals, and one goal for each setting")
        self._dialect = dialect
        self._goals = tuple(goals)
        self._policy = policy or Policy()
        self._guard = None if self._policy.guard is GuardPolicy.OFF else dialect.guard
        self._table: Transitions = GUARDED if self._guard else PLAIN
        self._state = State.READING
        self._attempts = self._policy.attempts
        self._wait_s = 0.0
        self._started_at = self._armed_at = 0.0
        self._before: Scope | None = None
        self._now: Scope | None = None
        self._commands: tuple[str, ...] = ()
        self._restoring: tuple[str, ...] = ()
        self._reason = ""
        self._was_guarded = False
        self._steps: list[Passage] = []

    @property
    def state(self) -> State:
        """Where it is."""
        return self._state

    def start(self, now: float) -> Effect:
        """Begin."""
        self._started_at = now
        if self._policy.guard is GuardPolicy.REQUIRE and self._guard is None:
            self._reason = f"{self._dialect.platform} has no commit-confirm"
            self._state = State.UNTOUCHED
        return self._effect(now)

    def handle(self, outcome: Outcome, now: float) -> Effect:
        """Take an outcome and return what to do next; `Finish` is the last.

        Raises:
            IllegalOutcomeError: the present state cannot have it.
        """
        what, detail, seen = self._interpret(outcome)
        if self._state is State.VERIFYING and what in {Input.AS_BEFORE, Input.OTHERWISE}:
            detail = "the device took every line, but does not show the change"
        if (self._state, what) in _COUNTED and self._attempts <= 1:
            what = Input.EXHAUSTED
        if (self._state, what) not in self._table:
            raise IllegalOutcomeError(f"{what.name} in {self._state.name}")
        after = self._table[self._state, what]
        unguard = what is Input.GUARD_REFUSED and self._policy.guard is GuardPolicy.PREFER
        if unguard:
            after = State.WRITING  # once more, by the plain table

        self._steps.append(Passage(self._state.value, what.value, now - self._started_at, redact(detail)))
        if (self._state, what) in _COUNTED:
            self._attempts -= 1
        if self._state in _LOOKS:
            self._now = seen
            self._before = seen if self._state is State.READING else self._before
        if self._state is State.WRITING:
            self._armed_at = now
        if unguard or self._state is State.EXPIRING:
            self._table, self._attempts = PLAIN, self._policy.attempts
        self._wait_s = self._policy.settle_s if what is Input.LOST else self._policy.pause_s
        if detail and not unguard:
            self._reason = self._reason or redact(detail)
        self._state = after
        return self._effect(now)

    def _interpret(self, outcome: Outcome) -> tuple[Input, str, Scope | None]:
        """Return what an outcome means here, what it says, and how the device stands if it showed that."""
        match outcome:
            case Shown(shown):
                try:
                    seen = configuration.parse(self._dialect, shown, self._goals)
                except ConfigurationError as error:
                    return Input.UNREADABLE, str(error), None
                return self._compare(seen), "", seen
            case Unreadable(reason):
                return Input.UNREADABLE, reason, None
            case Done():
                return Input.DONE, "", None
            case Rejected(reason):
                return Input.REJECTED, reason, None
            case GuardRefused(reason):
                return Input.GUARD_REFUSED, reason, None
            case Lost(reason):
                return Input.LOST, reason, None
            case Passed():
                return Input.PASSED, "", None
            case Failed(reason):
                return Input.FAILED, reason, None
            case Waited():
                return Input.WAITED, "", None

    def _compare(self, seen: Scope) -> Input:
        if configuration.holds(self._dialect, self._goals, seen):
            return Input.AS_WANTED
        return Input.AS_BEFORE if self._before is None or seen == self._before else Input.OTHERWISE

    def _effect(self, now: float) -> Effect:
        """Return what the present state does."""
        dialect, guard = self._dialect, self._guard
        match self._state:
            case State.READING | State.VERIFYING | State.LOOKING | State.CHECKING:
                return Read(configuration.read_commands(dialect, self._goals))
            case State.WRITING:
                return self._write()
            case State.RESTORING:
                assert self._now is not None
                assert self._before is not None
                self._restoring = configuration.commands(dialect, self._now, self._before)
                return Write(dialect.script(dialect.write, self._restoring))
            case State.PROBING:
                return Probe()
            case State.CONFIRMING | State.DISARMING:
                assert guard is not None
                return Confirm(dialect.script(guard.confirm))
            case State.REVERTING:
                assert guard is not None
                return Revert(dialect.script(guard.revert))
            case State.PAUSING | State.RESTING:
                return Wait(self._wait_s)
            case State.EXPIRING:
                return Wait(max(0.0, self._armed_at + self._guard_s + _MARGIN_S - now))
            case _:
                return Finish(self._record())

    @property
    def _guard_s(self) -> int:
        assert self._guard is not None
        return self._guard.seconds(self._policy.guard_s)

    def _write(self) -> Write:
        assert self._before is not None
        then = configuration.wanted(self._dialect, self._goals, self._before)
        self._commands = configuration.commands(self._dialect, self._before, then)
        self._was_guarded = self._table is GUARDED
        if self._was_guarded:
            assert self._guard is not None
            return Write(self._dialect.script(self._guard.write, self._commands, self._guard_s))
        return Write(self._dialect.script(self._dialect.write, self._commands))

    def _record(self) -> Record:
        result = RESULTS[self._state]
        fell_short = self._state not in {State.CHANGED, State.UNCHANGED}
        return Record(
            result=result,
            reason=self._reason if fell_short else "",
            before=self._lines(self._before),
            after=self._lines(self._now),
            commands=self._commands,
            restoring=self._restoring,
            guarded=self._was_guarded,
            steps=tuple(self._steps),
        )

    def _lines(self, scope: Scope | None) -> tuple[str, ...] | None:
        return None if scope is None else tuple(map(redact, configuration.lines(self._dialect, scope)))
