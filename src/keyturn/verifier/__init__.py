"""For a resource server: who is this access token from, and may it still be used?

    verifier = Verifier(issuer="https://accounts.example.com", keys=jwks)
    claims = verifier.verify(token)

It needs no database and writes nothing, and it holds nothing that can sign (but for a shared secret, which cannot help it).
"""

from __future__ import annotations

from keyturn.core.gate import TokenRefused
from keyturn.core.keys import VerificationKey, shared_key
from keyturn.core.model import AccessClaims
from keyturn.errors import AccessTokenInvalid, SettingsError
from keyturn.verifier.keys import KeySource, keys_from_jwks, verification_keys
from keyturn.verifier.verify import HostClock, Verifier

__all__ = [
    "AccessClaims",
    "AccessTokenInvalid",
    "HostClock",
    "KeySource",
    "SettingsError",
    "TokenRefused",
    "VerificationKey",
    "Verifier",
    "keys_from_jwks",
    "shared_key",
    "verification_keys",
]
