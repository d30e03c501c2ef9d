"""Copies of the SQLite database: made while it is in use, put back while it is not.

A copy holds what the database holds, and so no key and no token. What is put back revives no session: all of them are ended,
or, if they are to be kept, those that ended since the copy was made.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from keyturn.core.model import EndReason, Micros
from keyturn.errors import SettingsError
from keyturn.stores import migrations
from keyturn.stores.sql import postgresql, sqlite
from keyturn.stores.sql.tables import sessions

_PATIENCE = 1.0
"""Seconds to wait for a lock."""

_NOT_COPIED = ("ended_at", "end_reason", "device_label", "device_address")
_COPIED = ", ".join(column.name for column in sessions.columns if column.name not in _NOT_COPIED)

# What became of sessions since the copy was made: those that ended, and those that it does not know.
_CARRY_ENDS = """
UPDATE restored.sessions AS old
SET ended_at = new.ended_at, end_reason = new.end_reason, version = old.version + 1
FROM main.sessions AS new
WHERE new.id = old.id AND new.ended_at IS NOT NULL AND old.ended_at IS NULL
"""
_CARRY_TOMBSTONES = f"""
INSERT INTO restored.sessions ({_COPIED}, ended_at, end_reason, device_label, device_address)
SELECT {_COPIED}, coalesce(ended_at, :now), coalesce(end_reason, :reason), '', '' FROM main.sessions
WHERE id NOT IN (SELECT id FROM restored.sessions)
"""  # noqa: S608 the names are ours
# The keys in use are no matter of the copy's age.
_CARRY_KEYS = """
INSERT OR REPLACE INTO restored.meta SELECT * FROM main.meta WHERE name IN ('access_key', 'refresh_key')
"""
_END_ALL = "UPDATE sessions SET ended_at = ?, end_reason = ?, version = version + 1 WHERE ended_at IS NULL"

# A token of the copy may have been used since, and a mail sent.
_FORGET_MAIL = ("DELETE FROM one_time_tokens", "DELETE FROM mails")


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds, or what was put back.

    Attributes:
        users: how many accounts.
        live_sessions: how many sessions that have not ended.
    """

    users: int
    live_sessions: int


def exists(url: str) -> bool:
    """Whether there is a database of ours at a URL, or with SQLite a file that may be one.

    Raises:
        SettingsError: the URL cannot be used.
    """
    if postgresql.is_meant(url):
        return postgresql.revision_of(url) is not None
    return sqlite.path_of(url).exists()


def upgrade(url: str) -> tuple[str | None, str | None]:
    """Bring a database to the newest revision, or make one.

    Returns:
        The revision before (none: there was no database) and after.

    Raises:
        SettingsError, StoreUnavailable
    """
    if postgresql.is_meant(url):
        return postgresql.upgrade(url)
    path = sqlite.path_of(url)
    sqlite.prepare(path, busy_timeout=_PATIENCE)
    with sqlite.writer(path, busy_timeout=_PATIENCE).begin() as connection:
        before = migrations.revision(connection)
        migrations.upgrade(connection)
        return before, migrations.revision(connection)


def backup(url: str, target: Path) -> Copied:
    """Copy a database as it is at this moment, whether or not a server is running. The copy is one file, for its user alone.

    Args:
        url: of the database.
        target: the file to make; it must not exist.

    Raises:
        SettingsError: there is nothing to copy, it is not ours, or the copy cannot be written. No copy is left then.
    """
    path = _file_of(url, "Copy it with pg_dump: docs/postgresql.md says how.")
    if target.exists():
        raise SettingsError(f"{target} exists already. Name another file; nothing was overwritten.")
    with _speaking_of(target), _scratch(target) as scratch:
        with closing(_open_existing(path)) as source:
            _copy(source, scratch)
        copied = _counted(scratch)
        scratch.replace(target)
        _sync_directory(target.parent)
    return copied


