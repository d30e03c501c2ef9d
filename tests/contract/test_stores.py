"""Every store keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import Cluster
from tests.support.programs import needs

from keyturn.ports import Database
from keyturn.stores.memory import MemoryDatabase
from keyturn.stores.sql import SqlDatabase, open_database
from keyturn.system import SystemClock
from keyturn.testing.store_contract import DurabilityContract, StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return MemoryDatabase(clock=SystemClock())


class SqlContract(StoreContract, DurabilityContract):
    """Of a database that lies at the fixture `url`."""

    @pytest.fixture
    def database(self, url: str) -> Iterator[SqlDatabase]:
        self.url = url
        database = open_database(url, clock=SystemClock())
        yield database
        database.close()

    def reopen(self, database: Database) -> Database:
        database.close()
        return open_database(self.url, clock=SystemClock())


class TestSqlite(SqlContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/keyturn.db"


@needs("postgres")
class TestPostgres(SqlContract):
    isolation = "read committed"

    @pytest.fixture
    def url(self, postgres: Cluster) -> str:
        url = postgres.database()
        postgres.execute(
            f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = '{self.isolation}'"
        )
        return url


class TestSerializablePostgres(TestPostgres):
    """The level that distributed engines of PostgreSQL's kind offer: conflicts are errors, and whoever meets one begins again."""

    isolation = "serializable"
