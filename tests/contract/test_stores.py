"""Both stores keep the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn.ports import Database
from keyturn.stores.memory import MemoryDatabase
from keyturn.stores.sql import SqlDatabase, open_database
from keyturn.system import SystemClock
from keyturn.testing.store_contract import DurabilityContract, StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return MemoryDatabase(clock=SystemClock())


class TestSqlite(StoreContract, DurabilityContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/keyturn.db"

    @pytest.fixture
    def database(self, url: str) -> Iterator[SqlDatabase]:
        self.url = url
        database = open_database(url, clock=SystemClock())
        yield database
        database.close()

    def reopen(self, database: Database) -> Database:
        database.close()
        return open_database(self.url, clock=SystemClock())
