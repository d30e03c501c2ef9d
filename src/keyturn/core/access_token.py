"""Access tokens: JWTs of RFC 9068's shape, which any resource server can verify without asking anybody."""

from __future__ import annotations

from keyturn.core.gate import ACCESS_CLAIMS
from keyturn.core.keyring import SigningKey, encoded, quoted
from keyturn.core.model import AccessClaims

TYPE = "at+jwt"

RESERVED_CLAIMS = ACCESS_CLAIMS | {"nbf"}
"""What no extra claim may be called."""


def mint(claims: AccessClaims, *, issuer: str, audience: str, key: SigningKey) -> str:
    """Mint an access token.

    Args:
        claims: what it says; times in seconds.
        issuer: who says it (`iss`).
        audience: for whom (`aud`).
        key: the active key for access tokens.

    Raises:
        ValueError: an extra claim has a reserved name, or the claims are too long for a token.
    """
    if not RESERVED_CLAIMS.isdisjoint(claims.extra):
        raise ValueError(f"an extra claim may not be called {', '.join(sorted(RESERVED_CLAIMS & claims.extra.keys()))}")
    # The claims of RFC 9068 have a fixed form, and there is one of these tokens in every answer.
    payload = (
        f'{{"iss":{quoted(issuer)},"aud":{quoted(audience)},"sub":{encoded(claims.subject)},"sid":"{claims.session_id}",'
        f'"jti":"{claims.id}","iat":{claims.issued_at},"exp":{claims.expires_at},"auth_time":{claims.authenticated_at},'
        f'"roles":{quoted(claims.roles)}'
    )
    extra = f",{encoded(claims.extra)[1:]}" if claims.extra else "}"
    return key.sign(payload + extra, TYPE)
