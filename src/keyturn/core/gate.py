"""The strict gate in front of the JOSE library: what a token must be before anything in it is believed.

JOSE is a family of formats, and libraries read all of it. Keyturn reads one shape: three parts of canonical base64url, a
header of exactly `alg`, `typ` and `kid`, a payload of strict JSON. Each check is made before the work that it saves: the
size before any decoding, the key before the signature, the signature before the payload. Keys come from memory alone.

A refusal says why in `TokenRefused`, for a log of ours; what a client is told is one answer for all.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from keyturn.core import strict_json
from keyturn.core.frozen import FrozenDict, frozen
from keyturn.core.keys import KID, VerificationKey
from keyturn.core.model import AccessClaims
from keyturn.errors import TokenError

MAX_TOKEN_BYTES = 4096
"""What fits into a cookie and a header line everywhere."""

ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""RFC 9068, 2.1."""

REFRESH_TYPES = frozenset({"rt+jwt"})

CLOCK_SKEW_SECONDS = 5
"""How far a token's `iat` may lie ahead: the S of the rotation protocol, which is what two servers' clocks may differ by."""

MAX_NUMERIC_DATE = 253_402_300_799
"""The last second of the year 9999: beyond it, calendars of programming languages end."""

ID = re.compile(r"[0-9a-f]{24}")
SUBJECT = re.compile(r"[!-~]{1,128}")
ROLE = re.compile(r"[!-+\--~]{1,64}")
"""Printable ASCII without space and comma: roles travel in a header, separated by commas."""

MAX_ROLES = 64

ACCESS_CLAIMS = frozenset({"iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time", "roles"})

