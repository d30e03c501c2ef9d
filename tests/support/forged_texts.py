"""Access tokens whose text, claims or signature is wrong."""

from __future__ import annotations

import json
import zlib
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey
from tests.support.forger import P256_ORDER, Forger, Forgeries, loosened, respelled, unb64
from tests.support.tokens import b64, compact_json


def compressed_or_encrypted(forger: Forger) -> Forgeries:
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(compact_json(forger.payload())) + raw.flush()
    yield "zip, compressed", forger.sign(forger.head(zip="DEF"), deflated)
    yield "zip, not compressed", forger.sign(forger.head(zip="DEF"))
    bomb = _jwe(forger, "ECDH-ES", forger.stranger, b"0" * 250_000, zip="DEF")
    assert len(bomb) < 4096
    yield "a compression bomb", bomb
    secret = OctKey.import_key(b"p" * 32)
    head, *rest = _jwe(forger, "PBES2-HS256+A128KW", secret, b"{}", p2c=1000, p2s=b64(bytes(16))).split(".")
    slow = json.loads(unb64(head)) | {"p2c": 2_147_483_647}
    yield "a password hashed 2147483647 times", ".".join([b64(compact_json(slow)), *rest])
    yield "five parts", ".".join([*forger.parts, forger.parts[1], forger.parts[2]])


def _jwe(forger: Forger, name: str, key: Any, plaintext: bytes, **more: Any) -> str:
    header = {"alg": name, "enc": "A256GCM", "kid": forger.key.kid, "typ": "at+jwt", **more}
    return jwe.encrypt_compact(header, plaintext, key, algorithms=[name, "A256GCM", "DEF"])


def encrypted_to_us(forger: Forger) -> Forgeries:
    published = forger.key.key.as_dict(private=False)
    public = ECKey.import_key({name: published[name] for name in ("kty", "crv", "x", "y")})
    claims = compact_json(forger.payload())
    for name in ("ECDH-ES", "ECDH-ES+A128KW"):
        yield f"claims by {name}", _jwe(forger, name, public, claims)
        yield f"a signed token by {name}", _jwe(forger, name, public, forger.genuine.encode(), cty="JWT")


