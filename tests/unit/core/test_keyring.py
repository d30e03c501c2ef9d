from __future__ import annotations

import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, b64, compact_json, signing_key

from keyturn.core.gate import MAX_TOKEN_BYTES
from keyturn.core.keyring import KeyRing, KeyState, SigningKey, check_secrets_differ, encoded, from_secret
from keyturn.core.keys import ALGORITHMS
from keyturn.errors import SettingsError

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def ring() -> KeyRing:
    return KeyRing(
        [
            signing_key("RS256", "old", KeyState.RETIRING),
            signing_key("ES256", "current"),
            signing_key("EdDSA", "coming", KeyState.NEXT),
            signing_key("HS256", "shared", KeyState.RETIRING),
        ]
    )


def test_the_active_key_signs_and_all_verify() -> None:
    keys = ring()
    assert keys.active.kid == "current"
    assert set(keys.verifying) == {"old", "current", "coming", "shared"}
    assert {kid: key.algorithm for kid, key in keys.verifying.items()} == {
        "old": "RS256",
        "current": "ES256",
        "coming": "EdDSA",
        "shared": "HS256",
    }


def test_what_verifies_cannot_sign_but_for_a_shared_secret() -> None:
    assert [kid for kid, key in ring().verifying.items() if key.key.is_private] == ["shared"]


def test_only_public_members_of_public_keys_are_published() -> None:
    published = ring().jwks()
    assert [key["kid"] for key in published["keys"]] == ["old", "current", "coming"]
    for key in published["keys"]:
        assert not PRIVATE_MEMBERS & key.keys()
        assert key["use"] == "sig"
        assert key["alg"] in ("RS256", "ES256", "EdDSA")
    assert KeySet.import_key_set(json.loads(json.dumps(published)))


@pytest.mark.parametrize("states", [[], [KeyState.NEXT], [KeyState.ACTIVE, KeyState.ACTIVE], [KeyState.RETIRING]])
def test_exactly_one_key_is_active(states: list[KeyState]) -> None:
    with pytest.raises(SettingsError, match="exactly one is active"):
        KeyRing(signing_key("ES256", f"key-{n}", state) for n, state in enumerate(states))


def test_two_keys_with_one_name_are_refused() -> None:
    key = signing_key("ES256")
    with pytest.raises(SettingsError, match=r"^two keys of a purpose have the same kid$"):
        KeyRing([key, replace(signing_key("ES256"), state=KeyState.NEXT)])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_is_of_one_message_and_one_key(algorithm: str) -> None:
    key, other = signing_key(algorithm), signing_key(algorithm)
    if algorithm == "HS256":
        other = from_secret(OTHER_SECRET, purpose="access")
    signature = key.signature(b"message")
    assert key.verification.verifies(b"message", signature)
    assert not key.verification.verifies(b"another", signature)
    assert not key.verification.verifies(b"message", other.signature(b"message"))
    assert not other.verification.verifies(b"message", signature)


def test_keys_give_secrets_for_other_purposes_that_of_the_active_one_first() -> None:
    active = from_secret(SECRET, purpose="refresh")
    before = replace(from_secret(OTHER_SECRET, purpose="refresh"), state=KeyState.RETIRING)
    expected = [hmac.digest(secret.encode(), b"cookie", "sha256") for secret in (SECRET, OTHER_SECRET)]
    assert KeyRing([active, before]).derived(b"cookie") == expected
    assert KeyRing([before, active]).derived(b"cookie") == expected
    assert not {*KeyRing([active]).derived(b"another")} & {*expected}


def test_a_public_key_cannot_sign() -> None:
    public = signing_key("ES256").verification
    with pytest.raises(SettingsError, match="private part"):
        SigningKey(public.kid, public.algorithm, public.key)


def test_a_secret_has_a_name_of_its_own_for_each_purpose() -> None:
    access, refresh = (from_secret(SECRET, purpose=purpose, created_at=NOW) for purpose in ("access", "refresh"))
    assert access.kid != refresh.kid
    assert access == from_secret(SECRET, purpose="access", created_at=NOW)
    assert access.algorithm == "HS256"
    assert access.state is KeyState.ACTIVE
    assert (access.created_at, from_secret(SECRET, purpose="access").created_at) == (NOW, 0)
    assert access.key.raw_value == SECRET.encode()


def test_an_error_names_the_secret_as_its_setting_is_called() -> None:
    for arguments, name in (({}, "the secret"), ({"name": "KEYTURN_ACCESS_SECRET"}, "KEYTURN_ACCESS_SECRET")):
        with pytest.raises(SettingsError, match=f"^{name} has 5 bytes"):
            from_secret("short", purpose="access", **arguments)


def test_one_secret_for_two_purposes_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"^the secrets for access and refresh tokens are the same: make a second one$"
    ):
        check_secrets_differ(SECRET, SECRET)
    with pytest.raises(SettingsError, match=r"^ONE and OTHER are the same"):
        check_secrets_differ(SECRET, SECRET, "ONE and OTHER")
    for pair in ((SECRET, OTHER_SECRET), (SECRET, None), (None, SECRET), (None, None)):
        check_secrets_differ(*pair)


def test_keys_and_rings_are_printed_without_their_material() -> None:
    printed = repr(ring())
    assert "current" in printed
    for key in ring().keys:
        for name in PRIVATE_MEMBERS & key.key.keys():
            assert str(key.key[name]) not in printed
    assert SECRET not in printed


@given(st.text(max_size=200))
def test_a_token_is_byte_for_byte_what_the_standard_library_makes(payload: str) -> None:
    key = signing_key("HS256")
    header = {"alg": "HS256", "typ": "at+jwt", "kid": key.kid}
    signed = f"{b64(compact_json(header))}.{b64(payload.encode())}"
    tag = hmac.digest(SECRET.encode(), signed.encode(), "sha256")
    assert key.sign(payload, "at+jwt") == f"{signed}.{b64(tag)}"


def test_a_token_that_no_gate_would_take_is_not_made() -> None:
    with pytest.raises(ValueError, match="too long"):
        signing_key("HS256").sign(encoded({"note": "x" * 4096}), "at+jwt")


def test_a_token_may_be_exactly_as_long_as_a_gate_takes() -> None:
    key = signing_key("HS256", kid="k" * 12)
    assert len(key.sign(encoded({"note": "x" * 2976}), "at+jwt")) == MAX_TOKEN_BYTES
    with pytest.raises(ValueError, match=r"^the token has 4097 bytes, more than 4096: its claims are too long$"):
        key.sign(encoded({"note": "x" * 2977}), "at+jwt")
