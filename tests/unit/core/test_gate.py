"""Forged tokens. Each is wrong in one way only, and where that is possible its signature is genuine."""

from __future__ import annotations

import base64
import copy
import hmac
import json
import pickle
import string
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.support.tokens import (
    ISSUER,
    NOW,
    OTHER_SECRET,
    access_claims,
    access_payload,
    b64,
    compact_json,
    forge,
    header,
    refresh_payload,
    signing_key,
    watched,
)

from keyturn.core import access_token
from keyturn.core.gate import (
    ACCESS_TYPES,
    MAX_NUMERIC_DATE,
    MAX_ROLES,
    MAX_TOKEN_BYTES,
    REFRESH_TYPES,
    TokenRefused,
    check_access_claims,
    check_time,
    numeric_date,
    open_token,
)
from keyturn.core.keyring import SigningKey
from keyturn.core.keys import VerificationKey
from keyturn.core.model import AccessClaims
from keyturn.errors import TokenError

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

HS = signing_key("HS256")
ES = signing_key("ES256")
ED = signing_key("EdDSA")
RS = signing_key("RS256")
EVERY_KEY = [HS, ES, ED, RS]
KEYS: Mapping[str, VerificationKey] = {key.kid: key.verification for key in EVERY_KEY}


def read(token: Any) -> AccessClaims:
    """What a verifier does with a token at NOW."""
    claims = check_access_claims(
        open_token(token, types=ACCESS_TYPES, keys=KEYS), issuer=ISSUER, audience=ISSUER, max_lifetime=900
    )
    check_time(claims, NOW, 0)
    return claims


def refuse(token: Any, why: str | None = None) -> None:
    with pytest.raises(TokenRefused, match=why):
        read(token)


def good(key: SigningKey = HS, **claims: Any) -> str:
    return forge(key, header(key), access_payload(**claims))


@pytest.mark.parametrize("key", EVERY_KEY, ids=lambda key: key.algorithm)
@pytest.mark.parametrize("typ", sorted(ACCESS_TYPES))
def test_a_good_token_passes(key: SigningKey, typ: str) -> None:
    assert read(forge(key, header(key, typ), access_payload())) == access_claims()


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("key", EVERY_KEY, ids=lambda key: key.algorithm)
def test_what_we_mint_passes_here_and_in_two_other_libraries(key: SigningKey) -> None:
    token = access_token.mint(access_claims(), issuer=ISSUER, audience=ISSUER, key=key)
    assert read(token) == access_claims()
    public: Any = key.verification.key.raw_value
    their_claims = pyjwt.decode(
        token, public, algorithms=[key.algorithm], audience=ISSUER, issuer=ISSUER, options={"verify_exp": False}
    )
    assert their_claims == access_payload()
    theirs = jws.deserialize_compact(token, key.verification.key, algorithms=[key.algorithm])
    assert json.loads(theirs.payload) == access_payload()


# The algorithm and the key


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "hs256", "HS512", "PS256", "ES384", "eddsa", "Ed25519", ""]
)
@pytest.mark.parametrize("key", EVERY_KEY, ids=lambda key: key.algorithm)
def test_the_header_does_not_choose_the_algorithm(key: SigningKey, alg: str) -> None:
    refuse(forge(key, header(key, alg=alg), access_payload()), "algorithm")


@pytest.mark.parametrize("alg", [None, 1, ["HS256"], {"HS256": 1}, True])
def test_an_algorithm_that_is_no_string_is_refused(alg: object) -> None:
    refuse(forge(HS, header(HS, alg=alg), access_payload()), "header")


@pytest.mark.parametrize("typ", [None, 1, ["at+jwt"], {"at+jwt": 1}, True])
def test_a_type_that_is_no_string_is_refused(typ: object) -> None:
    refuse(forge(HS, header(HS, typ=typ), access_payload()), "^a member of the header is not of its form$")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "HS256"])
def test_a_token_without_a_signature_is_refused(alg: str) -> None:
    signed = f"{b64(compact_json(header(HS, alg=alg)))}.{b64(compact_json(access_payload()))}"
    refuse(signed + ".", "compact")
    refuse(signed, "compact")
    refuse(signed + "." + b64(b"\0" * 32))


