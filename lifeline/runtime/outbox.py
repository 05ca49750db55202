"""A daemon's durable outbox: what was put is on disk, and stays there until a hub has committed it (ADR 0004).

Stdlib sqlite3 only, so that the smallest daemon can afford one. `put` returns after an fsync; it takes about a
millisecond and is called straight from an event loop. Numbers (`seq`) grow for ever within one file, across lives of
the daemon; every `open` is a new life with a new `boot_id`, and (node, boot_id, seq) is the event's identity.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import structlog

from ..clock import wall_ns
from ..model.records import Event, EventKind, Json
from .setaside import corrupt_error, is_corrupt, set_aside
from .wire import MAX_EVENT_BYTES

T = TypeVar("T")

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    observed_at_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
)
"""
_COLUMNS = "node, boot_id, observed_at_ns, kind, subject, body"
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})

log = structlog.get_logger(__name__)


class OutboxFullError(Exception):
    """The disk is full or fails: nothing of this call was kept. A later call succeeds when there is room again."""


class OutboxVersionError(Exception):
    """The file was written by a newer version of the program; it is left alone."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be: what the outbox numbers and signs."""

    kind: EventKind
    subject: str
    body: Mapping[str, Json] = field(default_factory=dict)
    observed_at_ns: int | None = None
    """Wall time of the observation, nanoseconds; None for now."""


class Outbox:
    """Numbered, durable, first in first out. Safe to use from several threads, by one process.

    Attributes:
        boot_id: this life's identifier, 32 hexadecimal digits.
        corrupt: where a corrupt file was set aside by this instance, or None; the daemon raises a condition on it.
    """

    def __init__(self, path: Path | str, node: str) -> None:
        self.path = Path(path)
        self.node = node
        self.boot_id = ""
        self.corrupt: Path | None = None
        self._db: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._last_seq = 0
        self._opened = False
        self._full = False

    def open(self) -> Self:
        """Open or create the file and begin a new life. A corrupt file is set aside and a fresh one begun.

        Raises:
            OutboxVersionError: a newer version wrote the file.
            OutboxFullError: there is no room for a new file.
            sqlite3.OperationalError: the directory is not writable.
        """
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._opened = True
            self.boot_id = uuid.uuid4().hex
            self._guarded(lambda _: None)
        return self

    def close(self) -> None:
        """Close the file; what is pending stays in it."""
        with self._lock:
            self._opened = False
            self._disconnect()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put(self, kind: EventKind, subject: str, body: Mapping[str, Json], observed_at_ns: int | None = None) -> Event:
        """Keep one event; it is durable when this returns.

        Raises:
            OutboxFullError: nothing was kept.
            ValueError: the body is no JSON or larger than `MAX_EVENT_BYTES`.
        """
        return self.put_many([Draft(kind, subject, body, observed_at_ns)])[0]

    def put_many(self, drafts: Sequence[Draft]) -> list[Event]:
        """Keep several events in one transaction, all or none; they are durable when this returns.

        Raises:
            OutboxFullError: nothing was kept.
            ValueError: a body is no JSON or larger than `MAX_EVENT_BYTES`; nothing was kept.
        """
        now_ns = wall_ns()
        rows = [(d.observed_at_ns or now_ns, EventKind(d.kind).value, d.subject, _encode_body(d.body)) for d in drafts]

        def insert(db: sqlite3.Connection) -> list[int]:
            with _transaction(db):
                return [
                    db.execute(
                        f"INSERT INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant names
                        (self.node, self.boot_id, *row),
                    ).lastrowid
                    or 0
                    for row in rows
                ]

        with self._lock:
            seqs = self._guarded(insert)
            self._last_seq = max(seqs, default=self._last_seq)
            return [
                Event(self.node, self.boot_id, seq, observed_at_ns, d.kind, subject, d.body)
                for seq, d, (observed_at_ns, _, subject, _) in zip(seqs, drafts, rows, strict=True)
            ]

    def pending(self, after_seq: int = 0, limit: int = 256) -> list[Event]:
        """Return up to `limit` unacknowledged events with a number greater than `after_seq`, oldest first."""

        def select(db: sqlite3.Connection) -> list[Event]:
            rows = db.execute(
                f"SELECT seq, {_COLUMNS} FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - constant names
                (after_seq, limit),
            )
            return [
                Event(node, boot_id, seq, at_ns, EventKind(kind), subject, json.loads(body))
                for seq, node, boot_id, at_ns, kind, subject, body in rows
            ]

        with self._lock:
            return self._guarded(select, writes=False)

    def acknowledge(self, up_to_seq: int) -> int:
        """Forget all events numbered up to and including `up_to_seq`; return how many there were.

        Raises:
            OutboxFullError: the disk is full; they will be sent again, which is harmless.
        """

        def delete(db: sqlite3.Connection) -> int:
            with _transaction(db):
                return db.execute("DELETE FROM outbox WHERE seq <= ?", (up_to_seq,)).rowcount

        with self._lock:
            return self._guarded(delete)

    def __len__(self) -> int:
        """Return how many events wait for a hub."""
        with self._lock:
            return self._guarded(lambda db: int(db.execute("SELECT count(*) FROM outbox").fetchone()[0]), writes=False)

    # ---------------------------------------------------------------- the file

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            raise OutboxVersionError(
                f"{self.path} has format {version}, this version of lifeline knows up to {_SCHEMA_VERSION}"
            )
        if version == 0:
            self._create(db)
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise corrupt_error(verdict)
        with _unreadable_is_corrupt():
            db.execute(f"SELECT seq, {_COLUMNS} FROM outbox LIMIT 1")  # noqa: S608 - constant names
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        self._last_seq = max(self._last_seq, int(row[0]) if row else 0)
        self.path.chmod(0o600)  # events tell an attacker where the network is weak

    def _create(self, db: sqlite3.Connection) -> None:
        """Lay out a fresh file that goes on counting where a file lost in this life had stopped.

        Were numbers used twice, an acknowledgement still on its way for the old file would delete events of the new.
        """
        with _transaction(db):
            db.execute(_SCHEMA)
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (self._last_seq,))
            db.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _guarded(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        """Run `work` on the open file; a corrupt one is replaced first, a full disk becomes OutboxFullError."""
        if not self._opened:
            raise RuntimeError(f"outbox {self.path} is not open")
        try:
            result = self._with_connection(work)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_ROOM:
                raise
            if not self._full:
                log.error("outbox is full", path=str(self.path), error=str(error))  # noqa: TRY400 - expected, no trace
            self._full = True
            raise OutboxFullError(f"outbox {self.path}: {error}") from error
        if self._full and writes:
            self._full = False
            log.info("outbox has room again", path=str(self.path))
        return result

    def _with_connection(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._db is None:
                self._db = self._connect()
            return work(self._db)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self._disconnect()
            self.corrupt = set_aside(self.path)
            self.boot_id = uuid.uuid4().hex
            log.warning(
                "outbox is corrupt, set aside", path=str(self.path), set_aside=str(self.corrupt), error=str(error)
            )
        self._db = self._connect()
        return work(self._db)


def _encode_body(body: Mapping[str, Json]) -> str:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    size = len(text.encode())
    if size > MAX_EVENT_BYTES:
        raise ValueError(f"an event's body of {size} bytes, at most {MAX_EVENT_BYTES} are taken")
    return text


@contextlib.contextmanager
def _unreadable_is_corrupt() -> Iterator[None]:
    """A missing table or column in a file of our own format means that the file is damaged."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            raise corrupt_error(str(error)) from error
        raise


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