def restore(url: str, source: Path, *, now: Micros, keep_sessions: bool = False) -> Copied:
    """Put a copy in the place of a database that nobody is using. It happens as a whole or not at all; the copy stays as it is.

    Args:
        url: of the database; made if there is none.
        source: the copy.
        now: the time at which sessions end, in microseconds since the epoch.
        keep_sessions: whether sessions go on that have not ended since the copy was made.

    Raises:
        SettingsError: the copy is damaged, not ours or of a newer version; or a server is running on the database.
    """
    path = _file_of(url, "Put a copy back with pg_restore, then end what it revives: keyturn sessions end --all.")
    with _speaking_of(path), _scratch(path) as scratch:
        with _speaking_of(source), closing(_open_existing(source)) as opened:
            _copy(opened, scratch)
        with _speaking_of(source), sqlite.writer(scratch, busy_timeout=_PATIENCE).begin() as connection:
            migrations.upgrade(connection)
        if path.exists():
            sqlite.prepare(path, busy_timeout=_PATIENCE)
            with sqlite.writer(path, busy_timeout=_PATIENCE).begin() as connection:
                migrations.upgrade(connection)
        else:
            sqlite.create(path)
        with closing(_alone(path)) as replaced:
            _end_sessions(replaced, scratch, now, keep_sessions=keep_sessions)
            with closing(sqlite.connect(scratch, _PATIENCE)) as candidate:
                candidate.backup(replaced)
        return _counted(path)


def _file_of(url: str, otherwise: str) -> Path:
    if postgresql.is_meant(url):
        raise SettingsError(f"The database is PostgreSQL. {otherwise}")
    return sqlite.path_of(url)


def _open_existing(path: Path) -> sqlite3.Connection:
    """A connection to a whole database of ours.

    Raises:
        SettingsError: there is none.
    """
    if not path.is_file():
        raise SettingsError(f"There is no database at {path}.")
    with ExitStack() as stack:
        connection = stack.enter_context(closing(sqlite.connect(path, _PATIENCE, query_only=True)))
        _check_whole_and_ours(connection, path)
        stack.pop_all()
    return connection


def _check_whole_and_ours(connection: sqlite3.Connection, path: Path) -> None:
    if not sqlite.is_ours(connection):
        raise SettingsError(f"{path} is not a database of Keyturn.")
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise SettingsError(f"{path} is damaged. Take another copy.")


def _copy(source: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite.connect(target, _PATIENCE)) as copy:
        source.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _counted(path: Path) -> Copied:
    with closing(sqlite.connect(path, _PATIENCE, query_only=True)) as connection:
        (users,) = connection.execute("SELECT count(*) FROM users").fetchone()
        (live,) = connection.execute("SELECT count(*) FROM sessions WHERE ended_at IS NULL").fetchone()
    return Copied(users, live)


def _alone(path: Path) -> sqlite3.Connection:
    """A connection that no other stands beside: leaving the write-ahead mode takes that.

    Raises:
        SettingsError: a server, or another program, has it open.
    """
    connection = sqlite.connect(path, _PATIENCE)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        connection.close()
        raise SettingsError(f"{path} is in use: stop the server first. Nothing was changed.") from None
    return connection


def _end_sessions(replaced: sqlite3.Connection, scratch: Path, now: Micros, *, keep_sessions: bool) -> None:
    """End the sessions of the copy, with what the database that it replaces knows of them."""
    if sqlite.is_ours(replaced):
        replaced.execute("ATTACH DATABASE ? AS restored", (f"{scratch.absolute().as_uri()}?mode=rw",))
        replaced.execute("BEGIN")
        replaced.execute(_CARRY_KEYS)
        replaced.execute(_CARRY_ENDS)
        replaced.execute(_CARRY_TOMBSTONES, {"now": now, "reason": EndReason.REVOKED.value})
        replaced.execute("COMMIT")
        replaced.execute("DETACH DATABASE restored")
    with closing(sqlite.connect(scratch, _PATIENCE)) as candidate:
        for statement in _FORGET_MAIL:
            candidate.execute(statement)
        if not keep_sessions:
            candidate.execute(_END_ALL, (now, EndReason.REVOKED.value))


@contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """A file for its user alone, to work on, next to another; gone afterwards unless it was moved."""
    scratch = beside.with_name(f".{beside.name}.{os.getpid()}.part")
    try:
        os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield scratch
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{scratch}{suffix}").unlink()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _speaking_of(path: Path) -> Iterator[None]:
    """Name the file in what SQLite or the system has to say."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{path}: {what}. Nothing was changed.") from error
