"""PostgreSQL: room on every page of sessions, and less of it for each.

A rotation's new version of a row fits beside the old one (HOT), ids are packed, and the index by user holds hashes. It may change
the type of columns, which no later revision may, because PostgreSQL is supported from here on.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_IDS = ("id", "seed", "root_id", "previous_id", "child_id")


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        packed = ", ".join(f"ALTER {name} TYPE bytea USING decode({name}, 'hex')" for name in _IDS)
        op.execute(f"ALTER TABLE sessions {packed}")
        op.execute("ALTER TABLE sessions SET (fillfactor = 90)")
        op.drop_index("sessions_user_id", "sessions")
        op.create_index("sessions_user_id", "sessions", ["user_id"], postgresql_using="hash")
