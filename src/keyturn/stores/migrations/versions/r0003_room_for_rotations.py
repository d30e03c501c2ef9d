"""Room on every page of sessions, so that a rotation's new version of the row fits beside the old one (PostgreSQL: HOT)."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE sessions SET (fillfactor = 90)")