def test_a_mac_with_an_empty_key_is_refused() -> None:
    head, payload, _ = good().split(".")
    for key in (b"", b"\0", b"\0" * 32):
        refuse(f"{head}.{payload}.{b64(hmac.digest(key, f'{head}.{payload}'.encode(), 'sha256'))}", "signature")


def spellings(key: Any) -> list[bytes]:
    """A public key in every spelling that somebody might take for a secret."""
    pem = key.as_pem(private=False)
    jwk = key.as_dict(private=False)
    return [
        pem,
        pem.strip(),
        pem + b"\n",
        key.as_der(private=False),
        base64.b64encode(key.as_der(private=False)),
        compact_json(jwk),
        json.dumps(jwk).encode(),
        compact_json({"keys": [jwk]}),
    ]


@pytest.mark.parametrize("key", [ES, ED, RS], ids=lambda key: key.algorithm)
def test_a_public_key_is_not_a_secret(key: SigningKey) -> None:
    for spelling in spellings(key.key):
        for alg in ("HS256", key.algorithm):
            signed = f"{b64(compact_json(header(key, alg=alg)))}.{b64(compact_json(access_payload()))}"
            refuse(f"{signed}.{b64(hmac.digest(spelling, signed.encode(), 'sha256'))}")


@pytest.mark.parametrize("named", EVERY_KEY, ids=lambda key: f"named {key.algorithm}")
@pytest.mark.parametrize("used", EVERY_KEY, ids=lambda key: f"signed {key.algorithm}")
def test_a_key_vouches_only_under_its_own_name_and_algorithm(named: SigningKey, used: SigningKey) -> None:
    if named is used:
        return
    refuse(forge(used, header(named), access_payload()), "signature")
    refuse(forge(used, header(named, alg=used.algorithm), access_payload()), "algorithm")
    refuse(forge(used, header(used, alg=named.algorithm), access_payload()), "algorithm")


@pytest.mark.parametrize("kid", ["unknown", "HS256-KEY", "dev-null", "k" * 64])
def test_an_unknown_key_is_looked_up_in_memory_and_nowhere_else(kid: str) -> None:
    token = forge(HS, header(HS, kid=kid), access_payload())
    with watched() as seen:
        refuse(token, "unknown")
    assert seen == []


@pytest.mark.parametrize(
    "kid",
    [
        "",
        "../../dev/null",
        "/dev/null",
        "|sleep 10",
        "x' UNION SELECT '1'--",
        "hs256-key\n",
        "hs256-key\0",
        "http://127.0.0.1/key",
        1,
        None,
        True,
        ["hs256-key"],
        {"hs256-key": 1},
        "k" * 65,
    ],
    ids=repr,
)
def test_a_name_that_no_key_can_have_is_not_even_looked_up(kid: object) -> None:
    token = forge(HS, header(HS, kid=kid), access_payload())
    with watched() as seen:
        refuse(token, "the header")
    assert seen == []


def test_a_long_header_is_not_read() -> None:
    refuse(forge(HS, header(HS, kid="k" * 1_000_000), access_payload()), "too long")
    raw = compact_json(header(HS))
    assert read(forge(HS, raw + b" " * (384 - len(raw)), access_payload()))
    refuse(forge(HS, raw + b" " * (385 - len(raw)), access_payload()), "compact")


def test_the_watch_sees_a_file_that_is_opened() -> None:
    with watched() as seen, Path(__file__).open("rb"):
        pass
    assert "open" in seen


# The header


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": RS.key.as_dict(private=False)},
        {"jku": "http://127.0.0.1:9/jwks.json"},
        {"x5u": "http://127.0.0.1:9/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"zip": "DEF"},
        {"crit": []},
        {"crit": ["exp"], "exp": NOW},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"unknown": None},
    ],
    ids=lambda member: ",".join(member),
)
def test_another_member_in_the_header_is_refused_though_it_is_signed(member: dict[str, Any]) -> None:
    with watched() as seen:
        refuse(forge(HS, header(HS, **member), access_payload()))
    assert seen == []


