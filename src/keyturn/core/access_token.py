"""Access tokens: JWTs of RFC 9068's shape, which any resource server can verify without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.core.gate import ACCESS_CLAIMS
from keyturn.core.keyring import SigningKey, encoded, quoted

TYPE = "at+jwt"

RESERVED_CLAIMS = ACCESS_CLAIMS | {"nbf"}
"""What no extra claim may be called."""


def mint(
    *,
    issuer: str,
    audience: str,
    subject: str,
    session_id: str,
    token_id: str,
    issued_at: int,
    expires_at: int,
    authenticated_at: int,
    roles: tuple[str, ...],
    extra: Mapping[str, object],
    key: SigningKey,
) -> str:
    """Mint an access token.

    Args:
        issuer: who says it (`iss`).
        audience: for whom (`aud`).
        subject: about which user (`sub`).
        session_id: of which session (`sid`).
        token_id: its own id (`jti`).
        issued_at: from when it is valid (`iat`), in seconds since the epoch.
        expires_at: from when it no longer is (`exp`), likewise.
        authenticated_at: when the user last signed in (`auth_time`), likewise.
        roles: the user's.
        extra: claims beyond those of RFC 9068.
        key: the active key for access tokens.

    Raises:
        ValueError: an extra claim has a reserved name, or the claims are too long for a token.
    """
    if not RESERVED_CLAIMS.isdisjoint(extra):
        raise ValueError(f"an extra claim may not be called {', '.join(sorted(RESERVED_CLAIMS & extra.keys()))}")
    # The claims of RFC 9068 have a fixed form, and there is one of these tokens in every answer.
    payload = (
        f'{{"iss":{quoted(issuer)},"aud":{quoted(audience)},"sub":{encoded(subject)},"sid":"{session_id}",'
        f'"jti":"{token_id}","iat":{issued_at},"exp":{expires_at},"auth_time":{authenticated_at},"roles":{quoted(roles)}'
    )
    rest = f",{encoded(extra)[1:]}" if extra else "}"
    return key.sign(payload + rest, TYPE)
