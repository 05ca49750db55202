"""States and transition tables of linear protection, as data (G.8031 annex A, RFC 7271 11).

The rules, before the tables:

1. One request wins, local or far (`logic.py`). Whatever it is, it leads to the same state from anywhere: who asks for
   most decides, not where we come from. These rows are `WINNERS`.
2. Only where nobody asks for anything does the past matter: after a failure of working traffic stays on protection,
   for a while (WTR) or for good (DNR), after a command it returns. These rows are the rest.
3. A request of the far end is followed, and answered with NR and the signal selected; EXER is answered with RR.

A cell that is absent cannot happen: `IllegalInputError`, and nothing changes.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from .requests import Input, Request, Selector


class State(Enum):
    """The end's state. A state that begins with "Far" follows the far end's request."""

    START_WORKING = "Start on working"
    START_PROTECTION = "Start on protection"
    NORMAL = "Normal"
    UNAVAILABLE = "Unavailable"
    PROTECTING_FAILURE = "Protecting failure"
    NO_PATH = "No path"
    WAIT_TO_RESTORE = "Wait to restore"
    DO_NOT_REVERT = "Do not revert"

    NO_COMMON_PATH = "No common path"
    LOCKED_OUT = "Locked out"
    FORCED = "Forced switch"
    PROTECTION_DEGRADED = "Protection degraded"
    PROTECTING_DEGRADE = "Protecting degrade"
    MANUAL_PROTECTION = "Manual to protection"
    MANUAL_WORKING = "Manual to working"
    EXERCISE_WORKING = "Exercise on working"
    EXERCISE_PROTECTION = "Exercise on protection"

    FAR_LOCKED_OUT = "Far locked out"
    FAR_NO_PATH = "Far no path"
    FAR_UNAVAILABLE = "Far unavailable"
    FAR_FORCED = "Far forced switch"
    FAR_PROTECTING_FAILURE = "Far protecting failure"
    FAR_PROTECTION_DEGRADED = "Far protection degraded"
    FAR_PROTECTING_DEGRADE = "Far protecting degrade"
    FAR_MANUAL_PROTECTION = "Far manual to protection"
    FAR_MANUAL_WORKING = "Far manual to working"
    FAR_WAIT_TO_RESTORE = "Far wait to restore"
    FAR_DO_NOT_REVERT = "Far do not revert"
    ANSWER_WORKING = "Answer exercise on working"
    ANSWER_PROTECTION = "Answer exercise on protection"

    @property
    def request(self) -> Request:
        """What an end in this state requests, and tells the far end."""
        return REQUESTS[self]

    @property
    def symbol(self) -> str:
        """The state as RFC 7271 11 writes it; START, NP and the path in E are ours."""
        return SYMBOLS[self]


REQUESTS: Final[dict[State, Request]] = dict.fromkeys(State, Request.NR) | {
    State.UNAVAILABLE: Request.SF_P,
    State.PROTECTING_FAILURE: Request.SF_W,
    State.NO_PATH: Request.SF_P,  # it outranks the SF-W that stands as well
    State.NO_COMMON_PATH: Request.SF_W,  # SF-P is the far end's: if both sent it back, neither would ever let go
    State.WAIT_TO_RESTORE: Request.WTR,
    State.DO_NOT_REVERT: Request.DNR,
    State.LOCKED_OUT: Request.LO,
    State.FORCED: Request.FS,
    State.PROTECTION_DEGRADED: Request.SD_P,
    State.PROTECTING_DEGRADE: Request.SD_W,
    State.MANUAL_PROTECTION: Request.MS_P,
    State.MANUAL_WORKING: Request.MS_W,
    State.EXERCISE_WORKING: Request.EXER,
    State.EXERCISE_PROTECTION: Request.EXER,
    State.ANSWER_WORKING: Request.RR,
    State.ANSWER_PROTECTION: Request.RR,
}

FOLLOWS: Final[dict[State, Request]] = {
    State.FAR_LOCKED_OUT: Request.LO,
    State.FAR_NO_PATH: Request.SF_P,
    State.FAR_UNAVAILABLE: Request.SF_P,
    State.FAR_FORCED: Request.FS,
    State.FAR_PROTECTING_FAILURE: Request.SF_W,
    State.FAR_PROTECTION_DEGRADED: Request.SD_P,
    State.FAR_PROTECTING_DEGRADE: Request.SD_W,
    State.FAR_MANUAL_PROTECTION: Request.MS_P,
    State.FAR_MANUAL_WORKING: Request.MS_W,
    State.FAR_WAIT_TO_RESTORE: Request.WTR,
    State.FAR_DO_NOT_REVERT: Request.DNR,
    State.ANSWER_WORKING: Request.EXER,
    State.ANSWER_PROTECTION: Request.EXER,
}
"""The far end's request that a state follows."""

