"""`keyturn db`: the database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from keyturn.cli.opened import DataDir, Json, Yes, confirm, require_data, settings_of
from keyturn.cli.output import print_result
from keyturn.server.opening import database_url
from keyturn.stores.keys import ensure_private_directory
from keyturn.stores.sql import backup as copies
from keyturn.system import SystemClock

app = typer.Typer(help="The database: bringing it up to date, copying it, putting a copy back.", no_args_is_help=True)


@app.command()
def upgrade(json: Json = False, data_dir: DataDir = None) -> None:
    """Bring the database up to date, or make it. A server does the same when it starts."""
    settings = settings_of(data_dir)
    ensure_private_directory(settings.data_dir)
    before, after = copies.upgrade(database_url(settings))
    sentence = f"The database is at revision {after} now; it was at {before or 'none: it is new'}."
    if before == after:
        sentence = f"The database is up to date (revision {after})."
    print_result({"before": before, "after": after}, sentence, json=json)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; it must not exist.")],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Copy the database into one file, whether or not the server runs.

    The copy holds no key and no token: a thief of it gets names, addresses and slow hashes of passwords. keys.json is
    copied by hand, and kept apart.
    """
    settings = settings_of(data_dir)
    require_data(settings)
    copied = copies.backup(database_url(settings), target)
    print_result({"file": str(target)} | asdict(copied), f"{target}: {_counted(copied)}", json=json)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `keyturn db backup` made.")],
    keep_sessions: Annotated[
        bool,
        typer.Option("--keep-sessions", help="Let those sessions go on that have not ended since the copy was made."),
    ] = False,
    yes: Yes = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Put a copy in the place of the database. Stop the server first.

    Everybody has to sign in again, unless you say otherwise. With --keep-sessions, sessions that the database of today knows to
    have ended stay ended; where there is none to ask, a session that ended after the copy was made comes back.
    """
    settings = settings_of(data_dir)
    url = database_url(settings)
    ensure_private_directory(settings.data_dir)
    if copies.exists(url):
        confirm("Replace the database? What was written since the copy was made is lost.", yes=yes)
    restored = copies.restore(url, source, now=SystemClock().now(), keep_sessions=keep_sessions)
    print_result(asdict(restored), f"restored: {_counted(restored)}", json=json)


def _counted(copied: copies.Copied) -> str:
    return f"users: {copied.users}, sessions that have not ended: {copied.live_sessions}"
