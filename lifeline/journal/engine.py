"""The Engine protocol: what the house asks of its store. SQLite implements it first, PostgreSQL later (ADR 0005)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..model.records import Event, EventKind, Json, StoredEvent


class JournalError(Exception):
    """The store cannot do what was asked; the text says why."""


class JournalFullError(JournalError):
    """The store has no room: nothing of this call was kept, nothing was acknowledged; try again later."""


class JournalBusyError(JournalError):
    """Another process holds the store."""


class JournalVersionError(JournalError):
    """A newer version of the program wrote the store; it is left alone."""


class JournalCorruptError(JournalError):
    """The store turned out damaged while in use; opening it again sets it aside and begins a fresh one."""


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
    """The right to act under `name` until `deadline_s` on this machine's monotonic clock; `token` only ever grows.

    The deadline counts from before the request was sent, so a holder that stops by it never overlaps the next one.
    """

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

    def read(
        self, after: int, limit: int | None = None, *, subject: str | None = None, kind: EventKind | None = None
    ) -> AsyncIterator[StoredEvent]:
        """Yield stored events with a cursor greater than `after`, in order; optionally of one subject or kind only.

        It reads in pages and never holds up `append`; what is appended meanwhile is yielded too.
        """
        ...

    async def head(self) -> int:
        """Return the cursor of the latest event, 0 when there is none."""
        ...

    async def enqueue(self, queue: str, payload: Json, dedup_key: str | None = None) -> int:
        """Put work on a queue, once for ever per `dedup_key`; return the task's id."""
        ...

    async def claim(self, queue: str, worker: str, n: int, visible_s: float) -> list[Task]:
        """Take up to `n` tasks that nobody holds; they come back by themselves after `visible_s`."""
        ...

    async def finish(self, task: Task, result: Json) -> bool:
        """Record a task's result; False when the claim had passed to another worker meanwhile (stale token)."""
        ...

    async def lease(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        """Take or renew a lease; None while another holder's stands.

        Renewing keeps the token, taking increases it. `holder` names one life of one process, not a machine.
        """
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
