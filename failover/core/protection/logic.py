"""Who wins: local request logic, then the comparison with the far end's request (G.8031 11.2.1, RFC 7271 10).

1. What stands at this end boils down to one local input: the highest request of commands and of both paths.
2. When nothing does, the state itself may still ask for something: WTR and DNR, and a state that would become one of
   them. That is its resting request.
3. The far end's last word is compared by priority. Equal priority: the local one wins (G.8031 11.10), save where the
   two want different paths (SD-W and SD-P, MS-W and MS-P, EXER on either): then what is being followed stays (first
   come, first served), and of two that arose in the same moment MS-W, SD-W and EXER on working win at both ends.
4. A failure that either end sees is a failure of the path: SF-W here and SF-P there leave no path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .paths import PathView
from .requests import CODES, FAR, LOCAL, Command, Input, Request, Selector
from .tables import FOLLOWS, REQUESTS, State, Transitions

_FOR_WORKING: Final = {Request.MS_W: Request.MS_P, Request.SD_W: Request.SD_P}
_NOBODY: Final = {Selector.WORKING: Input.NR_W, Selector.PROTECTION: Input.NR_P}
_RESTFUL: Final = (Request.WTR, Request.DNR)


@dataclass(frozen=True, slots=True)
class FarRequest:
    """What the far end last asked for: a request, and the path it carries traffic on."""

    request: Request
    signal: Selector


def local_input(
    working: PathView, protection: PathView, command: Command | None, selector: Selector, far: FarRequest | None = None
) -> Input:
    """Return the highest of this end's own requests.

    An unknown path is never a reason to leave one that is merely degraded. Of two degraded paths the one in use is kept
    (RFC 7271 10.2: signal degrade on the standby path comes first).
    """
    if command is Command.LOCKOUT:
        return Input.LO
    if protection.declared:
        return Input.SF_WP if working.declared else Input.SF_P
    if working.declared and far is not None and far.request is Request.SF_P:
        return Input.SF_W_FAR_SF_P
    if command is Command.FORCE:
        return Input.FS
    if working.declared:
        return Input.SF_W
    known = working.failed is False and protection.failed is False
    if known and (working.degraded or protection.degraded):
        both = working.degraded and protection.degraded
        leave = selector.other if both else Selector.WORKING if working.degraded else Selector.PROTECTION
        return Input.SD_W if leave is Selector.WORKING else Input.SD_P
    if command is Command.MANUAL_PROTECTION:
        return Input.MS_P
    if command is Command.MANUAL_WORKING:
        return Input.MS_W
    if command is Command.EXERCISE:
        return Input.EXER
    unknown = working.failed is None or protection.failed is None
    return Input.UNKNOWN if unknown else Input.NR


def resting_request(transitions: Transitions, state: State) -> Request:
    """Return what a state asks for when this end has no reason to ask for anything else.

    A failure that has just ended becomes WTR or DNR before it is compared with the far end's request (G.8031
    11.2.1 a); a state that follows the far end, or waits for news at start, has nothing of its own.
    """
    if state in FOLLOWS or REQUESTS[state] is Request.NR:
        return Request.NR
    after, _ = transitions[state, Input.NR]
    return REQUESTS[after] if REQUESTS[after] in _RESTFUL else Request.NR


def winner(local: Input, resting: Request, state: State, selector: Selector, far: FarRequest | None) -> Input:
    """Return the input that wins. `far` is None while the far end is not heard."""
    if local is Input.EXER and CODES[resting] > CODES[Request.EXER]:
        local = Input.NR
    if far is None:
        return local
    mine = LOCAL.get(local, resting)
    ours, theirs = CODES[mine], 0 if far.request is Request.RR else CODES[far.request]
    if theirs > ours:
        return FAR[far.request, far.signal]
    if theirs == ours and _yields(mine, state, selector, far):
        return FAR[far.request, far.signal]
    if local is Input.NR and not theirs:
        return _NOBODY[far.signal]
    return local


def _yields(mine: Request, state: State, selector: Selector, far: FarRequest) -> bool:
    """Whether the far end's request comes before one of ours that has the same priority."""
    if far.request is not mine:
        return FOLLOWS.get(state) is far.request or _FOR_WORKING.get(far.request) is mine
    return mine is Request.EXER and far.signal is Selector.WORKING is not selector
