"""The users' rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, insert, literal_column, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from keyturn.core.identity import canonical_email, canonical_username, is_email
from keyturn.core.model import Account, Micros, User
from keyturn.errors import EmailTaken, UsernameTaken
from keyturn.stores.sql.tables import users

USER_FIELDS = (
    "id",
    "email",
    "created_at",
    "email_verified",
    "username",
    "full_name",
    "roles",
    "disabled",
    "tokens_valid_from",
)
"""The fields of a user, each of which is a column."""

USER_COLUMNS = [users.c[name] for name in USER_FIELDS]

_USERS = select(*USER_COLUMNS)
_LOAD_MANY = _USERS.where(users.c.id.in_(bindparam("ids", expanding=True)))
_FIND_MANY = _USERS.where(
    or_(
        users.c.id.in_(bindparam("ids", expanding=True)),
        users.c.email_key.in_(bindparam("email_keys", expanding=True)),
        users.c.username_key.in_(bindparam("username_keys", expanding=True)),
    )
)
_HASHES = select(users.c.id, users.c.password_hash).where(
    users.c.id.in_(bindparam("ids", expanding=True)), users.c.password_hash.is_not(None)
)
_PAGE = _USERS.order_by(users.c.created_at, users.c.id).limit(bindparam("count"))
_NEXT_PAGE = _PAGE.where(tuple_(users.c.created_at, users.c.id) > tuple_(bindparam("made_at"), bindparam("user_id")))
_STALE = (
    select(users.c.id, users.c.tokens_valid_from)
    # Spelt out, since the index is only of these rows.
    .where(users.c.tokens_valid_from > literal_column("0"), users.c.tokens_valid_from >= bindparam("since"))
    .order_by(users.c.tokens_valid_from, users.c.id)
)
_ACCOUNT = select(*USER_COLUMNS, users.c.password_hash)
_FIND_BY_EMAIL = _ACCOUNT.where(users.c.email_key == bindparam("key"))
_FIND_BY_USERNAME = _ACCOUNT.where(users.c.username_key == bindparam("key"))
# SQLite has no FOR UPDATE and needs none: its transaction holds the lock of the whole database.
_LOCK = _ACCOUNT.where(users.c.id == bindparam("user_id")).with_for_update()
_INSERT = insert(users)
_UPDATE = update(users).where(users.c.id == bindparam("user_id"))
_DELETE = delete(users).where(users.c.id == bindparam("user_id"))


def user_from(row: Sequence[Any]) -> User | None:
    """The user in a row of `USER_COLUMNS`, or none if an outer join found none."""
    if row[0] is None:
        return None
    user_id, email, created_at, email_verified, username, full_name, roles, disabled, tokens_valid_from = row
    return User(
        user_id, email, created_at, email_verified, username, full_name, _roles(roles), disabled, tokens_valid_from
    )


@lru_cache(maxsize=1024)
def _roles(stored: str) -> tuple[str, ...]:
    """Most users have the same few."""
    return tuple(json.loads(stored))


def _columns(user: User) -> dict[str, Any]:
    columns = {name: getattr(user, name) for name in USER_FIELDS}
    return columns | {
        "email_key": canonical_email(user.email),
        "username_key": None if user.username is None else canonical_username(user.username),
        "roles": json.dumps(user.roles, ensure_ascii=False),
    }


class SqlUsers:
    """`keyturn.ports.UserStore` and `BulkUserStore` in SQL.

    Args:
        connection: in a transaction.
        tell: lets other processes know that a user's older tokens are stale, once the transaction has committed.
    """

    def __init__(self, connection: Connection, tell: Callable[[], object] = lambda: None) -> None:
        self._connection = connection
        self._tell = tell

    def insert(self, account: Account) -> User:
        self._write(_INSERT, _columns(account.user) | {"password_hash": account.password_hash})
        return account.user

    def insert_many(self, accounts: Sequence[Account]) -> None:
        rows = [_columns(account.user) | {"password_hash": account.password_hash} for account in accounts]
        if rows:
            self._write(_INSERT, rows)

    def find_many(self, ids: Collection[str], emails: Collection[str], usernames: Collection[str]) -> list[User]:
        return self._users(
            _FIND_MANY,
            ids=list(ids),
            email_keys=[canonical_email(email) for email in emails],
            username_keys=[canonical_username(username) for username in usernames],
        )

    def password_hashes(self, ids: Collection[str]) -> dict[str, str]:
        return {row[0]: row[1] for row in self._connection.execute(_HASHES, {"ids": list(ids)})}

    def load_many(self, ids: Collection[str]) -> dict[str, User]:
        return {user.id: user for user in self._users(_LOAD_MANY, ids=list(ids))}

    def page(self, limit: int, after: User | None = None) -> list[User]:
        if after is None:
            return self._users(_PAGE, count=limit)
        return self._users(_NEXT_PAGE, count=limit, made_at=after.created_at, user_id=after.id)

    def find(self, login: str) -> Account | None:
        if is_email(login):
            return self._account(_FIND_BY_EMAIL, key=canonical_email(login))
        return self._account(_FIND_BY_USERNAME, key=canonical_username(login))

    def lock(self, user_id: str) -> Account | None:
        return self._account(_LOCK, user_id=user_id)

    def update(self, user: User) -> None:
        columns = _columns(user)
        del columns["id"], columns["created_at"]
        self._write(_UPDATE, columns | {"user_id": user.id})
        if user.tokens_valid_from:
            self._tell()

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        self._connection.execute(_UPDATE, {"user_id": user_id, "password_hash": password_hash})

    def delete(self, user_id: str) -> None:
        self._connection.execute(_DELETE, {"user_id": user_id})

    def stale_since(self, since: Micros) -> list[tuple[str, Micros]]:
        return [(row[0], row[1]) for row in self._connection.execute(_STALE, {"since": since})]

    def _users(self, statement: Executable, **parameters: Any) -> list[User]:
        rows = self._connection.execute(statement, parameters)
        return [user for row in rows if (user := user_from(row)) is not None]

    def _account(self, statement: Executable, **parameters: str) -> Account | None:
        row = self._connection.execute(statement, parameters).first()
        if row is None:
            return None
        *columns, password_hash = row
        user = user_from(columns)
        return None if user is None else Account(user, password_hash)

    def _write(self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        try:
            self._connection.execute(statement, parameters)
        except IntegrityError as error:
            # The one thing that every database says about a violated constraint is its name, or that of its column.
            for column, taken in (("email_key", EmailTaken), ("username_key", UsernameTaken)):
                if column in str(error.orig):
                    raise taken from None
            raise
