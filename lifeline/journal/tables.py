"""The journal's tables. Their history is in `alembic/versions`; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Index, Integer, Table, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from ..model.records import Json

_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite's AUTOINCREMENT wants the name INTEGER, any size


class EventRow(SQLModel, table=True):
    """An event; `cursor` is the order of commit, and it is never used twice."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("node", "boot_id", "seq", name="event_key"),
        Index("event_subject", "subject", "cursor"),
        Index("event_kind", "kind", "cursor"),
        {"sqlite_autoincrement": True},
    )
    cursor: int | None = Field(default=None, primary_key=True, sa_type=_BIG)
    recorded_at_ns: int = Field(sa_type=BigInteger)
    node: str
    boot_id: str
    seq: int = Field(sa_type=BigInteger)
    observed_at_ns: int = Field(sa_type=BigInteger)
    kind: str
    subject: str
    body: Json = Field(sa_type=JSON)


class TaskRow(SQLModel, table=True):
    """A piece of queued work.

    A claim ends at `visible_at_ns` on the monotonic clock of the machine life `machine_boot`; a reboot ends it too.
    """

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("queue", "dedup_key", name="task_dedup"),
        Index("task_open", "queue", "finished_at_ns", "id"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=_BIG)
    queue: str
    dedup_key: str | None = None
    payload: Json = Field(sa_type=JSON)
    enqueued_at_ns: int = Field(sa_type=BigInteger)
    attempt: int = 0
    token: int = Field(default=0, sa_type=BigInteger)
    worker: str | None = None
    visible_at_ns: int = Field(default=0, sa_type=BigInteger)
    machine_boot: str = ""
    finished_at_ns: int | None = Field(default=None, sa_type=BigInteger)
    result: Json = Field(default=None, sa_type=JSON, nullable=True)


class LeaseRow(SQLModel, table=True):
    """The latest holder of a named right; `token` only ever grows. The deadline is as in TaskRow."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True)
    holder: str
    token: int = Field(sa_type=BigInteger)
    deadline_ns: int = Field(sa_type=BigInteger)
    machine_boot: str


class SnapshotRow(SQLModel, table=True):
    """A fold of the journal up to and including `cursor`; `sha256` covers name, cursor and body."""

    __tablename__ = "snapshot"
    name: str = Field(primary_key=True)
    cursor: int = Field(sa_type=BigInteger)
    body: str = Field(sa_type=Text)
    sha256: str
    saved_at_ns: int = Field(sa_type=BigInteger)


def table_of(model: type[SQLModel]) -> Table:
    """Return a model's table, for statements that skip the object mapper."""
    table: Table = model.__table__  # type: ignore[attr-defined]  # sqlmodel sets it on table models without typing it
    return table


EVENT = table_of(EventRow)
TASK = table_of(TaskRow)
LEASE = table_of(LeaseRow)
SNAPSHOT = table_of(SnapshotRow)
