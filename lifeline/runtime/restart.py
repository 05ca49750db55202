"""When to start a daemon again: exponential back-off and the crash-loop limit, on anybody's clock.

Sans-IO: takes `now` (monotonic seconds), returns effects, and says with `next_deadline` when it wants to be asked
again. The supervisor's shell does what the effects say and judges nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Limits; all in seconds but `crash_loop_exits`."""

    backoff_first_s: float = 0.2
    backoff_max_s: float = 15.0
    crash_loop_exits: int = 5
    crash_loop_window_s: float = 60.0
    """`crash_loop_exits` exits within this window are a crash loop."""
    crash_loop_retry_s: float = 60.0
    """A daemon in a crash loop is tried this often."""
    stable_s: float = 60.0
    """A daemon that ran this long is well: back-off starts anew, a crash loop is over."""


class Phase(StrEnum):
    """What the daemon is doing."""

    WAITING = "waiting"  # to be started at the deadline
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Start:
    """Start the daemon now, and then say `started` or, if it cannot be, `exited`."""


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """The daemon exited `exits` times within the window; it is tried slowly from here on."""

    exits: int


@dataclass(frozen=True, slots=True)
class Stable:
    """The daemon has run long enough to be called well: said once per life of the supervisor and per crash loop."""


Effect = Start | CrashLoop | Stable


@dataclass(slots=True)
class Restarts:
    """One daemon's judge. It begins waiting, due at once."""

    policy: RestartPolicy = field(default_factory=RestartPolicy)
    phase: Phase = Phase.WAITING
    in_crash_loop: bool = False
    starts: int = 0
    _since_s: float = 0.0
    _due_s: float = float("-inf")
    _failures: int = 0
    _told_stable: bool = False
    _exits_s: deque[float] = field(default_factory=deque)

    def started(self, now: float) -> None:
        """Note that the daemon runs."""
        assert self.phase is Phase.WAITING
        self.phase = Phase.RUNNING
        self.starts += 1
        self._since_s = now

    def exited(self, now: float) -> tuple[Effect, ...]:
        """Note that the daemon ended, or could not be started; the next start is due at `next_deadline`."""
        if self.phase is Phase.RUNNING and now - self._since_s >= self.policy.stable_s:
            self._failures = 0
        self.phase = Phase.WAITING
        self._exits_s.append(now)
        while self._exits_s[0] <= now - self.policy.crash_loop_window_s:
            self._exits_s.popleft()
        effects: tuple[Effect, ...] = ()
        if len(self._exits_s) >= self.policy.crash_loop_exits and not self.in_crash_loop:
            self.in_crash_loop = True
            self._told_stable = False
            effects = (CrashLoop(len(self._exits_s)),)
        self._due_s = now + self._wait_s()
        self._failures += 1
        return effects

    def handle_timer(self, now: float) -> tuple[Effect, ...]:
        """Return what is due."""
        if self.phase is Phase.WAITING:
            return (Start(),) if now >= self._due_s else ()
        if not self._told_stable and now >= self._since_s + self.policy.stable_s:
            self._told_stable = True
            self.in_crash_loop = False
            self._failures = 0
            self._exits_s.clear()
            return (Stable(),)
        return ()

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` has something to do, None when only an exit will change anything."""
        if self.phase is Phase.WAITING:
            return self._due_s
        return None if self._told_stable else self._since_s + self.policy.stable_s

    def _wait_s(self) -> float:
        if self.in_crash_loop:
            return self.policy.crash_loop_retry_s
        return float(min(self.policy.backoff_max_s, self.policy.backoff_first_s * 2.0 ** min(self._failures, 32)))
