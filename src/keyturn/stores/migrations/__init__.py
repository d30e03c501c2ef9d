"""The history of the tables, one revision a file, run by Alembic when a database is opened.

A revision never changes once it was released. It only adds what the version before it can live with, because the two run side by
side during a rollout.
"""

from __future__ import annotations

import threading
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

from keyturn.errors import SettingsError

if TYPE_CHECKING:
    from alembic.config import Config

LOCATION = str(files("keyturn.stores") / "migrations")

# Alembic keeps the migration that it is running in module globals.
_ONE_AT_A_TIME = threading.Lock()

_VERSIONS = table("alembic_version", column("version_num"))


def revision(connection: Connection) -> str | None:
    """The revision that a database is at; none: it is empty."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    found: str | None = connection.execute(select(_VERSIONS.c.version_num)).scalar()
    return found


def is_newest(connection: Connection, location: str | None = None) -> bool:
    """Whether there is nothing to upgrade."""
    newest = max(path.name for path in (Path(location or LOCATION) / "versions").glob("r[0-9]*.py"))
    return revision(connection) == newest[1:5]


def _config(location: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    return config


def upgrade(connection: Connection, *, location: str = LOCATION) -> None:
    """Bring the tables to the newest revision, within the transaction that the connection has begun.

    Args:
        connection: in a transaction that keeps other writers out.
        location: the folder of the revisions.

    Raises:
        SettingsError: the database is at a revision that is not known here.
    """
    if is_newest(connection, location):
        return
    # Only here: it takes as long to load as everything else that a database needs.
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config(location)
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = revision(connection)
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise SettingsError(
            f"The database is at revision {current}, which this version does not know: a newer version of Keyturn has upgraded "
            "it. Run that version, or restore a backup from before the upgrade."
        )
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
