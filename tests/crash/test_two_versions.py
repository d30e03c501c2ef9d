"""A rollout: a server of this version and one of the next over one database, whose tables the next has extended meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData
from tests.support.client import EMAIL, PASSWORD
from tests.support.history import Row, rows_of, violations
from tests.support.load import Crowd, LoadClient, finish
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.revisions import newer_revisions
from tests.support.server import LiveServer
from tests.support.wire import Wire, bearer

from keyturn.stores import migrations
from keyturn.stores.sql import postgresql, sqlite
from keyturn.system import SystemClock

REVISIONS = [
    script.revision for script in ScriptDirectory.from_config(migrations._config(migrations.LOCATION)).walk_revisions()
][::-1]

NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{REVISIONS[-1]}"


def upgrade():
    op.add_column("users", sa.Column("locale", sa.Text))
    op.add_column("sessions", sa.Column("place", sa.Text, nullable=False, server_default=""))
    op.create_index("sessions_place", "sessions", ["place"])
    op.create_table("places", sa.Column("id", sa.Text, primary_key=True))
    op.execute("UPDATE sessions SET place = 'somewhere'")
"""
"""What the next version might do to the tables: it adds, and what it adds this version can leave out."""


@dataclass
class Rollout:
    """A database that two versions are at work on.

    Attributes:
        url: of the database; none: in the data directory.
        engine: for the next version's upgrade.
        rows: what it says of sessions.
    """

    url: str | None
    engine: Engine
    rows: Callable[[], dict[str, Row]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def rollout(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollout]:
    if request.param == "sqlite":
        file = tmp_path / "data" / "keyturn.db"
        yield Rollout(None, sqlite.writer(file, busy_timeout=5), lambda: rows_of(file))
    else:
        postgres: Cluster = request.getfixturevalue("postgres")
        url = postgres.database()
        engine = postgresql.engine(url, patience=5)
        yield Rollout(url, engine, lambda: postgres.rows(url))
        engine.dispose()


@pytest.fixture
def newer(tmp_path: Path) -> str:
    """The revisions of the next version."""
    return newer_revisions(tmp_path / "migrations", NEXT)


def in_turn(one: LoadClient, other: LoadClient, times: int) -> None:
    """Let a session be refreshed at two servers alternately."""
    for _ in range(times):
        for here, there in ((one, other), (other, one)):
            there.session, there.token = here.session, here.token
            assert there.refresh() == 200


def test_a_server_of_this_version_and_one_of_the_next_serve_the_same_sessions(
    rollout: Rollout, newer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Z5."""
    settings: dict[str, Any] = {
        "refresh_window": "0s",
        "issuer": "http://localhost",
        "database_url": rollout.url,
        "clock": SystemClock(),
    }
    with ExitStack() as stack:
        old = stack.enter_context(LiveServer(tmp_path / "data", **settings))
        crowd = Crowd(old.url, 4)
        threads = crowd.start(restless={0: 3})
        crowd.wait_for(20)
        with rollout.engine.begin() as connection:
            migrations.upgrade(connection, location=newer)
        crowd.wait_for(20)
        crowd.stop()
        finish(threads)
        assert {event.status for event in crowd.events} <= {200, 201, 204}

        monkeypatch.setattr(migrations, "LOCATION", newer)
        new = stack.enter_context(LiveServer(tmp_path / "data", **settings))
        elsewhere = [LoadClient(new.url) for _ in crowd.clients]
        for here, there in zip(crowd.clients, elsewhere, strict=True):
            if not here.token:
                assert here.sign_in() == 200
            in_turn(here, there, 5)
        assert elsewhere[0].sign_out() == 204
        assert crowd.clients[0].refresh() == 403
        _tokens_are_everybodys(old, new)
        _tokens_are_everybodys(new, old)
        for client in (*crowd.clients, *elsewhere):
            client.close()
        assert (
            violations([event for client in (*crowd.clients, *elsewhere) for event in client.events], rollout.rows())
            == []
        )


def _tokens_are_everybodys(one: LiveServer, other: LiveServer) -> None:
    """What one server issued the other takes; whom one has signed out the other knows."""
    with Wire(one.address, host="localhost") as here, Wire(other.address, host="localhost") as there:
        opened = here.call("POST", "/login", {"login": EMAIL, "password": PASSWORD, "delivery": "body"}).json
        headers = [bearer(opened["access_token"])]
        assert there.call("GET", "/me", headers=headers).status == 200
        assert there.call("GET", "/verify", headers=headers).status == 204
        assert there.call("POST", "/refresh-token", {"refresh_token": opened["refresh_token"]}).status == 200
        assert there.call("POST", "/logout", headers=headers).status == 204
        assert here.call("GET", "/me", headers=headers).status == 401
        assert here.call("POST", "/refresh-token", {"refresh_token": opened["refresh_token"]}).status == 403


def _upgraded(connection: Connection, revision: str) -> MetaData:
    """The tables after an upgrade to a revision."""
    config = migrations._config(migrations.LOCATION)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    found = MetaData()
    found.reflect(connection)
    return found


@pytest.mark.parametrize(("before", "after"), list(pairwise(REVISIONS)))
def test_a_revision_only_adds_and_what_it_adds_the_version_before_may_leave_out(before: str, after: str) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        old, new = _upgraded(connection, before), _upgraded(connection, after)
        assert old.tables.keys() <= new.tables.keys()
        for name, table in old.tables.items():
            assert {(column.name, str(column.type), column.nullable) for column in table.columns} <= {
                (column.name, str(column.type), column.nullable) for column in new.tables[name].columns
            }
            added = [column for column in new.tables[name].columns if column.name not in table.columns]
            assert all(column.nullable or column.server_default is not None for column in added)
            unique = {index.name for index in new.tables[name].indexes if index.unique}
            assert unique <= {index.name for index in table.indexes}
    engine.dispose()
