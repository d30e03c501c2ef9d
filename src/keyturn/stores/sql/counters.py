"""The counters' rows."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, delete, func, select, text

from keyturn.core.model import SECOND, Micros
from keyturn.stores.sql.tables import counters

# One statement, so that two who add at once are both counted; SQLite and PostgreSQL read it alike.
_ADD = text(
    "INSERT INTO counters (key, count, expires_at) VALUES (:key, :amount, :expires_at)"
    " ON CONFLICT (key) DO UPDATE SET"
    " count = CASE WHEN counters.expires_at <= :now THEN excluded.count ELSE counters.count + excluded.count END,"
    " expires_at = CASE WHEN counters.expires_at <= :now THEN excluded.expires_at ELSE counters.expires_at END"
    " RETURNING count"
)
_GET = select(counters.c.count, counters.c.expires_at).where(
    counters.c.key == bindparam("key"), counters.c.expires_at > bindparam("now")
)
_LIST = (
    select(counters.c.key, counters.c.count, counters.c.expires_at)
    .where(counters.c.key.startswith(bindparam("prefix")), counters.c.expires_at > bindparam("now"))
    .order_by(counters.c.key)
)
_CLEAR = delete(counters).where(counters.c.key == bindparam("name"))
_CLEAR_ALL = delete(counters).where(counters.c.key.startswith(bindparam("prefix")))
_FIRST = select(counters.c.key).order_by(counters.c.expires_at).limit(bindparam("count"))
_EXPIRED = _FIRST.where(counters.c.expires_at <= bindparam("now"))
_COUNT = select(func.count()).select_from(counters)


class SqlCounters:
    """`keyturn.ports.CounterStore` in SQL."""

    def __init__(self, connection: Connection, clock: Callable[[], Micros]) -> None:
        self._connection = connection
        self._clock = clock

    def add(self, key: str, amount: int, lifetime: int) -> int:
        now = self._clock()
        row = {"key": key, "amount": amount, "now": now, "expires_at": now + lifetime * SECOND}
        return int(self._connection.execute(_ADD, row).scalar_one())

    def get(self, key: str) -> tuple[int, Micros]:
        now = self._clock()
        found = self._connection.execute(_GET, {"key": key, "now": now}).first()
        return (0, now) if found is None else (found[0], found[1])

    def listed(self, prefix: str) -> list[tuple[str, int, Micros]]:
        rows = self._connection.execute(_LIST, {"prefix": prefix, "now": self._clock()})
        return [(row[0], row[1], row[2]) for row in rows]

    def clear(self, key: str) -> None:
        self._connection.execute(_CLEAR, {"name": key})

    def clear_all(self, prefix: str) -> None:
        self._connection.execute(_CLEAR_ALL, {"prefix": prefix})

    def purge(self, limit: int, *, keep: int) -> int:
        expired = list(self._connection.execute(_EXPIRED, {"now": self._clock(), "count": limit}).scalars())
        if not expired:
            surplus = min(limit, self._connection.execute(_COUNT).scalar_one() - keep)
            expired = list(self._connection.execute(_FIRST, {"count": max(0, surplus)}).scalars())
        if expired:
            self._connection.execute(delete(counters).where(counters.c.key.in_(expired)))
        return len(expired)
