"""Sessions and users in an SQL database: SQLAlchemy Core on SQLite."""

from __future__ import annotations

from keyturn.stores.sql.database import SqlDatabase, open_database

__all__ = ["SqlDatabase", "open_database"]
