"""Keeps what a daemon says: durable first, then remembered. On a full disk it waits in memory, in order and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from ..model.judgement import Judgement, Key, changes, cleared, doubtful, orphans
from ..model.records import Condition, EventKind, Json
from .memory import Memory
from .outbox import Draft, Outbox, OutboxFullError

UNSTORED_MAX: Final = 4096


class Keeper:
    """Turns judgements and events into what the outbox keeps.

    Attributes:
        lost: events that a full disk made us drop, oldest first.
    """

    def __init__(self, outbox: Outbox, memory: Memory) -> None:
        """Go on where the last life ended.

        Args:
            outbox: an open outbox.
            memory: loaded.
        """
        self.lost = 0
        self._outbox = outbox
        self._memory = memory
        self._standing: dict[Key, Condition] = dict(memory.raised)
        self._unstored: deque[Draft] = deque()
        self._dropped: dict[Key, Condition] = {}
        self._assured: set[Key] = set()

    @property
    def standing(self) -> Mapping[Key, Condition]:
        """The conditions that stand, by subject and name."""
        return self._standing

    @property
    def unstored(self) -> int:
        """How many events wait for room on the disk."""
        return len(self._unstored)

    def admits(self, token: int) -> bool:
        """Tell whether an order with a fencing token may be obeyed, and remember it if so."""
        if token < self._memory.token:
            return False
        self._memory.token = token
        self._memory.save()
        return True

    def judge(self, judged: Judgement, at_ns: int | None = None) -> bool:
        """Take what a judgement changes; return whether that is anything. `store` makes it durable."""
        if self._memory.lost:  # what stood before is unknown, so what does not hold is cleared once for certain
            doubt = {key: condition for key, condition in doubtful(judged).items() if key not in self._assured}
            self._standing = doubt | self._standing
            self._assured.update(judged)
        told = changes(self._standing, judged)
        for condition in told:
            if condition.raised:
                self._standing[condition.subject, condition.name] = condition
            else:
                del self._standing[condition.subject, condition.name]
            self.push(Draft(EventKind.CONDITION, condition.subject, condition.to_body(), at_ns))
        return bool(told)

    def clear_orphans(self, subjects: Iterable[str]) -> bool:
        """End the conditions on what is no longer watched; return whether there were any."""
        return self.judge(orphans(self._standing, subjects))

    def put(self, kind: EventKind, subject: str, body: Mapping[str, Json], at_ns: int | None = None) -> bool:
        """Put an event; return False when the disk is full: then it waits."""
        self.push(Draft(kind, subject, body, at_ns))
        return self.store()

    def store(self) -> bool:
        """Make all that was taken durable; return False when the disk is full."""
        drafts = [*self._unstored, *self._told_anew()]
        if drafts:
            try:
                events = self._outbox.put_many(drafts)
            except OutboxFullError:  # the outbox has said so
                return False
            self._unstored.clear()
            self._dropped.clear()
            for event in events:
                self._memory.put(event)
            self.stored()
            self._memory.save()
        return True

    def stored(self) -> None:
        """Note what else is true now that everything taken is durable; the memory is saved next."""

    def push(self, draft: Draft) -> None:
        """Take an event. `store` makes it durable."""
        if len(self._unstored) == UNSTORED_MAX:
            oldest = self._unstored.popleft()
            self.lost += 1
            if oldest.kind is EventKind.CONDITION:
                condition = Condition.from_body(oldest.body)
                self._dropped[condition.subject, condition.name] = condition
        self._unstored.append(draft)

    def _told_anew(self) -> list[Draft]:
        """Return how conditions stand whose changes were dropped: the way there is lost, the end of it must not be."""
        present = [self._standing.get(key) or cleared(condition) for key, condition in self._dropped.items()]
        return [Draft(EventKind.CONDITION, condition.subject, condition.to_body()) for condition in present]
