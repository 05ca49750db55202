"""Reads a journal without opening it as a hub does: beside a running hub, or from a copy."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from urllib.parse import quote

from ..model.records import EventKind, Json
from .engine import JournalError


def read_offline(path: Path, kind: EventKind) -> list[tuple[str, Json]]:
    """Return subject and body of all events of a kind, in order.

    Raises:
        JournalError: there is no such journal, or it cannot be read.
    """
    try:
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            rows = connection.execute("SELECT subject, body FROM event WHERE kind = ? ORDER BY cursor", (kind.value,))
            return [(subject, json.loads(body)) for subject, body in rows]
    except (sqlite3.Error, ValueError) as error:
        raise JournalError(f"{path}: {error}") from error
