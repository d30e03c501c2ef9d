"""`keyturn users export` and `erase`: giving out what is kept of people, and letting go of it."""

from __future__ import annotations

import csv
import json as json_
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from keyturn.cli.files import Format, escaped
from keyturn.cli.opened import DataDir, Json, Yes, confirm, opened, settings_of
from keyturn.cli.output import print_result
from keyturn.errors import InvalidInput
from keyturn.server.opening import database_url
from keyturn.server.outbox import outbox_of
from keyturn.service import administration
from keyturn.service.exporting import export_users, personal_data
from keyturn.service.records import COLUMNS, PASSWORD_HASH
from keyturn.stores.sql import postgresql, sqlite


def export(
    who: Annotated[
        str | None,
        typer.Argument(metavar="[USER]", help="One user, with all that is kept about them. Default: all users"),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="How all users are written. Default: as the file's name ends, or jsonl"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file to make, which only you can read; - is standard output, the default."
        ),
    ] = None,
    with_password_hashes: Annotated[
        bool, typer.Option("--with-password-hashes", help="To leave for another system. Name where to: --output.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Write all users in the form that `keyturn users import` reads, or all that is kept about one of them, as JSON."""
    if with_password_hashes and (output is None or who is not None):
        raise typer.BadParameter("--with-password-hashes is for all users, and needs --output FILE (or -).")
    if who is not None and format_ is not None:
        raise typer.BadParameter("One user is written as JSON, without --format.")
    chosen = format_ or (Format.CSV if output is not None and output.suffix.lower() == ".csv" else Format.JSONL)
    with opened(data_dir) as context, _target(output) as file:
        if who is not None:
            about = personal_data(context, administration.find_account(context, who))
            file.write(json_.dumps(about, indent=2, ensure_ascii=False) + "\n")
            return
        users = export_users(context, hashes=with_password_hashes)
        if chosen is Format.JSONL:
            file.writelines(json_.dumps(user, ensure_ascii=False) + "\n" for user in users)
        else:
            write_csv(file, users, [name for name in COLUMNS if with_password_hashes or name != PASSWORD_HASH])


def erase(
    who: Annotated[str, typer.Argument(metavar="USER", help="An e-mail address, a username or an id.")],
    yes: Yes = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Delete a user so that nothing in the database says that there was one. This cannot be undone.

    More than `delete`: what is left of the user's sessions, so that running servers refuse them, is nobody's. Copies of the
    database and logs are not touched.
    """
    with opened(data_dir) as context:
        user = administration.find_account(context, who).user
        confirm(f"Erase {user.email} ({user.id}) for good, with all that is kept about them?", yes=yes)
        administration.erase_user(context, user)
    settings = settings_of(data_dir)
    url = database_url(settings)
    log_is_empty = postgresql.is_meant(url) or sqlite.empty_log(sqlite.path_of(url))
    outbox = outbox_of(settings)
    if outbox is not None:
        outbox.forget(user.email)
    print_result(
        {"erased": user.id}, f"erased {user.id}; copies of the database and logs may still name them", json=json
    )
    if not log_is_empty:
        typer.echo(
            "keyturn: somebody reads the database: its write-ahead log names them until it is written over.", err=True
        )


@contextmanager
def _target(output: Path | None) -> Iterator[TextIO]:
    if output is None or str(output) == "-":
        yield sys.stdout
        return
    try:
        opened_file = os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise InvalidInput("output", f"{output} exists already; name a file that does not.") from None
    except OSError as error:
        raise InvalidInput("output", f"{output} cannot be made: {error.strerror}.") from None
    with os.fdopen(opened_file, "w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except BaseException:
            output.unlink()
            raise


def write_csv(file: TextIO, users: Iterable[dict[str, object]], columns: list[str]) -> None:
    """Write users as a table that `keyturn.cli.files.read_csv` reads again."""
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for user in users:
        writer.writerow({name: _cell(user[name]) for name in columns})


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        plain = all(isinstance(one, str) for one in value)
        return " ".join(value) if plain else json_.dumps(value, ensure_ascii=False)
    return "" if value is None else escaped(str(value))
