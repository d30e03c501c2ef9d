"""The machine: its clock and its source of randomness. No other file reads either, and keys are made here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from keyturn.core.keys import EDDSA, ES256, HS256, RS256
from keyturn.core.model import Micros

RSA_BITS = 3072
SECRET_BYTES = 48


class SystemClock:
    """The host's clock."""

    def now(self) -> Micros:
        return time.time_ns() // 1000

    def monotonic(self) -> Micros:
        return time.monotonic_ns() // 1000


class SystemEntropy:
    """The operating system's source of randomness."""

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


def generate_key(algorithm: str) -> Key:
    """A new private key or shared secret, from the operating system's randomness.

    Args:
        algorithm: what it is for, one of `keyturn.core.keys.ALGORITHMS`.

    Raises:
        KeyError: there is no such algorithm.
    """
    makers: dict[str, Callable[[], Key]] = {
        ES256: lambda: ECKey.generate_key("P-256"),
        EDDSA: lambda: OKPKey.generate_key("Ed25519"),
        RS256: lambda: RSAKey.generate_key(RSA_BITS),
        HS256: lambda: OctKey.import_key(secrets.token_bytes(SECRET_BYTES)),
    }
    return makers[algorithm]()
