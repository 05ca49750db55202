"""Events, queue, leases, snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("cursor", BIG, primary_key=True),
        sa.Column("recorded_at_ns", sa.BigInteger, nullable=False),
        sa.Column("node", sa.String, nullable=False),
        sa.Column("boot_id", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("observed_at_ns", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.UniqueConstraint("node", "boot_id", "seq", name="event_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("event_subject", "event", ["subject", "cursor"])
    op.create_index("event_kind", "event", ["kind", "cursor"])
    op.create_table(
        "task",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("queue", sa.String, nullable=False),
        sa.Column("dedup_key", sa.String),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("enqueued_at_ns", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.String),
        sa.Column("visible_at_ns", sa.BigInteger, nullable=False),
        sa.Column("machine_boot", sa.String, nullable=False),
        sa.Column("finished_at_ns", sa.BigInteger),
        sa.Column("result", sa.JSON),
        sa.UniqueConstraint("queue", "dedup_key", name="task_dedup"),
        sqlite_autoincrement=True,
    )
    op.create_index("task_open", "task", ["queue", "finished_at_ns", "id"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("deadline_ns", sa.BigInteger, nullable=False),
        sa.Column("machine_boot", sa.String, nullable=False),
    )
    op.create_table(
        "snapshot",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("saved_at_ns", sa.BigInteger, nullable=False),
    )
