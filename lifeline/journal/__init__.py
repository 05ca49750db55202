"""The journal: the durable record, behind the Engine protocol. The only package that imports sqlmodel.

`lifeline.journal.engine` is light; `open_engine` pays for the store when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .sqlite import SqliteEngine

__all__ = ["open_engine"]


def open_engine(path: Path | str) -> SqliteEngine:
    """Open or create the journal at `path`, migrating it to this version's schema; see `SqliteEngine.open`."""
    from .sqlite import SqliteEngine

    return SqliteEngine.open(Path(path))