def other_serialisations(forger: Forger) -> Forgeries:
    head, payload, signature = forger.parts
    flat = {"protected": head, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
    for name, value in (("flattened", flat), ("general", general)):
        yield name, compact_json(value).decode()
        yield f"{name}, in base64url", b64(compact_json(value))
        yield f"{name} and compact", compact_json({**value, "": f".{payload}.{signature}"}).decode()
    yield "compact in a string", f'"{forger.genuine}"'
    yield "compact in a list", f'["{forger.genuine}"]'
    yield "flattened as the header", f"{b64(compact_json(flat))}.{payload}.{signature}"


def other_spellings(forger: Forger) -> Forgeries:
    head, payload, signature = forger.parts
    for padding in ("=", "=="):
        yield f"header with {padding}", forger.signed(f"{head}{padding}.{payload}")
        yield f"payload with {padding}", forger.signed(f"{head}.{payload}{padding}")
        yield f"signature with {padding}", f"{forger.genuine}{padding}"
    for space in (" ", "\t", "\n", "\r\n", "\0", "%20", "\xa0"):
        yield f"{space!r} in the header", forger.signed(f"{head[:8]}{space}{head[8:]}.{payload}")
        yield f"{space!r} in the payload", forger.signed(f"{head}.{payload[:8]}{space}{payload[8:]}")
        yield f"{space!r} in the signature", f"{head}.{payload}.{signature[:8]}{space}{signature[8:]}"
    yield "the other base64 alphabet", _in_base64(forger)
    yield "loose bits in the header", forger.signed(f"{loosened(compact_json(forger.head()))}.{payload}")
    yield "loose bits in the payload", forger.signed(f"{head}.{loosened(compact_json(forger.payload()))}")
    yield "loose bits in the signature", f"{head}.{payload}.{respelled(signature)}"
    yield "a fourth part", f"{forger.genuine}.{signature}"
    yield "a fourth part, empty", f"{forger.genuine}."
    yield "an empty part before", f".{forger.genuine}"
    yield "the word Bearer again", f"Bearer {forger.genuine}"
    yield "two tokens", f"{forger.genuine},{forger.genuine}"


def _in_base64(forger: Forger) -> str:
    """A genuine token whose signature has a `-` or `_`, written with `+` and `/`."""
    while True:
        head, payload, signature = forger.sign(forger.head()).split(".")
        if "-" in signature or "_" in signature:
            return f"{head}.{payload}.{signature.replace('-', '+').replace('_', '/')}"


def members_twice(forger: Forger) -> Forgeries:
    head, payload = compact_json(forger.head())[:-1], compact_json(forger.payload())[:-1]
    for member in (b'"alg":"ES256"', b'"alg":"none"', b'"typ":"at+jwt"', b'"\\u0061lg":"ES256"'):
        yield f"header with another {member!r}", forger.sign(head + b"," + member + b"}")
    for member in (b'"sub":"somebody"', b'"exp":9999999999', b'"iss":"x"', b'"\\u0073ub":"x"', b'"roles":[]'):
        yield f"claims with another {member!r}", forger.sign(forger.head(), payload + b"," + member + b"}")
        yield f"claims with a first {member!r}", forger.sign(forger.head(), b"{" + member + b"," + payload[1:] + b"}")


def other_text(forger: Forger) -> Forgeries:
    text = compact_json(forger.payload()).decode()
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        yield f"claims in {encoding}", forger.sign(forger.head(), text.encode(encoding))
        yield f"header in {encoding}", forger.sign(compact_json(forger.head()).decode().encode(encoding))
    spoiled = {"half a surrogate": '"\\ud800"', "a NUL": '"\\u0000"', "no UTF-8": '"\xff"', "a bare NUL": '"\0"'}
    for name, value in spoiled.items():
        more = f'{text[:-1]},"note":{value}}}'.encode("latin-1")
        yield f"{name} in the claims", forger.sign(forger.head(), more)
    yield "a NUL in sub", forger.sign(forger.head(), forger.payload(sub=f"{forger.claims['sub']}\0"))
    for name, whole in (
        ("a list", b"[]"),
        ("a string", b'"x"'),
        ("null", b"null"),
        ("no JSON", b"x"),
        ("two", b"{}{}"),
    ):
        yield f"claims are {name}", forger.sign(forger.head(), whole)
        yield f"header is {name}", forger.sign(whole)


def odd_times(forger: Forger) -> Forgeries:
    expires = forger.claims["exp"]
    values = (
        f'"{expires}"',
        f"{expires}.0",
        f"{expires}.5",
        "true",
        "NaN",
        "Infinity",
        "1e400",
        "1e10",
        "[]",
        "null",
    )
    rest = compact_json(forger.payload(exp=None))[:-1].decode()
    for value in (*values, f"[{expires}]", "-1", "0", "-9999999999", "9" * 20, "9" * 300, "{}"):
        yield f"exp {value[:20]}", forger.sign(forger.head(), f'{rest},"exp":{value}}}'.encode())
    for name in ("iat", "auth_time"):
        for value in (str(forger.claims[name]), float(forger.claims[name]), True, -1, []):
            yield f"{name} {value!r}", forger.sign(forger.head(), forger.payload(**{name: value}))


def no_end(forger: Forger) -> Forgeries:
    issued = forger.claims["iat"]
    for name in forger.claims:
        yield f"without {name}", forger.sign(forger.head(), forger.payload(**{name: None}))
    for seconds in (601, 86_400, 10 * 365 * 86_400):
        yield f"valid for {seconds} s", forger.sign(forger.head(), forger.payload(exp=issued + seconds))
    yield "over before it began", forger.sign(forger.head(), forger.payload(exp=issued))


def wrong_time(forger: Forger) -> Forgeries:
    issued, expires = forger.claims["iat"], forger.claims["exp"]
    yield "nbf in the future", forger.sign(forger.head(), forger.payload(nbf=expires))
    yield "nbf at all", forger.sign(forger.head(), forger.payload(nbf=issued))
    yield (
        "iat in the far future",
        forger.sign(forger.head(), forger.payload(iat=expires + 90_000, exp=expires + 90_600)),
    )


def lapsed(forger: Forger) -> Forgeries:
    """Out of time by so little that they still sign out, as they should."""
    issued = forger.claims["iat"]
    yield "iat 6 s in the future", forger.sign(forger.head(), forger.payload(iat=issued + 6, exp=issued + 600))
    yield "expired just now", forger.sign(forger.head(), forger.payload(iat=issued - 600, exp=issued))
    yield "expired a second ago", forger.sign(forger.head(), forger.payload(iat=issued - 600, exp=issued - 1))


def other_parties(forger: Forger) -> Forgeries:
    issuer = forger.claims["iss"]
    others = (f"{issuer}/", f"{issuer}0", issuer[:-1], issuer.upper(), f" {issuer}", "", "other", issuer[7:])
    for other in others:
        yield f"iss {other!r}", forger.sign(forger.head(), forger.payload(iss=other))
        yield f"aud {other!r}", forger.sign(forger.head(), forger.payload(aud=other))
    for several in ([issuer], [issuer, "other"], ["other", issuer], [], {"0": issuer}, 0):
        yield f"iss {several!r}", forger.sign(forger.head(), forger.payload(iss=several))
        yield f"aud {several!r}", forger.sign(forger.head(), forger.payload(aud=several))
    for sub in ("", "a b", "x" * 129, "ü", 7, ["x"]):
        yield f"sub {str(sub)[:9]!r}", forger.sign(forger.head(), forger.payload(sub=sub))


def other_kinds(forger: Forger) -> Forgeries:
    kinds = ("JWT", "jwt", "dpop+jwt", "dbsc+jwt", "rt+jwt", "id_token+jwt", "reset+jwt", "state+jwt", "logout+jwt")
    for kind in (*kinds, "AT+JWT", "at+jwt ", "at+jwt;x=1", "application/jwt", "", ["at+jwt"], 1, None):
        yield f"typ {kind!r}", forger.sign(forger.head(typ=kind))
    now, audience = forger.claims["iat"], forger.claims["aud"]
    jwk = forger.stranger.as_dict(private=False)
    proof = forger.sign(
        {"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk},
        {"jti": "1", "htm": "GET", "htu": audience, "iat": now},
        ("ES256", forger.stranger),
    )
    yield "a DPoP proof", proof
    yield (
        "a DBSC proof",
        forger.sign({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}, {"jti": "c"}, ("ES256", forger.stranger)),
    )
    claims = {name: forger.claims[name] for name in ("iss", "sub", "aud", "iat", "exp", "auth_time")}
    yield "an ID token", forger.sign(forger.head(typ="JWT"), {**claims, "nonce": "n"})
    yield "an ID token as an access token", forger.sign(forger.head(), {**claims, "nonce": "n"})
    yield "a reset token", forger.sign(forger.head(), {"sub": claims["sub"], "purpose": "reset", "exp": claims["exp"]})


def odd_signatures(forger: Forger) -> Forgeries:
    text = ".".join(forger.parts[:2])
    one, order = (1).to_bytes(32, "big"), P256_ORDER.to_bytes(32, "big")
    zero, above = bytes(32), (P256_ORDER + 1).to_bytes(32, "big")
    genuine = unb64(forger.parts[2])
    r, s = genuine[:32], genuine[32:]
    pairs = [(zero, zero), (zero, s), (r, zero), (order, s), (r, order), (order, order), (one, one), (above, above)]
    pairs += [(s, r), (b"\xff" * 32, b"\xff" * 32)]
    for left, right in pairs:
        yield f"r {left[:2].hex()}, s {right[:2].hex()}", f"{text}.{b64(left + right)}"
    private = forger.key.key.private_key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    yield "in DER", f"{text}.{b64(private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))}"
    yield "a byte less", f"{text}.{b64(genuine[:-1])}"
    yield "a byte more", f"{text}.{b64(genuine + zero[:1])}"
    yield "r and s with zeros before", f"{text}.{b64(zero[:1] + r + zero[:1] + s)}"
    yield "of another token", f"{forger.parts[0]}.{b64(compact_json(forger.payload(sub='somebody')))}.{forger.parts[2]}"
