"""States and transitions of a transaction on a router's configuration, as data.

The rules, before the tables:

1. Nothing is believed that was not read back: neither that a change took, nor that it was undone, nor, after a broken
   connection, that it did not. After such a break the device is first given time to end what it was doing.
2. A change that is not wholly there is undone; what was undone is read again.
3. A probe of the caller's has the last word before a change counts, and before a guarded one is confirmed.
4. A device with commit-confirm is first told to restore itself, then undone by hand, and at last left to its own timer:
   the timer is what remains when the change has cut us off. After it (and where the device refuses the guard) the
   plain table goes on.
5. Attempts are counted. When they are used up the timer decides, and without one a human.

A cell that is absent cannot happen: `IllegalOutcomeError`, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from .outcomes import Result


class State(Enum):
    """Where a transaction is."""

    READING = "Reading"
    WRITING = "Writing"
    VERIFYING = "Verifying"
    PROBING = "Probing"
    CONFIRMING = "Confirming"
    PAUSING = "Pausing"
    LOOKING = "Looking"
    REVERTING = "Reverting"
    RESTORING = "Restoring"
    CHECKING = "Checking"
    RESTING = "Resting"
    DISARMING = "Disarming"
    EXPIRING = "Expiring"
    UNCHANGED = "Unchanged"
    CHANGED = "Changed"
    RESTORED = "Restored"
    UNTOUCHED = "Untouched"
    NEEDS_HUMAN = "Needs a human"


class Input(Enum):
    """What an outcome means, compared with what stood before and what is wanted."""

    AS_WANTED = "as wanted"
    AS_BEFORE = "as before"
    OTHERWISE = "neither"
    UNREADABLE = "unreadable"
    EXHAUSTED = "attempts used up"
    DONE = "done"
    REJECTED = "rejected"
    GUARD_REFUSED = "no guard"
    LOST = "connection lost"
    PASSED = "probe passed"
    FAILED = "probe failed"
    WAITED = "waited"


RESULTS: Final[Mapping[State, Result]] = {
    State.UNCHANGED: Result.UNCHANGED,
    State.CHANGED: Result.CHANGED,
    State.RESTORED: Result.RESTORED,
    State.UNTOUCHED: Result.UNTOUCHED,
    State.NEEDS_HUMAN: Result.NEEDS_HUMAN,
}
"""The states in which it is over."""

Transitions = Mapping[tuple[State, Input], State]

PLAIN: Final[Transitions] = {
    (State.READING, Input.AS_WANTED): State.UNCHANGED,
    (State.READING, Input.AS_BEFORE): State.WRITING,
    (State.READING, Input.UNREADABLE): State.UNTOUCHED,
    (State.WRITING, Input.DONE): State.VERIFYING,
    (State.WRITING, Input.REJECTED): State.LOOKING,
    (State.WRITING, Input.LOST): State.PAUSING,
    (State.VERIFYING, Input.AS_WANTED): State.PROBING,
    (State.VERIFYING, Input.AS_BEFORE): State.RESTORED,
    (State.VERIFYING, Input.OTHERWISE): State.RESTORING,
    (State.VERIFYING, Input.UNREADABLE): State.PAUSING,
    (State.VERIFYING, Input.EXHAUSTED): State.NEEDS_HUMAN,
    (State.PROBING, Input.PASSED): State.CHANGED,
    (State.PROBING, Input.FAILED): State.RESTORING,
    # What stands after a connection broke, or a line was refused?
    (State.PAUSING, Input.WAITED): State.LOOKING,
    (State.LOOKING, Input.AS_WANTED): State.PROBING,
    (State.LOOKING, Input.AS_BEFORE): State.RESTORED,
    (State.LOOKING, Input.OTHERWISE): State.RESTORING,
    (State.LOOKING, Input.UNREADABLE): State.PAUSING,
    (State.LOOKING, Input.EXHAUSTED): State.NEEDS_HUMAN,
    # Back, by hand.
    (State.RESTORING, Input.DONE): State.CHECKING,
    (State.RESTORING, Input.REJECTED): State.CHECKING,
    (State.RESTORING, Input.LOST): State.RESTING,
    (State.RESTING, Input.WAITED): State.CHECKING,
    (State.CHECKING, Input.AS_BEFORE): State.RESTORED,
    (State.CHECKING, Input.AS_WANTED): State.RESTORING,
    (State.CHECKING, Input.OTHERWISE): State.RESTORING,
    (State.CHECKING, Input.UNREADABLE): State.RESTING,
    (State.CHECKING, Input.EXHAUSTED): State.NEEDS_HUMAN,
}
"""Without commit-confirm."""

GUARDED: Final[Transitions] = {
    **PLAIN,
    (State.WRITING, Input.REJECTED): State.REVERTING,
    (State.WRITING, Input.GUARD_REFUSED): State.UNTOUCHED,
    (State.VERIFYING, Input.AS_BEFORE): State.DISARMING,
    (State.VERIFYING, Input.OTHERWISE): State.REVERTING,
    (State.VERIFYING, Input.EXHAUSTED): State.EXPIRING,
    (State.PROBING, Input.PASSED): State.CONFIRMING,
    (State.PROBING, Input.FAILED): State.REVERTING,
    # Whether a confirmation arrived is known for certain once the timer would have run out.
    (State.CONFIRMING, Input.DONE): State.CHANGED,
    (State.CONFIRMING, Input.REJECTED): State.EXPIRING,
    (State.CONFIRMING, Input.LOST): State.EXPIRING,
    (State.LOOKING, Input.AS_BEFORE): State.DISARMING,
    (State.LOOKING, Input.OTHERWISE): State.REVERTING,
    (State.LOOKING, Input.EXHAUSTED): State.EXPIRING,
    (State.REVERTING, Input.DONE): State.CHECKING,
    (State.REVERTING, Input.REJECTED): State.CHECKING,
    (State.REVERTING, Input.LOST): State.RESTING,
    (State.CHECKING, Input.AS_BEFORE): State.DISARMING,
    (State.CHECKING, Input.EXHAUSTED): State.EXPIRING,
    # As before already: the timer has nothing left to undo, but others' changes.
    (State.DISARMING, Input.DONE): State.RESTORED,
    (State.DISARMING, Input.REJECTED): State.RESTORED,
    (State.DISARMING, Input.LOST): State.EXPIRING,
    (State.EXPIRING, Input.WAITED): State.LOOKING,
}
"""With commit-confirm."""
