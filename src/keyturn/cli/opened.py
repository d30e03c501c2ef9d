"""What the commands work on: the settings, the data directory, the database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from keyturn.errors import SettingsError
from keyturn.server.opening import database_url, open_context
from keyturn.server.settings import Settings, load_settings
from keyturn.service.context import Context
from keyturn.stores.sql import backup

DataDir = Annotated[
    Path | None, typer.Option(help="Where the keys and the SQLite database are. Default: ./keyturn-data")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option(min=0, help="How many to list at most; 0: all.")]


def settings_of(data_dir: Path | None) -> Settings:
    """The settings, as the server would find them.

    Raises:
        SettingsError
    """
    return load_settings({"data_dir": data_dir})


@contextmanager
def opened(data_dir: Path | None, *, create: bool = False, issuer: str | None = None) -> Iterator[Context]:
    """Open everything that a server would open.

    Args:
        data_dir: as given on the command line.
        create: whether to make it if it is not there: a mistyped name is to be an error otherwise.
        issuer: the public URL, for a command that looks at tokens; for the others it does not matter.

    Raises:
        SettingsError, StoreUnavailable
    """
    settings = settings_of(data_dir)
    if not create:
        require_data(settings)
    with working_on(settings, issuer=issuer) as context:
        yield context


@contextmanager
def working_on(settings: Settings, *, issuer: str | None = None) -> Iterator[Context]:
    """Open what settings name; what is not there yet is made. Arguments and errors are those of `opened`."""
    context = open_context(settings, issuer or settings.issuer or "http://localhost", rotate=False)
    try:
        yield context
    finally:
        context.database.close()


def elsewhere(settings: Settings, data_dir: Path) -> Settings:
    """The same settings, but for an SQLite database in another directory."""
    return settings.model_copy(update={"data_dir": data_dir, "database_url": None})


def exists(settings: Settings) -> bool:
    """Whether there is a database where they say."""
    return backup.exists(database_url(settings))


def require_data(settings: Settings) -> None:
    """Refuse to work where no server has ever been.

    Raises:
        SettingsError
    """
    if not exists(settings):
        where = "where KEYTURN_DATABASE_URL points" if settings.database_url else f"in {settings.data_dir}"
        raise SettingsError(
            f"There is no Keyturn database {where}. Name the directory with --data-dir, or make it: keyturn db upgrade."
        )


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a yes, nothing is done and the exit code is 1."""
    if yes:
        return
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