@pytest.mark.parametrize("name", ["alg", "typ", "kid"])
def test_a_header_without_one_of_its_members_is_refused(name: str) -> None:
    head = header(HS)
    del head[name]
    refuse(forge(HS, head, access_payload()), "header")


@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        "jwt",
        "AT+JWT",
        "at+jwt ",
        "at",
        "rt+jwt",
        "application/AT+JWT",
        "dpop+jwt",
        "dbsc+jwt",
        "id+jwt",
        "reset+jwt",
        "",
    ],
)
def test_only_the_type_of_an_access_token_passes_as_one(typ: str) -> None:
    refuse(forge(HS, header(HS, typ), access_payload()), "type")


def test_each_kind_of_token_passes_only_as_what_it_is() -> None:
    access = forge(HS, header(HS, "at+jwt"), access_payload() | refresh_payload())
    refresh = forge(HS, header(HS, "rt+jwt"), access_payload() | refresh_payload())
    for token, types, other in ((access, ACCESS_TYPES, REFRESH_TYPES), (refresh, REFRESH_TYPES, ACCESS_TYPES)):
        assert open_token(token, types=types, keys=KEYS)
        with pytest.raises(TokenRefused, match="type"):
            open_token(token, types=other, keys=KEYS)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"alg":"none","alg":"HS256","typ":"at+jwt","kid":"hs256-key"}',
        b'{"alg":"HS256","typ":"at+jwt","kid":"x","kid":"hs256-key"}',
        b'{"alg":"HS256","typ":"at+jwt","\\u0061lg":"HS256","kid":"hs256-key"}',
        b"[]",
        b"null",
        b'"HS256"',
        b"",
        b"{",
        b"\xef\xbb\xbf" + compact_json(header(HS)),
        json.dumps(header(HS)).encode("utf-16"),
        b"[" * 300,
    ],
)
def test_a_header_that_is_not_strict_json_is_refused(raw: bytes) -> None:
    refuse(forge(HS, raw, access_payload()))


def test_a_header_is_read_afresh_for_every_key_it_names() -> None:
    """The memory of headers holds what they say, not a verdict."""
    token = good()
    assert read(token)
    with pytest.raises(TokenRefused, match="unknown"):
        open_token(token, types=ACCESS_TYPES, keys={})
    other = VerificationKey(HS.kid, "HS256", OctKey.import_key(OTHER_SECRET))
    with pytest.raises(TokenRefused, match="signature"):
        open_token(token, types=ACCESS_TYPES, keys={HS.kid: other})


# The form


ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def with_unused_bits(part: str) -> str:
    """The same bytes in a spelling that is not canonical."""
    assert len(part) % 4, "no unused bits in this part"
    return part[:-1] + ALPHABET[ALPHABET.index(part[-1]) ^ 1]


def lenient(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "==")


def test_a_part_with_unused_bits_set_is_refused_though_it_decodes_to_the_same() -> None:
    for extra in ("", "x", "xx", "xxx"):
        parts = good(note=extra).split(".")
        for number, part in enumerate(parts):
            if len(part) % 4 == 0:
                continue
            twin = with_unused_bits(part)
            assert lenient(twin) == lenient(part)
            if number == 2:
                refuse(".".join([*parts[:2], twin]), "canonical")
            else:
                changed = [twin if n == number else p for n, p in enumerate(parts[:2])]
                mac = hmac.digest(HS.key.raw_value, ".".join(changed).encode(), "sha256")
                refuse(".".join([*changed, b64(mac)]), "canonical")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token.replace(".", "=.", 1),
        lambda token: token.replace(".", "==."),
        lambda token: token + "\n",
        lambda token: token + "\r\n",
        lambda token: "\n" + token,
        lambda token: " " + token,
        lambda token: token + " ",
        lambda token: token.replace(".", " . "),
        lambda token: token.replace(".", ".\r\n"),
        lambda token: token + ".",
        lambda token: token + "." + token.split(".")[2],
        lambda token: "." + token,
        lambda token: token.replace(".", "..", 1),
        lambda token: token.replace(".", "", 1),
        lambda token: token + "\0",
        lambda token: token.replace("e", "е", 1),
        lambda token: token + "A",
        lambda token: "Bearer " + token,
        lambda token: token.encode(),
        lambda token: [token],
        lambda token: None,
        lambda token: "",
        lambda token: "..",
    ],
)
def test_anything_around_or_between_the_parts_is_refused(change: Callable[[str], object]) -> None:
    refuse(change(good()))


