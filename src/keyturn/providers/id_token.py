"""The checks of an ID token (OpenID Connect Core 1.0, 3.1.3.7), each before the work that it saves.

A token chooses nothing: its key is one that the provider has published, and each key has exactly one algorithm. Only signatures
of public keys are taken, so neither `none` nor a secret that two sides share can ever verify.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from keyturn.core.gate import TokenRefused, parsed
from keyturn.core.keys import EDDSA, ES256, RS256, VerificationKey
from keyturn.errors import ProviderInvalid, SettingsError

MAX_TOKEN_BYTES = 16 * 1024
MAX_SUBJECT = 255
"""Characters (OpenID Connect Core 1.0, 2)."""

LEEWAY_SECONDS = 60
MAX_AGE_SECONDS = 600
"""How long ago an ID token may have been issued: it comes straight from the provider."""

_COMPACT = re.compile(r"([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]++)\.([A-Za-z0-9_-]++)")
_SUBJECT = re.compile(rf"[!-~](?:[ -~]{{0,{MAX_SUBJECT - 2}}}[!-~])?")
_KINDS = {("EC", "P-256"): ES256, ("OKP", "Ed25519"): EDDSA, ("RSA", None): RS256}
_HASHES = {RS256: hashlib.sha256, ES256: hashlib.sha256, EDDSA: hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say.

    Attributes:
        issuers: the provider's names.
        client_id: ours at this provider.
        nonce: of this sign-in.
        access_token: that came with it, for `at_hash`.
        algorithms: that its keys may have.
    """

    issuers: Collection[str]
    client_id: str
    nonce: str
    access_token: str
    algorithms: Collection[str]


class KeyUnknown(Exception):
    """The set of keys has none of this name, or none that can be chosen without one."""


def checked(token: object, jwks: Mapping[str, Any], expected: Expected, now: int) -> dict[str, object]:
    """The claims of an ID token that is as it must be.

    Args:
        token: as the provider sent it; anything at all.
        jwks: the provider's keys (RFC 7517). One that cannot be read, or is of a kind that is not used, is passed over.
        expected: what it must say.
        now: seconds since the epoch.

    Raises:
        KeyUnknown: newer keys may help.
        ProviderInvalid: it is not.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        raise ProviderInvalid("the ID token is missing or too long")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise ProviderInvalid("the ID token is not a compact JWS")
    try:
        header = parsed(_decoded(match[1]), "header")
        key = _key_for(header, _usable(jwks, expected.algorithms))
        signed = token[: match.end(2)].encode("ascii")
        if not key.verifies(signed, _decoded(match[3])):
            raise ProviderInvalid("the signature of the ID token is wrong")
        claims = parsed(_decoded(match[2]))
    except TokenRefused as refused:
        raise ProviderInvalid(f"the ID token is not acceptable: {refused}") from None
    _check_claims(claims, expected, now)
    _check_access_token(claims, expected.access_token, key.algorithm)
    return claims


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part.encode("ascii"))
    except ValueError:
        raise ProviderInvalid("a part of the ID token is not base64url") from None


def _usable(jwks: Mapping[str, Any], algorithms: Collection[str]) -> list[tuple[object, VerificationKey]]:
    listed = jwks.get("keys")
    jwk_list = [jwk for jwk in listed if isinstance(jwk, Mapping)] if isinstance(listed, list) else []
    found = [(jwk.get("kid"), _key(jwk, algorithms)) for jwk in jwk_list]
    return [(kid, key) for kid, key in found if key is not None]


def _key(jwk: Mapping[str, Any], algorithms: Collection[str]) -> VerificationKey | None:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    algorithm = _KINDS.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str | None) else None
    if algorithm not in algorithms or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    public = {name: jwk[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in jwk}
    try:
        # Its own name need not be one that we would give: it is looked up outside of the key.
        return VerificationKey("provider", str(algorithm), JWKRegistry.import_key(public))
    except (JoseError, SettingsError, ValueError, TypeError):
        return None


def _key_for(header: Mapping[str, object], keys: Sequence[tuple[object, VerificationKey]]) -> VerificationKey:
    """The key that a header names; without a name, the only one there is for its algorithm."""
    if "crit" in header or "b64" in header:
        raise ProviderInvalid("the ID token wants more than we know")
    algorithm, kid = header.get("alg"), header.get("kid")
    matching = [key for name, key in keys if key.algorithm == algorithm and (kid is None or name == kid)]
    if len(matching) == 1:
        return matching[0]
    if any(key.algorithm == algorithm for _, key in keys) or algorithm in _HASHES:
        raise KeyUnknown("no key, or more than one, is meant by the header of the ID token")
    raise ProviderInvalid("the algorithm of the ID token is none of the provider's keys'")


def _check_claims(claims: Mapping[str, object], expected: Expected, now: int) -> None:
    audience, issued_at, expires_at = claims.get("aud"), claims.get("iat"), claims.get("exp")
    subject, nonce = claims.get("sub"), claims.get("nonce")
    problems = {
        "iss": claims.get("iss") not in expected.issuers,
        "aud": audience not in (expected.client_id, [expected.client_id]),
        "azp": claims.get("azp", expected.client_id) != expected.client_id,
        "exp": _seconds(expires_at) + LEEWAY_SECONDS <= now,
        "nbf": _seconds(claims.get("nbf", 0), none=math.inf) - LEEWAY_SECONDS > now,
        "iat": not -MAX_AGE_SECONDS <= _seconds(issued_at) - now <= LEEWAY_SECONDS,
        "nonce": not isinstance(nonce, str) or not _same(nonce, expected.nonce),
        "sub": not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None,
    }
    wrong = [claim for claim, is_wrong in problems.items() if is_wrong]
    if wrong:
        raise ProviderInvalid(f"the ID token has no {wrong[0]}, or a wrong one")


def _seconds(value: object, none: float = 0) -> float:
    """A NumericDate; what is none is long ago, or what else is said."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else none


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _check_access_token(claims: Mapping[str, object], access_token: str, algorithm: str) -> None:
    """`at_hash`: the left half of the hash of the access token (OpenID Connect Core 1.0, 3.1.3.6)."""
    if "at_hash" not in claims:
        return
    digest = _HASHES[algorithm](access_token.encode("utf-8", "surrogatepass")).digest()
    at_hash = claims["at_hash"]
    if not isinstance(at_hash, str) or not _same(at_hash, urlsafe_b64encode(digest[: len(digest) // 2]).decode()):
        raise ProviderInvalid("the ID token belongs to another access token")