SYMBOLS: Final[dict[State, str]] = {
    State.START_WORKING: "START:W",
    State.START_PROTECTION: "START:P",
    State.NORMAL: "N",
    State.UNAVAILABLE: "UA:P:L",
    State.PROTECTING_FAILURE: "PF:W:L",
    State.NO_PATH: "NP:L",
    State.NO_COMMON_PATH: "NP:LR",
    State.FAR_NO_PATH: "NP:R",
    State.WAIT_TO_RESTORE: "WTR",
    State.DO_NOT_REVERT: "DNR",
    State.LOCKED_OUT: "UA:LO:L",
    State.FORCED: "PF:F:L",
    State.PROTECTION_DEGRADED: "UA:DP:L",
    State.PROTECTING_DEGRADE: "PF:DW:L",
    State.MANUAL_PROTECTION: "SA:MP:L",
    State.MANUAL_WORKING: "SA:MW:L",
    State.EXERCISE_WORKING: "E:W:L",
    State.EXERCISE_PROTECTION: "E:P:L",
    State.FAR_LOCKED_OUT: "UA:LO:R",
    State.FAR_UNAVAILABLE: "UA:P:R",
    State.FAR_FORCED: "PF:F:R",
    State.FAR_PROTECTING_FAILURE: "PF:W:R",
    State.FAR_PROTECTION_DEGRADED: "UA:DP:R",
    State.FAR_PROTECTING_DEGRADE: "PF:DW:R",
    State.FAR_MANUAL_PROTECTION: "SA:MP:R",
    State.FAR_MANUAL_WORKING: "SA:MW:R",
    State.FAR_WAIT_TO_RESTORE: "WTR:R",
    State.FAR_DO_NOT_REVERT: "DNR:R",
    State.ANSWER_WORKING: "E:W:R",
    State.ANSWER_PROTECTION: "E:P:R",
}

Target = tuple[State, Selector | None]
"""Next state, and where the selector goes; None leaves it."""
Transitions = dict[tuple[State, Input], Target]

_W, _P = Selector.WORKING, Selector.PROTECTION

WINNERS: Final[dict[Input, Target]] = {
    Input.LO: (State.LOCKED_OUT, _W),
    Input.FAR_LO: (State.FAR_LOCKED_OUT, _W),
    Input.SF_WP: (State.NO_PATH, None),  # neither path is better: stay, and take the first that works again
    Input.SF_W_FAR_SF_P: (State.NO_COMMON_PATH, None),
    Input.FAR_SF_WP: (State.FAR_NO_PATH, None),
    Input.SF_P: (State.UNAVAILABLE, _W),
    Input.FAR_SF_P: (State.FAR_UNAVAILABLE, _W),
    Input.FS: (State.FORCED, _P),
    Input.FAR_FS: (State.FAR_FORCED, _P),
    Input.SF_W: (State.PROTECTING_FAILURE, _P),
    Input.FAR_SF_W: (State.FAR_PROTECTING_FAILURE, _P),
    Input.SD_P: (State.PROTECTION_DEGRADED, _W),
    Input.SD_W: (State.PROTECTING_DEGRADE, _P),
    Input.FAR_SD_P: (State.FAR_PROTECTION_DEGRADED, _W),
    Input.FAR_SD_W: (State.FAR_PROTECTING_DEGRADE, _P),
    Input.MS_P: (State.MANUAL_PROTECTION, _P),
    Input.MS_W: (State.MANUAL_WORKING, _W),
    Input.FAR_MS_P: (State.FAR_MANUAL_PROTECTION, _P),
    Input.FAR_MS_W: (State.FAR_MANUAL_WORKING, _W),
    Input.FAR_WTR: (State.FAR_WAIT_TO_RESTORE, _P),
    Input.FAR_EXER_W: (State.ANSWER_WORKING, _W),
    Input.FAR_EXER_P: (State.ANSWER_PROTECTION, _P),
}
"""Inputs that lead to the same state from every state."""

_ON_WORKING: Final = (
    State.LOCKED_OUT, State.UNAVAILABLE, State.PROTECTION_DEGRADED, State.MANUAL_WORKING,
    State.FAR_LOCKED_OUT, State.FAR_UNAVAILABLE, State.FAR_PROTECTION_DEGRADED, State.FAR_MANUAL_WORKING,
    State.EXERCISE_WORKING, State.ANSWER_WORKING, State.FAR_NO_PATH,
)  # fmt: skip
_ON_PROTECTION: Final = (
    State.FORCED, State.MANUAL_PROTECTION, State.FAR_FORCED, State.FAR_MANUAL_PROTECTION,
    State.FAR_WAIT_TO_RESTORE, State.FAR_DO_NOT_REVERT, State.EXERCISE_PROTECTION, State.ANSWER_PROTECTION,
)  # fmt: skip
_NO_PATH: Final = (State.NO_PATH, State.NO_COMMON_PATH)
_FAILURES: Final = (State.PROTECTING_FAILURE, State.PROTECTING_DEGRADE)
_FAR_FAILURES: Final = (State.FAR_PROTECTING_FAILURE, State.FAR_PROTECTING_DEGRADE)
_NOBODY: Final = (Input.NR, Input.NR_W, Input.NR_P)


