"""The commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from keyturn.core.passwords import MAX_LENGTH
from keyturn.errors import InvalidInput
from keyturn.server.serve import serve as run_server
from keyturn.server.settings import Settings, load_settings
from keyturn.server.wiring import open_context
from keyturn.service.register import NewUser, create_user

app = typer.Typer(
    help="Keyturn: sign in once, stay signed in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
users = typer.Typer(help="The people and services that sign in.", no_args_is_help=True)
app.add_typer(users, name="users")

DataDir = Annotated[
    Path | None, typer.Option(help="Where the keys and the SQLite database are. Default: ./keyturn-data")
]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0: any free one. Default: 8000")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the server.

    Every setting can also be given as KEYTURN_… in the environment, or in the TOML file that KEYTURN_CONFIG names.
    """
    settings = load_settings({"host": host, "port": port, "data_dir": data_dir})
    run_server(settings, lambda issuer: _announce(settings, issuer))


@users.command()
def create(
    email: Annotated[str, typer.Argument(help="The e-mail address to sign in with.")],
    username: Annotated[str | None, typer.Option(help="A name to sign in with as well.")] = None,
    full_name: Annotated[str | None, typer.Option(help="How to address the person.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given more than once.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make an account. The password is asked for, or read from standard input; it never stands on a command line."""
    settings = load_settings({"data_dir": data_dir})
    password = (
        _read_password() if password_stdin else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    # No token is made here, so the port that stands in for one in the public URL does not matter.
    context = open_context(settings, settings.issuer or "http://localhost")
    try:
        user = create_user(context, NewUser(email, password, username, full_name, tuple(role or ())))
    finally:
        context.database.close()
    typer.echo(f"created {user.email} ({user.id})")


def _read_password() -> str:
    line = sys.stdin.readline(MAX_LENGTH + 2)
    if not line.rstrip("\r\n"):
        raise InvalidInput("password", "Standard input held no password.")
    return line.rstrip("\r\n")


def _announce(settings: Settings, issuer: str) -> None:
    where = "the configured database" if settings.database_url is not None else settings.data_dir.absolute()
    lines = [f"Keyturn answers at {issuer}", f"Data: {where}"]
    if settings.registration == "open":
        lines.append(f"Registration is open: POST {issuer}{settings.base_path}/register")
    lines.append("To make a user: keyturn users create you@example.com")
    typer.echo("\n".join(lines))
    sys.stdout.flush()
