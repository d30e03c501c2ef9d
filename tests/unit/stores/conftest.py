from collections.abc import Iterator
from pathlib import Path

import pytest

from keyturn.stores.sql import SqlDatabase, open_database
from keyturn.testing.fakes import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyturn.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    """A new database that loses patience quickly."""
    database = open_database(url, clock=FakeClock(), busy_timeout=0.1)
    yield database
    database.close()