def test_the_alphabet_of_plain_base64_is_refused() -> None:
    token = next(token for n in range(1000) if set("-_") & set((token := good(note="?>" * n)).split(".")[2]))
    refuse(token.translate(str.maketrans("-_", "+/")), "canonical")


def test_json_serialisations_and_polyglots_are_refused() -> None:
    head, payload, signature = good().split(".")
    flattened = {"protected": head, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
    for value in (flattened, general):
        refuse(json.dumps(value))
        refuse(json.dumps(value) + good())
        refuse(good() + json.dumps(value))


def test_an_encrypted_token_is_refused_even_for_our_own_key() -> None:
    text = compact_json(access_payload())
    ec, rsa = ES.verification.key, RS.verification.key
    for head, key in (
        ({"alg": "ECDH-ES", "enc": "A256GCM", "kid": ES.kid}, ec),
        ({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": RS.kid}, rsa),
        ({"alg": "dir", "enc": "A128CBC-HS256", "kid": HS.kid}, OctKey.import_key(HS.key.raw_value[:32])),
    ):
        token = jwe.encrypt_compact(head, text, key)
        assert token.count(".") == 4
        refuse(token, "compact")


def test_a_costly_key_derivation_is_never_begun() -> None:
    head = b64(compact_json({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647, "p2s": "AAAA"}))
    refuse(f"{head}.AA.AA.AA.AA", "compact")
    refuse(f"{head}.AA.AA", "header")


@pytest.mark.parametrize(
    "token",
    [
        "a" * 10_000_000,
        "." * 10_000_000,
        f"{'a' * 5_000_000}.{'b' * 5_000_000}.c",
        good()[:-1] + "A" * 10_000_000,
    ],
    ids=["letters", "dots", "parts", "signature"],
)
def test_a_token_of_ten_megabytes_is_refused_before_anything_is_made_of_it(token: str) -> None:
    tracemalloc.start()
    try:
        refuse(token, "too long")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000


def test_the_bound_on_the_size_is_exact() -> None:
    def token_of(size: int) -> str:
        return next(token for n in range(2500, 3000) if len(token := good(note="x" * n)) >= size)

    assert len(token_of(MAX_TOKEN_BYTES)) == MAX_TOKEN_BYTES == 4096
    assert read(token_of(MAX_TOKEN_BYTES))
    refuse(token_of(MAX_TOKEN_BYTES + 1), "too long")


@pytest.mark.parametrize(
    "raw", [b"[" * 2800, b'{"a":' * 500, b'{"exp":' + b"1" * 2900 + b"}"], ids=["array", "object", "digits"]
)
def test_deep_nesting_and_long_numbers_are_refused(raw: bytes) -> None:
    refuse(forge(HS, header(HS), raw), "not strict JSON")


# The payload


@pytest.mark.parametrize("name", sorted(access_payload()))
def test_every_claim_is_required(name: str) -> None:
    refuse(good(**{name: None}))


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, json.dumps(value)) for name, value in access_payload().items()],
)
def test_a_claim_that_is_there_twice_is_refused(name: str, text: str) -> None:
    body = compact_json(access_payload())[:-1] + f',"{name}":{text}}}'.encode()
    assert json.loads(body) == access_payload()
    refuse(forge(HS, header(HS), body), "one name")


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(access_payload()).encode("utf-16"),
        json.dumps(access_payload()).encode("utf-16-le"),
        json.dumps(access_payload()).encode("utf-8-sig"),
        compact_json(access_payload(sub="\ud800")),
        compact_json(access_payload(note="\udfff")),
        compact_json(access_payload(note={"deep": ["\0"]})),
        compact_json(access_payload(sub="a\0b")),
        b"[1]",
        b"null",
        b'"text"',
        b"1",
    ],
)
def test_a_payload_in_another_encoding_or_with_broken_text_is_refused(raw: bytes) -> None:
    refuse(forge(HS, header(HS), raw))


