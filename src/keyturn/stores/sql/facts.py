"""Facts about the database itself."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from keyturn.stores.sql.tables import meta

_ALWAYS_THERE = "application"


class SqlFacts:
    """`keyturn.ports.FactStore` in SQL.

    Args:
        connection: in a transaction that may write.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, name: str) -> str | None:
        # A row that is not there yet cannot be locked; one that always is stands for all.
        self._connection.execute(select(meta.c.name).where(meta.c.name == _ALWAYS_THERE).with_for_update())
        return self._connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar_one_or_none()

    def put(self, name: str, value: str) -> None:
        written = self._connection.execute(update(meta).where(meta.c.name == name).values(value=value))
        if not written.rowcount:
            self._connection.execute(insert(meta).values(name=name, value=value))
