"""What a run asks of whoever drives it, and what it is told back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lifeline.model.records import Json

Entry = dict[str, Json]
"""An entry of the journal: the body of an event of kind `playbook`."""
LegName = Literal["do", "undo"]


@dataclass(frozen=True, slots=True)
class Enter:
    """Put entries on record at once, then apply them."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A step's kind with its arguments: what an effect is carried out with, and read again by."""

    leg: LegName
    step: str
    kind: str
    args: Mapping[str, Json]
    key: str
    timeout_s: float


class Do(Call):
    """Carry an effect out."""

    __slots__ = ()


class Probe(Call):
    """Read whether an effect was achieved."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back at a time, monotonic seconds; None: when somebody says something."""

    until: float | None
    why: str = ""


Action = Enter | Do | Probe | Wait


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an effect."""

    result: Literal["did", "refused", "failed", "lost"]
    detail: str = ""
    before: Json = None
    after: Json = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a probe read."""

    result: Literal["achieved", "untouched", "otherwise", "unreadable"]
    detail: str = ""
    state: Json = None
