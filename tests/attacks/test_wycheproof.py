"""Project Wycheproof's vectors on our loaders, our gate and a server: what has gone wrong with signatures and keys elsewhere."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.tokens import SESSION, access_payload, b64, compact_json
from tests.support.wire import Wire, bearer
from tests.support.wycheproof import (
    JwsVector,
    SignatureVector,
    jws_vectors,
    loaded,
    loaded_or_none,
    signature_vectors,
    spelled,
)

from keyturn.core import gate, keys
from keyturn.core.gate import ACCESS_TYPES, TokenRefused, open_token
from keyturn.core.keyring import SigningKey, encoded
from keyturn.core.keys import HS256, VerificationKey
from keyturn.errors import AccessTokenInvalid, SettingsError
from keyturn.service.context import Context
from keyturn.testing.fakes import FakeClock
from keyturn.verifier import Verifier

JWS_FILES = {"json_web_signature": (46, 355), "json_web_key": (5, 21)}
"""How many vectors of a file are valid and invalid."""

SIGNATURE_FILES = {
    "ed25519": (88, 63),
    "ecdsa_secp256r1_sha256_p1363": (173, 89),
    "rsa_signature_2048_sha256": (9, 250),
    "hmac_sha256": (66, 108),
}
"""Likewise. The one that is "acceptable" counts as invalid: a signature scheme without the NULL of RFC 8017, A.2.4."""

NOT_OURS = "its key is for an algorithm that Keyturn does not use"
EXCEPTIONS: Mapping[str, Mapping[int, str]] = {
    "json_web_signature": {
        259: "valid, and refused: no token of ours has an empty payload",
        **dict.fromkeys([*range(264, 276), 287, 288, *range(320, 324), *range(325, 329)], NOT_OURS),
        **dict.fromkeys([346, 347, 350, 351], "the algorithm of its key is not that of its header, and not ours"),
        **dict.fromkeys([367, 370], "named after a wrong padding, which has been lost: byte for byte the good token"),
        **dict.fromkeys([372, 373], "called valid, and refused: a question mark is no base64url"),
    },
    "json_web_key": {
        13: "valid, and refused: the bytes of its secret count up from zero",
        **dict.fromkeys([14, 15], NOT_OURS),
    },
    "ed25519": {},
    "ecdsa_secp256r1_sha256_p1363": {},
    "rsa_signature_2048_sha256": dict.fromkeys([258, 259], "valid, and refused: its key has the public exponent 3"),
    "hmac_sha256": {
        **dict.fromkeys(
            [*range(82, 109), *range(172, 175)], "valid where half a MAC is enough; HS256 has all 32 bytes"
        ),
        **dict.fromkeys(range(163, 169), "valid, and refused: a secret of 16 bytes is too short for HS256"),
    },
}
"""Where we differ on purpose, by file and `tcId`."""


def _counted(vectors: list[JwsVector] | list[SignatureVector]) -> tuple[int, int]:
    results = Counter(vector.result == "valid" for vector in vectors)
    return results[True], results[False]


def test_no_vector_has_got_lost() -> None:
    assert {file: _counted(list(jws_vectors(file))) for file in JWS_FILES} == JWS_FILES
    assert {file: _counted(list(signature_vectors(file))) for file in SIGNATURE_FILES} == SIGNATURE_FILES


def _verifies(vector: SignatureVector) -> bool:
    try:
        key = loaded(vector.jwks)["vector"]
    except SettingsError:
        return False
    return key.verifies(vector.message, vector.signature)


@pytest.mark.parametrize("file", SIGNATURE_FILES)
def test_signatures_are_judged_as_the_vectors_say(file: str) -> None:
    differing = {v.number for v in signature_vectors(file) if _verifies(v) != (v.result == "valid")}
    assert differing == EXCEPTIONS[file].keys()


@pytest.fixture
def _headers_without_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate, but for one rule: a header may leave out `typ`, which no vector has, and name its key with any character."""
    strict = gate._header

    def completed(part: bytes) -> gate._Header:
        members = gate.parsed(gate._decode(part, "header"), "header")
        kid = {"kid": spelled(str(members["kid"]))} if isinstance(members.get("kid"), str) else {}
        return strict(b64(compact_json({"typ": "at+jwt", **members, **kid})).encode())

    monkeypatch.setattr(gate, "_header", completed)


