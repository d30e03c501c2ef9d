"""The real flows over a real SQLite file, which can be reopened, copied, and replaced by its copy."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.postgres import ClockedPostgres, Cluster, all_of

from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, AccessClaims, Policy
from keyturn.hashing import Argon2Hasher
from keyturn.service.context import Context
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import Tokens
from keyturn.stores.keys import new_key
from keyturn.stores.sql import SqlDatabase, open_database
from keyturn.testing.fakes import FakeClock, SeededEntropy

DAY = 86_400 * SECOND
WINDOW, LIFE, THROTTLE = 30 * SECOND, 10 * SECOND, 5 * SECOND
IDLE, ABSOLUTE = 2 * DAY, 3 * DAY
POLICY = Policy(window=WINDOW, idle_lifetime=IDLE, session_lifetime=ABSOLUTE)


@cache
def _rings() -> tuple[KeyRing, KeyRing]:
    return KeyRing((new_key("access", "HS256", 0),)), KeyRing((new_key("refresh", "HS256", 0),))


@cache
def _empty_database() -> bytes:
    """A database without a row, made once: a test that begins a thousand times need not migrate a thousand times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_database(f"sqlite:///{path}", clock=FakeClock()).close()
        return path.read_bytes()


def _fast_folder() -> str | None:
    """Memory, where there is such a folder: what survives a crash is for other tests to say."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class Stage:
    """What the flows need, and what a test does to it.

    Attributes:
        context: for the flows.
        clock: stands still until it is told.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="keyturn-", dir=_fast_folder())
        self._file = Path(self._folder.name) / "keyturn.db"
        self._copy = Path(self._folder.name) / "copy.db"
        self._file.write_bytes(_empty_database())
        self.clock = FakeClock()
        entropy = SeededEntropy()
        access, refresh = _rings()
        issuer = "https://auth.example"
        self.context = Context(
            database=self._opened(),
            hasher=Argon2Hasher(entropy, memory_kib=8, time_cost=1),
            clock=self.clock,
            entropy=entropy,
            policy=POLICY,
            tokens=Tokens(issuer, issuer, POLICY, access, refresh),
            revocations=Revocations(POLICY),
        )

    def _opened(self) -> SqlDatabase:
        return open_database(f"sqlite:///{self._file}", clock=self.clock)

    def reopen(self) -> None:
        """Close the database and open it again, as a restart does; what was kept in memory is gone."""
        self.context.database.close()
        self.context = replace(self.context, database=self._opened(), revocations=Revocations(POLICY))

    def copy(self) -> None:
        """Keep a copy of the database as it is."""
        with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(self._copy)) as target:
            source.backup(target)

    def fall_back(self) -> None:
        """The copy takes the place of the database: whatever was written since is lost."""
        self.context.database.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)
        shutil.copy(self._copy, self._file)
        self.reopen()

    def rows(self) -> dict[str, dict[str, Any]]:
        """The sessions' rows as they lie in the file, by id."""
        with closing(sqlite3.connect(self._file)) as connection:
            connection.row_factory = sqlite3.Row
            return {row["id"]: dict(row) for row in connection.execute("SELECT * FROM sessions")}

    def advance(self, micros: int) -> None:
        self.clock.time += micros
        self.clock.uptime += micros

    def claims(self, user: str, session: str) -> AccessClaims:
        """What a verified access token of a session says."""
        now = self.clock.now() // SECOND
        return AccessClaims(user, session, "0" * 24, now, now + 600, now)

    def close(self) -> None:
        self.context.database.close()
        self._folder.cleanup()


class PostgresStage(Stage):
    """The same over PostgreSQL; a copy of the database is a database made from it.

    Args:
        cluster: where to make databases.
        level: at which transactions are isolated.
    """

    def __init__(self, cluster: Cluster, level: str) -> None:
        self._cluster = cluster
        self._level = level.replace(" ", r"\ ")
        self._name = cluster.database().rpartition("/")[2]
        super().__init__()

    def _opened(self) -> SqlDatabase:
        # In the URL, since a database that is made from a copy forgets its settings.
        options = quote(f"-c default_transaction_isolation={self._level}")
        return ClockedPostgres(f"{self._cluster.url(self._name)}?options={options}", self.clock)

    def copy(self) -> None:
        self.context.database.close()
        self._cluster.execute(f"DROP DATABASE IF EXISTS {self._name}_copy")
        self._cluster.execute(f"CREATE DATABASE {self._name}_copy TEMPLATE {self._name}")
        # What was kept in memory stays: only the connections are new.
        self.context = replace(self.context, database=self._opened())

    def fall_back(self) -> None:
        self.context.database.close()
        self._cluster.execute(f"DROP DATABASE {self._name}")
        self._cluster.execute(f"CREATE DATABASE {self._name} TEMPLATE {self._name}_copy")
        self.reopen()

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in all_of(self._cluster.url(self._name), "sessions")}

    def close(self) -> None:
        super().close()
        self._cluster.execute(f"DROP DATABASE {self._name}")
        self._cluster.execute(f"DROP DATABASE IF EXISTS {self._name}_copy")