def test_text_that_only_looks_like_a_nul_passes() -> None:
    assert read(good(full_name="\\u0000 and 😀")).extra == {"full_name": "\\u0000 and 😀"}


@pytest.mark.parametrize("name", ["iat", "exp", "auth_time"])
@pytest.mark.parametrize(
    "raw",
    [
        f'"{NOW + 300}"',
        f"{NOW + 300}.0",
        f"{NOW + 300}.5",
        "1.767e9",
        "true",
        "false",
        "null",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "[1]",
        "{}",
        "0",
        "-1",
        f"-{NOW}",
        str(MAX_NUMERIC_DATE + 1),
        "9" * 20,
        "9" * 2000,
    ],
)
def test_a_time_is_a_whole_number_of_seconds(name: str, raw: str) -> None:
    payload = access_payload(**{name: "@"})
    refuse(forge(HS, header(HS), compact_json(payload).replace(b'"@"', raw.encode())))


def test_time_goes_on_until_the_end_of_the_year_9999() -> None:
    assert datetime.fromtimestamp(MAX_NUMERIC_DATE, UTC).isoformat() == "9999-12-31T23:59:59+00:00"


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else 0


def test_claims_may_be_nested_as_deeply_and_be_as_many_as_that() -> None:
    assert read(good(note=nested(7)))
    refuse(good(note=nested(8)), "^the payload is not strict JSON: the nesting is too deep$")
    rest = 256 - len(access_payload(note=[])) - len(access_payload()["roles"])
    assert read(good(note=[0] * rest))
    refuse(good(note=[0] * (rest + 1)), "^the payload is not strict JSON: there are too many members$")


@pytest.mark.parametrize("moment", [1, MAX_NUMERIC_DATE])
def test_a_time_may_be_at_either_bound(moment: int) -> None:
    assert numeric_date({"exp": moment}, "exp") == moment


@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER + "/",
        ISSUER + ".evil.example",
        ISSUER[:-1],
        ISSUER.upper(),
        ISSUER.removeprefix("https://"),
        "",
        " " + ISSUER,
        [ISSUER],
        {ISSUER: 1},
        1,
        True,
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["iss", "aud"])
def test_issuer_and_audience_are_exact_strings(name: str, issuer: object) -> None:
    refuse(good(**{name: issuer}), name)


def test_an_audience_that_names_us_among_others_is_refused() -> None:
    refuse(good(aud=[ISSUER, "https://other.example.com"]), "aud")


@pytest.mark.parametrize("name", ["sid", "jti"])
@pytest.mark.parametrize(
    "value", ["", "a" * 23, "a" * 25, "A" * 24, "a" * 23 + "\n", "g" * 24, 1, None, ["a" * 24], "a" * 2000]
)
def test_ids_have_their_form(name: str, value: object) -> None:
    refuse(good(**{name: value}), name)


@pytest.mark.parametrize("subject", ["", "a" * 129, "a b", "a\nb", "ä", 7, None, ["a"]])
def test_a_subject_is_short_and_printable(subject: object) -> None:
    refuse(good(sub=subject), "sub")


@pytest.mark.parametrize(
    "roles", ["user", [1], [""], ["a,b"], ["a b"], ["a\n"], ["a" * 65], [["user"]], {}, None, ["r"] * 65]
)
def test_roles_are_a_short_list_of_names(roles: object) -> None:
    refuse(good(roles=roles))


