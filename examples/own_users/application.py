"""An application that had users before it had Keyturn: numbers for ids, columns of its own, hashes by Werkzeug.

`python application.py app.db` makes its database, with two people in it.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import sys

SCHEMA = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mail TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name TEXT NOT NULL DEFAULT '',
    is_admin BOOLEAN NOT NULL DEFAULT FALSE,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    joined TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    password TEXT
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, text TEXT NOT NULL);
"""


def hashed(password: str) -> str:
    """As `werkzeug.security.generate_password_hash` does it, which Flask applications use."""
    salt = secrets.token_hex(8)
    key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**15, r=8, p=1, maxmem=2**26)
    return f"scrypt:32768:8:1${salt}${key.hex()}"


def main(path: str) -> None:
    people = [
        ("ada@example.com", "Ada Lovelace", True, hashed("analytical engine")),
        ("grace@example.com", "Grace Hopper", False, hashed("compile it again")),
    ]
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO users (mail, name, is_admin, password) VALUES (?, ?, ?, ?)", people)
    connection.close()
    print(f"{path}: {len(people)} users")


if __name__ == "__main__":
    main(sys.argv[1])
