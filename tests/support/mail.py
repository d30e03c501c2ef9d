"""The mails of a server: those that it kept because it has no mail server, and what is in them."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from tests.support.server import LiveServer

from keyturn.server.mailing import open_postman

PATHS = {"reset": "/reset-password", "verification": "/verify-email", "was_it_you": "/was-it-you"}


class Letter:
    """A mail as it came.

    Args:
        message: all of it.
    """

    def __init__(self, message: EmailMessage) -> None:
        self.to, self.subject = str(message["To"]), str(message["Subject"])
        self.message = message
        self.text, self.html = (self._part(kind) for kind in ("plain", "html"))

    @property
    def link(self) -> str:
        """Where it leads."""
        (link,) = set(re.findall(r"https?://\S+/(?:reset-password|verify-email|was-it-you)/\S+", self.text))
        return link

    @property
    def token(self) -> str:
        return self.link.rpartition("/")[2]

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        content: str = part.get_content()
        return content


def parsed(data: bytes) -> Letter:
    return Letter(message_from_bytes(data, _class=EmailMessage, policy=SMTP))


class Post:
    """What a server without a mail server has kept.

    Args:
        server: in this process.
    """

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._postman = open_postman(server.settings, server.context)
        self._database = server.data_dir / "keyturn.db"
        self._read: dict[Path, Letter] = {}

    def letters(self) -> list[Letter]:
        """Every mail, the oldest first, once none waits any more: the server sends them too, now and then."""
        while rows(self._database, "mails"):
            self._postman.deliver()
        files = sorted((self._server.data_dir / "outbox").glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        self._read |= {file: parsed(file.read_bytes()) for file in files if file not in self._read}
        return [self._read[file] for file in files]

    def to(self, address: str, path: str | None = None) -> list[Letter]:
        """Those to an address, and with a link to a path."""
        found = [letter for letter in self.letters() if letter.to == address]
        return found if path is None else [letter for letter in found if f"{path}/" in letter.link]

    def newest(self, address: str, path: str) -> Letter:
        """The last one that came to an address with a link to a path."""
        return self.to(address, path)[-1]


def rows(database: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table of an SQLite database, without going through Keyturn."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
