"""Refresh tokens: what a session's row says about one token, signed.

They are always HS256: a MAC gives the same bytes for the same row, so an answer can be repeated without having been stored. An
ECDSA signature would not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from keyturn.core import gate
from keyturn.core.keyring import SigningKey, quoted
from keyturn.core.keys import HS256, VerificationKey
from keyturn.core.model import RefreshToken
from keyturn.errors import RefreshTokenInvalid

TYPE = "rt+jwt"

MAX_GENERATION = 2**31 - 1
"""What an integer column of any database holds; at one rotation per second, a session would have to live for 68 years."""


def mint(token: RefreshToken, *, issuer: str, issued_at_seconds: int, expires_at_seconds: int, key: SigningKey) -> str:
    """Mint a refresh token. Equal arguments give equal bytes.

    Args:
        token: which token of which session.
        issuer: who mints it, and who alone takes it (`iss` and `aud`).
        issued_at_seconds: when the session began, in seconds since the epoch.
        expires_at_seconds: when the session ends for good, likewise.
        key: the active key for refresh tokens.

    Raises:
        ValueError: the key is not for HS256.
    """
    if key.algorithm != HS256:
        raise ValueError("refresh tokens are signed with HS256")
    party = quoted(issuer)
    payload = (
        f'{{"iss":{party},"aud":{party},"sid":"{token.session_id}","seed":"{token.seed}","gen":{token.generation},'
        f'"jti":"{token.id}","par":"{token.parent_id}","iat":{issued_at_seconds},"exp":{expires_at_seconds}}}'
    )
    return key.sign(payload, TYPE)


@lru_cache(maxsize=16)
def _as_minted(issuer: str) -> re.Pattern[bytes]:
    """What `mint` writes, with a group for each field of `RefreshToken`."""
    party = re.escape(quoted(issuer))
    form = (
        f'{{"iss":{party},"aud":{party},"sid":"({gate.ID.pattern})","seed":"({gate.ID.pattern})","gen":([1-9][0-9]{{0,8}}),'
        f'"jti":"({gate.ID.pattern})","par":"({gate.ID.pattern})","iat":[1-9][0-9]{{0,9}},"exp":[1-9][0-9]{{0,9}}}}'
    )
    return re.compile(form.encode())


def _generation(payload: Mapping[str, object]) -> int:
    generation = payload.get("gen")
    if type(generation) is not int or not 0 < generation <= MAX_GENERATION:
        raise gate.TokenRefused("gen is missing or not a generation")
    return generation


def parse(token: str, *, issuer: str, keys: Mapping[str, VerificationKey]) -> RefreshToken:
    """Read an authentic refresh token. One that has expired is authentic still: the row says whether its session lives.

    Args:
        token: what was presented; anything at all.
        issuer: who must have minted it.
        keys: the keys for refresh tokens, by `kid`.

    Raises:
        RefreshTokenInvalid: it is not a refresh token of ours; its cause says why.
    """
    try:
        payload = gate.authentic(token, types=gate.REFRESH_TYPES, keys=keys)
        # Every token of this version and configuration reads like this, and a comparison is quicker than a parser.
        minted = _as_minted(issuer).fullmatch(payload)
        if minted is None:
            return _parsed(payload, issuer)
        session_id, seed, generation, token_id, parent_id = minted.groups()
        return RefreshToken(session_id.decode(), seed.decode(), int(generation), token_id.decode(), parent_id.decode())
    except gate.TokenRefused as refused:
        raise RefreshTokenInvalid from refused


def _parsed(data: bytes, issuer: str) -> RefreshToken:
    payload = gate.parsed(data)
    gate.check_parties(payload, issuer=issuer, audience=issuer)
    gate.numeric_date(payload, "iat")
    gate.numeric_date(payload, "exp")
    return RefreshToken(
        session_id=gate.string(payload, "sid", gate.ID),
        seed=gate.string(payload, "seed", gate.ID),
        generation=_generation(payload),
        id=gate.string(payload, "jti", gate.ID),
        parent_id=gate.string(payload, "par", gate.ID),
    )
