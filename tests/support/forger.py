"""What forged tokens are made with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

from joserfc.jwk import ECKey
from joserfc.jws import default_registry
from tests.support.tokens import b64, compact_json

from keyturn.core.keyring import SigningKey
from keyturn.core.keys import ALGORITHMS

Forgeries = Iterator[tuple[str, str]]
"""(what is wrong with it, the token)"""

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def unb64(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Forger:
    """Makes tokens that differ from a genuine one.

    Args:
        genuine: an access token of the server.
        key: the private key (ES256) that signed it.
        other: another key of the server for access tokens (RS256), published as well.
        jwks: the text of the published keys.
        listener: a URL where nobody must ever ask for a key.
    """

    def __init__(self, genuine: str, *, key: SigningKey, other: SigningKey, jwks: bytes, listener: str) -> None:
        self.genuine = genuine
        self.key, self.other = key, other
        self.stranger = ECKey.generate_key("P-256")
        self.jwks = jwks
        self.listener = listener
        self.parts = genuine.split(".")
        self._header: dict[str, Any] = json.loads(unb64(self.parts[0]))
        self.claims: dict[str, Any] = json.loads(unb64(self.parts[1]))

    def head(self, **changes: Any) -> dict[str, Any]:
        """The genuine header, changed; None removes a member."""
        return {name: value for name, value in (self._header | changes).items() if value is not None}

    def payload(self, **changes: Any) -> dict[str, Any]:
        """The genuine claims, changed; None removes one."""
        return {name: value for name, value in (self.claims | changes).items() if value is not None}

    def sign(
        self, head: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes | None = None, by: Any = None
    ) -> str:
        """A token with our own signature, or with somebody else's.

        Args:
            by: (name of the algorithm, key); our key by default.
        """
        parts = [head, self.payload() if payload is None else payload]
        text = ".".join(b64(part if isinstance(part, bytes) else compact_json(part)) for part in parts)
        return self.signed(text, by)

    def signed(self, text: str, by: Any = None) -> str:
        """Any text with a signature over it."""
        name, key = by or (self.key.algorithm, self.key.key)
        algorithm = ALGORITHMS.get(name) or default_registry.algorithms[name]
        return f"{text}.{b64(algorithm.sign(text.encode(), key))}"

    def unsigned(self, head: Mapping[str, Any], signature: bytes = b"") -> str:
        return ".".join([b64(compact_json(head)), b64(compact_json(self.payload())), b64(signature)])

    def by_hmac(self, secret: bytes, **changes: Any) -> str:
        text = f"{b64(compact_json(self.head(alg='HS256', **changes)))}.{self.parts[1]}"
        return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def twin(token: str) -> str:
    """The other ES256 signature over the same text, (r, n - s): just as genuine."""
    head, payload, signature = token.split(".")
    raw = unb64(signature)
    other = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{head}.{payload}.{b64(raw[:32] + other.to_bytes(32, 'big'))}"


def respelled(part: str) -> str:
    """Another last character that decodes to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]
    assert unb64(changed) == unb64(part)
    return changed


def loosened(data: bytes) -> str:
    """JSON in base64url that is not canonical: two bytes over are two unused bits."""
    return respelled(b64(data + b" " * (-(len(data) + 1) % 3)))
