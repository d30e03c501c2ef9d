"""The rows of the providers' accounts that open accounts here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from keyturn.core.model import Identity
from keyturn.errors import IdentityTaken
from keyturn.stores.sql.tables import identities

_IDENTITIES = select(*(identities.c[name] for name in Identity.__slots__))
_FIND = _IDENTITIES.where(identities.c.issuer == bindparam("issuer"), identities.c.subject == bindparam("subject"))
_OF_USER = _IDENTITIES.where(identities.c.user_id == bindparam("user_id")).order_by(
    identities.c.created_at, identities.c.id
)
_OF_USERS = _IDENTITIES.where(identities.c.user_id.in_(bindparam("user_ids", expanding=True))).order_by(
    identities.c.created_at, identities.c.id
)
_INSERT = insert(identities)
_DELETE = delete(identities).where(identities.c.id == bindparam("identity_id"))
_DELETE_OF_USER = delete(identities).where(identities.c.user_id == bindparam("owner_id"))


class SqlIdentities:
    """`keyturn.ports.IdentityStore` in SQL."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, identity: Identity) -> None:
        try:
            self._connection.execute(_INSERT, asdict(identity))
        except IntegrityError as error:
            if "issuer" in str(error.orig):
                raise IdentityTaken from None
            raise

    def find(self, issuer: str, subject: str) -> Identity | None:
        row = self._connection.execute(_FIND, {"issuer": issuer, "subject": subject}).first()
        return None if row is None else Identity(*row)

    def of_user(self, user_id: str) -> list[Identity]:
        return [Identity(*row) for row in self._connection.execute(_OF_USER, {"user_id": user_id})]

    def of_users(self, user_ids: Collection[str]) -> list[Identity]:
        return [Identity(*row) for row in self._connection.execute(_OF_USERS, {"user_ids": list(user_ids)})]

    def delete(self, identity_id: str) -> None:
        self._connection.execute(_DELETE, {"identity_id": identity_id})

    def delete_of_user(self, user_id: str) -> None:
        self._connection.execute(_DELETE_OF_USER, {"owner_id": user_id})
