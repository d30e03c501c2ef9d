"""A whole batch of sessions at once: what differs between the engines.

The text of a statement is the same for a batch of any size. To PostgreSQL the values travel as one array a column, which it
unfolds. SQLite is in the process: it takes row after row, which is three times quicker than to unfold a JSON array.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, FromClause, Select, Text, Update, bindparam, column, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from keyturn.core.model import Session
from keyturn.ports import SWAPPED_FIELDS
from keyturn.stores.sql.tables import Id, sessions

SQLITE, POSTGRESQL = "sqlite", "postgresql"
"""The engines, as SQLAlchemy names their dialects."""

_PLAIN = ("id", *(name for name in SWAPPED_FIELDS if name != "end_reason"))
_COLUMNS = (*_PLAIN, "end_reason")
_VERSION = _COLUMNS.index("version")
_PARAMETERS = [f"new_{name}" for name in _COLUMNS]
_values = attrgetter(*_PLAIN)
_TYPES: tuple[TypeEngine[Any], ...] = tuple(sessions.c[name].type for name in _COLUMNS)


def _unfolded_arrays() -> FromClause:
    arrays = [bindparam(f"new_{name}", type_=ARRAY(kind)) for name, kind in zip(_COLUMNS, _TYPES, strict=True)]
    columns = [column(name, kind) for name, kind in zip(_COLUMNS, _TYPES, strict=True)]
    return func.unnest(*arrays).table_valued(*columns, name="new").render_derived()


def _swap(new: FromClause) -> Update:
    return (
        update(sessions)
        .where(sessions.c.id == new.c.id, sessions.c.version == new.c.version - 1)
        .values({name: new.c[name] for name in SWAPPED_FIELDS})
        .returning(sessions.c.id)
    )


IDS: dict[str, Select[Any]] = {
    SQLITE: select(func.json_each(bindparam("ids", type_=Text)).table_valued("value").c.value),
    POSTGRESQL: select(func.unnest(bindparam("ids", type_=ARRAY(Id))).column_valued("wanted")),
}
"""By engine: the ids of a batch, one a row."""

SWAP_MANY = _swap(_unfolded_arrays())
"""For PostgreSQL: writes the rows whose stored version is the one before, and gives their ids."""

VERSIONS = select(sessions.c.id, sessions.c.version).where(sessions.c.id.in_(IDS[SQLITE]))
SWAP_ONE = (
    update(sessions)
    .where(sessions.c.id == bindparam("new_id"), sessions.c.version == bindparam("new_version") - 1)
    .values({name: bindparam(f"new_{name}") for name in SWAPPED_FIELDS})
)
"""For SQLite: the same for one row."""


def ids(engine: str, ids: Collection[str]) -> dict[str, Any]:
    """The parameter of `IDS`."""
    return {"ids": json.dumps([*ids]) if engine == SQLITE else [*ids]}


def swap(connection: Connection, sessions: Sequence[Session]) -> set[str]:
    """Write the rows whose stored version is the one before, and give their ids."""
    # In one order everywhere, so that two batches over the same rows wait for each other instead of forming a circle.
    rows = sorted((*_values(session), session.end_reason and session.end_reason.value) for session in sessions)
    if connection.dialect.name == POSTGRESQL:
        columns = {f"new_{name}": [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
        return set(connection.execute(SWAP_MANY, columns).scalars())
    # The transaction has had the write lock since it began, so what is compared here is what is written over.
    wanted = ids(SQLITE, [row[0] for row in rows])
    stored = {row[0]: row[1] for row in connection.execute(VERSIONS, wanted)}
    won = [row for row in rows if stored.get(row[0]) == row[_VERSION] - 1]
    if won:
        connection.execute(SWAP_ONE, [dict(zip(_PARAMETERS, row, strict=True)) for row in won])
    return {row[0] for row in won}
