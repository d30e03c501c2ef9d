"""What clients saw and what the database holds in the end, and whether the two go together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LOST = "an acknowledged rotation was lost"
SIGNED_OUT = "signed out without cause"
UNDEAD = "something worked after an acknowledged sign-out"


@dataclass(frozen=True, slots=True)
class Event:
    """What a client did, and what came of it.

    Attributes:
        op: `sign_in`, `refresh` or `sign_out`.
        began: when it was sent, in seconds on one clock for all clients.
        ended: when the answer was whole, or the client gave up.
        sent: the generation of the token that was presented.
        got: the generation of the token in the answer.
        status: of the answer; none: there was no whole answer, and nobody knows what was decided.
        reason: why the session is over, where the answer says so.
        got_id: the id of the token in the answer.
        request_id: of the answer.
    """

    op: str
    session: str
    began: float
    ended: float
    sent: int = 0
    got: int = 0
    status: int | None = None
    reason: str | None = None
    got_id: str = ""
    request_id: str = ""


class Row(NamedTuple):
    """What the database says of a session in the end."""

    generation: int
    end_reason: str | None


class Violation(NamedTuple):
    kind: str
    session: str


def rows_of(path: Path) -> dict[str, Row]:
    """The sessions in a database file, by id."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT id, generation, end_reason FROM sessions").fetchall()
    return {session: Row(generation, reason) for session, generation, reason in found}


def contents_of(path: Path) -> list[object]:
    """All that a database file says of users and sessions."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in ("users", "sessions")]


def rows_in(found: Iterable[tuple[object, ...]]) -> dict[str, Row]:
    """The same, from the ids, generations and reasons that another database gave."""
    return {str(session): Row(int(str(generation)), reason and str(reason)) for session, generation, reason in found}


def violations(events: Iterable[Event], rows: Mapping[str, Row]) -> list[Violation]:
    """Everything in a history of honest clients that must not be."""
    by_session: dict[str, list[Event]] = {}
    for event in events:
        by_session.setdefault(event.session, []).append(event)
    return [
        Violation(kind, session)
        for session, history in sorted(by_session.items())
        for kind, found in (
            (LOST, _lost(history, rows.get(session))),
            (SIGNED_OUT, _signed_out(history, rows.get(session))),
            (UNDEAD, _undead(history, rows.get(session))),
        )
        if found
    ]


def _lost(history: list[Event], row: Row | None) -> bool:
    """A token of generation n is handed out when n - 1 tokens have been presented; the row must know of them."""
    answered = max((event.got for event in history), default=0)
    return answered > 0 and (row is None or row.generation < answered - 1)


def _signed_out(history: list[Event], row: Row | None) -> bool:
    """Without a sign-out that had begun by then, even an unanswered one, no session may end."""
    began = min((event.began for event in history if event.op == "sign_out"), default=float("inf"))
    told = any(event.op == "refresh" and event.status == 403 and event.ended < began for event in history)
    ended = row is not None and row.end_reason is not None
    return told or (ended and (began == float("inf") or row.end_reason != "signed_out"))


def _undead(history: list[Event], row: Row | None) -> bool:
    acknowledged = min(
        (event.ended for event in history if event.op == "sign_out" and event.status == 204), default=float("inf")
    )
    worked = any(event.op == "refresh" and event.status == 200 and event.began > acknowledged for event in history)
    return worked or (acknowledged < float("inf") and row is not None and row.end_reason is None)
