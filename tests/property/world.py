"""A Keyturn without HTTP: the real flows, the real store in a file, a clock that is told the time."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, AccessClaims, Delivery, Micros, Policy, RefreshToken, Session
from keyturn.errors import KeyturnError
from keyturn.hashing import Argon2Hasher
from keyturn.service.context import Context, Grant, SignInOptions
from keyturn.service.refresh import Presented, refresh_many
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import Tokens
from keyturn.stores.keys import new_key
from keyturn.stores.sql import open_database
from keyturn.testing.fakes import FakeClock, SeededEntropy

ISSUER = "https://accounts.example.com"
POLICY = Policy()


class World:
    """One store in a folder of its own."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="keyturn-"))
        self._file = self._folder / "keyturn.db"
        self._copy = self._folder / "copy.db"
        self.clock = FakeClock()
        self.entropy = SeededEntropy()
        self._hasher = Argon2Hasher(self.entropy, memory_kib=8, time_cost=1)
        access, refresh = (new_key(purpose, "HS256", self.now) for purpose in ("access", "refresh"))
        self.tokens = Tokens(ISSUER, ISSUER, POLICY, KeyRing((access,)), KeyRing((refresh,)))
        self._open()

    def _open(self) -> None:
        self.context = Context(
            database=open_database(f"sqlite:///{self._file}", clock=self.clock),
            hasher=self._hasher,
            clock=self.clock,
            entropy=self.entropy,
            policy=POLICY,
            tokens=self.tokens,
            revocations=Revocations(POLICY),
        )

    @property
    def now(self) -> Micros:
        return self.clock.now()

    def pass_time(self, micros: Micros) -> None:
        self.clock.advance(micros / SECOND)

    def reopen(self) -> None:
        """The server is started anew."""
        self.context.database.close()
        self._open()

    def copy(self) -> None:
        """A copy of the store, as it is now."""
        self._copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(self._copy)) as target:
            source.backup(target)

    def fall_back(self) -> None:
        """The store is what it was when it was copied: every later write is lost."""
        self.context.database.close()
        shutil.copy(self._copy, self._file)
        self._open()

    def close(self) -> None:
        self.context.database.close()
        shutil.rmtree(self._folder)

    def token(self, raw: str) -> RefreshToken:
        return self.tokens.parse_refresh(raw)

    def present(self, *presentations: tuple[str, bool, Micros]) -> list[Grant | KeyturnError]:
        """Refresh: tokens, whether each comes in a body, and how long the server has held it."""
        uptime = self.clock.monotonic()
        batch = [Presented(raw, self.token(raw), in_body, uptime - held) for raw, in_body, held in presentations]
        return refresh_many(self.context, batch)

    def options(self, *, in_body: bool = False, replaces: str | None = None) -> SignInOptions:
        delivery = Delivery.BODY if in_body else Delivery.SPLIT
        return SignInOptions(delivery, replaces=self.token(replaces) if replaces else None)

    def claims(self, user: str, session: str) -> AccessClaims:
        """What an access token of a session says."""
        seconds = self.now // SECOND
        return AccessClaims(user, session, "a" * 24, seconds, seconds + 600, seconds)

    def rows(self) -> dict[str, Session]:
        """Every session that the store holds; read past the store's own code where it matters that nothing is left out."""
        with closing(sqlite3.connect(self._file)) as connection:
            ids = [session for (session,) in connection.execute("SELECT id FROM sessions")]
        return self.context.database.read(lambda tx: tx.sessions.load_many(ids)) if ids else {}
