"""Databases of many sessions, filled by the database itself, and the tokens that their clients hold."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, bindparam, select, text

from keyturn.core import refresh_token
from keyturn.core.keyring import SigningKey
from keyturn.core.model import SECOND, RefreshToken
from keyturn.stores.sql.tables import sessions

_DAY = 86_400 * SECOND
_PER_USER = 2
GENERATION = 7
"""Of each session's root."""
_ID = {
    "sqlite": "lower(hex(randomblob(12)))",
    "postgresql": "substr(replace(gen_random_uuid()::text, '-', ''), 1, 24)",
}
_PACKED_ID = {"sqlite": _ID["sqlite"], "postgresql": "substring(uuid_send(gen_random_uuid()) FROM 5)"}
_TIDY = {
    "sqlite": ("PRAGMA wal_checkpoint(TRUNCATE)",),
    "postgresql": ("VACUUM (ANALYZE) users", "VACUUM (ANALYZE) sessions", "CHECKPOINT"),
}
_SIZE = {
    "sqlite": "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = 'sessions')",
    "postgresql": "SELECT pg_total_relation_size('sessions')",
}

_USERS = """
WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {users})
INSERT INTO users (id, email, email_key, email_verified, roles, disabled, created_at, tokens_valid_from)
SELECT {id}, 'user' || number || '@example.com', 'user' || number || '@example.com', false, '["user"]', false, {now}, 0
FROM numbers
"""
_SESSIONS = """
INSERT INTO sessions (id, user_id, seed, generation, root_id, root_at, previous_id, child_id, child_at, version, created_at,
  authenticated_at, expires_at, idle_expires_at, delivery, remember, device_label, device_address)
SELECT {packed}, id, {packed}, {generation}, {packed}, began + {day}, {packed}, {packed}, began + {day}, {generation} + 1, began,
  began, began + 180 * {day}, began + 31 * {day}, 'split', true, 'Firefox on Windows', '203.0.113.27'
FROM (SELECT id, {now} - (CASE WHEN number > {living} THEN 201 ELSE 3 END) * {day} + number * {step} AS began
  FROM (SELECT id, CAST(substr(email, 5, length(email) - 16) AS BIGINT) AS number FROM users) AS numbered
  CROSS JOIN ({copies}) AS copies) AS signed_in
"""
_HELD = (
    select(sessions)
    .where(sessions.c.expires_at > bindparam("now"))
    .order_by(sessions.c.created_at % 1009, sessions.c.id)
    .limit(bindparam("count"))
)
_BULK = ("PRAGMA cache_size = -6000000", "PRAGMA cache_spill = OFF")


def fill(engine: Engine, sessions: int, *, dead: int = 0) -> None:
    """Add users with two sessions each, which have been rotated a few times.

    Ids are random and sessions come in the order of their time, so that the indexes are filled as they are in use.

    Args:
        engine: of a database with Keyturn's tables and no users.
        sessions: how many; an even number.
        dead: how many to add that have expired; an even number.
    """
    if (sessions + dead) % _PER_USER:
        raise ValueError("every user has two sessions")
    dialect = engine.dialect.name
    words = {
        "users": (sessions + dead) // _PER_USER,
        "id": _ID[dialect],
        "packed": _PACKED_ID[dialect],
        "now": time.time_ns() // 1000,
        "day": _DAY,
        "step": _PER_USER * _DAY // (sessions + dead),
        "living": sessions // _PER_USER,
        "generation": GENERATION,
        "copies": " UNION ALL ".join(["SELECT 1"] * _PER_USER),
    }
    with engine.connect() as connection:
        for pragma in _BULK if dialect == "sqlite" else ():
            connection.exec_driver_sql(pragma)
        connection.execute(text(_USERS.format(**words)))
        connection.execute(text(_SESSIONS.format(**words)))
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in _TIDY[dialect]:
            connection.exec_driver_sql(statement)


def held(connection: Connection, issuer: str, key: SigningKey, count: int) -> Iterator[bytes]:
    """The newest refresh tokens of some live sessions, from all over the table.

    Args:
        connection: to the database.
        issuer: the server's public URL.
        key: for refresh tokens.
        count: of how many sessions, at the most.
    """
    for row in connection.execute(_HELD, {"now": time.time_ns() // 1000, "count": count}):
        token = RefreshToken(row.id, row.seed, row.generation + 1, row.child_id, row.root_id)
        yield refresh_token.mint(
            token,
            issuer=issuer,
            issued_at_seconds=row.created_at // SECOND,
            expires_at_seconds=row.expires_at // SECOND,
            key=key,
        ).encode()


def bytes_per_session(engine: Engine, sessions: int) -> float:
    """What the table and its indexes take on the disk, by session."""
    with engine.connect() as connection:
        return float(connection.execute(text(_SIZE[engine.dialect.name])).scalar_one()) / sessions
