"""Whether something answers: soft and hard states, and flapping.

The rules, in prose: one silence is an accident and several in a row are a fact, and so are answers after a silence.
Between them the state is soft: asked again sooner, and nobody is told. What changes often within a while flaps; it
counts as down until it has kept still, so that one alarm stands where otherwise dozens would come and go.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Standing(StrEnum):
    """How a thing stands."""

    UNKNOWN = "unknown"
    UP = "up"
    SOFT_DOWN = "soft-down"
    DOWN = "down"
    SOFT_UP = "soft-up"


@dataclass(frozen=True, slots=True)
class Patience:
    """How many looks make a fact, and how many changes make a flapper."""

    silences: int = 3
    answers: int = 2
    flaps: int = 4
    """Hard changes within `window_s` from which on it flaps."""
    window_s: float = 600.0
    calm_s: float = 300.0
    """Without a change for so long, it flaps no longer."""


_ANSWER: Final = {
    Standing.UNKNOWN: Standing.UP,
    Standing.UP: Standing.UP,
    Standing.SOFT_DOWN: Standing.UP,
    Standing.DOWN: Standing.SOFT_UP,
    Standing.SOFT_UP: Standing.SOFT_UP,
}
_SILENCE: Final = {
    Standing.UNKNOWN: Standing.SOFT_DOWN,
    Standing.UP: Standing.SOFT_DOWN,
    Standing.SOFT_DOWN: Standing.SOFT_DOWN,
    Standing.DOWN: Standing.DOWN,
    Standing.SOFT_UP: Standing.DOWN,
}


@dataclass(slots=True)
class Reach:
    """One thing's standing.

    Attributes:
        standing: soft and hard state.
        since_s: when the hard state was entered.
        known: whether it has been known to be up or down: not before the first fact.
    """

    patience: Patience = field(default_factory=Patience)
    standing: Standing = Standing.UNKNOWN
    since_s: float = 0.0
    known: bool = False
    _streak: int = 0
    _changes: deque[float] = field(default_factory=deque)
    _flapping: bool = False

    def answer(self, now_s: float) -> None:
        """Take an answer."""
        if self.standing is Standing.UP:
            return
        self._take(_ANSWER[self.standing], Standing.SOFT_UP, Standing.UP, self.patience.answers, now_s)

    def silence(self, now_s: float) -> None:
        """Take a question that nobody answered."""
        self._take(_SILENCE[self.standing], Standing.SOFT_DOWN, Standing.DOWN, self.patience.silences, now_s)

    def _take(self, to: Standing, soft: Standing, hard: Standing, wanted: int, now_s: float) -> None:
        self._streak = self._streak + 1 if to is self.standing else 1
        if to is soft and self._streak >= wanted:
            to = hard
        before, self.standing = self.standing, to
        self.known = self.known or to in {Standing.UP, Standing.DOWN}
        fell = to is Standing.DOWN and before not in {Standing.DOWN, Standing.SOFT_UP}
        rose = to is Standing.UP and before is Standing.SOFT_UP
        if fell or rose:
            self._changed(now_s)
        elif before is Standing.UNKNOWN:
            self.since_s = now_s

    def _changed(self, now_s: float) -> None:
        self.since_s = now_s
        self._changes.append(now_s)
        while self._changes and self._changes[0] < now_s - self.patience.window_s:
            self._changes.popleft()
        if len(self._changes) >= self.patience.flaps:
            self._flapping = True

    def flapping(self, now_s: float) -> bool:
        """Tell whether it flaps."""
        if self._flapping and (not self._changes or now_s - self._changes[-1] >= self.patience.calm_s):
            self._flapping = False
            self._changes.clear()
        return self._flapping

    @property
    def down(self) -> bool:
        """Whether it counts as down, hard; a soft state counts as the hard one before it."""
        return self.standing in {Standing.DOWN, Standing.SOFT_UP}

    @property
    def soft(self) -> bool:
        """Whether it should be asked again sooner."""
        return self.standing in {Standing.SOFT_DOWN, Standing.SOFT_UP}

    def next_deadline(self) -> float | None:
        """Return when flapping ends if nothing happens; None if nothing flaps."""
        return self._changes[-1] + self.patience.calm_s if self._flapping and self._changes else None