_MAX_HEADER_BYTES = 512
# From the alphabet of base64url to that of base64; what only the latter has becomes what neither has.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/!!!")
# By what is missing to a multiple of four: the last letters whose unused bits are zero.
_ENDINGS = (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", b"AEIMQUYcgkosw048", b"AQgw", b"")
_HEADER_MEMBERS = frozenset({"alg", "typ", "kid"})
_MAX_DEPTH = 8
_MAX_MEMBERS = 256
_NOTHING = FrozenDict()


class TokenRefused(TokenError):
    """The token is not acceptable. The message says why, for debugging; it holds nothing of the token.

    Whoever calls the gate raises `AccessTokenInvalid` or `RefreshTokenInvalid` from it, so that a client learns nothing.
    """

    code = "token_refused"
    message = "The token is not acceptable."


class _Header(NamedTuple):
    algorithm: str
    type: str
    kid: str


def _decode(part: bytes, name: str) -> bytes:
    """Base64url without padding (RFC 4648, 5), as an encoder writes it: one text for one value."""
    missing = -len(part) % 4
    try:
        if part[-1] in _ENDINGS[missing]:
            return a2b_base64(part.translate(_TO_BASE64) + b"=" * missing, strict_mode=True)
    except ValueError:
        pass
    raise TokenRefused(f"the {name} is not canonical base64url")


def parsed(data: bytes, name: str = "payload") -> dict[str, object]:
    """The members of a part of a token.

    Raises:
        TokenRefused: it is not an object in strict JSON.
    """
    try:
        value = strict_json.parse(data, max_depth=_MAX_DEPTH, max_members=_MAX_MEMBERS)
    except strict_json.NotStrictJson as error:
        raise TokenRefused(f"the {name} is not strict JSON: {error}") from None
    if not isinstance(value, dict):
        raise TokenRefused(f"the {name} is not an object")
    if b"\\u0000" in data and any("\0" in string for string in strict_json.strings(value)):
        raise TokenRefused(f"the {name} holds a NUL")
    return value


@lru_cache(maxsize=64)
def _header(part: bytes) -> _Header:
    """Read a header. All tokens of a key have the same, hence the cache; it remembers what was said, not that it is true."""
    members = parsed(_decode(part, "header"), "header")
    if members.keys() != _HEADER_MEMBERS:
        raise TokenRefused("the header has other members than alg, typ and kid")
    algorithm, kind, kid = members["alg"], members["typ"], members["kid"]
    if not (isinstance(algorithm, str) and isinstance(kind, str) and isinstance(kid, str) and KID.fullmatch(kid)):
        raise TokenRefused("a member of the header is not of its form")
    return _Header(algorithm, kind, kid)


def open_token(token: str, *, types: Collection[str], keys: Mapping[str, VerificationKey]) -> dict[str, object]:
    """Give the claims of an authentic token of ours. Arguments and errors are those of `authentic`."""
    return parsed(authentic(token, types=types, keys=keys))


def authentic(token: str, *, types: Collection[str], keys: Mapping[str, VerificationKey]) -> bytes:
    """Give the payload of an authentic token of ours, in the compact serialisation of JWS (RFC 7515).

    Authentic means that one of our keys signed it; nothing is said about its claims or whether it has expired.

    Args:
        token: what was presented; anything at all.
        types: the values of `typ` that are accepted (RFC 8725, 3.11).
        keys: the keys by `kid`.

    Raises:
        TokenRefused: it is not; and nothing else is raised.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        raise TokenRefused("the token is too long, or not a string")
    signed, _, tail = token.encode("ascii", "replace").rpartition(b".")
    head, _, body = signed.partition(b".")
    if not (0 < len(head) <= _MAX_HEADER_BYTES and body and tail) or b"." in body:
        raise TokenRefused("the token is not a compact JWS")
    header = _header(head)
    if header.type not in types:
        raise TokenRefused("the token is of another type")
    key = keys.get(header.kid)
    if key is None:
        raise TokenRefused("the key is unknown")
    if header.algorithm != key.algorithm:
        raise TokenRefused("the algorithm is not the key's")
    if not key.verifies(signed, _decode(tail, "signature")):
        raise TokenRefused("the signature is wrong")
    return _decode(body, "payload")


def string(payload: Mapping[str, object], name: str, form: re.Pattern[str]) -> str:
    """A claim that is a string of a form.

    Raises:
        TokenRefused: it is missing or is not.
    """
    value = payload.get(name)
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise TokenRefused(f"{name} is missing or not of its form")
    return value


def numeric_date(payload: Mapping[str, object], name: str) -> int:
    """A claim that is a whole number of seconds since the epoch (NumericDate of RFC 7519, without fractions).

    Raises:
        TokenRefused: it is missing, not an integer, or outside the years 1970 to 9999.
    """
    value = payload.get(name)
    # Not isinstance: true is an int.
    if type(value) is not int or not 0 < value <= MAX_NUMERIC_DATE:
        raise TokenRefused(f"{name} is missing or not a time")
    return value


def check_parties(payload: Mapping[str, object], *, issuer: str, audience: str) -> None:
    """Require `iss` and `aud` to be exactly these strings; a list that names us among others is not enough.

    Raises:
        TokenRefused: they are not.
    """
    if payload.get("iss") != issuer:
        raise TokenRefused("iss is not ours")
    if payload.get("aud") != audience:
        raise TokenRefused("aud is not ours")


def _roles(payload: Mapping[str, object]) -> tuple[str, ...]:
    roles = payload.get("roles")
    if not isinstance(roles, list) or len(roles) > MAX_ROLES:
        raise TokenRefused("roles is missing or not a short list")
    if not all(isinstance(role, str) and ROLE.fullmatch(role) for role in roles):
        raise TokenRefused("a role is not of its form")
    return tuple(roles)


def _extra(payload: Mapping[str, object]) -> Mapping[str, object]:
    names = payload.keys() - ACCESS_CLAIMS
    if not names:
        return _NOTHING
    # A verdict may be shared between requests: none of them may change it.
    return FrozenDict({name: frozen(payload[name]) for name in payload if name in names})


def check_access_claims(
    payload: Mapping[str, object], *, issuer: str, audience: str, max_lifetime: int
) -> AccessClaims:
    """Read the claims of an authentic access token, whenever it was or will be valid.

    Args:
        payload: what `open_token` gave.
        issuer: what `iss` must be.
        audience: what `aud` must be.
        max_lifetime: the most seconds between `iat` and `exp`, whatever the issuer thought.

    Raises:
        TokenRefused: a claim is missing, not of its form, or of somebody else.
    """
    check_parties(payload, issuer=issuer, audience=audience)
    if "nbf" in payload:
        raise TokenRefused("nbf is not a claim of ours")
    claims = AccessClaims(
        subject=string(payload, "sub", SUBJECT),
        session_id=string(payload, "sid", ID),
        id=string(payload, "jti", ID),
        issued_at=numeric_date(payload, "iat"),
        expires_at=numeric_date(payload, "exp"),
        authenticated_at=numeric_date(payload, "auth_time"),
        roles=_roles(payload),
        extra=_extra(payload),
    )
    if not 0 < claims.expires_at - claims.issued_at <= max_lifetime:
        raise TokenRefused("its lifetime is too long, or none")
    return claims


def check_time(claims: AccessClaims, now: int, leeway: int) -> None:
    """Require a token to be valid at a moment: from `iat` until just before `exp`.

    Args:
        claims: what the token says.
        now: the time, in whole seconds since the epoch, rounded down.
        leeway: how many seconds after `exp` it is still taken; before `iat`, at least `CLOCK_SKEW_SECONDS` are allowed.

    Raises:
        TokenRefused: it is not.
    """
    if now >= claims.expires_at + leeway:
        raise TokenRefused("it has expired")
    if claims.issued_at > now + max(leeway, CLOCK_SKEW_SECONDS):
        raise TokenRefused("it was issued in the future")
