"""`keyturn serve`, but with commits that do not wait for the disk: what a check of durability must be able to tell."""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

from keyturn.cli import main
from keyturn.stores.sql import sqlite

_connect = sqlite.connect


def _connect_carelessly(*where: Any, **how: Any) -> sqlite3.Connection:
    connection = _connect(*where, **how)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


if __name__ == "__main__":
    sqlite.connect = _connect_carelessly
    # What follows is the command line that was to be run: python -m keyturn …
    sys.argv = sys.argv[3:]
    main()
