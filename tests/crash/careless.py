"""`keyturn serve`, but with commits that do not wait for the disk: what a check of durability must be able to tell."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from keyturn.cli import main
from keyturn.stores.sql import sqlite

_connect = sqlite._connect


def _connect_carelessly(path: Path, busy_timeout: float, *, query_only: bool = False) -> sqlite3.Connection:
    connection = _connect(path, busy_timeout, query_only=query_only)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


if __name__ == "__main__":
    sqlite._connect = _connect_carelessly
    # What follows is the command line that was to be run: python -m keyturn …
    sys.argv = sys.argv[3:]
    main()
