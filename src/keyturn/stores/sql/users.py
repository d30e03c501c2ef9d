"""The users' rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from keyturn.core.identity import canonical_email, canonical_username, is_email
from keyturn.core.model import Account, User
from keyturn.errors import EmailTaken, UsernameTaken
from keyturn.stores.sql.tables import users

USER_FIELDS = ("id", "email", "created_at", "email_verified", "username", "full_name", "roles", "disabled")
"""The fields of a user, each of which is a column."""

USER_COLUMNS = [users.c[name] for name in USER_FIELDS]

_LOAD = select(*USER_COLUMNS).where(users.c.id == bindparam("user_id"))
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
    fields = dict(zip(USER_FIELDS, row, strict=True))
    fields["roles"] = tuple(json.loads(fields["roles"]))
    return User(**fields)


def _columns(user: User) -> dict[str, Any]:
    columns = {name: getattr(user, name) for name in USER_FIELDS}
    return columns | {
        "email_key": canonical_email(user.email),
        "username_key": None if user.username is None else canonical_username(user.username),
        "roles": json.dumps(user.roles, ensure_ascii=False),
    }


class SqlUsers:
    """`keyturn.ports.UserStore` in SQL."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, account: Account) -> None:
        self._write(_INSERT, _columns(account.user) | {"password_hash": account.password_hash})

    def load(self, user_id: str) -> User | None:
        row = self._connection.execute(_LOAD, {"user_id": user_id}).first()
        return user_from(row) if row else None

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

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        self._connection.execute(_UPDATE, {"user_id": user_id, "password_hash": password_hash})

    def delete(self, user_id: str) -> None:
        self._connection.execute(_DELETE, {"user_id": user_id})

    def _account(self, statement: Executable, **parameters: str) -> Account | None:
        row = self._connection.execute(statement, parameters).first()
        if row is None:
            return None
        *columns, password_hash = row
        user = user_from(columns)
        return None if user is None else Account(user, password_hash)

    def _write(self, statement: Executable, parameters: Mapping[str, Any]) -> None:
        try:
            self._connection.execute(statement, parameters)
        except IntegrityError as error:
            # The one thing that every database says about a violated constraint is its name, or that of its column.
            for column, taken in (("email_key", EmailTaken), ("username_key", UsernameTaken)):
                if column in str(error.orig):
                    raise taken from None
            raise
