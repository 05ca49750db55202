"""The Engine protocol: what the house asks of its store. SQLite implements it first, PostgreSQL later (ADR 0005)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..model.records import Event, Json, StoredEvent


class JournalFullError(Exception):
    """The store has no room: nothing of this call was kept, nothing was acknowledged; try again later."""


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of queued work claimed by a worker; invisible to others for `visible_s`."""

    queue: str
    id: int
    payload: Json
    attempt: int
    token: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act under `name` until `deadline_s` on this machine's monotonic clock; `token` only ever grows."""

    name: str
    holder: str
    token: int
    deadline_s: float


class Engine(Protocol):
    """Durable journal, work queue and leases behind one door."""

    async def append(self, events: Sequence[Event]) -> list[StoredEvent]:
        """Commit events durably (synchronous=FULL) and return those that were new, in commit order.

        An event whose key stands already is dropped silently: appending twice is appending once.

        Raises:
            JournalFullError: the disk is full; nothing of this call was kept.
        """
        ...

    def read(self, after: int, limit: int | None = None) -> AsyncIterator[StoredEvent]:
        """Yield stored events with a cursor greater than `after`, in order."""
        ...

    async def enqueue(self, queue: str, payload: Json, dedup_key: str | None = None) -> int:
        """Put work on a queue, once per `dedup_key`; return the task's id."""
        ...

    async def claim(self, queue: str, worker: str, n: int, visible_s: float) -> list[Task]:
        """Take up to `n` tasks that nobody holds; they come back by themselves after `visible_s`."""
        ...

    async def finish(self, task: Task, result: Json) -> bool:
        """Record a task's result; False when the claim had passed to another worker meanwhile (stale token)."""
        ...

    async def lease(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        """Take or renew a lease; None while another holder's stands."""
        ...

    async def save_snapshot(self, name: str, cursor: int, body: Json) -> None:
        """Keep a fold of the journal up to and including `cursor`, replacing the previous one of that name."""
        ...

    async def load_snapshot(self, name: str) -> tuple[int, Json] | None:
        """Return (cursor, body) of the last intact snapshot, or None."""
        ...

    async def close(self) -> None:
        """Release files and threads."""
        ...
