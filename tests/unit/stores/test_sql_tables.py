"""The tables, how they came to be, and which index answers which question."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Executable
from sqlalchemy.dialects.sqlite import dialect
from tests.support.revisions import newer_revisions, newest_revision

from keyturn.core.model import Account
from keyturn.errors import SettingsError
from keyturn.ports import SWAPPED_FIELDS
from keyturn.stores import migrations
from keyturn.stores.sql import SqlDatabase, batches, open_database, sessions, sqlite, tables, users
from keyturn.testing.fakes import FakeClock
from keyturn.testing.store_contract import sample_user

NOW = FakeClock().now()

NEXT_REVISION = f"""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest_revision()}"


def upgrade() -> None:
    op.add_column("users", sa.Column("locale", sa.Text))
    op.execute("UPDATE users SET locale = 'en'")
"""


def test_the_migrations_lead_to_the_tables_that_the_queries_are_written_for(database: SqlDatabase, path: Path) -> None:
    engine = sqlite.writer(path, busy_timeout=1)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


@pytest.fixture
def newer(tmp_path: Path) -> str:
    """The revisions of the next version."""
    return newer_revisions(tmp_path / "migrations", NEXT_REVISION)


def test_a_database_of_an_older_revision_is_upgraded_and_keeps_its_data(url: str, path: Path, newer: str) -> None:
    account = Account(sample_user(username="kim"), "hash")
    database = open_database(url, clock=FakeClock())
    database.transact(lambda t: t.users.insert(account))
    for _ in range(2):
        with sqlite.writer(path, busy_timeout=1).begin() as connection:
            migrations.upgrade(connection, location=newer)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, locale FROM users").fetchall() == [("u1", "en")]
    # The version before, still running beside it, goes on.
    assert database.transact(lambda t: t.users.lock("u1")) == account
    database.close()


def test_a_database_that_a_newer_version_has_upgraded_is_refused(url: str, path: Path, newer: str) -> None:
    open_database(url, clock=FakeClock()).close()
    with sqlite.writer(path, busy_timeout=1).begin() as connection:
        migrations.upgrade(connection, location=newer)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="revision 9999"):
        open_database(url, clock=FakeClock())
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: str, path: Path, newer: str) -> None:
    open_database(url, clock=FakeClock()).close()
    broken = Path(newer) / "versions" / "r9999_next.py"
    broken.write_text(NEXT_REVISION.replace("SET locale", "SET nonsense"))
    with pytest.raises(Exception, match="nonsense"), sqlite.writer(path, busy_timeout=1).begin() as connection:
        migrations.upgrade(connection, location=newer)
    database = open_database(url, clock=FakeClock())
    database.transact(lambda t: t.users.insert(Account(sample_user(), None)))
    database.close()


def test_a_rotation_changes_no_column_that_is_indexed() -> None:
    indexed = {column.name for index in tables.sessions.indexes for column in index.columns}
    assert indexed == {"user_id", "expires_at", "ended_at"}
    # The index on ended_at holds ended sessions alone, and no rotation has one.
    assert indexed & set(SWAPPED_FIELDS) == {"ended_at"}


def plan(path: Path, statement: Executable) -> str:
    compiled = statement.compile(dialect=dialect(), compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {compiled}", [1] * len(compiled.positiontup or ())).fetchall()
    return "; ".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sessions._JOINED.many["sqlite"], "sqlite_autoindex_sessions_1"),
        (batches.SWAP["sqlite"], "sqlite_autoindex_sessions_1"),
        (sessions._JOINED.live_of_user, "sessions_user_id"),
        (sessions._DEVICES, "sessions_user_id"),
        (sessions._END, "sessions_user_id"),
        (sessions._FORGET, "sessions_user_id"),
        (sessions._ENDED, "sessions_ended_at"),
        (sessions._PURGE, "sessions_expires_at"),
        (users._NEXT_PAGE, "users_created_at"),
        (users._STALE, "users_tokens_valid_from"),
        (users._FIND_BY_EMAIL, "sqlite_autoindex_users_2"),
        (users._FIND_BY_USERNAME, "sqlite_autoindex_users_3"),
    ],
)
def test_every_question_is_answered_from_an_index(
    database: SqlDatabase, path: Path, statement: Executable, index: str
) -> None:
    steps = plan(path, statement)
    assert index in steps
    # Only what came as a parameter is read from end to end.
    assert "SCAN" not in re.sub(r"SCAN (\w+ VIRTUAL TABLE|row\b)", "", steps)
