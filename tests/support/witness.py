"""What a server was trusted with, and what it told its logs: the two must have nothing in common."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.counted import CountedHasher

from keyturn.core.model import RefreshToken, Session
from keyturn.ports import PasswordHasher
from keyturn.server.logs import JsonFormatter, TextFormatter
from keyturn.service.context import Context
from keyturn.service.tokens import Tokens

_WORD = re.compile(r"[A-Za-z0-9_-]{20,}")
_TELLING = 32
"""Characters of a part of a token that give it away; the rest might be cut off in a long line."""

_FORMATTERS = (TextFormatter(), JsonFormatter())


class Witness(logging.Handler):
    """Gathers secrets and log lines.

    Attributes:
        lines: everything that was logged since `begin`, in both formats.
        errors: those lines that report a fault of ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._words: set[str] = set()
        self._phrases: set[str] = set()

    def begin(self) -> None:
        self.lines.clear()
        self.errors.clear()

    def emit(self, record: logging.LogRecord) -> None:
        # A client's log is not the server's.
        if record.name.startswith(("httpx", "httpcore")):
            return
        lines = [formatter.format(record) for formatter in _FORMATTERS]
        self.lines += lines
        if record.levelno >= logging.ERROR:
            self.errors += lines

    def token(self, token: str) -> str:
        """Remember a token: its header is no secret, the rest is."""
        self._words.update(part[:_TELLING] for part in re.split(r"[^A-Za-z0-9_-]+", token)[1:] if len(part) >= _TELLING)
        return token

    def seed(self, seed: str) -> None:
        """Remember what only a session's own refresh tokens say."""
        self._words.add(seed)

    def password(self, password: str) -> str:
        """Remember a password; not one so short that it is an everyday word."""
        if len(password) >= 8:
            self._phrases.add(password)
        return password

    def hash(self, password_hash: str) -> str:
        """Remember the hash of a password, and its salt."""
        self._words.update(part[:_TELLING] for part in re.split(r"[^A-Za-z0-9_-]+", password_hash) if len(part) >= 20)
        return password_hash

    def leaks(self) -> list[str]:
        """The lines that hold a secret."""
        return [line for line in self.lines if self._tells(line)]

    def wrap(self, context: Context) -> Context:
        """The context of a server whose every token and password is remembered, and whose hashes are counted."""
        tokens = context.tokens
        watched = _WatchedTokens(**{name: getattr(tokens, name) for name in Tokens.__slots__}, witness=self)
        return replace(context, tokens=watched, hasher=_WatchedHasher(context.hasher, self))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear everything that Keyturn logs, and what anybody else complains about."""
        root, ours = logging.getLogger(), logging.getLogger("keyturn")
        before = ours.level
        root.addHandler(self)
        ours.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            ours.setLevel(before)
            root.removeHandler(self)

    def _tells(self, line: str) -> bool:
        return any(word[:_TELLING] in self._words for word in _WORD.findall(line)) or any(
            phrase in line for phrase in self._phrases
        )


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
