"""Tokens made by hand, so that they can be wrong in one way at a time."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from keyturn.core.keyring import KeyState, SigningKey
from keyturn.core.keys import ALGORITHMS
from keyturn.core.model import AccessClaims

ISSUER = "https://accounts.example.com"
NOW = 1_767_225_600
"""The time at which FakeClock begins, in seconds."""

SECRET = "v8Ck1m-Qe0Yx3T9bJ5rWn2Lh7Zs4Ud6PaGfOiKtEwMqBzRjN"
OTHER_SECRET = "Zt5pQ9w-Xe2Rv7Yb1Nm4Lk8Jh3Gf6Ds0Aq-UoIiPyTcWxEzK"
SESSION = "5e551011" * 3


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def signing_key(algorithm: str, kid: str | None = None, state: KeyState = KeyState.ACTIVE) -> SigningKey:
    """A key of an algorithm, of its own at each call but for HS256."""
    key = {
        "ES256": lambda: ECKey.generate_key("P-256"),
        "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
        "RS256": lambda: RSAKey.generate_key(2048),
        "HS256": lambda: OctKey.import_key(SECRET),
    }[algorithm]()
    return SigningKey(kid or f"{algorithm.lower()}-key", algorithm, key, state)


def access_payload(**changes: Any) -> dict[str, Any]:
    """The claims of an access token that is valid at NOW; None removes one."""
    payload = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": "a11ce0" * 4,
        "sid": SESSION,
        "jti": "70cc" * 6,
        "iat": NOW,
        "exp": NOW + 600,
        "auth_time": NOW - 60,
        "roles": ["user"],
    } | changes
    return {name: value for name, value in payload.items() if value is not None}


def access_claims(**changes: Any) -> AccessClaims:
    """The same as the core says it."""
    values: dict[str, Any] = {
        "subject": "a11ce0" * 4,
        "session_id": SESSION,
        "id": "70cc" * 6,
        "issued_at": NOW,
        "expires_at": NOW + 600,
        "authenticated_at": NOW - 60,
        "roles": ("user",),
    }
    return AccessClaims(**(values | changes))


def refresh_payload(**changes: Any) -> dict[str, Any]:
    """The claims of a refresh token; None removes one."""
    payload = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sid": SESSION,
        "seed": "5eed" * 6,
        "gen": 7,
        "jti": "c41d" * 6,
        "par": "0123456789ab" * 2,
        "iat": NOW,
        "exp": NOW + 86_400,
    } | changes
    return {name: value for name, value in payload.items() if value is not None}


def header(key: SigningKey, typ: str = "at+jwt", **changes: Any) -> dict[str, Any]:
    return {"alg": key.algorithm, "typ": typ, "kid": key.kid} | changes


def forge(
    key: SigningKey,
    head: Mapping[str, Any] | bytes,
    payload: Mapping[str, Any] | bytes,
    *,
    algorithm: str | None = None,
) -> str:
    """Whatever is given, with a signature over it that is genuine."""
    parts = [part if isinstance(part, bytes) else compact_json(part) for part in (head, payload)]
    signed = ".".join(b64(part) for part in parts)
    signature = ALGORITHMS[algorithm or key.algorithm].sign(signed.encode(), key.key)
    return f"{signed}.{b64(signature)}"


_seen: list[list[str]] = []


def _hook(event: str, _: object) -> None:
    if _seen and event.split(".")[0] in ("open", "socket", "os", "subprocess", "sqlite3", "urllib", "import"):
        _seen[-1].append(event)


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Every file, socket, process and module that Python itself reports to have been asked for."""
    _seen.append([])
    try:
        yield _seen[-1]
    finally:
        _seen.pop()
