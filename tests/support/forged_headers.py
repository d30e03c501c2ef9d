"""Access tokens whose header or key is wrong."""

from __future__ import annotations

import base64
import datetime
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.support.forger import Forger, Forgeries, unb64
from tests.support.tokens import b64, compact_json


def _der(key: ECKey) -> bytes:
    return key.public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(key: ECKey) -> bytes:
    return key.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _self_signed_chain(key: ECKey) -> list[str]:
    """The `x5c` of a certificate that vouches for itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts")])
    begins = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    private = key.private_key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=3650))
        .sign(private, hashes.SHA256())
    )
    return [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]


def no_algorithm(forger: Forger) -> Forgeries:
    for name in ("none", "None", "NONE", "nOnE", "", " none"):
        yield f"alg {name!r}, no signature", forger.unsigned(forger.head(alg=name))
        yield f"alg {name!r}, our signature", forger.sign(forger.head(alg=name))
        yield f"alg {name!r}, no kid", forger.unsigned(forger.head(alg=name, kid=None))
    for value in (None, [], ["none"], ["ES256"], {"alg": "none"}, 0, True):
        yield f"alg {value!r}", forger.unsigned(forger.head(alg=value))


def no_signature(forger: Forger) -> Forgeries:
    head, payload, _ = forger.parts
    yield "null signature", f"{head}.{payload}."
    yield "a missing dot", f"{head}.{payload}"
    yield "the header alone", head
    yield "dots alone", ".."
    yield "a dot alone", "."
    yield "nothing", ""


def blank_key(forger: Forger) -> Forgeries:
    yield "blank secret", forger.by_hmac(b"")
    yield "blank secret, no kid", forger.by_hmac(b"", kid=None)
    yield "a zero byte as the secret", forger.by_hmac(b"\0")
    yield "zero bytes as the secret", forger.by_hmac(bytes(32))


def public_key_as_secret(forger: Forger) -> Forgeries:
    key = forger.key.key
    assert isinstance(key, ECKey)
    jwk = json.loads(forger.jwks)["keys"][0]
    secrets = {
        "PEM": _pem(key),
        "PEM without the newline": _pem(key).rstrip(),
        "DER": _der(key),
        "DER in base64": base64.b64encode(_der(key)),
        "JWK": compact_json(jwk),
        "JWK, spaced": json.dumps(jwk).encode(),
        "JWKS": forger.jwks,
        "JWKS with a newline": forger.jwks + b"\n",
        "x": unb64(str(key.as_dict()["x"])),
    }
    for name, secret in secrets.items():
        yield f"HS256 with our public key as {name}", forger.by_hmac(secret)


def other_algorithms(forger: Forger) -> Forgeries:
    ours, other = ("ES256", forger.key.key), ("RS256", forger.other.key)
    rsa = RSAKey.generate_key(2048)
    # Signatures of the other key, which is published as well, under every name that might confuse the two.
    yield "the other key under our kid", forger.sign(forger.head(alg="RS256"), by=other)
    yield "the other key, said to be ours", forger.sign(forger.head(), by=other)
    yield "our key under the other kid", forger.sign(forger.head(kid=forger.other.kid), by=ours)
    yield "our key, said to be the other", forger.sign(forger.head(alg="RS256", kid=forger.other.kid), by=ours)
    for name in ("PS256", "RS512"):
        head = forger.head(alg=name, kid=forger.other.kid)
        yield f"the other key with {name}", forger.sign(head, by=(name, forger.other.key))
    strangers = {
        "RS256": rsa,
        "PS256": rsa,
        "ES256": forger.stranger,
        "ES384": ECKey.generate_key("P-384"),
        "ES512": ECKey.generate_key("P-521"),
        "EdDSA": OKPKey.generate_key("Ed25519"),
        "HS256": OctKey.generate_key(256),
        "HS512": OctKey.generate_key(512),
    }
    for name, key in strangers.items():
        yield f"a stranger's {name}", forger.sign(forger.head(alg=name), by=(name, key))
    yield "a stranger's Ed448", forger.sign(forger.head(alg="EdDSA"), by=("EdDSA", OKPKey.generate_key("Ed448")))
    for name in ("es256", "ES256 ", "ES384", "Ed25519", "HS256"):
        yield f"our signature under {name!r}", forger.sign(forger.head(alg=name))


def key_in_the_header(forger: Forger) -> Forgeries:
    jwk = forger.stranger.as_dict(private=False)
    for kid in (forger.key.kid, "stranger", None):
        yield f"jwk, kid {kid}", forger.sign(forger.head(jwk=jwk, kid=kid), by=("ES256", forger.stranger))
    yield "jwk of ours, signed by us", forger.sign(forger.head(jwk=forger.key.key.as_dict(private=False)))


def key_elsewhere(forger: Forger) -> Forgeries:
    for member in ("jku", "x5u"):
        url = f"{forger.listener}/{member}"
        for kid in (forger.key.kid, "stranger"):
            yield (
                f"{member}, kid {kid}",
                forger.sign(forger.head(**{member: url}, kid=kid), by=("ES256", forger.stranger)),
            )
        yield f"{member}, signed by us", forger.sign(forger.head(**{member: url}))
    yield "a URL as the kid", forger.sign(forger.head(kid=f"{forger.listener}/kid"), by=("ES256", forger.stranger))
    yield "a URL as the issuer", forger.sign(forger.head(), forger.payload(iss=forger.listener))


def own_certificate(forger: Forger) -> Forgeries:
    chain = _self_signed_chain(forger.stranger)
    for kid in (forger.key.kid, "stranger"):
        yield f"x5c, kid {kid}", forger.sign(forger.head(x5c=chain, kid=kid), by=("ES256", forger.stranger))
    yield "x5c, signed by us", forger.sign(forger.head(x5c=chain))


def kid_as_path_or_query(forger: Forger) -> Forgeries:
    kids = (
        "../../dev/null",
        "/dev/null",
        "../../../../../../dev/null\0",
        "file:///dev/null",
        "|sleep 10",
        "$(sleep 10)",
        "`sleep 10`",
        "x' UNION SELECT '1'--",
        "x' OR '1'='1",
        '"; DROP TABLE sessions; --',
        "",
        " ",
        f"{forger.key.kid}\0",
        f" {forger.key.kid}",
        f"{forger.key.kid}/../{forger.key.kid}",
        "%s%s%n",
        "{{7*7}}",
    )
    for kid in kids:
        yield f"kid {kid!r}, blank secret", forger.by_hmac(b"", kid=kid)
        yield f"kid {kid!r}, the secret it might select", forger.by_hmac(b"1", kid=kid)
        yield f"kid {kid!r}, signed by us", forger.sign(forger.head(kid=kid))


def kid_of_another_kind(forger: Forger) -> Forgeries:
    ours = forger.key.kid
    for kid in (0, 1, -1, 1.5, True, [ours], [], {"kid": ours}, {}, "k" * 65, "k" * 8_000, "ключ"):
        yield f"kid {str(kid)[:20]!r}", forger.sign(forger.head(kid=kid))
    yield "kid null", forger.sign(compact_json(forger.head())[:-1].replace(f'"{ours}"'.encode(), b"null") + b"}")
    yield "no kid", forger.sign(forger.head(kid=None))
    twice = compact_json(forger.head())[:-1]
    yield "kid twice", forger.sign(twice + f',"kid":"{ours}"}}'.encode())
    yield "kid twice, the last one another", forger.sign(twice + b',"kid":"other"}')


def critical_members(forger: Forger) -> Forgeries:
    for crit in ([], ["exp"], ["unknown"], ["alg"], "exp", {}, ["b64"]):
        yield f"crit {crit!r}", forger.sign(forger.head(crit=crit))
    for value in (False, True):
        yield f"b64 {value}", forger.sign(forger.head(b64=value, crit=["b64"]))
        yield f"b64 {value}, not critical", forger.sign(forger.head(b64=value))
    head = b64(compact_json(forger.head(b64=False, crit=["b64"])))
    yield "a payload that is not encoded", forger.signed(f"{head}.{compact_json(forger.payload()).decode()}")
    yield "any other member", forger.sign(forger.head(cty="JWT"))
    yield "an unknown member", forger.sign(forger.head(anything=1))