def test_there_may_be_as_many_roles_as_that() -> None:
    assert len(read(good(roles=["r"] * MAX_ROLES)).roles) == 64


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "x"}, "iss is not ours"),
        ({"aud": "x"}, "aud is not ours"),
        ({"nbf": NOW}, "nbf is not a claim of ours"),
        ({"sub": ""}, "sub is missing or not of its form"),
        ({"auth_time": None}, "auth_time is missing or not a time"),
        ({"roles": None}, "roles is missing or not a short list"),
        ({"roles": ["a,b"]}, "a role is not of its form"),
        ({"exp": NOW + 901}, "its lifetime is too long, or none"),
        ({"iat": NOW - 600, "exp": NOW}, "it has expired"),
        ({"iat": NOW + 6}, "it was issued in the future"),
    ],
)
def test_a_refusal_says_which_claim_is_wrong(claims: dict[str, object], why: str) -> None:
    refuse(good(**claims), f"^{why}$")


@pytest.mark.parametrize("nbf", [NOW + 100, NOW - 100, "x"])
def test_a_claim_that_we_never_mint_and_would_have_to_honour_is_refused(nbf: object) -> None:
    refuse(good(nbf=nbf), "nbf")


@pytest.mark.parametrize(
    ("lifetime", "passes"), [(-1, False), (0, False), (1, True), (900, True), (901, False), (10 * 365 * 86_400, False)]
)
def test_the_lifetime_is_bounded_whatever_the_issuer_thought(lifetime: int, passes: bool) -> None:
    token = good(exp=NOW + lifetime)
    if passes:
        assert read(token)
    else:
        refuse(token, "lifetime")


@pytest.mark.parametrize("leeway", [0, 1, 5, 30])
@pytest.mark.parametrize(
    ("now", "valid"),
    [
        (lambda exp, iat, leeway: exp - 1, True),
        (lambda exp, iat, leeway: exp + leeway - 1, True),
        (lambda exp, iat, leeway: exp + leeway, False),
        (lambda exp, iat, leeway: exp + leeway + 1, False),
        (lambda exp, iat, leeway: iat, True),
        (lambda exp, iat, leeway: iat - max(leeway, 5), True),
        (lambda exp, iat, leeway: iat - max(leeway, 5) - 1, False),
        (lambda exp, iat, leeway: 0, False),
        (lambda exp, iat, leeway: MAX_NUMERIC_DATE * 2, False),
    ],
)
def test_a_token_is_valid_from_its_issue_until_just_before_its_expiry(
    leeway: int, now: Callable[[int, int, int], int], valid: bool
) -> None:
    claims = access_claims()
    moment = now(claims.expires_at, claims.issued_at, leeway)
    if valid:
        check_time(claims, moment, leeway)
    else:
        with pytest.raises(TokenRefused):
            check_time(claims, moment, leeway)


def test_further_claims_are_kept_and_nobody_can_change_them() -> None:
    extra: Any = read(good(email="a@example.com", tenant={"ids": [1, 2]})).extra
    assert extra == {"email": "a@example.com", "tenant": {"ids": (1, 2)}}
    with pytest.raises(TypeError, match=r"^This dictionary does not change; dict\(…\) makes a copy that does\.$"):
        extra["email"] = "b@example.com"
    with pytest.raises(TypeError):
        extra["tenant"]["ids"] = []
    for change in (lambda: extra.update(email="b"), lambda: extra.pop("email"), lambda: extra.__ior__({"a": 1})):
        with pytest.raises(TypeError):
            change()


@pytest.mark.parametrize("more", [{}, {"tenant": {"ids": [1, 2]}}], ids=["none", "some"])
def test_claims_can_be_written_and_copied_like_any_value(more: dict[str, object]) -> None:
    """An application logs them, queues them or answers with them."""
    claims = read(good(**more))
    assert json.loads(json.dumps(asdict(claims)))["extra"] == more
    assert copy.deepcopy(claims) == claims
    assert pickle.loads(pickle.dumps(claims)) == claims


# Signatures


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER), (P256_ORDER, P256_ORDER)]
)
def test_the_signature_that_fits_everything_fits_nothing(r: int, s: int) -> None:
    head, payload, _ = good(ES).split(".")
    refuse(f"{head}.{payload}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}", "signature")


