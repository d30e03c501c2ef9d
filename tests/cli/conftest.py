"""A data directory, and the command line bound to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.commands import Done, keyturn

CHEAP = {"KEYTURN_HASH_MEMORY_KIB": "8", "KEYTURN_HASH_TIME_COST": "1"}

Command = Callable[..., Done]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where a server would keep its data; not there yet."""
    return tmp_path / "data"


@pytest.fixture
def command(data: Path) -> Command:
    """Runs a command on that directory, with cheap hashes."""

    def run(*arguments: str, given: str = "", **environ: str) -> Done:
        return keyturn(*arguments, "--data-dir", str(data), given=given, **CHEAP, **environ)

    return run
