"""The Engine on one SQLite file: one writer thread, readers that never block it, every commit fsynced.

Appending is deduplicated by the unique key (node, boot_id, seq). Times that decide (claims, leases) are of this
machine's monotonic clock and carry the machine's boot identifier: after a reboot they have all run out.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.sqlite import insert

from ..clock import monotonic_ns, monotonic_s, wall_ns
from ..model.records import Event, EventKind, Json, StoredEvent
from ..runtime.setaside import is_corrupt, set_aside
from .engine import JournalBusyError, JournalCorruptError, JournalError, JournalFullError, Lease, Task
from .schema import connect, prepare
from .tables import EVENT, LEASE, SNAPSHOT, TASK

T = TypeVar("T")

PAGE = 512
"""Events a reader takes at a time."""
_READERS = 2
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})

log = structlog.get_logger(__name__)

_dumps = partial(json.dumps, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_INSERT_EVENTS = insert(EVENT).on_conflict_do_nothing(index_elements=["node", "boot_id", "seq"])


class SqliteEngine:
    """Durable journal, work queue and leases in one file.

    Attributes:
        path: the database file.
        set_aside: where `open` put a corrupt file, or None; the hub raises `database-corrupt` on it.
    """

    def __init__(self, path: Path, lock: int, corrupt: Path | None) -> None:
        """Use `open`; this takes over a prepared file and the descriptor of its lock."""
        self.path = path
        self.set_aside = corrupt
        self._lock = lock
        self._machine_boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._writing = connect(path, begin="BEGIN IMMEDIATE", json_serializer=_dumps)
        self._reading = connect(path, begin="BEGIN", json_serializer=_dumps)
        self._writer = ThreadPoolExecutor(1, "journal-writer")
        self._readers = ThreadPoolExecutor(_READERS, "journal-reader")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create a journal. A corrupt one is set aside under a told name and a fresh one begun.

        Raises:
            JournalBusyError: another process has it open.
            JournalVersionError: a newer version wrote it.
            JournalFullError: there is no room to create or migrate it.
            JournalError: it cannot be opened, for instance for want of permission.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _lock(path)
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error
        corrupt = None
        try:
            try:
                _prepare(path)
            except sqlite3.DatabaseError as error:
                if not is_corrupt(error):
                    raise
                corrupt = set_aside(path)
                log.error("journal is corrupt", path=str(path), set_aside=str(corrupt), error=str(error))  # noqa: TRY400 - no trace, told with its name
                _prepare(path)
            return cls(path, lock, corrupt)
        except BaseException as error:
            os.close(lock)
            raise (_translated(error, path) if isinstance(error, sqlite3.Error) else error) from error

    # ---------------------------------------------------------------- events

    async def append(self, events: Sequence[Event]) -> list[StoredEvent]:
        """Commit events durably and return those that were new, in commit order (see `Engine.append`)."""
        return await self._write(partial(_append, events)) if events else []

    async def read(
        self, after: int, limit: int | None = None, *, subject: str | None = None, kind: EventKind | None = None
    ) -> AsyncIterator[StoredEvent]:
        """Yield stored events with a cursor greater than `after`, in order (see `Engine.read`)."""
        query = sa.select(EVENT).order_by(EVENT.c.cursor)
        if subject is not None:
            query = query.where(EVENT.c.subject == subject)
        if kind is not None:
            query = query.where(EVENT.c.kind == kind.value)
        while limit is None or limit > 0:
            page = PAGE if limit is None else min(PAGE, limit)
            stored = await self._read(partial(_page, query.where(EVENT.c.cursor > after).limit(page)))
            for one in stored:
                yield one
            if len(stored) < page:
                return
            after = stored[-1].cursor
            limit = None if limit is None else limit - len(stored)

    async def head(self) -> int:
        """Return the cursor of the latest event, 0 when there is none."""
        return await self._read(_head)

    # ---------------------------------------------------------------- queue

    async def enqueue(self, queue: str, payload: Json, dedup_key: str | None = None) -> int:
        """Put work on a queue, once for ever per `dedup_key`; return the task's id."""

        def work(connection: sa.Connection) -> int:
            row = {
                "queue": queue, "payload": payload, "dedup_key": dedup_key, "enqueued_at_ns": wall_ns(),
                "attempt": 0, "token": 0, "visible_at_ns": 0, "machine_boot": "",
            }  # fmt: skip
            statement = insert(TASK).values(row).on_conflict_do_nothing(index_elements=["queue", "dedup_key"])
            inserted = connection.execute(statement.returning(TASK.c.id)).scalar()
            if inserted is not None:
                return int(inserted)
            standing = sa.select(TASK.c.id).where(TASK.c.queue == queue, TASK.c.dedup_key == dedup_key)
            return int(connection.execute(standing).scalar_one())

        return await self._write(work)

    async def claim(self, queue: str, worker: str, n: int, visible_s: float) -> list[Task]:
        """Take up to `n` tasks that nobody holds, oldest first; they come back after `visible_s`."""

        def work(connection: sa.Connection) -> list[Task]:
            now_ns = monotonic_ns()
            free = (
                sa.select(TASK)
                .where(TASK.c.queue == queue, TASK.c.finished_at_ns.is_(None))
                .where((TASK.c.visible_at_ns <= now_ns) | (TASK.c.machine_boot != self._machine_boot))
                .order_by(TASK.c.id)
                .limit(n)
            )
            tasks = [
                Task(queue, row.id, row.payload, row.attempt + 1, row.token + 1) for row in connection.execute(free)
            ]
            for task in tasks:
                connection.execute(
                    sa.update(TASK)
                    .where(TASK.c.id == task.id)
                    .values(
                        attempt=task.attempt,
                        token=task.token,
                        worker=worker,
                        visible_at_ns=now_ns + int(visible_s * 1e9),
                        machine_boot=self._machine_boot,
                    )
                )
            return tasks

        return await self._write(work)

    async def finish(self, task: Task, result: Json) -> bool:
        """Record a task's result; False when the claim had passed to another worker, or it was finished already."""

        def work(connection: sa.Connection) -> bool:
            mine = (TASK.c.id == task.id) & (TASK.c.token == task.token) & TASK.c.finished_at_ns.is_(None)
            done = connection.execute(sa.update(TASK).where(mine).values(finished_at_ns=wall_ns(), result=result))
            return done.rowcount == 1

        return await self._write(work)

    # ---------------------------------------------------------------- leases

    async def lease(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        """Take or renew a lease; None while another holder's stands (see `Engine.lease`)."""
        asked_s = monotonic_s()

        def work(connection: sa.Connection) -> Lease | None:
            now_ns = monotonic_ns()
            row = connection.execute(sa.select(LEASE).where(LEASE.c.name == name)).one_or_none()
            stands = row is not None and row.machine_boot == self._machine_boot and row.deadline_ns > now_ns
            if row is not None and stands and row.holder != holder:
                return None
            token = (row.token if row is not None else 0) + (0 if stands else 1)
            values = {
                "holder": holder, "token": token, "deadline_ns": now_ns + int(ttl_s * 1e9),
                "machine_boot": self._machine_boot,
            }  # fmt: skip
            statement = insert(LEASE).values(name=name, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
            return Lease(name, holder, token, asked_s + ttl_s)

        return await self._write(work)

    # ---------------------------------------------------------------- snapshots

    async def save_snapshot(self, name: str, cursor: int, body: Json) -> None:
        """Keep a fold of the journal up to and including `cursor`, replacing the previous one of that name."""

        def work(connection: sa.Connection) -> None:
            text = _dumps(body)
            values = {
                "cursor": cursor, "body": text, "sha256": _checksum(name, cursor, text), "saved_at_ns": wall_ns(),
            }  # fmt: skip
            statement = insert(SNAPSHOT).values(name=name, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

        await self._write(work)

    async def load_snapshot(self, name: str) -> tuple[int, Json] | None:
        """Return (cursor, body) of the last snapshot, or None when there is none or its checksum is wrong."""

        def work(connection: sa.Connection) -> tuple[int, Json] | None:
            row = connection.execute(sa.select(SNAPSHOT).where(SNAPSHOT.c.name == name)).one_or_none()
            if row is None:
                return None
            if row.sha256 != _checksum(name, row.cursor, row.body):
                log.warning("snapshot is corrupt, not used", name=name, cursor=row.cursor)
                return None
            return row.cursor, json.loads(row.body)

        return await self._read(work)

    async def close(self) -> None:
        """Finish what is under way, then release files, threads and the lock."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading.dispose()
        self._writing.dispose()
        os.close(self._lock)

    # ---------------------------------------------------------------- threads and errors

    async def _write(self, work: Callable[[sa.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._transact, self._writing, work)

    async def _read(self, work: Callable[[sa.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._transact, self._reading, work)

    def _transact(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        try:
            with engine.begin() as connection:
                return work(connection)
        except sa.exc.DBAPIError as error:
            raise _translated(error.orig or error, self.path) from error


def _append(events: Sequence[Event], connection: sa.Connection) -> list[StoredEvent]:
    """Insert what is new. The one writer holds the transaction, so everything behind the old head is ours."""
    recorded_at_ns = wall_ns()
    head = _head(connection)
    connection.execute(
        _INSERT_EVENTS,
        [
            {
                "recorded_at_ns": recorded_at_ns, "node": e.node, "boot_id": e.boot_id, "seq": e.seq,
                "observed_at_ns": e.observed_at_ns, "kind": e.kind.value, "subject": e.subject, "body": e.body,
            }
            for e in events
        ],
    )  # fmt: skip
    by_key = {e.key: e for e in reversed(events)}  # of two with one key the first was kept
    new = connection.execute(
        sa.select(EVENT.c.cursor, EVENT.c.node, EVENT.c.boot_id, EVENT.c.seq)
        .where(EVENT.c.cursor > head)
        .order_by(EVENT.c.cursor)
    )
    return [StoredEvent(cursor, recorded_at_ns, by_key[node, boot, seq]) for cursor, node, boot, seq in new]


def _head(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.max(EVENT.c.cursor))).scalar() or 0


def _page(query: sa.Select[Any], connection: sa.Connection) -> list[StoredEvent]:
    return [
        StoredEvent(
            row.cursor,
            row.recorded_at_ns,
            Event(row.node, row.boot_id, row.seq, row.observed_at_ns, EventKind(row.kind), row.subject, row.body),
        )
        for row in connection.execute(query)
    ]


def _checksum(name: str, cursor: int, body: str) -> str:
    return hashlib.sha256(f"{name}\n{cursor}\n{body}".encode()).hexdigest()


def _prepare(path: Path) -> None:
    engine = connect(path, begin="BEGIN IMMEDIATE", json_serializer=_dumps)
    try:
        prepare(engine, path)
    finally:
        engine.dispose()


def _lock(path: Path) -> int:
    """Take the journal for this process; the kernel gives it back when the process ends, however it ends."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise JournalBusyError(f"{path} is in use by another process") from None
    return descriptor


def _translated(error: BaseException, path: Path) -> JournalError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _NO_ROOM:
        return JournalFullError(f"{path}: {error}")
    return JournalCorruptError(f"{path}: {error}") if is_corrupt(error) else JournalError(f"{path}: {error}")
