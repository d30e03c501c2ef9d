"""A whole batch of sessions in one statement: what differs between the engines.

The values travel as one parameter a column, or as one altogether, so the text of a statement is the same for a batch of any size:
SQLite unfolds a JSON array, PostgreSQL unfolds one array a column.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import ARRAY, FromClause, Select, Text, Update, bindparam, column, func, literal_column, select, update
from sqlalchemy.types import TypeEngine

from keyturn.core.model import Session
from keyturn.ports import SWAPPED_FIELDS
from keyturn.stores.sql.tables import Id, sessions

SQLITE, POSTGRESQL = "sqlite", "postgresql"
"""The engines, as SQLAlchemy names their dialects."""

_PLAIN = ("id", *(name for name in SWAPPED_FIELDS if name != "end_reason"))
_COLUMNS = (*_PLAIN, "end_reason")
_values = attrgetter(*_PLAIN)
_TYPES: tuple[TypeEngine[Any], ...] = tuple(sessions.c[name].type for name in _COLUMNS)


def _unfolded_json() -> FromClause:
    each = func.json_each(bindparam("rows", type_=Text)).table_valued("value")
    # Or else SQLite would write the text of a row anew for each of its members.
    row = select(each.c.value).cte("row").prefix_with("MATERIALIZED")
    members = [
        func.json_extract(row.c.value, literal_column(f"'$[{place}]'"), type_=kind).label(name)
        for place, (name, kind) in enumerate(zip(_COLUMNS, _TYPES, strict=True))
    ]
    return select(*members).select_from(row).subquery("new")


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

SWAP: dict[str, Update] = {SQLITE: _swap(_unfolded_json()), POSTGRESQL: _swap(_unfolded_arrays())}
"""By engine: writes the rows whose stored version is the one before, and gives their ids."""


def ids(engine: str, ids: Collection[str]) -> dict[str, Any]:
    """The parameter of `IDS`."""
    return {"ids": json.dumps([*ids]) if engine == SQLITE else [*ids]}


def rows(engine: str, sessions: Sequence[Session]) -> dict[str, Any]:
    """The parameters of `SWAP`."""
    # In one order everywhere, so that two batches over the same rows wait for each other instead of forming a circle.
    rows = sorted([*_values(session), session.end_reason and session.end_reason.value] for session in sessions)
    if engine == SQLITE:
        return {"rows": json.dumps(rows)}
    return {f"new_{name}": [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
