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
            f"{parsed.drivername} is not supported: Keyturn keeps its data in SQLite or PostgreSQL. Write "
            "sqlite:////absolute/path.db or postgresql://user:password@host/name."
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
        create(path)
        with closing(connect(path, busy_timeout)) as connection:
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
        creator=lambda: connect(path, busy_timeout, attached, query_only=query_only),
        poolclass=pool,
        hide_parameters=True,
        **limits,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def connect(
    path: Path, busy_timeout: float, attached: Mapping[str, str | Path] = {}, *, query_only: bool = False
) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and never makes a file.

    Args:
        path: of the file.
        busy_timeout: how long it waits for a lock, in seconds.
        attached: further files, by the names to attach them under.
        query_only: whether it may only read.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # A commit is on the disk before it is acknowledged; on macOS that takes more than fsync.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    # What is deleted is overwritten in the file, as most builds of SQLite do unasked: an erased user is not to be found in it.
    connection.execute("PRAGMA secure_delete = ON")
    for name, file in attached.items():
        connection.execute(f'ATTACH DATABASE ? AS "{name}"', (f"{Path(file).absolute().as_uri()}?mode=rw",))
    connection.execute(f"PRAGMA query_only = {int(query_only)}")
    return connection


def empty_log(path: Path, busy_timeout: float = 5.0) -> bool:
    """Write the write-ahead log into the file and empty it: beside a running server it would go on holding what was deleted.

    Args:
        path: of the file.
        busy_timeout: how long to wait for those who are reading, in seconds.

    Returns:
        Whether it is empty; otherwise somebody read for longer than that.
    """
    with closing(connect(path, busy_timeout)) as connection:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def create(path: Path) -> None:
    """Make an empty file that only its user can read, if there is none."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _mark_as_ours(connection: sqlite3.Connection, path: Path) -> None:
    if is_ours(connection):
        return
    if _header(connection) or _tables(connection):
        raise SettingsError(f"{path} is a database of another program. Name another file; this one was not changed.")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether a database bears our mark, or has our tables from a dump in SQL, which does not carry it."""
    if _header(connection) == APPLICATION_ID:
        return True
    if _header(connection) or "meta" not in _tables(connection):
        return False
    found = connection.execute("SELECT * FROM meta WHERE name = 'application'").fetchall()
    return found == [("application", "keyturn")]


def _header(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


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
