"""Reads a journal without opening it as a hub does: beside a running hub, or from a copy."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote

from ..audit import Entry
from ..model.records import EventKind, Json
from .engine import JournalError


def read_offline(path: Path, kinds: Collection[EventKind], writers: str) -> Iterator[Entry]:
    """Yield the events of some kinds, in order. A body that is no JSON is None.

    Args:
        path: of the journal.
        kinds: which.
        writers: how the names of their writers end.

    Raises:
        JournalError: there is no such journal, or it cannot be read.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    marks = ", ".join("?" * len(kinds))
    wanted = f"SELECT kind, subject, observed_at_ns, body FROM event WHERE kind IN ({marks}) AND node LIKE ?"  # noqa: S608 - marks only
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            given = (*(kind.value for kind in kinds), f"%{writers}")
            for kind, subject, at_ns, body in connection.execute(f"{wanted} ORDER BY cursor", given):
                yield Entry(kind, subject, at_ns, _decoded(body))
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from error


def _decoded(body: str) -> Json:
    try:
        return json.loads(body)
    except ValueError:
        return None
