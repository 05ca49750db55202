"""What rows and details are made of: texts with a meaning, not with a colour. No widget, no clock.

A cell names its role (`critical`, `muted`) and its symbol (`switched`); `look` decides how these appear. A text that
depends on the time of day is a small value that is called with the hub's wall time, so that equal rows compare equal
and only what is on screen is worked out anew each second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .words import age, countdown


class Clocked(Protocol):
    """A text that depends on the time."""

    def __call__(self, now_ns: int) -> str:
        """Return the text at the hub's wall time, nanoseconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something was: `12s`, `3m`, `2h`, `5d`; empty when never."""

    since_ns: int | None
    template: str = "{age}"

    def __call__(self, now_ns: int) -> str:
        """Return the age at a time; a clock ahead of the hub's counts as now."""
        return self.template.format(age=age((now_ns - self.since_ns) / 1e9)) if self.since_ns else ""


@dataclass(frozen=True, slots=True)
class Countdown:
    """How long until something happens, in whole seconds, never below zero."""

    until_ns: int
    template: str = "{left}"

    def __call__(self, now_ns: int) -> str:
        """Return what is left at a time."""
        return self.template.format(left=countdown((self.until_ns - now_ns) / 1e9))


@dataclass(frozen=True, slots=True)
class Cell:
    """One text with its meaning. `sort` orders rows where the text would not."""

    text: str | Clocked = ""
    role: str = ""
    symbol: str = ""
    sort: float | str | None = None

    def at(self, now_ns: int) -> str:
        """Return the text at a time."""
        return self.text if isinstance(self.text, str) else self.text(now_ns)


@dataclass(frozen=True, slots=True)
class Row:
    """A table's row. `rank` is its place when the user has not chosen a column to sort by."""

    key: str
    cells: tuple[Cell, ...]
    rank: tuple[float | str, ...] = ()
    haystack: str = field(default="", compare=False)
    """Further text that a filter finds, beyond what the cells show."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a detail: cells one after the other behind a label, or side by side in columns of equal width."""

    cells: tuple[Cell, ...] = ()
    label: str = ""
    columns: bool = False
