from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.util import urlsafe_b64decode
from tests.support.tokens import ISSUER, access_claims, signing_key

from keyturn.core import access_token
from keyturn.core.access_token import RESERVED_CLAIMS
from keyturn.core.gate import ACCESS_TYPES, check_access_claims, open_token

KEY = signing_key("HS256")
KEYS = {KEY.kid: KEY.verification}

EXTRA_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10).filter(
    lambda name: name not in RESERVED_CLAIMS
)
EXTRA_VALUES = (
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40) | st.booleans() | st.integers(0, 9)
)


def test_a_token_has_the_shape_of_rfc_9068_and_nothing_more() -> None:
    token = access_token.mint(access_claims(), issuer=ISSUER, audience="https://api.example.com", key=KEY)
    head, payload, _ = (urlsafe_b64decode(part.encode()) for part in token.split("."))
    assert json.loads(head) == {"alg": "HS256", "typ": "at+jwt", "kid": KEY.kid}
    assert json.loads(payload).keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time", "roles"}
    assert json.loads(payload)["aud"] == "https://api.example.com"


@given(st.dictionaries(EXTRA_NAMES, EXTRA_VALUES, max_size=5))
def test_what_is_minted_is_what_is_read(extra: dict[str, object]) -> None:
    claims = access_claims(extra=extra)
    token = access_token.mint(claims, issuer=ISSUER, audience=ISSUER, key=KEY)
    payload = open_token(token, types=ACCESS_TYPES, keys=KEYS)
    assert check_access_claims(payload, issuer=ISSUER, audience=ISSUER, max_lifetime=900) == claims


def test_the_extra_claims_that_are_refused_are_named() -> None:
    with pytest.raises(ValueError, match=r"^an extra claim may not be called aud, iss$"):
        access_token.mint(
            access_claims(extra={"iss": "x", "aud": "y", "name": "z"}), issuer=ISSUER, audience=ISSUER, key=KEY
        )


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_an_extra_claim_never_overrides_one_of_ours(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        access_token.mint(access_claims(extra={name: "x"}), issuer=ISSUER, audience=ISSUER, key=KEY)
