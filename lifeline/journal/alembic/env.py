# ruff: noqa: INP001 - no package: Alembic loads it by its path
"""Alembic's entry: runs migrations on the connection, and inside the transaction, that `schema.migrate` gives it."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import lifeline.journal.tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
)
context.run_migrations()
