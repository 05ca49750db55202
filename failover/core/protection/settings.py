"""What goes into a protection group, its configuration, and what comes out, its effects and answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..aps import ApsMessage
from .damping import DampingConfig
from .requests import Command, Request, Selector
from .tables import State


@dataclass(frozen=True, slots=True)
class ProtectionConfig:
    """What the administrator decided about a group. `working` and `protection` name the paths for people.

    Raises:
        ValueError: a time is outside G.8031's range.
    """

    revertive: bool = True
    wtr_s: float = 300.0
    """Wait to restore (G.8031 11.13): 5 to 12 minutes in service, 0 allowed in labs."""
    hold_off_s: float = 0.0
    """Hold-off (G.8031 11.12): 0 to 10 s in steps of 100 ms."""
    working: str = "working"
    protection: str = "protection"
    damping: DampingConfig | None = None

    def __post_init__(self) -> None:
        for name, most in (("wtr_s", 720.0), ("hold_off_s", 10.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name):g}, must be 0 to {most:g}")
        if abs(self.hold_off_s * 10 - round(self.hold_off_s * 10)) > 1e-6:
            raise ValueError(f"hold_off_s is {self.hold_off_s:g}, must be a multiple of 0.1")


@dataclass(frozen=True, slots=True)
class ApsConfig:
    """How this end speaks APS with the far end.

    Raises:
        ValueError: a value is out of range.
    """

    group: int
    """The group's number, unsigned 32-bit, the same at both ends and in no other group between them."""
    epoch: int
    """Grows with each life of this end, unsigned 64-bit: wall nanoseconds at the start will do."""
    no_response_s: float = 1.0
    """How long the far end may carry traffic elsewhere before that is an alarm: a round trip, and some loss."""

    def __post_init__(self) -> None:
        if not 0 <= self.group < 1 << 32:
            raise ValueError(f"group is {self.group}, must be an unsigned 32-bit number")
        if not 0 <= self.epoch < 1 << 64:
            raise ValueError(f"epoch is {self.epoch}, must be an unsigned 64-bit number")
        if not 0.05 <= self.no_response_s <= 60:
            raise ValueError(f"no_response_s is {self.no_response_s:g}, must be 0.05 to 60")


class Defect(Enum):
    """A failure of protocol (G.8031 11.15, G.8021 6.1.4.3); each becomes an alarm."""

    PROVISIONING = "aps-provisioning-mismatch"
    """FOP-PM: the far end is set for another architecture (A, B or D bit)."""
    REVERTIVE = "aps-revertive-mismatch"
    """One end returns to working, the other does not (R bit). They work together; nobody meant it so."""
    GROUP = "aps-group-mismatch"
    """The far end speaks for another group: the protection path leads elsewhere."""
    WRONG_PATH = "aps-on-working"
    """FOP-CM: the far end speaks over the working path, so that paths are swapped at one end."""
    NO_RESPONSE = "aps-no-response"
    """FOP-NR: the far end carries traffic on the other path, longer than an answer takes."""
    SILENCE = "aps-silent"
    """FOP-TO: the far end is not heard for three and a half periods, although the protection path works."""


@dataclass(frozen=True, slots=True)
class Select:
    """Put the selector here, now."""

    selector: Selector


@dataclass(frozen=True, slots=True)
class SendAps:
    """Send this message over the protection path, now."""

    message: ApsMessage


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The machine entered another state: for the record and for people."""

    previous: State
    state: State
    request: Request
    selector: Selector
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class CommandDropped:
    """A standing command was overridden and is forgotten (G.8031 11.11): for the record and for people."""

    command: Command
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class DefectChanged:
    """A failure of protocol was noticed, or is over."""

    defect: Defect
    raised: bool
    text: str
    at: float


Effect = Select | SendAps | StateChanged | CommandDropped | DefectChanged


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: a refused one has changed nothing, and `reason` says what stands against it."""

    accepted: bool
    reason: str
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a command would do now."""

    command: Command
    accepted: bool
    reason: str
    state: State
    request: Request
    selector: Selector
    switches: bool