def _without(table: Transitions, *states: State) -> Transitions:
    return {(state, what): target for (state, what), target in table.items() if state not in states}


def _rows(states: tuple[State, ...], inputs: tuple[Input, ...], target: Target) -> Transitions:
    return {(state, what): target for state in states for what in inputs}


_COMMON: Final[Transitions] = (
    {(state, what): target for state in State for what, target in WINNERS.items()}
    # Some path is not yet known: wait for it where we are (RFC 8234's start, and ours).
    | _rows((State.START_WORKING, *_ON_WORKING), (Input.UNKNOWN,), (State.START_WORKING, None))
    | _rows(
        (State.START_PROTECTION, State.DO_NOT_REVERT, *_ON_PROTECTION, State.PROTECTING_DEGRADE, *_FAR_FAILURES),
        (Input.UNKNOWN,),
        (State.START_PROTECTION, None),
    )
    # Protection was taken untried and has not proved itself: working, which now works, is the better choice.
    | _rows((State.PROTECTING_FAILURE, *_NO_PATH), (Input.UNKNOWN,), (State.START_WORKING, _W))
    # Nobody asks for anything.
    | _rows((State.START_WORKING, *_NO_PATH, *_ON_WORKING), _NOBODY, (State.NORMAL, _W))
    | _rows((State.NORMAL,), _NOBODY, (State.NORMAL, None))
    | _rows(_FAR_FAILURES, (Input.NR_W,), (State.NORMAL, _W))
    | _rows((State.START_PROTECTION,), (Input.NR_W,), (State.NORMAL, _W))
    # EXER is lower than all but RR, DNR and NR: it begins in no other state.
    | _rows((State.NORMAL, State.EXERCISE_WORKING, State.ANSWER_WORKING), (Input.EXER,), (State.EXERCISE_WORKING, None))
)

REVERTIVE: Final[Transitions] = _without(
    _COMMON
    | _rows(_FAILURES, _NOBODY, (State.WAIT_TO_RESTORE, _P))
    # Both ends ceased to see the failure in the same moment, each waits for the other: one of them must wait to
    # restore, so both do (G.8031 11.13). The same when the far end has fallen silent.
    | _rows((*_FAR_FAILURES, State.START_PROTECTION), (Input.NR, Input.NR_P), (State.WAIT_TO_RESTORE, _P))
    | _rows((State.WAIT_TO_RESTORE,), _NOBODY, (State.WAIT_TO_RESTORE, None))
    | _rows((State.WAIT_TO_RESTORE,), (Input.WTR_EXPIRED,), (State.NORMAL, _W))
    | _rows(_ON_PROTECTION, _NOBODY, (State.NORMAL, _W))
    # DNR of a far end that is set non-revertive: it is followed, but never requested by us.
    | _rows(tuple(State), (Input.FAR_DNR,), (State.FAR_DO_NOT_REVERT, _P))
    | _rows(
        (State.FAR_DO_NOT_REVERT, State.EXERCISE_PROTECTION, State.ANSWER_PROTECTION),
        (Input.EXER,),
        (State.EXERCISE_PROTECTION, None),
    ),
    State.DO_NOT_REVERT,
)

NON_REVERTIVE: Final[Transitions] = _without(
    _COMMON
    | _rows((*_FAILURES, State.FORCED, State.MANUAL_PROTECTION), _NOBODY, (State.DO_NOT_REVERT, _P))
    | _rows((*_FAR_FAILURES, State.START_PROTECTION), (Input.NR, Input.NR_P), (State.DO_NOT_REVERT, _P))
    | _rows((State.DO_NOT_REVERT,), _NOBODY, (State.DO_NOT_REVERT, None))
    | _rows((State.EXERCISE_PROTECTION, State.ANSWER_PROTECTION), _NOBODY, (State.DO_NOT_REVERT, _P))
    | _rows(
        (State.FAR_FORCED, State.FAR_MANUAL_PROTECTION, State.FAR_WAIT_TO_RESTORE),
        (Input.NR, Input.NR_P),
        (State.DO_NOT_REVERT, _P),
    )
    | _rows(
        (State.FAR_FORCED, State.FAR_MANUAL_PROTECTION, State.FAR_WAIT_TO_RESTORE), (Input.NR_W,), (State.NORMAL, _W)
    )
    | _rows(tuple(State), (Input.FAR_DNR,), (State.DO_NOT_REVERT, _P))
    | _rows(
        (State.DO_NOT_REVERT, State.EXERCISE_PROTECTION, State.ANSWER_PROTECTION),
        (Input.EXER,),
        (State.EXERCISE_PROTECTION, None),
    ),
    State.WAIT_TO_RESTORE,
    State.FAR_DO_NOT_REVERT,
)
