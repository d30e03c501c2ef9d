"""The sessions' rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Select, bindparam, delete, insert, or_, select, update

from keyturn.core.model import Delivery, Device, EndReason, Micros, Session
from keyturn.ports import UserStore
from keyturn.stores.sql import batches
from keyturn.stores.sql.tables import sessions, users
from keyturn.stores.sql.users import USER_COLUMNS, user_from

_PLAIN_FIELDS = (
    "id",
    "user_id",
    "seed",
    "generation",
    "root_id",
    "root_at",
    "previous_id",
    "child_id",
    "child_at",
    "version",
    "created_at",
    "authenticated_at",
    "expires_at",
    "idle_expires_at",
    "ended_at",
)
"""The first fields of a session, in its order, as they are stored."""

_WIDTH = len(_PLAIN_FIELDS)
_OTHERS = ("end_reason", "delivery", "remember", "device_label", "device_address")
_SESSION_COLUMNS = [sessions.c[name] for name in (*_PLAIN_FIELDS, *_OTHERS)]
_USER_AT = len(_SESSION_COLUMNS)
_DELIVERY = {delivery.value: delivery for delivery in Delivery}


_LIVE = (
    sessions.c.ended_at.is_(None),
    sessions.c.expires_at > bindparam("now"),
    sessions.c.idle_expires_at > bindparam("now"),
)


class _Reading:
    """The statements that read sessions: with their users from our own table, or without where users are kept elsewhere."""

    def __init__(self, sessions_with: Select[Any]) -> None:
        live = sessions_with.where(*_LIVE).order_by(sessions.c.created_at.desc(), sessions.c.id)
        self.many = {name: sessions_with.where(sessions.c.id.in_(ids)) for name, ids in batches.IDS.items()}
        self.live_of_user = live.where(sessions.c.user_id == bindparam("user_id"))
        self.live = live.limit(bindparam("count"))
        self.all_of_user = sessions_with.where(sessions.c.user_id == bindparam("user_id")).order_by(
            sessions.c.created_at.desc(), sessions.c.id
        )


_JOINED = _Reading(
    select(*_SESSION_COLUMNS, *USER_COLUMNS).select_from(sessions.outerjoin(users, users.c.id == sessions.c.user_id))
)
_ALONE = _Reading(select(*_SESSION_COLUMNS))

_DEVICES = (
    select(sessions.c.device_label, sessions.c.device_address)
    .where(sessions.c.user_id == bindparam("user_id"), *_LIVE)
    .distinct()
)
_INSERT = insert(sessions)
_END = (
    update(sessions)
    .where(sessions.c.user_id == bindparam("of"), sessions.c.ended_at.is_(None), sessions.c.id != bindparam("keep"))
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"), version=sessions.c.version + 1)
    .returning(sessions.c.id)
)
_FORGET = (
    update(sessions)
    .where(sessions.c.user_id == bindparam("of"), or_(sessions.c.device_label != "", sessions.c.device_address != ""))
    .values(device_label="", device_address="", version=sessions.c.version + 1)
)
_DISOWN = (
    update(sessions).where(sessions.c.user_id == bindparam("of")).values(user_id="", version=sessions.c.version + 1)
)
_GOING = select(sessions.c.id).where(sessions.c.ended_at.is_(None)).limit(bindparam("count"))
_END_SOME = (
    update(sessions)
    .where(sessions.c.id.in_(_GOING.scalar_subquery()))
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"), version=sessions.c.version + 1)
    .returning(sessions.c.id)
)
_ENDED = (
    select(sessions.c.id, sessions.c.ended_at)
    .where(sessions.c.ended_at >= bindparam("since"))
    .order_by(sessions.c.ended_at, sessions.c.id)
)
_EXPIRED = select(sessions.c.id).where(sessions.c.expires_at <= bindparam("now")).limit(bindparam("count"))
_PURGE = delete(sessions).where(sessions.c.id.in_(_EXPIRED.scalar_subquery()))


def _session(row: Sequence[Any]) -> Session:
    end_reason, delivery, remember, label, address = row[_WIDTH:_USER_AT]
    fields = (
        *row[:_WIDTH],
        EndReason(end_reason) if end_reason else None,
        _DELIVERY[delivery],
        remember,
        Device(label, address),
        user_from(row[_USER_AT:]) if len(row) > _USER_AT else None,
    )
    return Session(*fields)


def _inserted(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in _PLAIN_FIELDS} | {
        "end_reason": session.end_reason and session.end_reason.value,
        "delivery": session.delivery.value,
        "remember": session.remember,
        "device_label": session.device.label,
        "device_address": session.device.address,
    }


class SqlSessions:
    """`keyturn.ports.SessionStore` in SQL.

    Args:
        connection: in a transaction.
        now: gives the transaction's time.
        users: where the users are kept, if not in our own table.
        tell: lets other processes know that a session ended, once the transaction has committed.
    """

    def __init__(
        self,
        connection: Connection,
        now: Callable[[], Micros],
        users: UserStore | None = None,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._connection = connection
        self._engine = connection.dialect.name
        self._now = now
        self._users = users
        self._tell = tell
        self._reading = _JOINED if users is None else _ALONE

    def load_many(self, ids: Collection[str]) -> dict[str, Session]:
        found = self._read(self._reading.many[self._engine], **batches.ids(self._engine, ids))
        return {session.id: session for session in found}

    def swap_many(self, sessions: Sequence[Session]) -> set[str]:
        written = self._connection.execute(batches.SWAP[self._engine], batches.rows(self._engine, sessions))
        ids = set(written.scalars())
        if any(session.ended_at is not None and session.id in ids for session in sessions):
            self._tell()
        return ids

    def insert(self, session: Session) -> None:
        self._connection.execute(_INSERT, _inserted(session))

    def live_of_user(self, user_id: str) -> list[Session]:
        return self._read(self._reading.live_of_user, user_id=user_id, now=self._now())

    def devices_of_user(self, user_id: str) -> set[Device]:
        found = self._connection.execute(_DEVICES, {"user_id": user_id, "now": self._now()})
        return {Device(*row) for row in found}

    def all_of_user(self, user_id: str) -> list[Session]:
        return self._read(self._reading.all_of_user, user_id=user_id)

    def live(self, limit: int) -> list[Session]:
        return self._read(self._reading.live, count=limit, now=self._now())

    def end_of_user(self, user_id: str, reason: EndReason, *, keep: str | None = None) -> list[str]:
        parameters = {"of": user_id, "keep": keep or "", "now": self._now(), "reason": reason.value}
        return self._ended(_END, parameters)

    def end_some(self, reason: EndReason, limit: int) -> list[str]:
        parameters = {"count": limit, "now": self._now(), "reason": reason.value}
        return self._ended(_END_SOME, parameters)

    def ended_since(self, since: Micros) -> list[tuple[str, Micros]]:
        return [(row[0], row[1]) for row in self._connection.execute(_ENDED, {"since": since})]

    def forget_devices(self, user_id: str) -> None:
        self._connection.execute(_FORGET, {"of": user_id})

    def disown(self, user_id: str) -> None:
        self._connection.execute(_DISOWN, {"of": user_id})

    def purge(self, limit: int) -> int:
        return self._connection.execute(_PURGE, {"now": self._now(), "count": limit}).rowcount

    def _ended(self, statement: Executable, parameters: dict[str, Any]) -> list[str]:
        ids = list(self._connection.execute(statement, parameters).scalars())
        if ids:
            self._tell()
        return ids

    def _read(self, statement: Executable, **parameters: Any) -> list[Session]:
        found = [_session(row) for row in self._connection.execute(statement, parameters)]
        if self._users is None or not found:
            return found
        users = self._users.load_many({session.user_id for session in found})
        return [session._replace(user=users.get(session.user_id)) for session in found]
