"""What a transaction asks for (effects), what comes back (outcomes), and what remains (results and records)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .dialects import Step


class Result(StrEnum):
    """How a transaction ended."""

    UNCHANGED = "unchanged"
    """The device stood as wanted already; nothing was written."""
    CHANGED = "changed"
    """It stands as wanted now; read back, and confirmed where it asks for that."""
    RESTORED = "restored"
    """The change failed, and the device stands as before; read back."""
    UNTOUCHED = "untouched"
    """Nothing was written, because the device could not be read or refused to guard the change: retry at will."""
    NEEDS_HUMAN = "needs-human"
    """How the device stands is not known, or it can be brought neither forward nor back."""


# Outcomes


@dataclass(frozen=True, slots=True)
class Shown:
    """The device showed this."""

    configuration: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The device could not be asked, or did not answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """Every line was taken without complaint."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The device said no to a line; the lines before it may have been carried out."""

    reason: str


@dataclass(frozen=True, slots=True)
class GuardRefused:
    """The device cannot restore itself; nothing was carried out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection broke or fell silent on the way: nobody knows what was carried out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Passed:
    """The caller's probe is content."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The caller's probe is not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Waited:
    """The time is over."""


Outcome = Shown | Unreadable | Done | Rejected | GuardRefused | Lost | Passed | Failed | Waited


# Effects


@dataclass(frozen=True, slots=True)
class Read:
    """Show the configuration: Shown or Unreadable."""

    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Type these lines: Done, Rejected, GuardRefused or Lost."""

    script: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Confirm:
    """Tell the device to keep the change: Done, Rejected or Lost."""

    script: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Revert:
    """Tell the device to restore itself now: Done, Rejected or Lost."""

    script: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the caller whether the change does what it is for: Passed or Failed."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass: Waited."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Finish:
    """It is over."""

    record: Record


Effect = Read | Write | Confirm | Revert | Probe | Wait | Finish


@dataclass(frozen=True, slots=True)
class Passage:
    """A step of a transaction: in which state, what came, when (monotonic seconds since the start)."""

    state: str
    input: str
    after_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What a transaction did, for the journal. Lines are those of the settings in question, redacted."""

    result: Result
    reason: str
    """Why it is not as wanted; empty where it is."""
    before: tuple[str, ...] | None
    """None where it could not be read."""
    after: tuple[str, ...] | None
    """As read last; None where it is not known."""
    commands: tuple[str, ...]
    """What was typed to change it."""
    restoring: tuple[str, ...]
    """What was typed to undo that."""
    guarded: bool
    """Whether the device would have restored itself."""
    steps: tuple[Passage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it for the journal."""
        return {
            "result": self.result.value,
            "reason": self.reason,
            "before": None if self.before is None else list(self.before),
            "after": None if self.after is None else list(self.after),
            "commands": list(self.commands),
            "restoring": list(self.restoring),
            "guarded": self.guarded,
            "steps": [
                {"state": each.state, "input": each.input, "after_s": round(each.after_s, 3), "detail": each.detail}
                for each in self.steps
            ],
        }
