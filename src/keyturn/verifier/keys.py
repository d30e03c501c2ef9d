"""Where a verifier's keys come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from keyturn.core.keys import EDDSA, ES256, RS256, VerificationKey, shared_key
from keyturn.errors import SettingsError

KeySource: TypeAlias = str | Mapping[str, VerificationKey] | Mapping[str, Any] | Iterable[VerificationKey]
"""A shared secret, keys by `kid`, a JWK set, or keys."""

_ALGORITHMS = (("EC", "P-256", ES256), ("OKP", "Ed25519", EDDSA), ("RSA", None, RS256))


def _key_from_jwk(jwk: Mapping[str, Any]) -> VerificationKey | None:
    kind, curve, kid = jwk.get("kty"), jwk.get("crv"), jwk.get("kid")
    algorithm = next((name for kty, crv, name in _ALGORITHMS if (kty, crv) == (kind, curve)), None)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or not isinstance(kid, str):
        return None
    try:
        public = JWKRegistry.import_key(dict(jwk)).as_dict(private=False)
        return VerificationKey(kid, algorithm, JWKRegistry.import_key(public))
    except (JoseError, ValueError, TypeError):
        raise SettingsError("a key of the JWK set cannot be read") from None


def keys_from_jwks(jwks: Mapping[str, Any]) -> Mapping[str, VerificationKey]:
    """The keys of a JWK set (RFC 7517), such as `/.well-known/jwks.json` gives.

    A key of a kind or for an algorithm that Keyturn does not use is passed over, as RFC 7517, 5 wants; so is a shared
    secret, which has no place in a published set.

    Raises:
        SettingsError: no key is left, two have one `kid`, or one cannot be read or is too weak.
    """
    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise SettingsError('a JWK set is an object with a list of "keys"')
    keys = [_key_from_jwk(jwk) for jwk in listed if isinstance(jwk, Mapping)]
    return _by_kid(key for key in keys if key is not None)


def _by_kid(keys: Iterable[VerificationKey]) -> Mapping[str, VerificationKey]:
    listed = tuple(keys)
    by_kid = {key.kid: key for key in listed}
    if len(by_kid) != len(listed):
        raise SettingsError("two keys have the same kid")
    if not by_kid:
        raise SettingsError("there is no key to verify access tokens with")
    return MappingProxyType(by_kid)


def verification_keys(source: KeySource) -> Mapping[str, VerificationKey]:
    """The keys by `kid`, wherever they come from.

    Raises:
        SettingsError: there is none, or one is not acceptable.
    """
    if isinstance(source, str):
        return _by_kid([shared_key(source)])
    if isinstance(source, Mapping):
        if isinstance(source.get("keys"), list):
            return keys_from_jwks(source)
        return _by_kid(source.values())
    return _by_kid(source)
