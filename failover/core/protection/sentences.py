"""One sentence for each state: what holds the selector where it is."""

from __future__ import annotations

from typing import Final

from .requests import Command, Input, Request
from .tables import State

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
"""States that signal fail alone leads to."""

WHY_REQUESTED: Final[dict[State, str]] = {
    State.NO_COMMON_PATH: "Working path {working} failed ({working_reason}), and the far end sees protection path"
    " {protection} failed; staying on {on}.",
    State.LOCKED_OUT: "Locked out by command: carrying on {working}, and never on {protection}.",
    State.FORCED: "Forced to {protection} by command.",
    State.PROTECTION_DEGRADED: "Protection path {protection} is degraded ({protection_degrade}); carrying on"
    " {working}.",
    State.PROTECTING_DEGRADE: "Working path {working} is degraded ({working_degrade}); carrying on {protection}.",
    State.MANUAL_PROTECTION: "Switched to {protection} by command.",
    State.MANUAL_WORKING: "Switched to {working} by command.",
    State.EXERCISE_WORKING: "Exercising the protocol by command; carrying on {working}.",
    State.EXERCISE_PROTECTION: "Exercising the protocol by command; carrying on {protection}.",
    State.FAR_LOCKED_OUT: "The far end is locked out by command: carrying on {working}, and never on {protection}.",
    State.FAR_NO_PATH: "The far end sees both paths failed; staying on {on}.",
    State.FAR_UNAVAILABLE: "The far end sees protection path {protection} failed; carrying on {working}.",
    State.FAR_FORCED: "The far end is forced to {protection} by command.",
    State.FAR_PROTECTING_FAILURE: "The far end sees working path {working} failed; carrying on {protection}.",
    State.FAR_PROTECTION_DEGRADED: "The far end sees protection path {protection} degraded; carrying on {working}.",
    State.FAR_PROTECTING_DEGRADE: "The far end sees working path {working} degraded; carrying on {protection}.",
    State.FAR_MANUAL_PROTECTION: "The far end was switched to {protection} by command.",
    State.FAR_MANUAL_WORKING: "The far end was switched to {working} by command.",
    State.FAR_WAIT_TO_RESTORE: "The far end waits until working path {working} has been healthy long enough; carrying"
    " on {protection}.",
    State.FAR_DO_NOT_REVERT: "The far end stays on {protection} because it is set non-revertive.",
    State.ANSWER_WORKING: "The far end exercises the protocol; carrying on {working}.",
    State.ANSWER_PROTECTION: "The far end exercises the protocol; carrying on {protection}.",
}
"""States that commands, signal degrade and the far end lead to."""

WHY_HOLD_OFF: Final = "Path {on} failed ({reason}); giving it {hold_off_s:g} s to recover (hold-off)."
WHY_FROZEN: Final = "Frozen by command: staying on {on}, whatever happens."
WHY_SUPPRESSED: Final = (
    "Working path {working} is healthy but failed too often; carrying on {protection} until it has settled."
)

STANDS: Final[dict[Input, str]] = {
    Input.LO: "the group is locked out by command (LO)",
    Input.SF_P: "protection path {protection} has failed (SF-P)",
    Input.SF_WP: "both paths have failed (SF-P)",
    Input.SF_W_FAR_SF_P: "both paths have failed (SF-P)",
    Input.FS: "the group is forced by command (FS)",
    Input.SF_W: "working path {working} has failed (SF-W)",
    Input.SD_P: "protection path {protection} is degraded (SD-P)",
    Input.SD_W: "working path {working} is degraded (SD-W)",
    Input.MS_P: "the group is switched to {protection} by command (MS-P)",
    Input.MS_W: "the group is switched to {working} by command (MS-W)",
    Input.EXER: "the protocol is being exercised (EXER)",
    Input.FAR_LO: "the far end is locked out by command (LO)",
    Input.FAR_SF_WP: "the far end sees both paths failed (SF-P)",
    Input.FAR_SF_P: "the far end sees protection path {protection} failed (SF-P)",
    Input.FAR_FS: "the far end is forced by command (FS)",
    Input.FAR_SF_W: "the far end sees working path {working} failed (SF-W)",
    Input.FAR_SD_P: "the far end sees protection path {protection} degraded (SD-P)",
    Input.FAR_SD_W: "the far end sees working path {working} degraded (SD-W)",
    Input.FAR_MS_P: "the far end was switched to {protection} by command (MS-P)",
    Input.FAR_MS_W: "the far end was switched to {working} by command (MS-W)",
    Input.FAR_WTR: "the far end waits to restore (WTR)",
    Input.FAR_EXER_W: "the far end exercises the protocol (EXER)",
    Input.FAR_EXER_P: "the far end exercises the protocol (EXER)",
    Input.FAR_DNR: "the far end does not revert (DNR)",
}
"""What stands against a command of lower priority."""

STANDS_AT_REST: Final[dict[Request, str]] = {
    Request.WTR: "the group waits to restore (WTR)",
    Request.DNR: "the group does not revert (DNR)",
    Request.NR: "the group has just started",
}

REFUSED_OUTRANKED: Final = "{command} is refused: {stands}."
REFUSED_STANDS: Final = "{command} already stands."
REFUSED_FROZEN: Final = "The group is frozen; clear that first."
REFUSED_UNKNOWN: Final = "{command} is refused: it is not known whether {path} works."
REFUSED_STRANDS: Final = "{command} is refused: it would send traffic from {protection} to {working}, which has failed."
REFUSED_NOBODY: Final = "{command} is refused: the far end does not speak APS."
REFUSED_NOTHING: Final = "There is no command and no wait to clear here."
REFUSED_ELSEWHERE: Final = "There is nothing to clear here: {stands}; clear it there."

TITLES: Final[dict[Command, str]] = {
    Command.LOCKOUT: "Lockout",
    Command.FORCE: "Forced switch",
    Command.MANUAL_PROTECTION: "Manual switch to protection",
    Command.MANUAL_WORKING: "Manual switch to working",
    Command.EXERCISE: "Exercise",
    Command.FREEZE: "Freeze",
    Command.CLEAR: "Clear",
}
