"""The way to a provider and back: what ties the two together is in a cookie of the browser that went, and nowhere else.

The cookie says what the way is for, and holds a seed; it is signed. State, nonce and code verifier are derived from the seed
under a key of ours, so that whoever reads the cookie knows none of them. Nothing is stored for somebody who never comes back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field, replace

from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from keyturn.core.keyring import KeyRing, encoded
from keyturn.core.model import SECOND, Delivery
from keyturn.errors import StateInvalid
from keyturn.ports import Clock, Entropy, Handshake, Transaction

LIFETIME_SECONDS = 600

_PURPOSE = b"keyturn ways to providers"
_SEED_BYTES = 24
_MAX_COOKIE = 4096


@dataclass(frozen=True, slots=True)
class Way:
    """What somebody goes to a provider for.

    Attributes:
        provider: its name in the settings.
        return_to: a path on this site to end at.
        delivery: of the session that begins.
        replaces: the session that was there before, by its id; it ends when the new one begins.
        links: the session that a provider's account is to be connected from, by its id; none: to sign in.
        known_device: the cookie of a device that has signed in before, as it came.
        seed: unique.
        expires_at: seconds since the epoch.
    """

    provider: str
    return_to: str | None = None
    delivery: Delivery = Delivery.SPLIT
    replaces: str | None = None
    links: str | None = None
    known_device: str | None = field(default=None, repr=False)
    seed: str = field(default="", repr=False)
    expires_at: int = 0


@dataclass(frozen=True, slots=True)
class Handshakes:
    """Begins ways and finds them again.

    Attributes:
        keys: those of the refresh tokens; the keys used here are derived from them.
        clock: tells when a way has taken too long.
        entropy: where seeds come from.
    """

    keys: KeyRing
    clock: Clock
    entropy: Entropy

    def begin(self, way: Way, redirect_uri: str) -> tuple[Handshake, str]:
        """What goes to the provider, and must come back; and the value of the cookie.

        Args:
            way: what it is for.
            redirect_uri: where the provider sends the browser back to.
        """
        seed = self.entropy.random_bytes(_SEED_BYTES).hex()
        begun = replace(way, seed=seed, expires_at=self.clock.now() // SECOND + LIFETIME_SECONDS)
        key, body = self.keys.derived(_PURPOSE)[0], urlsafe_b64encode(encoded(asdict(begun)).encode())
        return self._handshake(key, begun, redirect_uri), b".".join((body, self._tag(key, b"cookie", body))).decode()

    def begun(self, cookie: str | None) -> Way | None:
        """The way that a cookie is of, wherever it leads and however long ago it began; none: the cookie is not ours."""
        body, tag = _parts(cookie)
        signed = any(hmac.compare_digest(tag, self._tag(key, b"cookie", body)) for key in self.keys.derived(_PURPOSE))
        return _parsed(body) if signed else None

    def find(self, cookie: str | None, provider: str, state: str | None, redirect_uri: str) -> tuple[Way, Handshake]:
        """The way that somebody comes back from.

        Args:
            cookie: as it came.
            provider: whom they come back from, by its name in the settings.
            state: as it came in the address.
            redirect_uri: where they came back to.

        Raises:
            StateInvalid: it is none that began in this browser with this provider, or it took too long.
        """
        body, tag = _parts(cookie)
        for key in self.keys.derived(_PURPOSE):
            if hmac.compare_digest(tag, self._tag(key, b"cookie", body)):
                way = _parsed(body)
                handshake = self._handshake(key, way, redirect_uri)
                theirs = (state or "").encode("ascii", "replace")
                in_time = self.clock.now() < way.expires_at * SECOND
                if in_time and way.provider == provider and hmac.compare_digest(theirs, handshake.state.encode()):
                    return way, handshake
        raise StateInvalid

    def _handshake(self, key: bytes, way: Way, redirect_uri: str) -> Handshake:
        seed = way.seed.encode()
        state, nonce, verifier = (self._tag(key, kind, seed).decode() for kind in (b"state", b"nonce", b"verifier"))
        return Handshake(redirect_uri, state, nonce, verifier)

    @staticmethod
    def _tag(key: bytes, kind: bytes, data: bytes) -> bytes:
        return urlsafe_b64encode(hmac.digest(key, kind + b" " + data, hashlib.sha256))


def _parts(cookie: str | None) -> tuple[bytes, bytes]:
    """What a cookie says, and its tag; of one that is too long, too little for the tag to be right."""
    body, _, tag = (cookie or "")[: _MAX_COOKIE + 1].encode("ascii", "replace").partition(b".")
    return body, tag


def _parsed(body: bytes) -> Way:
    """A cookie of ours: we signed it."""
    members = json.loads(urlsafe_b64decode(body))
    return Way(**{**members, "delivery": Delivery(members["delivery"])})


def use_once(tx: Transaction, way: Way) -> None:
    """Let a way lead to something once.

    Raises:
        StateInvalid: it has.
    """
    name = f"way/{hashlib.sha256(way.seed.encode()).hexdigest()[:32]}"
    if tx.counters.add(name, 1, LIFETIME_SECONDS) != 1:
        raise StateInvalid
