"""What is particular to SQLite: its files, its connections, how its transactions begin.

A file is made with mode 0600 before SQLite opens it, and SQLite gives its `-wal` and `-shm` the mode of the file. It is looked at
before anything is written: the file of another program is left as it was.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from keyturn.errors import SettingsError, StoreUnavailable

APPLICATION_ID = 0x4B54524E
"""In the header of every SQLite file of ours (`PRAGMA application_id`): "KTRN"."""

OLDEST_SQLITE = (3, 35)
"""The first with RETURNING."""

_SWITCH_ATTEMPTS = 10
_READERS = 8


def path_of(url: str) -> Path:
    """The file that a database URL names.

    Raises:
        SettingsError: it is no URL of an SQLite file.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("The database URL cannot be read. Write sqlite:////absolute/path.db.") from None
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise SettingsError(
            f"{parsed.drivername} is not supported: this version keeps its data in SQLite, and PostgreSQL is not supported by "
            "this version yet. Write sqlite:////absolute/path.db."
        )
    if parsed.query or not parsed.database or parsed.database == ":memory:":
        raise SettingsError("The database URL must name a file, without parameters: sqlite:////absolute/path.db.")
    return Path(parsed.database).absolute()


def prepare(path: Path, *, busy_timeout: float) -> None:
    """Make the file if there is none, and see that it is ours, marked as ours, and in write-ahead mode.

    Raises:
        SettingsError: it cannot be used as our database.
        StoreUnavailable: it is locked for longer than `busy_timeout`, in seconds.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise SettingsError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed.")
    try:
        _create(path)
        with closing(_connect(path, busy_timeout)) as connection:
            _mark_as_ours(connection, path)
            _write_ahead(connection, path)
    except (OSError, sqlite3.Error) as error:
        if _is_busy(error):
            raise StoreUnavailable from error
        raise SettingsError(f"{path} cannot be used as a database: {error}.") from error


def writer(path: Path, *, busy_timeout: float, attached: Mapping[str, str | Path] = {}) -> Engine:
    """An engine whose transactions hold the write lock from their beginning. It keeps no connection: its user does."""
    return _engine(path, busy_timeout, attached, begin="BEGIN IMMEDIATE", pool=NullPool)


def readers(path: Path, *, busy_timeout: float, attached: Mapping[str, str | Path] = {}) -> Engine:
    """An engine whose transactions can only read, and wait for no writer."""
    return _engine(path, busy_timeout, attached, begin="BEGIN", pool=QueuePool, query_only=True)


def _engine(
    path: Path,
    busy_timeout: float,
    attached: Mapping[str, str | Path],
    *,
    begin: str,
    pool: type[Pool],
    query_only: bool = False,
) -> Engine:
    limits = {"pool_size": _READERS, "max_overflow": -1} if pool is QueuePool else {}
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: _connect(path, busy_timeout, attached, query_only=query_only),
        poolclass=pool,
        hide_parameters=True,
        **limits,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _connect(
    path: Path, busy_timeout: float, attached: Mapping[str, str | Path] = {}, *, query_only: bool = False
) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and never makes a file."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # A commit is on the disk before it is acknowledged; on macOS that takes more than fsync.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    for name, file in attached.items():
        connection.execute(f'ATTACH DATABASE ? AS "{name}"', (f"{Path(file).absolute().as_uri()}?mode=rw",))
    connection.execute(f"PRAGMA query_only = {int(query_only)}")
    return connection


def _create(path: Path) -> None:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _mark_as_ours(connection: sqlite3.Connection, path: Path) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id == APPLICATION_ID:
        return
    if application_id or not _is_empty_or_restored(connection):
        raise SettingsError(f"{path} is a database of another program. Name another file; this one was not changed.")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _is_empty_or_restored(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing in it, or our tables from a dump in SQL, which does not carry the header."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "meta" not in tables:
        return not tables
    return connection.execute("SELECT * FROM meta WHERE name = 'application'").fetchall() == [
        ("application", "keyturn")
    ]


def _write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Switch the file to write-ahead mode. The switch itself does not wait for a lock, so wait for it first, and try again."""
    for _ in range(_SWITCH_ATTEMPTS):
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            continue
        if mode != "wal":
            raise SettingsError(
                f"{path} is on a file system without write-ahead logging. Keep the database on a local disk."
            )
        return
    raise StoreUnavailable


def _is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname.startswith(
        ("SQLITE_BUSY", "SQLITE_LOCKED")
    )
