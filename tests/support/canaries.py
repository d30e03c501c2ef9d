"""Every token, cookie and password that passes through a client of the whole suite: none of them may turn up in a log."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from keyturn.server.logs import JsonFormatter, TextFormatter

TELLING = 32
"""Characters of a part of a token that give it away; the rest might be cut off in a long line."""

_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]*\.([A-Za-z0-9_-]{32,})\.([A-Za-z0-9_-]{32,})")
_PASSWORD = re.compile(rb'"(?:current_password|new_password|password)": ?("(?:[^"\\]|\\.){8,}")')
_WORD = re.compile(r"[A-Za-z0-9_-]{32,}")


class Canaries(logging.Handler):
    """Remembers what is secret, and reads the log along."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._formatters = (TextFormatter(), JsonFormatter())
        self._words: set[str] = set()
        self._phrases: set[str] = set()
        self._lines: list[str] = []

    def note(self, data: bytes) -> None:
        """Remember the secrets in a request or an answer; a token's header is none."""
        for parts in _TOKEN.findall(data):
            self._words.update(part[:TELLING].decode() for part in parts)
        for password in _PASSWORD.findall(data):
            self._note_password(password)

    def emit(self, record: logging.LogRecord) -> None:
        # What a client, or the test's own way of running the server, has to say is not what Keyturn logs.
        if record.name.startswith("keyturn"):
            self._lines += [formatter.format(record) for formatter in self._formatters]

    def heard(self) -> list[str]:
        """The lines since the last time that hold a secret."""
        lines, self._lines = self._lines, []
        return self.leaks_in(lines)

    def leaks_in(self, lines: list[str]) -> list[str]:
        """Those of some lines that hold a secret."""
        return [line for line in lines if self._tells(line)]

    def read(self, log: Path) -> list[str]:
        """The lines of a file that hold a secret."""
        return self.leaks_in(log.read_text(errors="replace").splitlines()) if log.exists() else []

    def _note_password(self, quoted: bytes) -> None:
        try:
            password = json.loads(quoted)
        except ValueError:
            return
        # Words of several, as this suite has them: a test may try an id or an address as a password, and those are logged.
        if 12 <= len(password) <= 200 and " " in password:
            self._phrases.add(password)

    def _tells(self, line: str) -> bool:
        return any(word[:TELLING] in self._words for word in _WORD.findall(line)) or any(
            phrase in line for phrase in self._phrases
        )


CANARIES = Canaries()
