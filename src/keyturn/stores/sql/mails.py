"""The rows of mails, and of the one-time tokens in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, insert, or_, select, update

from keyturn.core.identity import canonical_email
from keyturn.core.model import Mail, MailKind, Micros, OneTimeToken, Purpose, User
from keyturn.stores.sql.tables import mails, one_time_tokens

_TOKEN = (one_time_tokens.c.purpose == bindparam("wanted")) & (one_time_tokens.c.digest == bindparam("name"))
_ALIVE = _TOKEN & (one_time_tokens.c.expires_at > bindparam("now"))
_FIND = select(one_time_tokens).where(_ALIVE)
# One statement, so that of two who take it at once the second finds nothing; SQLite and PostgreSQL read it alike.
_TAKE = delete(one_time_tokens).where(_ALIVE).returning(*one_time_tokens.c)
_TOKENS_OF = select(one_time_tokens).where(one_time_tokens.c.user_id == bindparam("owner"))
_FORGET_TOKENS = delete(one_time_tokens).where(one_time_tokens.c.user_id == bindparam("owner"))
_EXPIRED = (
    select(one_time_tokens.c.digest)
    .where(one_time_tokens.c.expires_at <= bindparam("now"))
    .limit(bindparam("count"))
    .scalar_subquery()
)
_PURGE = delete(one_time_tokens).where(one_time_tokens.c.digest.in_(_EXPIRED))

_DUE = (
    select(mails)
    .where(mails.c.next_at <= bindparam("now"))
    .order_by(mails.c.next_at, mails.c.id)
    .limit(bindparam("count"))
)
_AT = update(mails).where(mails.c.id == bindparam("name"), mails.c.attempts == bindparam("seen"))
_DELETE = delete(mails).where(mails.c.id == bindparam("name"))
# Those about nobody in particular are few: they wait for moments.
_MAILS_OF = select(mails).where(or_(mails.c.user_id == bindparam("owner"), mails.c.user_id.is_(None)))
_FORGET_MAILS = delete(mails).where(mails.c.user_id == bindparam("owner"))


class SqlOneTimeTokens:
    """`keyturn.ports.OneTimeTokenStore` in SQL.

    Args:
        connection: in a transaction.
        clock: the store's time.
    """

    def __init__(self, connection: Connection, clock: Callable[[], Micros]) -> None:
        self._connection = connection
        self._clock = clock

    def insert(self, token: OneTimeToken) -> None:
        row = {name: getattr(token, name) for name in OneTimeToken.__slots__}
        self._connection.execute(insert(one_time_tokens), row)

    def find(self, purpose: Purpose, digest: str) -> OneTimeToken | None:
        wanted = {"wanted": purpose, "name": digest, "now": self._clock()}
        return _token(self._connection.execute(_FIND, wanted).first())

    def take(self, purpose: Purpose, digest: str) -> OneTimeToken | None:
        wanted = {"wanted": purpose, "name": digest, "now": self._clock()}
        return _token(self._connection.execute(_TAKE, wanted).first())

    def of_user(self, user_id: str) -> list[OneTimeToken]:
        rows = self._connection.execute(_TOKENS_OF, {"owner": user_id})
        return [token for row in rows if (token := _token(row)) is not None]

    def forget(self, user_id: str) -> None:
        self._connection.execute(_FORGET_TOKENS, {"owner": user_id})

    def purge(self, limit: int) -> int:
        return self._connection.execute(_PURGE, {"now": self._clock(), "count": limit}).rowcount


def _token(row: Sequence[Any] | None) -> OneTimeToken | None:
    if row is None:
        return None
    digest, purpose, user_id, email, expires_at = row
    return OneTimeToken(digest, Purpose(purpose), user_id, email, expires_at)


class SqlMails:
    """`keyturn.ports.MailStore` in SQL.

    Args:
        connection: in a transaction.
        clock: the store's time.
    """

    def __init__(self, connection: Connection, clock: Callable[[], Micros]) -> None:
        self._connection = connection
        self._clock = clock

    def insert(self, mail: Mail) -> None:
        row = {name: getattr(mail, name) for name in Mail.__slots__}
        self._connection.execute(insert(mails), row | {"facts": json.dumps(dict(mail.facts))})

    def due(self, limit: int) -> list[Mail]:
        return self._mails(_DUE, now=self._clock(), count=limit)

    def of_user(self, user: User) -> list[Mail]:
        address = canonical_email(user.email)
        found = self._mails(_MAILS_OF, owner=user.id)
        return [mail for mail in found if mail.user_id or canonical_email(mail.recipient) == address]

    def swap(self, mail: Mail) -> bool:
        return self._write(mail, mail.attempts - 1)

    def put_off(self, mail: Mail) -> None:
        self._write(mail, mail.attempts)

    def delete(self, mail_id: str) -> None:
        self._connection.execute(_DELETE, {"name": mail_id})

    def forget(self, user_id: str) -> None:
        self._connection.execute(_FORGET_MAILS, {"owner": user_id})

    def _mails(self, statement: Executable, **parameters: Any) -> list[Mail]:
        rows = self._connection.execute(statement, parameters).mappings()
        kept = [{**row, "kind": MailKind(row["kind"]), "facts": json.loads(row["facts"])} for row in rows]
        return [Mail(**row) for row in kept]

    def _write(self, mail: Mail, seen: int) -> bool:
        changes = {"attempts": mail.attempts, "next_at": mail.next_at, "last_error": mail.last_error}
        return bool(self._connection.execute(_AT.values(**changes), {"name": mail.id, "seen": seen}).rowcount)
