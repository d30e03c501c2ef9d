"""A PostgreSQL server for tests: a cluster of its own in a folder of its own, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Connection
from tests.support.history import Row, rows_in
from tests.support.programs import found
from tests.support.wire import free_port

from keyturn.ports import Clock
from keyturn.service.context import Context
from keyturn.stores.sql import postgresql
from keyturn.stores.sql.database import PostgresDatabase, SqlTransaction

_SETTINGS = {
    "max_connections": 200,
    "shared_buffers": "64MB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
    "log_min_messages": "fatal",
}


def _as_its_user(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else [*command]


class Cluster:
    """A PostgreSQL server.

    Args:
        settings: of its configuration, beyond ours.
        copy_of: an address to copy a running server from, as a standby; none: a new one.

    Attributes:
        port: on 127.0.0.1.
    """

    def __init__(self, *, copy_of: str | None = None, **settings: object) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="keyturn-postgres-"))
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self.data = self._folder / "data"
        self._numbers = count(1)
        self.port = free_port()
        if copy_of is None:
            self._run("initdb", "-U", "keyturn", "--auth=trust", "--no-sync", "-E", "UTF8", "-D", str(self.data))
        else:
            self._run("pg_basebackup", "-R", "-X", "stream", "-c", "fast", "-D", str(self.data), "-d", copy_of)
        lines = [f"{name} = '{value}'" for name, value in {**_SETTINGS, "port": self.port, **settings}.items()]
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        where = found(program)
        assert where is not None, program
        done = subprocess.run(
            _as_its_user([where, *arguments]), cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout

    def allow_standbys(self) -> None:
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 trust\n")
        self.execute("SELECT pg_reload_conf()")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(self._folder / "log"))

    def stop(self) -> None:
        """Stop it at once, in order."""
        self._run("pg_ctl", "stop", "-m", "fast", "-w", "-D", str(self.data))

    def kill(self) -> None:
        """Kill every process of it, as a crash of the machine would."""
        parent = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(parent, signal.SIGSTOP)
        listed = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout
        for process in (parent, *map(int, listed.split())):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            while Path(f"/proc/{process}").exists():
                time.sleep(0.01)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self.data))

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://keyturn:not-asked-for@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def rows(self, url: str) -> dict[str, Row]:
        """What a database of Keyturn's says of its sessions."""
        found = self.execute("SELECT encode(id, 'hex'), generation, end_reason FROM sessions", url.rpartition("/")[2])
        return rows_in(found)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """What a statement gives."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        """Stop it and leave nothing behind."""
        if (self.data / "postmaster.pid").exists():
            with suppress(AssertionError):  # it was killed
                self._run("pg_ctl", "stop", "-m", "immediate", "-w", "-D", str(self.data))
        shutil.rmtree(self._folder)


@contextmanager
def running(*, copy_of: str | None = None, **settings: object) -> Iterator[Cluster]:
    """A server for a while."""
    cluster = Cluster(copy_of=copy_of, **settings)
    try:
        yield cluster
    finally:
        cluster.remove()


class ClockedPostgres(PostgresDatabase):
    """A database whose time a test sets."""

    def __init__(self, url: str, clock: Clock) -> None:
        writers = postgresql.engine(url, patience=5)
        postgresql.prepare(writers)
        super().__init__(writers=writers, readers=postgresql.reading(writers))
        self._clock = clock

    def _transaction(self, connection: Connection) -> SqlTransaction:
        transaction = super()._transaction(connection)
        transaction.now = self._clock.now()  # in the place of what would be asked of the database
        return transaction


def clocked(context: Context) -> Context:
    """The context of a server over PostgreSQL, on a database whose time is the context's own."""
    database = context.database
    assert isinstance(database, PostgresDatabase)
    url = database._writers.url.render_as_string(hide_password=False)
    database.close()
    return replace(context, database=ClockedPostgres(url, context.clock))


def all_of(url: str, table: str) -> list[dict[str, Any]]:
    """Every row of a table, with ids as they are known elsewhere: in hexadecimal."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        rows = connection.execute(f'SELECT * FROM "{table}"'.encode()).fetchall()
    return [{key: value.hex() if isinstance(value, bytes) else value for key, value in row.items()} for row in rows]
