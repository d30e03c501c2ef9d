"""What the servers of the whole suite were trusted with, and what they told their logs: the two must have nothing in common."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.counted import CountedHasher

from keyturn.core.model import RefreshToken, Session
from keyturn.ports import PasswordHasher
from keyturn.server.logs import JsonFormatter, TextFormatter
from keyturn.service.context import Context
from keyturn.service.tokens import Tokens

_TELLING = 32
"""Characters of a part of a token that give it away; the rest might be cut off in a long line."""

_WORDS = (re.compile(r"[A-Za-z0-9_-]{20,}"), re.compile(r"[A-Za-z0-9+/]{20,}"))
"""Of the two alphabets of base64: tokens have the one of URLs, hashes of passwords have the other."""

_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{32,}\.[A-Za-z0-9_-]{32,}")
_PASSWORD = re.compile(rb'"(?:current_password|new_password|password)": ?("(?:[^"\\]|\\.){12,}")')

_SPEAKERS = ("keyturn", "uvicorn", "asyncio")
"""Whose log a server's is. What a client says in this process is none of it."""

_FORMATTERS = (JsonFormatter(), TextFormatter())


class Witness(logging.Handler):
    """Gathers secrets, from the clients that send and get them and from the servers that make them, and the lines of the log.

    Attributes:
        records: everything that was logged since `begin`.
        lines: the same, each in both formats.
    """

    def __init__(self) -> None:
        super().__init__()
        self._words: set[str] = set()
        self._phrases: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Forget what was logged, but no secret."""
        self.records: list[logging.LogRecord] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines += [formatter.format(record) for formatter in _FORMATTERS]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear everything that servers in this process have to say."""
        loggers = [logging.getLogger(name) for name in _SPEAKERS]
        for logger in loggers:
            logger.addHandler(self)
        loggers[0].setLevel(logging.DEBUG)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(self)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The facts of every event of a name."""
        return [vars(record)["facts"] for record in self.records if record.msg == name]

    @property
    def errors(self) -> list[str]:
        """What reports a fault of ours."""
        faults = [record.getMessage() for record in self.records if record.levelno >= logging.ERROR]
        return faults + [str(facts) for facts in self.events("request") if facts["status"] == 500]

    def leaks(self) -> list[str]:
        """The lines that hold a secret."""
        return self.leaks_in(self.lines)

    def leaks_in(self, lines: Iterable[str]) -> list[str]:
        """Those of some lines that hold a secret."""
        return [line for line in lines if self._tells(line)]

    def read(self, log: Path) -> list[str]:
        """The lines of a file that hold a secret."""
        return self.leaks_in(log.read_text(errors="replace").splitlines()) if log.exists() else []

    def note(self, data: bytes) -> None:
        """Remember the tokens and passwords in a request or an answer."""
        for token in _TOKEN.findall(data):
            self.token(token.decode())
        for quoted in _PASSWORD.findall(data):
            try:
                self.password(json.loads(quoted))
            except ValueError:
                continue

    def token(self, token: str) -> str:
        """Remember a token: its header is no secret, the rest is."""
        self._words.update(part[:_TELLING] for part in re.split(r"[^A-Za-z0-9_-]+", token)[1:] if len(part) >= _TELLING)
        return token

    def seed(self, seed: str) -> None:
        """Remember what only a session's own refresh tokens say."""
        self._words.add(seed)

    def password(self, password: str) -> str:
        """Remember a password of several words, as this suite has them: an id or an address that is tried as one is logged."""
        if 12 <= len(password) <= 200 and len(password.split()) > 1:
            self._phrases.add(password)
        return password

    def hash(self, password_hash: str) -> str:
        """Remember the hash of a password, and its salt."""
        self._words.update(part[:_TELLING] for part in password_hash.split("$") if len(part) >= 20)
        return password_hash

    def wrap(self, context: Context) -> Context:
        """The context of a server whose every token and password is remembered, and whose hashes are counted."""
        tokens = context.tokens
        watched = _WatchedTokens(**{name: getattr(tokens, name) for name in Tokens.__slots__}, witness=self)
        return replace(context, tokens=watched, hasher=_WatchedHasher(context.hasher, self))

    def _tells(self, line: str) -> bool:
        found = (word for alphabet in _WORDS for word in alphabet.findall(line))
        return any(word[:_TELLING] in self._words for word in found) or any(phrase in line for phrase in self._phrases)


@dataclass(frozen=True)
class _WatchedTokens(Tokens):
    witness: Witness = field(default_factory=Witness, repr=False)

    def mint_access(self, *args: Any) -> tuple[str, int]:
        token, expires_in = super().mint_access(*args)
        return self.witness.token(token), expires_in

    def mint_refresh(self, token: RefreshToken, session: Session) -> str:
        self.witness.seed(session.seed)
        return self.witness.token(super().mint_refresh(token, session))


class _WatchedHasher(CountedHasher):
    def __init__(self, hasher: PasswordHasher, witness: Witness) -> None:
        super().__init__(hasher)
        self._witness = witness

    def hash(self, password: str) -> str:
        return self._witness.hash(super().hash(self._witness.password(password)))

    def verify(self, password_hash: str | None, password: str) -> bool:
        return super().verify(password_hash, self._witness.password(password))


WITNESS = Witness()
"""Of every server and client in this process."""
