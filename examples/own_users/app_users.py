"""The application's table of users, as Keyturn wants to see it: `KEYTURN_USER_STORE=app_users:AppUsers`.

Keyturn keeps its sessions in a database of its own and attaches the application's, so one transaction spans both: a sign-in and a
change of the password never pass each other unseen.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Executable,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from keyturn.core.identity import canonical_email
from keyturn.core.model import SECOND, Account, Micros, User
from keyturn.errors import EmailTaken

JOINED = "%Y-%m-%d %H:%M:%S"

users = Table(
    "users",
    MetaData(schema="app"),
    Column("id", Integer, primary_key=True),
    Column("mail", Text),
    Column("name", Text),
    Column("is_admin", Boolean),
    Column("is_active", Boolean),
    Column("joined", Text),
    Column("password", Text),
)


class AppUsers:
    """`keyturn.ports.UserStore` over the application's table."""

    databases: ClassVar = {"app": os.environ.get("APP_DATABASE", "app.db")}

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, account: Account) -> User:
        # The table numbers its users by itself.
        values = _written(account.user) | {"password": account.password_hash}
        return _user(self._write(insert(users).values(values).returning(users)).one())

    def load_many(self, ids: Collection[str]) -> dict[str, User]:
        rows = self._connection.execute(select(users).where(users.c.id.in_([_number(user_id) for user_id in ids])))
        return {str(row.id): _user(row) for row in rows}

    def page(self, limit: int, after: User | None = None) -> list[User]:
        first = _number(after.id) + 1 if after is not None else 0
        rows = self._connection.execute(select(users).where(users.c.id >= first).order_by(users.c.id).limit(limit))
        return [_user(row) for row in rows]

    def find(self, login: str) -> Account | None:
        # This application has no usernames.
        return self._account(users.c.mail == canonical_email(login))

    def lock(self, user_id: str) -> Account | None:
        # SQLite has locked both files already; another database wants with_for_update() here.
        return self._account(users.c.id == _number(user_id))

    def update(self, user: User) -> None:
        self._write(update(users).where(users.c.id == _number(user.id)).values(_written(user)))

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        self._connection.execute(update(users).where(users.c.id == _number(user_id)).values(password=password_hash))

    def delete(self, user_id: str) -> None:
        self._connection.execute(delete(users).where(users.c.id == _number(user_id)))

    def stale_since(self, since: Micros) -> list[tuple[str, Micros]]:
        # Without a column for it, a change of roles is seen at the next refresh.
        return []

    def _account(self, condition: ColumnElement[bool]) -> Account | None:
        row = self._connection.execute(select(users).where(condition)).first()
        return Account(_user(row), row.password) if row is not None else None

    def _write(self, statement: Executable) -> Any:
        try:
            return self._connection.execute(statement)
        except IntegrityError as error:
            if "users.mail" in str(error.orig):
                raise EmailTaken from None
            raise


def _number(user_id: str) -> int:
    """The application's number of a user; -1 for what is none."""
    return int(user_id) if user_id.isdecimal() and len(user_id) < 19 else -1


def _user(row: Row[Any]) -> User:
    joined = datetime.strptime(row.joined, JOINED).replace(tzinfo=UTC)
    return User(
        id=str(row.id),
        email=row.mail,
        created_at=int(joined.timestamp()) * SECOND,
        full_name=row.name or None,
        roles=("admin",) if row.is_admin else (),
        disabled=not row.is_active,
    )


def _written(user: User) -> dict[str, Any]:
    return {
        "mail": canonical_email(user.email),
        "name": user.full_name or "",
        "is_admin": "admin" in user.roles,
        "is_active": not user.disabled,
        "joined": datetime.fromtimestamp(user.created_at // SECOND, UTC).strftime(JOINED),
    }
