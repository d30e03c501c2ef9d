"""From when the access tokens of a user are valid; and an order to list users in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("users", sa.Column("tokens_valid_from", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("users_created_at", "users", ["created_at", "id"])
    op.create_index(
        "users_tokens_valid_from",
        "users",
        ["tokens_valid_from"],
        sqlite_where=sa.text("tokens_valid_from > 0"),
        postgresql_where=sa.text("tokens_valid_from > 0"),
    )
