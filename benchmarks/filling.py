"""Databases of many sessions, filled by the database itself, and the tokens that their clients hold."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, text

from keyturn.core import refresh_token
from keyturn.core.keyring import SigningKey
from keyturn.core.model import SECOND, RefreshToken

_DAY = 86_400 * SECOND
_PER_USER = 2
_ID = {
    "sqlite": "lower(hex(randomblob(12)))",
    "postgresql": "substr(replace(gen_random_uuid()::text, '-', ''), 1, 24)",
}
_RANDOM = {"sqlite": "abs(random() % 1000000) / 1e6", "postgresql": "random()"}

_USERS = """
WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {users})
INSERT INTO users (id, email, email_key, email_verified, roles, disabled, created_at, tokens_valid_from)
SELECT {id}, 'user' || number || '@example.com', 'user' || number || '@example.com', false, '["user"]', false, {now}, 0
FROM numbers
"""
_SESSIONS = """
INSERT INTO sessions (id, user_id, seed, generation, root_id, root_at, previous_id, child_id, child_at, version, created_at,
  authenticated_at, expires_at, idle_expires_at, delivery, remember, device_label, device_address)
SELECT {id}, id, {id}, 7, {id}, began + {day}, {id}, {id}, began + {day}, 8, began,
  began, began + 180 * {day}, began + 31 * {day}, 'split', true, 'Firefox on Windows', '203.0.113.27'
FROM (SELECT id, CAST({now} - {age} * {day} - {day} * {random} AS BIGINT) AS began FROM users CROSS JOIN ({copies}) AS copies)
  AS signed_in
"""
_HELD = "SELECT id, seed, generation, root_id, child_id, created_at, expires_at FROM sessions WHERE ended_at IS NULL"
_PICKED = {"sqlite": " ORDER BY rowid % 1009, id LIMIT :count", "postgresql": " ORDER BY hashtext(id) LIMIT :count"}


def fill(engine: Engine, sessions: int, *, days_ago: int = 2) -> None:
    """Add users with two sessions each, which have been rotated a few times.

    Args:
        engine: of a database with Keyturn's tables and no users.
        sessions: how many; an even number.
        days_ago: when they began; 180 days later they expire.
    """
    if sessions % _PER_USER:
        raise ValueError("every user has two sessions")
    dialect = engine.dialect.name
    words = {
        "users": sessions // _PER_USER,
        "id": _ID[dialect],
        "random": _RANDOM[dialect],
        "now": time.time_ns() // 1000,
        "day": _DAY,
        "age": days_ago,
        "copies": " UNION ALL ".join(["SELECT 1"] * _PER_USER),
    }
    with engine.begin() as connection:
        connection.execute(text(_USERS.format(**words)))
        connection.execute(text(_SESSIONS.format(**words)))


def held(connection: Connection, issuer: str, key: SigningKey, count: int) -> Iterator[bytes]:
    """The newest refresh tokens of some live sessions, spread over the table.

    Args:
        connection: to the database.
        issuer: the server's public URL.
        key: for refresh tokens.
        count: of how many sessions, at the most.
    """
    statement = text(_HELD + _PICKED[connection.engine.dialect.name])
    for row in connection.execute(statement, {"count": count}):
        token = RefreshToken(row.id, row.seed, row.generation + 1, row.child_id, row.root_id)
        yield refresh_token.mint(
            token,
            issuer=issuer,
            issued_at_seconds=row.created_at // SECOND,
            expires_at_seconds=row.expires_at // SECOND,
            key=key,
        ).encode()
