"""The vocabulary of a protection group: paths, requests with their priorities, operator commands, inputs."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

from ..aps import RequestCode


class Selector(StrEnum):
    """A path, and the place of the selector: which path carries traffic."""

    WORKING = "working"
    PROTECTION = "protection"

    @property
    def other(self) -> Selector:
        """The other path of the pair."""
        return Selector.PROTECTION if self is Selector.WORKING else Selector.WORKING


class Request(Enum):
    """What an end requests, in ascending priority (G.8031 table 11-1, RFC 7271 10). SD and MS name a path each."""

    NR = "NR"
    DNR = "DNR"
    RR = "RR"
    EXER = "EXER"
    WTR = "WTR"
    MS_W = "MS-W"
    MS_P = "MS-P"
    SD_W = "SD-W"
    SD_P = "SD-P"
    SF_W = "SF-W"
    FS = "FS"
    SF_P = "SF-P"
    LO = "LO"


CODES: Final[dict[Request, RequestCode]] = {
    Request.NR: RequestCode.NR,
    Request.DNR: RequestCode.DNR,
    Request.RR: RequestCode.RR,
    Request.EXER: RequestCode.EXER,
    Request.WTR: RequestCode.WTR,
    Request.MS_W: RequestCode.MS,
    Request.MS_P: RequestCode.MS,
    Request.SD_W: RequestCode.SD,
    Request.SD_P: RequestCode.SD,
    Request.SF_W: RequestCode.SF_W,
    Request.FS: RequestCode.FS,
    Request.SF_P: RequestCode.SF_P,
    Request.LO: RequestCode.LO,
}
"""Each request as it is sent, which is its priority as well: MS-W and MS-P have the same, so have SD-W and SD-P."""

MEANINGS: Final[dict[Request, str]] = {
    Request.LO: "lockout of protection, by command",
    Request.SF_P: "signal fail on protection",
    Request.FS: "forced switch to protection, by command",
    Request.SF_W: "signal fail on working",
    Request.SD_P: "signal degrade on protection",
    Request.SD_W: "signal degrade on working",
    Request.MS_P: "manual switch to protection, by command",
    Request.MS_W: "manual switch to working, by command",
    Request.WTR: "wait to restore",
    Request.EXER: "exercise of the protocol, by command",
    Request.RR: "reverse request, the answer to EXER",
    Request.DNR: "do not revert",
    Request.NR: "no request",
}


class Command(Enum):
    """What an operator may order (G.8031 9.1, 9.2). FREEZE and CLEAR are local: the far end never hears of them."""

    LOCKOUT = "lockout"
    FORCE = "force"
    MANUAL_PROTECTION = "manual protection"
    MANUAL_WORKING = "manual working"
    EXERCISE = "exercise"
    FREEZE = "freeze"
    CLEAR = "clear"


class Input(Enum):
    """What moves the machine: the one request that wins over all others, local and far, or a timer."""

    UNKNOWN = "no request, but some path not yet known"
    NR = "no request, far end not heard"
    NR_W = "no request, far end on working"
    NR_P = "no request, far end on protection"
    WTR_EXPIRED = "WTR expired or cleared"
    EXER = "EXER"

    LO = "LO"
    SF_P = "SF-P"
    SF_WP = "SF-W and SF-P"
    SF_W_FAR_SF_P = "SF-W, far SF-P"
    FS = "FS"
    SF_W = "SF-W"
    SD_P = "SD-P"
    SD_W = "SD-W"
    MS_P = "MS-P"
    MS_W = "MS-W"

    FAR_LO = "far LO"
    FAR_SF_WP = "far SF-W and SF-P"
    FAR_SF_P = "far SF-P"
    FAR_FS = "far FS"
    FAR_SF_W = "far SF-W"
    FAR_SD_P = "far SD-P"
    FAR_SD_W = "far SD-W"
    FAR_MS_P = "far MS-P"
    FAR_MS_W = "far MS-W"
    FAR_WTR = "far WTR"
    FAR_EXER_W = "far EXER on working"
    FAR_EXER_P = "far EXER on protection"
    FAR_DNR = "far DNR"


LOCAL: Final[dict[Input, Request]] = {
    Input.EXER: Request.EXER,
    Input.LO: Request.LO,
    Input.SF_P: Request.SF_P,
    Input.SF_WP: Request.SF_P,  # the higher of the two
    Input.SF_W_FAR_SF_P: Request.SF_P,
    Input.FS: Request.FS,
    Input.SF_W: Request.SF_W,
    Input.SD_P: Request.SD_P,
    Input.SD_W: Request.SD_W,
    Input.MS_P: Request.MS_P,
    Input.MS_W: Request.MS_W,
}
"""The request in a local input; an input that is absent requests nothing."""

FAR: Final[dict[tuple[Request, Selector], Input]] = {
    (request, signal): what
    for request, what in (
        (Request.LO, Input.FAR_LO),
        (Request.SF_P, Input.FAR_SF_P),
        (Request.FS, Input.FAR_FS),
        (Request.SF_W, Input.FAR_SF_W),
        (Request.SD_P, Input.FAR_SD_P),
        (Request.SD_W, Input.FAR_SD_W),
        (Request.MS_P, Input.FAR_MS_P),
        (Request.MS_W, Input.FAR_MS_W),
        (Request.WTR, Input.FAR_WTR),
        (Request.DNR, Input.FAR_DNR),
    )
    for signal in Selector
} | {
    # A far end that has stayed on a failed protection path has no other.
    (Request.SF_P, Selector.PROTECTION): Input.FAR_SF_WP,
    (Request.EXER, Selector.WORKING): Input.FAR_EXER_W,
    (Request.EXER, Selector.PROTECTION): Input.FAR_EXER_P,
}
"""The input that a far end's request is, by the signal it asks for where that matters."""

COMMANDS: Final[dict[Command, Input]] = {
    Command.LOCKOUT: Input.LO,
    Command.FORCE: Input.FS,
    Command.MANUAL_PROTECTION: Input.MS_P,
    Command.MANUAL_WORKING: Input.MS_W,
    Command.EXERCISE: Input.EXER,
}
"""The input that a standing command is; FREEZE and CLEAR never stand as requests."""