def _is_authentic(vector: JwsVector) -> bool:
    """Whether it comes past the signature. What was signed is no JSON, which the gate finds out after that."""
    try:
        open_token(vector.jws, types=ACCESS_TYPES, keys=loaded_or_none(vector.jwks))
    except TokenRefused as refused:
        return str(refused).startswith("the payload is not strict JSON")
    return True


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.usefixtures("_headers_without_a_type")
@pytest.mark.parametrize("file", JWS_FILES)
def test_tokens_and_keys_are_judged_as_the_vectors_say(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if file == "json_web_signature":
        # Nineteen valid and invalid tokens have a MAC under 32 zeros: about the tokens, not about the key.
        monkeypatch.setattr(keys, "check_secret_strength", lambda secret, name: None)
    differing = {v.number for v in jws_vectors(file) if _is_authentic(v) != (v.result == "valid")}
    assert differing == EXCEPTIONS[file].keys()


def test_a_secret_of_zeros_is_not_loaded_though_tokens_under_it_are_called_valid() -> None:
    guessable = {vector.comment for vector in jws_vectors("json_web_signature") if vector.jwks[0].get("k") == "A" * 43}
    assert "ValidMac" in guessable
    for vector in jws_vectors("json_web_signature"):
        if vector.comment in guessable:
            assert loaded_or_none(vector.jwks) == {}


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("rejectsKeyWithRocaVulnerability", "CVE-2017-15361"),
        ("rejects1024bitRsaKey", "1024 bits"),
        ("rejectsPublicExponent1", "cannot be read"),
        ("rejectsDuplicateKid", "cannot be read"),  # its second secret is no canonical base64url
        ("key_too_short", "31 bytes|not an algorithm"),
        ("empty_key", "cannot be read"),
        ("mismatchedAlgAndCurve", "no key"),
        ("rejectsModifiedKey", "another use|cannot be read|no key"),
        ("rejectsAesKey", "not an algorithm"),
        ("rejectsWrongUse", "no key"),
    ],
)
@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_key_that_nobody_should_use_is_refused_where_it_is_loaded(comment: str, why: str) -> None:
    vectors = [vector for vector in jws_vectors("json_web_key") if vector.comment == comment]
    assert vectors
    for vector in vectors:
        with pytest.raises(SettingsError, match=why):
            loaded(vector.jwks)


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_keys_for_encryption_are_refused_where_they_are_loaded() -> None:
    vectors = [v for v in jws_vectors("json_web_signature") if v.comment in ("rejectWrongUse", "rejectWrongKeyOps")]
    assert len(vectors) == 4
    for vector in vectors:
        with pytest.raises(SettingsError, match="another use"):
            loaded(vector.jwks)


# Everything as it is, through the whole gate


def _dressed(vector: JwsVector | SignatureVector, key: VerificationKey, issuer: str) -> str:
    """A token that is ours but for its signature, which is the vector's."""
    head = compact_json({"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid})
    payload = compact_json(access_payload(iss=issuer, aud=issuer))
    signature = vector.jws.split(".")[-1] if isinstance(vector, JwsVector) else b64(vector.signature)
    return f"{b64(head)}.{b64(payload)}.{signature}"


def _vectors(file: str) -> Iterator[JwsVector | SignatureVector]:
    return jws_vectors(file) if file in JWS_FILES else signature_vectors(file)


Guest = tuple[str, JwsVector | SignatureVector, VerificationKey]


def _guests() -> Iterator[Guest]:
    """Every vector whose key can be loaded, with that key under a name that is its alone."""
    names: dict[str, str] = {}
    for file in EXCEPTIONS:
        for vector in _vectors(file):
            for key in loaded_or_none(vector.jwks).values():
                material = str(key.key.as_dict(private=False))
                name = names.setdefault(f"{material} {key.algorithm}", f"guest-{len(names)}")
                yield file, vector, VerificationKey(name, key.algorithm, key.key)


@pytest.fixture(scope="module")
def guests() -> list[Guest]:
    with warnings.catch_warnings(action="ignore"):
        return list(_guests())


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_no_vector_is_an_access_token() -> None:
    for file in EXCEPTIONS:
        for vector in _vectors(file):
            known = loaded_or_none(vector.jwks)
            if not known:
                continue
            verifier = Verifier(issuer="https://issuer.example", keys=known, clock=FakeClock())
            tokens = [_dressed(vector, key, "https://issuer.example") for key in known.values()]
            for token in [*tokens, *([vector.jws] if isinstance(vector, JwsVector) else [])]:
                with pytest.raises(AccessTokenInvalid):
                    verifier.verify(token)


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory,
    guests: list[Guest],
) -> Iterator[LiveServer]:
    """A server that has the keys of the vectors among its own for access tokens."""

    def welcoming(context: Context) -> Context:
        ring = context.tokens.access_keys
        ring.verifying = MappingProxyType({**ring.verifying, **{key.kid: key for *_, key in guests}})
        return context

    with LiveServer(tmp_path_factory.mktemp("host") / "data", wrap=welcoming) as server:
        yield server


def _status(wire: Wire, token: str) -> int:
    return wire.call("GET", "/verify", headers=[bearer(token)]).status


def test_the_server_trusts_the_keys_of_the_vectors(host: LiveServer, guests: list[Guest]) -> None:
    """Otherwise the next test would show nothing: with a secret of theirs a good token can be made."""
    secrets = {key.kid: key for *_, key in guests if key.algorithm == HS256}
    assert len(secrets) > 60
    with Wire(host.address) as wire:
        grant = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD}).json
        assert _status(wire, grant["access_token"]) == 204
        for key in list(secrets.values())[:10]:
            claims = access_payload(iss=host.issuer, aud=host.issuer, sid=SESSION)
            assert _status(wire, SigningKey(key.kid, key.algorithm, key.key).sign(encoded(claims), "at+jwt")) == 204


@pytest.mark.parametrize("file", EXCEPTIONS)
def test_over_http_every_vector_gets_the_same_401(host: LiveServer, guests: list[Guest], file: str) -> None:
    """Row 28."""
    looks = set()
    with Wire(host.address) as wire:
        for its_file, vector, key in guests:
            if its_file != file:
                continue
            tokens = [_dressed(vector, key, host.issuer)]
            if isinstance(vector, JwsVector) and vector.jws:
                tokens.append(vector.jws)
            for token in tokens:
                answer = wire.call("GET", "/verify", headers=[bearer(token)])
                assert (answer.status, answer.code) == (401, "access_token_invalid"), vector.number
                looks.add(answer.looks)
    assert len(looks) == 1
