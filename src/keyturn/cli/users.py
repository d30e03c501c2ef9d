"""`keyturn users`: the people and services that sign in."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Annotated

import typer

from keyturn.cli.opened import DataDir, Json, Limit, Yes, confirm, opened, settings_of
from keyturn.cli.output import (
    SESSION_COLUMNS,
    print_facts,
    print_json,
    print_list,
    print_result,
    print_table,
    session_facts,
    session_row,
    short_moment,
    user_facts,
)
from keyturn.core.model import Account, User
from keyturn.core.passwords import MAX_LENGTH
from keyturn.errors import InvalidInput
from keyturn.service import administration
from keyturn.service.register import NewUser, create_user

app = typer.Typer(help="The people and services that sign in.", no_args_is_help=True)

ADMIN = "admin"

Who = Annotated[str, typer.Argument(metavar="USER", help="An e-mail address, a username or an id.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, also if that is a terminal.")
]


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="The e-mail address to sign in with.")],
    username: Annotated[str | None, typer.Option(help="A name to sign in with as well.")] = None,
    full_name: Annotated[str | None, typer.Option(help="How to address the person.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given more than once.")] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="The same as --role admin: for the first administrator.")
    ] = False,
    password_stdin: PasswordStdin = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Make an account.

    At a terminal the password is asked for, elsewhere it is read from standard input; it never stands on a command line. Works
    while the server runs, and before it has ever run.
    """
    roles = list(dict.fromkeys([*([ADMIN] if admin else []), *(role or [])]))
    settings_of(data_dir)  # what is wrong there is said before anybody types a password
    password = _password(from_stdin=password_stdin)
    with opened(data_dir, create=True) as context:
        user = create_user(context, NewUser(email, password, username, full_name, tuple(roles)))
    _report(user, f"created {user.email} ({user.id})", json=json)


@app.command("list")
def list_(
    role: Annotated[str | None, typer.Option(help="Only those with this role.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Only those who are disabled.")] = False,
    limit: Limit = 100,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """List users, in the order in which they were made."""
    with opened(data_dir) as context:
        chosen = (
            user
            for user in administration.list_users(context)
            if (role is None or role in user.roles) and (user.disabled or not disabled)
        )
        users = list(islice(chosen, limit + 1 if limit else None))
    columns = ("id", "e-mail", "username", "name", "roles", "made", "")
    print_list(users, limit, json=json, name="users", facts=user_facts, columns=columns, row=_row)


@app.command()
def show(who: Who, json: Json = False, data_dir: DataDir = None) -> None:
    """Show a user and the sessions of theirs that are alive."""
    with opened(data_dir) as context:
        account = administration.find_account(context, who)
        sessions = administration.sessions_of(context, account.user.id)
    if json:
        facts = user_facts(account.user) | {"has_password": account.password_hash is not None}
        print_json({"user": facts, "sessions": [session_facts(session) for session in sessions]})
        return
    print_facts(_details(account))
    if sessions:
        typer.echo()
        print_table(SESSION_COLUMNS, [session_row(session) for session in sessions])


@app.command()
def disable(who: Who, json: Json = False, data_dir: DataDir = None) -> None:
    """Disable a user: every session ends, and no password opens the account until it is enabled again."""
    _set_disabled(who, data_dir, disabled=True, json=json)


@app.command()
def enable(who: Who, json: Json = False, data_dir: DataDir = None) -> None:
    """Enable a user again. No session comes back: they sign in again."""
    _set_disabled(who, data_dir, disabled=False, json=json)


@app.command()
def unblock(who: Who, json: Json = False, data_dir: DataDir = None) -> None:
    """Forget every failed sign-in at a user's account: whoever was told to wait may try again at once.

    It changes neither the password nor a session, and does not enable a user who is disabled.
    """
    with opened(data_dir) as context:
        user = administration.find_account(context, who).user
        administration.unblock(context, user)
    _report(user, f"nobody has to wait at {user.email} ({user.id}) any more", json=json)


@app.command()
def delete(who: Who, yes: Yes = False, json: Json = False, data_dir: DataDir = None) -> None:
    """Delete a user: every session ends, and the names are free again. This cannot be undone."""
    with opened(data_dir) as context:
        user = administration.find_account(context, who).user
        confirm(f"Delete {user.email} ({user.id}) for good?", yes=yes)
        administration.delete_user(context, user.id)
    _report(user, f"deleted {user.email} ({user.id})", json=json)


@app.command("set-password")
def set_password(who: Who, password_stdin: PasswordStdin = False, json: Json = False, data_dir: DataDir = None) -> None:
    """Give a user another password; every session of theirs ends."""
    with opened(data_dir) as context:
        user = administration.find_account(context, who).user
        administration.set_password(context, user.id, _password(from_stdin=password_stdin))
    _report(user, f"{user.email} has another password; every session has ended", json=json)


@app.command("set-roles")
def set_roles(
    who: Who,
    roles: Annotated[list[str] | None, typer.Argument(help="All the roles that the user is to have.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Take away every role.")] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Replace a user's roles: `keyturn users set-roles alice admin staff`.

    Access tokens that say otherwise are refused within a second; their clients refresh and go on with the new roles.
    """
    if bool(roles) == none:
        raise typer.BadParameter("Name the roles, or --none.")
    with opened(data_dir) as context:
        before = administration.find_account(context, who).user
        user = administration.set_roles(context, before.id, tuple(roles or ()))
    _report(user, f"{user.email}: {_roles(before) or 'no roles'} -> {_roles(user) or 'no roles'}", json=json)


def _set_disabled(who: str, data_dir: DataDir, *, disabled: bool, json: bool) -> None:
    with opened(data_dir) as context:
        user = administration.find_account(context, who).user
        user = administration.set_disabled(context, user.id, disabled=disabled)
    _report(user, f"{'disabled' if disabled else 'enabled'} {user.email} ({user.id})", json=json)


def _report(user: User, sentence: str, *, json: bool) -> None:
    print_result({"user": user_facts(user)}, sentence, json=json)


def _password(*, from_stdin: bool) -> str:
    if not from_stdin and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    line = sys.stdin.readline(MAX_LENGTH + 2)
    if not line.rstrip("\r\n"):
        raise InvalidInput("password", "Standard input held no password.")
    return line.rstrip("\r\n")


def _roles(user: User) -> str:
    return ", ".join(user.roles)


def _row(user: User) -> list[str]:
    return [
        user.id,
        user.email,
        user.username or "",
        user.full_name or "",
        _roles(user),
        short_moment(user.created_at),
        "disabled" if user.disabled else "",
    ]


def _details(account: Account) -> dict[str, str]:
    user = account.user
    return {
        "id": user.id,
        "e-mail": user.email + ("" if user.email_verified else " (not verified)"),
        "username": user.username or "",
        "name": user.full_name or "",
        "roles": _roles(user),
        "made": short_moment(user.created_at),
        "password": "set" if account.password_hash is not None else "none: no password opens this account",
        "state": "disabled" if user.disabled else "enabled",
    }
