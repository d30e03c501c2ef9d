"""What is fuzzed: functions that take any bytes, give whether they were accepted, and raise where a promise is broken.

A token is seldom authentic by chance, so for some inputs the target signs what it is given: the gate then sees headers and
payloads that nobody would sign, under signatures that are good.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import jwt as pyjwt
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey
from tests.fuzz import naive
from tests.support.tokens import ISSUER, NOW, SECRET, b64

from keyturn.core import refresh_token, strict_json
from keyturn.core.gate import (
    ACCESS_TYPES,
    REFRESH_TYPES,
    TokenRefused,
    check_access_claims,
    check_time,
    open_token,
)
from keyturn.core.keyring import SigningKey
from keyturn.core.keys import ALGORITHMS
from keyturn.core.model import SECOND
from keyturn.errors import RefreshTokenInvalid
from keyturn.http.cookies import DuplicateCookie, read_cookie
from keyturn.http.forwarded import client_of
from keyturn.http.headers import Headers
from keyturn.http.origin import is_loopback_origin
from keyturn.server.durations import format_duration, parse_duration
from keyturn.server.origins import origin_of

KEYS: Mapping[bytes, SigningKey] = {
    b"h": SigningKey("shared", "HS256", OctKey.import_key(SECRET)),
    b"e": SigningKey("curve", "ES256", ECKey.derive_key("fuzz", "P-256")),
    b"d": SigningKey("edwards", "EdDSA", OKPKey.derive_key("fuzz", "Ed25519")),
}
"""By the letter that an input begins with if it is to be signed: the header, a line feed, the payload."""

VERIFYING = {key.kid: key.verification for key in KEYS.values()}


def token_of(data: bytes) -> str:
    """The token that an input stands for: its first byte says whether the rest is to be signed, or is one already."""
    key, rest = KEYS.get(data[:1]), data[1:]
    if key is None:
        return rest.decode("latin-1")
    signed = ".".join(b64(part) for part in rest.partition(b"\n")[::2])
    return f"{signed}.{b64(ALGORITHMS[key.algorithm].sign(signed.encode(), key.key))}"


def _readings(token: str) -> list[Any]:
    """What two other libraries make of an authentic token: the payload, for each that takes it."""
    key = VERIFYING[pyjwt.get_unverified_header(token)["kid"]]
    readings = []
    with contextlib.suppress(JoseError, ValueError):
        readings.append(json.loads(jws.deserialize_compact(token, key.key, algorithms=[key.algorithm]).payload))
    public: Any = key.key.raw_value
    with contextlib.suppress(pyjwt.PyJWTError, ValueError):
        readings.append(json.loads(pyjwt.PyJWS().decode(token, public, algorithms=[key.algorithm])))
    return readings


def access_token(data: bytes) -> bool:
    """Only `TokenRefused` comes out, and what is accepted says the same to others."""
    token = token_of(data)
    try:
        payload = open_token(token, types=ACCESS_TYPES, keys=VERIFYING)
        claims = check_access_claims(payload, issuer=ISSUER, audience=ISSUER, max_lifetime=900)
        check_time(claims, NOW, 0)
    except TokenRefused:
        return False
    readings = _readings(token)
    assert readings, "no other library takes it"
    for said in readings:
        assert said == payload
        assert (said["sub"], said["sid"], said["jti"]) == (claims.subject, claims.session_id, claims.id)
        assert said["iss"] == said["aud"] == ISSUER
        assert NOW < said["exp"] <= said["iat"] + 900 <= NOW + 905
        assert "nbf" not in said
    return True


def refresh(data: bytes) -> bool:
    """Only `RefreshTokenInvalid` comes out, and what is accepted can be minted again with the same meaning."""
    token = token_of(data)
    try:
        read = refresh_token.parse(token, issuer=ISSUER, keys=VERIFYING)
    except RefreshTokenInvalid:
        return False
    payload = open_token(token, types=REFRESH_TYPES, keys=VERIFYING)
    assert _readings(token)
    assert all(said == payload for said in _readings(token))
    again = refresh_token.mint(read, issuer=ISSUER, issued_at_seconds=NOW, expires_at_seconds=NOW + 1, key=KEYS[b"h"])
    assert refresh_token.parse(again, issuer=ISSUER, keys=VERIFYING) == read
    return True


def cookies(data: bytes) -> bool:
    """Every line is a Cookie header; the naive reader finds the same."""
    lines = data.split(b"\n")
    found = [value for line in lines for value in naive.cookies_called(b"__Host-keyturn_refresh", line)]
    try:
        value = read_cookie(Headers([(b"cookie", line) for line in lines]), "__Host-keyturn_refresh")
    except DuplicateCookie:
        assert len(found) > 1
        return False
    assert ([] if value is None else [value.encode("latin-1")]) == found
    return value is not None


def json_text(data: bytes) -> bool:
    """Only `NotStrictJson` comes out, and the naive reader accepts and reads the same."""
    try:
        value = strict_json.parse(data, max_depth=4, max_members=16)
    except strict_json.NotStrictJson:
        value = naive.Refused
    try:
        expected = naive.strict_json(data, 4, 16)
    except naive.Refused:
        expected = naive.Refused
    assert repr(value) == repr(expected)
    return value is not naive.Refused


def duration(data: bytes) -> bool:
    """Only `ValueError` comes out, and a duration means what the naive reader says, also when written again."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        micros = parse_duration(text)
    except ValueError:
        micros = None
    try:
        expected = naive.seconds(text) * SECOND
    except naive.Refused:
        expected = None
    assert micros == expected
    assert micros is None or parse_duration(format_duration(micros)) == micros
    return micros is not None


