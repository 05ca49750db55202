"""Who is due next, among hundreds: asked at each pass of the loop, so the answer must not cost a look at everybody."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .path import Path


class Schedule:
    """Paths by `Path.deadline`. An entry whose path has another one by now is void, and dropped when its turn comes."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Path]] = []

    def note(self, path: Path, deadline: float) -> None:
        """Learn when a path's session wants its timer handled."""
        path.deadline = deadline
        if deadline != inf:
            heappush(self._entries, (deadline, path.plan.discriminator, path))

    def soonest(self) -> float:
        """Return when the first one is due, monotonic seconds; infinity when none is."""
        entries = self._entries
        while entries and entries[0][0] != entries[0][2].deadline:
            heappop(entries)
        return entries[0][0] if entries else inf

    def take(self, now: float) -> list[tuple[Path, float]]:
        """Return the paths that are due and since when, first things first; each must be rescheduled."""
        due = []
        while (deadline := self.soonest()) <= now:
            path = heappop(self._entries)[2]
            path.deadline = inf
            due.append((path, deadline))
        return due
