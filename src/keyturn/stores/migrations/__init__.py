"""The history of the tables, one revision a file, run by Alembic when a database is opened.

A revision never changes once it was released. It only adds what the version before it can live with, because the two run side by
side during a rollout.
"""

from __future__ import annotations

import threading

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from keyturn.errors import SettingsError

LOCATION = "keyturn.stores:migrations"

# Alembic keeps the migration that it is running in module globals.
_ONE_AT_A_TIME = threading.Lock()


def revision(connection: Connection) -> str | None:
    """The revision that a database is at; none: it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def is_newest(connection: Connection) -> bool:
    """Whether there is nothing to upgrade."""
    return revision(connection) == ScriptDirectory.from_config(_config(LOCATION)).get_current_head()


def _config(location: str) -> Config:
    config = Config()
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    return config


def upgrade(connection: Connection, *, location: str = LOCATION) -> None:
    """Bring the tables to the newest revision, within the transaction that the connection has begun.

    Args:
        connection: in a transaction that keeps other writers out.
        location: where the revisions are, as Alembic names it.

    Raises:
        SettingsError: the database is at a revision that is not known here.
    """
    config = _config(location)
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = revision(connection)
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise SettingsError(
            f"The database is at revision {current}, which this version does not know: a newer version of Keyturn has upgraded "
            "it. Run that version, or restore a backup from before the upgrade."
        )
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
