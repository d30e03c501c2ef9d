"""`keyturn sessions`: who is signed in, and ending it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from keyturn.cli.opened import DataDir, Json, Limit, Yes, confirm, opened
from keyturn.cli.output import SESSION_COLUMNS, print_list, print_result, session_facts, session_row
from keyturn.service import administration

app = typer.Typer(help="Who is signed in, and ending it.", no_args_is_help=True)


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Argument(help="Only those of this user: e-mail address, username or id.")] = None,
    limit: Limit = 100,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """List the sessions that are alive, the newest first."""
    with opened(data_dir) as context:
        if user is None:
            sessions = administration.newest_sessions(context, limit + 1 if limit else sys.maxsize)
        else:
            sessions = administration.sessions_of(context, administration.find_account(context, user).user.id)
    print_list(
        sessions, limit, json=json, name="sessions", facts=session_facts, columns=SESSION_COLUMNS, row=session_row
    )


@app.command()
def end(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The sessions to end.")] = None,
    user: Annotated[str | None, typer.Option(help="End every session of this user.")] = None,
    everybody: Annotated[bool, typer.Option("--everybody", "--all", help="End every session there is.")] = False,
    yes: Yes = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """End sessions: some, all of a user, or all there are.

    A running server refuses their access tokens within a second, and tells their clients the reason `revoked`.
    """
    if (bool(ids), user is not None, everybody).count(True) != 1:
        raise typer.BadParameter("Name the sessions, or one of --user and --everybody.")
    with opened(data_dir) as context:
        if user is not None:
            found = administration.find_account(context, user).user
            count = administration.end_sessions_of(context, found.id)
        elif everybody:
            confirm("End every session there is? Everybody has to sign in again.", yes=yes)
            count = administration.end_all_sessions(context)
        else:
            count = administration.end_each(context, ids or [])
    print_result({"ended": count}, f"ended {count} session{'' if count == 1 else 's'}", json=json)
