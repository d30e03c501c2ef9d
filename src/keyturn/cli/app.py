"""The commands."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from keyturn.cli import check, database, exporting, importing, keys, mail, sessions, token, users
from keyturn.cli.opened import DataDir
from keyturn.server.settings import Settings, load_settings

app = typer.Typer(
    epilog="A server: keyturn serve. The first administrator: keyturn users create you@example.com --admin. "
    "Before it goes live: keyturn check. Exit codes: 0 done, 1 not done (standard error says why), 2 not understood.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(users.app, name="users")
users.app.command("import")(importing.import_)
users.app.command()(exporting.export)
users.app.command()(exporting.erase)
app.add_typer(sessions.app, name="sessions")
app.add_typer(keys.app, name="keys")
app.add_typer(mail.app, name="mail")
app.add_typer(database.app, name="db")
app.add_typer(token.app, name="token")
app.command("check")(check.check)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"keyturn {version('keyturn')}")
        raise typer.Exit


@app.callback()
def main(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keyturn: sign in once, stay signed in."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0: any free one. Default: 8000")] = None,
    workers: Annotated[
        int | None, typer.Option(help="How many processes answer, behind one socket. Default: 1")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the server.

    Every setting can also be given as KEYTURN_… in the environment, or in the TOML file that KEYTURN_CONFIG names.
    """
    # What answers requests is imported where somebody serves: no other command needs it.
    from keyturn.server.serve import serve as run_server

    settings = load_settings({"host": host, "port": port, "workers": workers, "data_dir": data_dir})
    run_server(settings, lambda issuer: _announce(settings, issuer, data_dir))


def _announce(settings: Settings, issuer: str, data_dir: Path | None) -> None:
    where = "the configured database" if settings.database_url is not None else settings.data_dir.absolute()
    lines = [f"Keyturn answers at {issuer}", f"Data: {where}"]
    if settings.registration == "open":
        lines.append(f"Registration is open: POST {issuer}{settings.base_path}/register")
    lines.append(f"To make a user: {_to_make_a_user(data_dir)}")
    typer.echo("\n".join(lines))
    sys.stdout.flush()


def _to_make_a_user(data_dir: Path | None) -> str:
    """What to type in a shell for an account here, also where the environment is not on the PATH."""
    program = "keyturn" if shutil.which("keyturn") else str(Path(sys.executable).with_name("keyturn"))
    here = ["--data-dir", str(data_dir.absolute())] if data_dir else []
    return shlex.join([program, "users", "create", "you@example.com", *here])