@pytest.mark.parametrize("key", EVERY_KEY, ids=lambda key: key.algorithm)
@pytest.mark.parametrize("length", [1, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1000])
def test_a_signature_of_any_length_that_is_not_genuine_is_refused(key: SigningKey, length: int) -> None:
    head, payload, signature = good(key).split(".")
    refuse(f"{head}.{payload}.{b64(bytes(length))}")
    refuse(f"{head}.{payload}.{b64((lenient(signature) * 1000)[:length] + b'x')}")


def test_a_signature_in_der_is_refused() -> None:
    head, payload, signature = good(ES).split(".")
    raw = lenient(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    assert decode_dss_signature(der)
    refuse(f"{head}.{payload}.{b64(der)}", "signature")


@pytest.mark.parametrize(
    "stranger",
    [
        SigningKey(HS.kid, "HS256", OctKey.import_key(OTHER_SECRET)),
        SigningKey(ES.kid, "ES256", ECKey.generate_key("P-256")),
        SigningKey(ED.kid, "EdDSA", OKPKey.generate_key("Ed25519")),
        SigningKey(RS.kid, "RS256", RSAKey.generate_key(2048)),
    ],
    ids=lambda key: key.algorithm,
)
def test_another_key_under_our_name_is_refused(stranger: SigningKey) -> None:
    refuse(good(stranger), "signature")


# Everything


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.text() | st.binary() | st.from_regex(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}", fullmatch=True))
def test_whatever_is_presented_the_only_error_is_that_of_a_token(token: str | bytes) -> None:
    with pytest.raises(TokenError):
        read(token)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_whatever_bytes_are_signed_the_only_error_is_that_of_a_token(head: bytes, payload: bytes) -> None:
    with pytest.raises(TokenError):
        read(forge(HS, head, access_payload()))
    with pytest.raises(TokenError):
        read(forge(HS, header(HS), payload))


@given(st.dictionaries(st.sampled_from([*access_payload(), "nbf", "note"]), JSON, max_size=3))
def test_whatever_claims_are_signed_they_are_read_as_they_are_or_refused(changes: dict[str, Any]) -> None:
    payload = access_payload() | changes
    try:
        claims = read(forge(HS, header(HS), payload))
    except TokenError:
        return
    assert (claims.subject, claims.session_id, claims.expires_at) == (payload["sub"], payload["sid"], payload["exp"])
    assert (payload["iss"], payload["aud"]) == (ISSUER, ISSUER)


@given(st.data())
def test_a_token_with_any_letter_changed_added_or_removed_is_refused(data: st.DataObject) -> None:
    token = good(data.draw(st.sampled_from(EVERY_KEY)))
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(ALPHABET + ".=\n") | st.characters())
    cut = data.draw(st.integers(0, 2))
    mutated = token[:place] + letter + token[place + cut :]
    if mutated != token:
        with pytest.raises(TokenError):
            read(mutated)


@given(
    st.permutations(["alg", "typ", "kid"]),
    st.sampled_from([" ", "", "\n", "\t\t"]),
    st.dictionaries(st.sampled_from(["note", "email", "roles", "exp", "iat", "sub"]), JSON, max_size=3),
    st.sampled_from(["", "=", "==", "A", "."]),
)
def test_what_passes_here_passes_in_joserfc_and_says_the_same_there(
    order: list[str], space: str, changes: dict[str, Any], tail: str
) -> None:
    head = header(HS)
    raw = ("{" + ("," + space).join(f'"{name}":{space}"{head[name]}"' for name in order) + space + "}").encode()
    token = forge(HS, raw, access_payload() | changes) + tail
    try:
        payload = open_token(token, types=ACCESS_TYPES, keys=KEYS)
    except TokenError:
        return
    theirs = jws.deserialize_compact(token, HS.key, algorithms=["HS256"])
    assert json.loads(theirs.payload) == payload
    assert pyjwt.api_jws.decode(token, HS.key.raw_value, algorithms=["HS256"]) == theirs.payload


def test_a_refusal_holds_nothing_of_the_token() -> None:
    token = good(sub="s3cr3t value")
    with pytest.raises(TokenRefused) as refusal:
        read(token)
    assert "s3cr3t" not in str(refusal.value)
    assert all(part not in str(refusal.value) for part in token.split("."))
