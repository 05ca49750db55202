"""What to do with a corrupt SQLite file: keep it under another name, never delete it, and say where it went."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from ..clock import wall_ns

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_corrupt(error: BaseException) -> bool:
    """Tell whether a sqlite3 error means that the file is damaged, and not busy, full or forbidden."""
    return isinstance(error, sqlite3.DatabaseError) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _CORRUPT


def corrupt_error(verdict: str) -> sqlite3.DatabaseError:
    """Return the error that SQLite would raise, for damage found by other means such as `quick_check`."""
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def set_aside(path: Path) -> Path:
    """Rename a database with its write-ahead log to `<name>.corrupt-<UTC time>` and return the new path.

    The log and the shared-memory file go along under the same stem, so that sqlite3's `.recover` finds them.
    The database must be closed.
    """
    stamp = datetime.fromtimestamp(wall_ns() / 1e9, tz=UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = path.with_name(f"{path.name}.corrupt-{stamp}")
    for suffix in ("-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(target.with_name(target.name + suffix))
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return target
