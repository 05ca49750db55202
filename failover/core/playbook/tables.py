"""How runs and their steps go on, as data.

A run is planned, approved, running, verifying, done. What fails is compensated: every step that stands is taken back,
the last one first. What cannot be known or cannot be taken back needs a human.

A step has two legs, `do` and `undo`, which follow the same table. Before its effect it is INTENDED, on record; a
process that dies then leaves a step of which nobody knows whether it was done: its read probe decides. Achieved: it
goes on. Untouched: it is tried again. Anything else, or no probe: a human decides. Nothing else in the table needs
to know that there was a crash, for everything else only reads.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """Where a run is."""

    PLANNED = "planned"
    APPROVED = "approved"
    RUNNING = "running"
    VERIFYING = "verifying"
    COMPENSATING = "compensating"
    NEEDS_HUMAN = "needs-human"
    DONE = "done"
    COMPENSATED = "compensated"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REFUSED = "refused"
    ABORTED = "aborted"
    CLOSED = "closed"


class RunInput(StrEnum):
    """What happens to a run."""

    AGREED = "agreed"
    REJECT = "reject"
    EXPIRE = "expire"
    REFUSE = "refuse"
    ABORT = "abort"
    BEGIN = "begin"
    STEPS_DONE = "steps-done"
    BROKEN = "broken"
    STUCK = "stuck"
    VERIFIED = "verified"
    NOT_VERIFIED = "not-verified"
    UNDONE = "undone"
    FORWARD = "forward"
    BACK = "back"
    CLOSE = "close"


_R, _I = RunState, RunInput
RUNS: Final[dict[tuple[RunState, RunInput], RunState]] = {
    (_R.PLANNED, _I.AGREED): _R.APPROVED,
    (_R.PLANNED, _I.REJECT): _R.REJECTED,
    (_R.PLANNED, _I.EXPIRE): _R.EXPIRED,
    (_R.PLANNED, _I.REFUSE): _R.REFUSED,
    (_R.PLANNED, _I.ABORT): _R.ABORTED,
    (_R.APPROVED, _I.BEGIN): _R.RUNNING,
    (_R.APPROVED, _I.EXPIRE): _R.EXPIRED,
    (_R.APPROVED, _I.REFUSE): _R.REFUSED,
    (_R.APPROVED, _I.ABORT): _R.ABORTED,
    (_R.RUNNING, _I.STEPS_DONE): _R.VERIFYING,
    (_R.RUNNING, _I.BROKEN): _R.COMPENSATING,
    (_R.RUNNING, _I.ABORT): _R.COMPENSATING,
    (_R.RUNNING, _I.STUCK): _R.NEEDS_HUMAN,
    (_R.VERIFYING, _I.VERIFIED): _R.DONE,
    (_R.VERIFYING, _I.NOT_VERIFIED): _R.COMPENSATING,
    (_R.VERIFYING, _I.ABORT): _R.COMPENSATING,
    (_R.COMPENSATING, _I.UNDONE): _R.COMPENSATED,
    (_R.COMPENSATING, _I.STUCK): _R.NEEDS_HUMAN,
    (_R.NEEDS_HUMAN, _I.FORWARD): _R.RUNNING,
    (_R.NEEDS_HUMAN, _I.BACK): _R.COMPENSATING,
    (_R.NEEDS_HUMAN, _I.CLOSE): _R.CLOSED,
}
FINAL: Final = frozenset({_R.DONE, _R.COMPENSATED, _R.REJECTED, _R.EXPIRED, _R.REFUSED, _R.ABORTED, _R.CLOSED})
"""Where a run has ended."""
ACTIVE: Final = frozenset({_R.RUNNING, _R.VERIFYING, _R.COMPENSATING, _R.NEEDS_HUMAN})
"""Where a run holds its locks."""


class LegState(StrEnum):
    """Where one leg of a step is."""

    WAITING = "waiting"
    INTENDED = "intended"
    PROBING = "probing"
    PAUSING = "pausing"
    VERIFYING = "verifying"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    """Nothing of it stands."""
    BROKEN = "broken"
    """Something of it may stand."""
    STUCK = "stuck"
    """Nobody knows whether it stands."""


class LegInput(StrEnum):
    """What happens to a leg."""

    SKIP = "skip"
    NOT_READY = "not-ready"
    INTEND = "intend"
    DID = "did"
    REFUSED = "refused"
    """The effect was refused before anything was done."""
    FAILED = "failed"
    LOST = "lost"
    """It is not known whether the effect was done: time-out, or death of the process."""
    FAILED_BLIND = "failed-blind"
    LOST_BLIND = "lost-blind"
    """As FAILED and LOST, of a kind without a read probe."""
    LOST_HARMLESS = "lost-harmless"
    """As LOST, of a kind that may be repeated."""
    ACHIEVED = "achieved"
    UNTOUCHED = "untouched"
    EXHAUSTED = "exhausted"
    """Untouched, and tried often enough."""
    OTHERWISE = "otherwise"
    READY = "ready"
    VERIFIED = "verified"
    NOT_VERIFIED = "not-verified"
    HANDLED = "handled"
    """A human says that it stands, or has made it stand."""
    AGAIN = "again"
    """A human says that nothing of it stands, and that it shall be tried again."""
    GIVE_UP = "give-up"
    """A human says that it may stand and shall be taken back."""


_S, _L = LegState, LegInput
LEGS: Final[dict[tuple[LegState, LegInput], LegState]] = {
    (_S.WAITING, _L.SKIP): _S.SKIPPED,
    (_S.WAITING, _L.NOT_READY): _S.FAILED,
    (_S.WAITING, _L.INTEND): _S.INTENDED,
    (_S.INTENDED, _L.DID): _S.VERIFYING,
    (_S.INTENDED, _L.REFUSED): _S.FAILED,
    (_S.INTENDED, _L.FAILED): _S.PROBING,
    (_S.INTENDED, _L.LOST): _S.PROBING,
    (_S.INTENDED, _L.FAILED_BLIND): _S.BROKEN,
    (_S.INTENDED, _L.LOST_BLIND): _S.STUCK,
    (_S.INTENDED, _L.LOST_HARMLESS): _S.PAUSING,
    (_S.INTENDED, _L.EXHAUSTED): _S.FAILED,
    (_S.PROBING, _L.ACHIEVED): _S.VERIFYING,
    (_S.PROBING, _L.UNTOUCHED): _S.PAUSING,
    (_S.PROBING, _L.EXHAUSTED): _S.FAILED,
    (_S.PROBING, _L.OTHERWISE): _S.STUCK,
    (_S.PAUSING, _L.READY): _S.WAITING,
    (_S.VERIFYING, _L.VERIFIED): _S.DONE,
    (_S.VERIFYING, _L.NOT_VERIFIED): _S.BROKEN,
    (_S.STUCK, _L.HANDLED): _S.VERIFYING,
    (_S.STUCK, _L.AGAIN): _S.WAITING,
    (_S.STUCK, _L.GIVE_UP): _S.BROKEN,
    (_S.FAILED, _L.HANDLED): _S.VERIFYING,
    (_S.FAILED, _L.AGAIN): _S.WAITING,
    (_S.BROKEN, _L.HANDLED): _S.VERIFYING,
    (_S.BROKEN, _L.AGAIN): _S.WAITING,
    (_S.WAITING, _L.HANDLED): _S.DONE,
}
OVER: Final = frozenset({_S.DONE, _S.SKIPPED, _S.FAILED, _S.BROKEN, _S.STUCK})
"""Where a leg has come to an end."""
STANDS: Final = frozenset({_S.DONE, _S.BROKEN})
"""Where something of a leg stands, or may."""


class Recovery(StrEnum):
    """What a kind of step offers when it is not known whether its effect was done."""

    PROBE = "probe"
    """It can read whether it was done."""
    REPEAT = "repeat"
    """Doing it again does no harm: it changes nothing, or the receiver knows it by its key."""
    HUMAN = "human"
    """Nothing."""
