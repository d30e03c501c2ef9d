"""The keys that sign, by purpose.

A purpose (access tokens, refresh tokens) has a ring of its own, and no key serves two. A key is first `next`: published, so that
every verifier knows it before the first token; then `active`: the one that signs; then `retiring`: its tokens are still
accepted.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from joserfc.jwk import JWKRegistry, Key
from joserfc.util import urlsafe_b64encode

from keyturn.core.gate import MAX_TOKEN_BYTES
from keyturn.core.keys import HS256, Sign, VerificationKey, check_key, secret_bytes, shared_key, signer
from keyturn.core.model import Micros
from keyturn.errors import SettingsError

# UTF-8 as it is: names in other scripts would take three times the room in escapes, and a token must fit into a cookie.
encoded = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
"""A value in JSON, as it stands in tokens."""


@lru_cache(maxsize=256)
def quoted(value: str | tuple[str, ...]) -> str:
    """A text, or a list of texts, in JSON: for what many tokens have in common."""
    return encoded(value)


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"


@lru_cache(maxsize=64)
def _header(algorithm: str, kind: str, kid: str) -> bytes:
    return urlsafe_b64encode(encoded({"alg": algorithm, "typ": kind, "kid": kid}).encode("ascii"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs.

    Attributes:
        kid: its name in the header of a token.
        algorithm: the one algorithm it is used with.
        key: the private key, or the shared secret.
        created_at: when it was made, in microseconds since the epoch.
        signature: of a message.
    """

    kid: str
    algorithm: str
    key: Key = field(repr=False)
    state: KeyState = KeyState.ACTIVE
    created_at: Micros = 0
    signature: Sign = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_key(self.kid, self.algorithm, self.key)
        if not self.key.is_private:
            raise SettingsError(f"the {self.algorithm} key has no private part, so it cannot sign")
        object.__setattr__(self, "signature", signer(self.algorithm, self.key))

    @property
    def verification(self) -> VerificationKey:
        """What a verifier needs of it: the public part, or the shared secret."""
        if self.algorithm == HS256:
            return VerificationKey(self.kid, self.algorithm, self.key)
        return VerificationKey(self.kid, self.algorithm, JWKRegistry.import_key(self.key.as_dict(private=False)))

    def sign(self, payload: str, kind: str) -> str:
        """A token: the compact serialisation of JWS (RFC 7515, 7.1), with the header that the gate expects.

        With HS256 and EdDSA, equal arguments give equal bytes.

        Args:
            payload: the claims in JSON, an object.
            kind: the `typ` of the header.

        Raises:
            ValueError: the token would be longer than any gate takes.
        """
        body = urlsafe_b64encode(payload.encode())
        signed = _header(self.algorithm, kind, self.kid) + b"." + body
        token = signed + b"." + urlsafe_b64encode(self.signature(signed))
        if len(token) > MAX_TOKEN_BYTES:
            raise ValueError(f"the token has {len(token)} bytes, more than {MAX_TOKEN_BYTES}: its claims are too long")
        return token.decode("ascii")


class KeyRing:
    """The keys of one purpose.

    Args:
        keys: exactly one of them active, no two with one `kid`.

    Raises:
        SettingsError: they are not.
    """

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self.keys = tuple(keys)
        active = [key for key in self.keys if key.state is KeyState.ACTIVE]
        if len(active) != 1:
            raise SettingsError(f"of the keys of a purpose exactly one is active, not {len(active)}")
        self.active = active[0]
        self.verifying: Mapping[str, VerificationKey] = MappingProxyType(
            {key.kid: key.verification for key in self.keys}
        )
        if len(self.verifying) != len(self.keys):
            raise SettingsError("two keys of a purpose have the same kid")

    def __repr__(self) -> str:
        return f"KeyRing({list(self.keys)!r})"

    def derived(self, purpose: bytes) -> list[bytes]:
        """A secret of each key for another purpose, that of the active one first; it tells nothing about the key."""
        return [key.signature(purpose) for key in sorted(self.keys, key=lambda key: key is not self.active)]

    def jwks(self) -> dict[str, list[dict[str, object]]]:
        """The public keys as a JWK set (RFC 7517), those to come included; a shared secret is never among them."""
        return {
            "keys": [
                {**key.key.as_dict(private=False), "use": "sig", "alg": key.algorithm, "kid": key.kid}
                for key in self.verifying.values()
                if key.algorithm != HS256
            ]
        }


def from_secret(secret: str, *, purpose: str, name: str = "the secret", created_at: Micros = 0) -> SigningKey:
    """The active HS256 key of a configured secret.

    Args:
        secret: the secret; its UTF-8 is the key.
        purpose: what its tokens are for: "access" or "refresh". It goes into the `kid`.
        name: what an error calls it, such as the name of the setting.
        created_at: in microseconds since the epoch.

    Raises:
        SettingsError: the secret can be guessed.
    """
    shared = shared_key(secret, purpose=purpose, name=name)
    return SigningKey(shared.kid, shared.algorithm, shared.key, KeyState.ACTIVE, created_at)


def check_secrets_differ(
    secret: str | None, other: str | None, names: str = "the secrets for access and refresh tokens"
) -> None:
    """Refuse one secret for two purposes: whoever may verify access tokens could mint refresh tokens.

    Args:
        secret: for one purpose.
        other: for another.
        names: what an error calls the two.

    Raises:
        SettingsError: both are given and equal.
    """
    if secret is None or other is None:
        return
    if hmac.compare_digest(secret_bytes(secret), secret_bytes(other)):
        raise SettingsError(f"{names} are the same: make a second one")
