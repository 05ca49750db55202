"""Hands news to whoever follows the hub, and never waits for any of them.

Each follower has a bounded backlog: the latest state per subject, and up to `EVENTS_WAITING` events. One that falls
further behind gets no more events from memory; it reads on from the journal at its own pace, and joins again when it
has caught up. So a slow reader loses nothing, costs nothing, and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

EVENTS_WAITING: Final = 1000


class Follower:
    """One reader's backlog.

    Attributes:
        live: whether events come from memory; otherwise the reader takes them from the journal first.
        ended: why there will be no more, None while there will.
    """

    def __init__(self) -> None:
        self.live = False
        self.ended: str | None = None
        self._events: deque[tuple[int, bytes]] = deque()
        self._states: dict[str, bytes] = {}
        self._news = asyncio.Event()

    def offer_event(self, cursor: int, message: bytes) -> None:
        """Put an event into the backlog, or give up keeping pace."""
        if not self.live:
            return
        if len(self._events) >= EVENTS_WAITING:
            self.live = False
            self._events.clear()
        else:
            self._events.append((cursor, message))
        self._news.set()

    def offer_state(self, subject: str, message: bytes) -> None:
        """Put a state into the backlog; the latest per subject wins."""
        self._states[subject] = message
        self._news.set()

    @property
    def has_states_only(self) -> bool:
        """Whether nothing waits that has to be told at once."""
        return bool(self._states) and not self._events and self.ended is None

    def end(self, reason: str) -> None:
        """Say that there will be no more."""
        self.ended = reason
        self._news.set()

    def take(self) -> tuple[list[tuple[int, bytes]], list[bytes]]:
        """Return the backlog, events with their cursors first, and begin anew."""
        events, states = list(self._events), list(self._states.values())
        self._events.clear()
        self._states.clear()
        self._news.clear()
        return events, states

    async def wait(self, timeout_s: float) -> bool:
        """Wait for news; False when there was none in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


class Broadcast:
    """All followers."""

    def __init__(self) -> None:
        self._followers: set[Follower] = set()
        self._ended: str | None = None

    def __len__(self) -> int:
        """Return how many follow."""
        return len(self._followers)

    def join(self) -> Follower:
        """Return a new follower; it gets states at once, and events when it says that it is `live`."""
        follower = Follower()
        if self._ended is not None:
            follower.end(self._ended)
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        self._followers.discard(follower)

    @property
    def wants_events(self) -> bool:
        """Whether anybody would get an event from memory."""
        return any(follower.live for follower in self._followers)

    def event(self, cursor: int, message: bytes) -> None:
        """Hand an event to all."""
        for follower in self._followers:
            follower.offer_event(cursor, message)

    def state(self, subject: str, message: bytes) -> None:
        """Hand a state to all."""
        for follower in self._followers:
            follower.offer_state(subject, message)

    def end(self, reason: str, *, for_ever: bool = False) -> None:
        """Tell all followers that there is no more; `for_ever` also those who come later."""
        for follower in self._followers:
            follower.end(reason)
        self._ended = reason if for_ever else None
