"""The vectors of Project Wycheproof (tests/vectors/wycheproof), and their keys through our own loaders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, OctKey
from tests.support.tokens import b64

from keyturn.core.keys import HS256, VerificationKey
from keyturn.errors import SettingsError
from keyturn.verifier.keys import keys_from_jwks, verification_keys

FOLDER = Path(__file__).parents[1] / "vectors" / "wycheproof"

Jwk = Mapping[str, Any]


@dataclass(frozen=True)
class Vector:
    """One test.

    Attributes:
        number: its `tcId`.
        result: "valid", "invalid" or "acceptable".
        jwks: the keys of its group.
    """

    number: int
    comment: str
    result: str
    jwks: tuple[Jwk, ...]


@dataclass(frozen=True)
class JwsVector(Vector):
    """A text that claims to be a JWS."""

    jws: str


@dataclass(frozen=True)
class SignatureVector(Vector):
    """Bytes, and what claims to be their signature."""

    message: bytes
    signature: bytes


def _groups(file: str) -> Iterator[tuple[Any, Any]]:
    for group in json.loads((FOLDER / f"{file}_test.json").read_text())["testGroups"]:
        for test in group["tests"]:
            yield group, test


def spelled(kid: str) -> str:
    """A name of a key without the characters that none of ours has."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", kid)


def jws_vectors(file: str) -> Iterator[JwsVector]:
    for group, test in _groups(file):
        key = group.get("public") or group["private"]
        jwks = tuple({**jwk, "kid": spelled(jwk["kid"])} for jwk in key.get("keys", [key]))
        yield JwsVector(test["tcId"], test["comment"], test["result"], jwks, test["jws"])


def signature_vectors(file: str) -> Iterator[SignatureVector]:
    for group, test in _groups(file):
        yield SignatureVector(
            test["tcId"],
            test["comment"],
            test["result"],
            ({**_jwk(group, test), "kid": "vector"},),
            bytes.fromhex(test["msg"]),
            bytes.fromhex(test.get("sig") or test.get("tag", "")),
        )


def _jwk(group: Any, test: Any) -> Jwk:
    if "key" in test:
        return {"kty": "oct", "alg": HS256, "k": b64(bytes.fromhex(test["key"]))}
    jwk: Jwk | None = group.get("publicKeyJwk") or group.get("keyJwk")
    return jwk or ECKey.import_key(bytes.fromhex(group["publicKeyDer"])).as_dict(private=False)


def loaded(jwks: tuple[Jwk, ...]) -> Mapping[str, VerificationKey]:
    """The keys as a user of ours loads them: shared secrets one by one, anything else as a published set.

    Raises:
        SettingsError: they are refused.
    """
    if not all(jwk["kty"] == "oct" for jwk in jwks):
        return keys_from_jwks({"keys": list(jwks)})
    try:
        secrets = [(jwk, OctKey.import_key(dict(jwk))) for jwk in jwks]
    except ValueError:
        raise SettingsError("a secret cannot be read") from None
    return verification_keys([VerificationKey(jwk["kid"], jwk["alg"], key) for jwk, key in secrets])


def loaded_or_none(jwks: tuple[Jwk, ...]) -> Mapping[str, VerificationKey]:
    """The same, empty if they are refused."""
    try:
        return loaded(jwks)
    except SettingsError:
        return {}
