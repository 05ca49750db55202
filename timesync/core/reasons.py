"""Why a source is not selected, in the order in which the reasons count, and the evidence for each.

excluded       a person took it out
silent ...     it is not there: nothing to accuse it of
jammed ...     it is there, and wrong or about to be: it is accused, and has to qualify anew
diverged       it and another disagree, and nothing tells which one is wrong: neither is selected
qualifying     it has been out, and has not yet shown for long enough that it is sound
coarse ...     it is sound, and not wanted: a witness, not a reference
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a source is not selected; of several that hold, the first in this order is shown."""

    EXCLUDED = "excluded"
    UNWATCHED = "unwatched"
    """Nothing gives its pulses: it is told of, never judged."""
    SILENT = "silent"
    FAILED = "failed"
    """It says of itself that it does not work, or follows nothing."""
    NO_FIX = "no-fix"
    FROZEN = "frozen"
    FOREIGN = "foreign"
    """It listens to another constellation than the inventory says: receivers may be swapped."""
    JAMMED = "jammed"
    SPOOFED = "spoofed"
    """Its receiver itself says that its signals are false."""
    MEACONED = "meaconed"
    """Signals from elsewhere, late: somebody replays them."""
    MOVED = "moved"
    WEEK = "week"
    LEAP = "leap"
    STEP = "step"
    RAMP = "ramp"
    DIVERGED = "diverged"
    QUALIFYING = "qualifying"
    COARSE = "coarse"
    NOT_CHOSEN = "not-chosen"

    @property
    def rank(self) -> int:
        """Place in the order."""
        return _RANK[self]

    @property
    def accuses(self) -> bool:
        """Whether the source gives, or may give, false time: it must qualify anew, and its history goes."""
        return self in _ACCUSES

    @property
    def witnesses(self) -> bool:
        """Whether what the source says may still speak for or against others."""
        return self in {Reason.COARSE, Reason.NOT_CHOSEN}


_RANK = {reason: rank for rank, reason in enumerate(Reason)}
_ACCUSES = frozenset({
    Reason.FROZEN, Reason.FOREIGN, Reason.JAMMED, Reason.SPOOFED, Reason.MEACONED, Reason.MOVED, Reason.WEEK,
    Reason.LEAP, Reason.STEP, Reason.RAMP,
})  # fmt: skip


class Evidence(NamedTuple):
    """What speaks against a source: a figure, its limit, and what the figure is."""

    reason: Reason
    what: str
    """Name of the test, such as `residual` or `cn0-drop`."""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    by: str = ""
    """Against what: another source, `holdover`, `antenna`, `receiver`."""


class Suspicion(NamedTuple):
    """What does not convict, and tips the balance between two that disagree."""

    what: str
    value: float | None
    unit: str


class ClockState(StrEnum):
    """States of the site's clock: G.8275 (10/2024) appendix VIII, and G.781 before it."""

    FREE_RUN = "free-run"
    ACQUIRING = "acquiring"
    LOCKED = "locked"
    HOLDOVER_IN_SPEC = "holdover-in-spec"
    HOLDOVER_OUT_OF_SPEC = "holdover-out-of-spec"

    @property
    def clock_class(self) -> int:
        """The clockClass that a T-GM announces in this state: G.8275.1 table 2."""
        return {"free-run": 248, "acquiring": 248, "locked": 6, "holdover-in-spec": 7,
                "holdover-out-of-spec": 140}[self.value]  # fmt: skip
