"""Opening a SQLite journal file: connection settings, damage, versions, migrations."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from ..runtime.setaside import corrupt_error
from . import tables
from .engine import JournalVersionError

ALEMBIC_DIR = Path(__file__).parent / "alembic"
HEAD = "0001"
"""The revision that `tables` describes. A file that stands there is opened without importing Alembic (0.3 s)."""
BUSY_TIMEOUT_S = 5.0


def connect(path: Path, *, begin: str, json_serializer: Any) -> sa.Engine:
    """Return an SQLAlchemy engine on the file: WAL, `synchronous=FULL`, foreign keys, busy timeout.

    Args:
        path: the database file.
        begin: how transactions begin: `BEGIN IMMEDIATE` to write, `BEGIN` to read a consistent view.
        json_serializer: turns a JSON column's value into text.
    """
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        json_serializer=json_serializer,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def prepare(engine: sa.Engine, path: Path) -> None:
    """Check the file and bring it to this version's schema, in one transaction.

    Raises:
        JournalVersionError: a newer version wrote it.
        sqlite3.DatabaseError: it is damaged (`is_corrupt`), or it cannot be read or written now.
    """
    try:
        with engine.begin() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if verdict != "ok":
                raise corrupt_error(str(verdict))
            revision = _revision(connection)
            if revision != HEAD:
                _migrate(connection, revision, path)
            _probe(connection)
    except sa.exc.DBAPIError as error:
        raise error.orig or error from error
    path.chmod(0o600)  # the record tells an attacker where the network is weak


def _revision(connection: sa.Connection) -> str | None:
    """Return the schema's revision, None for an empty file."""
    names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    if not names:
        return None
    if "alembic_version" not in names:
        raise corrupt_error(f"schema is not a journal's: tables {', '.join(sorted(names)[:5])}")
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _migrate(connection: sa.Connection, revision: str | None, path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(ALEMBIC_DIR).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise JournalVersionError(
            f"{path} was written by a newer version of lifeline (schema {revision}, this version knows up to {HEAD})"
        )
    command.upgrade(config, "head")


def _probe(connection: sa.Connection) -> None:
    """Read every column of every table once: a schema that says one thing and holds another is damage."""
    assert tables.EVENT.metadata is SQLModel.metadata
    for table in SQLModel.metadata.sorted_tables:
        try:
            connection.execute(sa.select(table).limit(1)).all()
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                raise corrupt_error(str(error.orig)) from error
            raise