def origin(data: bytes) -> bool:
    """Only `ValueError` comes out, and an origin is nothing but one, to another parser as well."""
    url = data.decode("utf-8", "surrogateescape")
    is_loopback_origin(url)
    try:
        canonical = origin_of(url)
    except ValueError:
        return False
    assert origin_of(canonical) == canonical
    parts = urlsplit(canonical)
    assert canonical == f"{parts.scheme}://{parts.netloc}"
    assert parts.scheme in ("http", "https")
    assert canonical.isascii()
    assert canonical == canonical.lower()
    assert parts.hostname
    assert parts.username is parts.password is None
    assert parts.port not in (0, {"http": 80, "https": 443}[parts.scheme])
    return True


PROXIES = [ip_network(text) for text in ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32")]
_PREFIXES = [
    (net.max_prefixlen, format(int(net.network_address), f"0{net.max_prefixlen}b")[: net.prefixlen]) for net in PROXIES
]


def forwarded(data: bytes) -> bool:
    """The first line is the peer, each other one an X-Forwarded-For; the naive reader finds the same client."""
    peer, *values = data.decode("latin-1").split("\n")
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    client = client_of(peer, Headers(headers), PROXIES)
    assert client.address == naive.client_address(peer, values, _PREFIXES)
    return client.address != peer


def planted_branches(data: bytes) -> bool:
    """A fault that is found by following the branches: nobody guesses four bytes."""
    first, second, third, fourth, *_ = *data, 0, 0, 0, 0
    if first == ord("T"):  # noqa: SIM102 each branch is a step
        if second == ord("O"):  # noqa: SIM102
            if third == ord("K"):  # noqa: SIM102
                if fourth == ord("E"):
                    raise AssertionError("the planted fault was found")
    return False


def planted_cookies(data: bytes) -> bool:
    """A fault that only the comparison with a naive reader shows: names of cookies are taken without regard to case."""
    parts = [part.strip(b" \t").partition(b"=") for part in data.split(b";")]
    values = [value for name, equals, value in parts if equals and name.lower() == b"__host-keyturn_refresh"]
    assert values == naive.cookies_called(b"__Host-keyturn_refresh", data), "the planted fault was found"
    return bool(values)


Target = Callable[[bytes], bool]

TARGETS: Mapping[str, Target] = {
    target.__name__: target for target in (access_token, refresh, cookies, json_text, duration, origin, forwarded)
}
PLANTED: Mapping[str, Target] = {target.__name__: target for target in (planted_branches, planted_cookies)}
