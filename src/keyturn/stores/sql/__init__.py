"""Sessions and users in an SQL database: SQLAlchemy Core on SQLite and PostgreSQL."""

from __future__ import annotations

from keyturn.stores.sql.database import OwnUsers, SqlDatabase, open_database

__all__ = ["OwnUsers", "SqlDatabase", "open_database"]
