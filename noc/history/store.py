"""The file: SQLite, one table per time partition, one writer. Retention is dropping tables.

Several rows may stand for one subject and time, as late readings and restarts make them; reading merges them. Samples
may lag and may be lost with the machine (`synchronous=NORMAL`); events are elsewhere. Every call blocks: one thread
writes, others read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import structlog

from lifeline.runtime.setaside import is_corrupt, set_aside

from .packing import Rollup, Sample, pack_rollups, unpack, unpack_rollups

FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subjects (id INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, subject INTEGER NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL,
    UNIQUE (subject, metric)
);
"""
_PARTITION: Final = """
CREATE TABLE IF NOT EXISTS {name} (
    subject INTEGER NOT NULL, at_s INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (subject, at_s, part)
) WITHOUT ROWID
"""

log = structlog.get_logger(__name__)


class Resolution(Enum):
    """How fine: name of the tables, seconds of one partition, seconds that are kept."""

    RAW = ("raw", 3600, 24 * 3600)
    MINUTE = ("minute", 86_400, 31 * 86_400)
    HOUR = ("hour", 30 * 86_400, 750 * 86_400)

    @property
    def step_s(self) -> int:
        """What one entry stands for, seconds; 0 for single samples."""
        return {"raw": 0, "minute": 60, "hour": 3600}[self.value[0]]

    def table(self, at_s: int) -> str:
        """Return the table in which a time lies."""
        name, length_s, _ = self.value
        return f"{name}_{at_s // length_s}"


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of a subject."""

    id: int
    subject: int
    unit: str


Row = tuple[int, int, bytes]
"""Subject, second and packed data."""


class HistoryStore:
    """A history file, open."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; a damaged one is set aside.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        self.path = path
        self._known: set[str] = set()
        self._part = 0
        try:
            self._db = self._connect()
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            log.warning("history is damaged, set aside", path=str(path), set_aside=str(set_aside(path)))
            self._db = self._connect()

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def series(self) -> tuple[dict[str, int], dict[tuple[str, str], Series]]:
        """Return all subjects with their numbers, and all series by subject and metric."""
        subjects = dict(self._db.execute("SELECT subject, id FROM subjects"))
        rows = self._db.execute(
            "SELECT s.subject, m.metric, m.id, s.id, m.unit FROM series m JOIN subjects s ON s.id = m.subject"
        )
        return subjects, {(subject, metric): Series(number, of, unit) for subject, metric, number, of, unit in rows}

    def write(
        self,
        subjects: Iterable[tuple[int, str]],
        series: Iterable[tuple[int, int, str, str]],
        rows: Iterable[tuple[Resolution, Row]],
        now_s: int,
    ) -> None:
        """Write a tick in one transaction, and drop what is too old.

        Args:
            subjects: new ones, number and name.
            series: new or changed ones: number, subject's number, metric, unit.
            rows: with their resolution.
            now_s: wall time, seconds.

        Raises:
            sqlite3.Error: nothing was written.
        """
        self._part = (self._part + 1) % 2**31
        by_table: dict[str, list[tuple[int, int, int, bytes]]] = {}
        for resolution, (subject, at_s, data) in rows:
            by_table.setdefault(resolution.table(at_s), []).append(
                (subject, at_s, now_s * 1000 + self._part % 1000, data)
            )
        with _transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO subjects (id, subject) VALUES (?, ?)", subjects)
            self._db.executemany(
                "INSERT OR REPLACE INTO series (id, subject, metric, unit) VALUES (?, ?, ?, ?)", series
            )
            for table, packed in by_table.items():
                if table not in self._known:
                    self._db.execute(_PARTITION.format(name=table))
                self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)", packed)  # noqa: S608 - ours
            self._drop_old(now_s)
        self._known.update(by_table)

    def read(self, series: Series, resolution: Resolution, from_s: int, to_s: int) -> Iterator[tuple[int, bytes]]:
        """Yield the rows of a series' subject within a time, oldest first: second and packed data."""
        _, length_s, _ = resolution.value
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            tables = _tables(db)
            for partition in range(from_s // length_s, to_s // length_s + 1):
                table = f"{resolution.value[0]}_{partition}"
                if table in tables:
                    yield from db.execute(
                        f"SELECT at_s, data FROM {table} WHERE subject = ? AND at_s BETWEEN ? AND ? "  # noqa: S608 - ours
                        "ORDER BY at_s, part",
                        (series.subject, from_s, to_s),
                    )

    def samples(self, series: Series, from_s: int, to_s: int) -> list[Sample]:
        """Return a series' single samples, oldest first."""
        rows = self.read(series, Resolution.RAW, from_s, to_s)
        return sorted((it for at_s, data in rows for it in unpack(data, at_s, series.id)), key=lambda it: it.at_ns)

    def rollups(self, series: Series, resolution: Resolution, from_s: int, to_s: int) -> dict[int, Rollup]:
        """Return a series' roll-ups by their second."""
        found: dict[int, Rollup] = {}
        for at_s, data in self.read(series, resolution, from_s, to_s):
            for number, rollup in unpack_rollups(data):
                if number == series.id:
                    found.setdefault(at_s, Rollup()).merge(rollup)
        return found

    def partitions(self) -> set[str]:
        """Return the names of the tables of samples."""
        return {name for name in _tables(self._db) if _age(name) is not None}

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            _check_format(db, self.path)
            db.executescript(_SCHEMA + f"PRAGMA user_version={FORMAT};")
            self._known = _tables(db)
            self.path.chmod(0o600)
        except BaseException:
            db.close()
            raise
        return db

    def _drop_old(self, now_s: int) -> None:
        for name in self._known:
            age = _age(name)
            if age is None:
                continue
            resolution, end_s = age
            if end_s < now_s - resolution.value[2]:
                self._db.execute(f"DROP TABLE IF EXISTS {name}")
                self._known = self._known - {name}


def packed_rollups(subject: int, at_s: int, rollups: Mapping[int, Rollup]) -> Row:
    """Return a row of one subject's roll-ups."""
    return subject, at_s, pack_rollups(rollups.items())


def _check_format(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT:
        raise sqlite3.OperationalError(f"{path} has format {version}, this version knows up to {FORMAT}")


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _age(table: str) -> tuple[Resolution, int] | None:
    """Return a partition's resolution and its end, seconds; None for a table that is none."""
    name, _, number = table.rpartition("_")
    for resolution in Resolution:
        if resolution.value[0] == name and number.isdigit():
            return resolution, (int(number) + 1) * resolution.value[1]
    return None


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
