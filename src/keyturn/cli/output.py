"""What the commands print: a table for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from json import dumps
from typing import TypeVar

import typer

from keyturn.core.model import SECOND, Micros, Session, User
from keyturn.service.records import fields_of

T = TypeVar("T")

_UNLIMITED = 100_000
"""Columns, where no terminal limits the width: a line of a table is never cut for a program."""


def moment(value: Micros | None) -> str | None:
    """A time as JSON has it: RFC 3339, UTC, whole seconds."""
    return None if not value else datetime.fromtimestamp(value // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short_moment(value: Micros | None) -> str:
    """A time as a table has it: UTC, to the minute."""
    return "" if not value else datetime.fromtimestamp(value // SECOND, UTC).strftime("%Y-%m-%d %H:%M")


def print_json(content: Mapping[str, object]) -> None:
    """Print an object, on as many lines as read well."""
    typer.echo(dumps(content, indent=2, ensure_ascii=False))


def print_result(content: Mapping[str, object], sentence: str, *, json: bool) -> None:
    """Print what was done: an object for programs, or a sentence for people."""
    if json:
        print_json(content)
    else:
        typer.echo(sentence)


def print_list(
    found: Sequence[T],
    limit: int,
    *,
    json: bool,
    name: str,
    facts: Callable[[T], object],
    columns: Sequence[str],
    row: Callable[[T], Sequence[str]],
) -> None:
    """Print what was found, up to a limit (0: none); one more than that tells that there is more."""
    more = bool(limit) and len(found) > limit
    shown = found[: limit or None]
    if json:
        print_json({name: [facts(one) for one in shown], "more": more})
        return
    print_table(columns, [row(one) for one in shown])
    if more:
        typer.echo(f"There are more than {limit}; --limit 0 lists all.", err=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns. What a user typed is text here, never mark-up."""
    # Only for a table: it takes as long to load as half of a database.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else _UNLIMITED
    Console(file=sys.stdout, width=width, soft_wrap=width is not None).print(table)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:{width}}  {value}")


def user_facts(user: User) -> dict[str, object]:
    """A user as JSON: what the API says, and what only an administrator may know."""
    return fields_of(user) | {"created_at": moment(user.created_at)}


def session_facts(session: Session) -> dict[str, object]:
    """A session as JSON; nothing in it is a credential."""
    return {
        "id": session.id,
        "user_id": session.user_id,
        "email": session.user.email if session.user else None,
        "device": session.device.label,
        "address": session.device.address,
        "delivery": session.delivery.value,
        "created_at": moment(session.created_at),
        "last_used_at": moment(session.child_at),
        "expires_at": moment(min(session.expires_at, session.idle_expires_at)),
    }


SESSION_COLUMNS = ("id", "user", "device", "address", "signed in", "last used", "expires")


def session_row(session: Session) -> list[str]:
    """A session as a line of a table."""
    return [
        session.id,
        session.user.email if session.user else session.user_id,
        session.device.label,
        session.device.address,
        short_moment(session.created_at),
        short_moment(session.child_at),
        short_moment(min(session.expires_at, session.idle_expires_at)),
    ]
