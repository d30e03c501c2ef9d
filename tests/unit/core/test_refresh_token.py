from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tokens import (
    ISSUER,
    NOW,
    OTHER_SECRET,
    SECRET,
    access_payload,
    forge,
    header,
    refresh_payload,
    signing_key,
)

from keyturn.core import refresh_token
from keyturn.core.gate import TokenRefused
from keyturn.core.keyring import from_secret
from keyturn.core.model import RefreshToken
from keyturn.core.refresh_token import MAX_GENERATION
from keyturn.errors import RefreshTokenInvalid

KEY = from_secret(SECRET, purpose="refresh")
KEYS = {KEY.kid: KEY.verification}
TOKEN = RefreshToken("5e551011" * 3, "5eed" * 6, 7, "c41d" * 6, "0123456789ab" * 2)

IDS = st.binary(min_size=12, max_size=12).map(bytes.hex)


def mint(token: RefreshToken = TOKEN, expires_at: int = NOW + 86_400) -> str:
    return refresh_token.mint(token, issuer=ISSUER, issued_at_seconds=NOW, expires_at_seconds=expires_at, key=KEY)


def parse(token: Any) -> RefreshToken:
    return refresh_token.parse(token, issuer=ISSUER, keys=KEYS)


@given(st.builds(RefreshToken, IDS, IDS, st.integers(1, MAX_GENERATION), IDS, IDS))
def test_what_is_minted_is_what_is_read_and_always_the_same_bytes(token: RefreshToken) -> None:
    assert parse(mint(token)) == token
    assert mint(token) == mint(token._replace())


@given(st.builds(RefreshToken, IDS, IDS, st.integers(1, MAX_GENERATION), IDS, IDS), st.booleans())
def test_what_another_version_words_otherwise_says_the_same(token: RefreshToken, spaced: bool) -> None:
    """One that adds a claim, or has them in another order, runs beside this one during a rollout."""
    payload = {
        "new": [1],
        **refresh_payload(),
        "sid": token.session_id,
        "seed": token.seed,
        "gen": token.generation,
        "jti": token.id,
        "par": token.parent_id,
    }
    assert parse(KEY.sign(json.dumps(payload, indent=1 if spaced else None), "rt+jwt")) == token


def test_its_bytes_do_not_change_from_one_release_to_the_next() -> None:
    """A converged answer would differ from the one it repeats, across a rolling upgrade."""
    assert mint() == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCIsImtpZCI6IlhVZ20wVVE1RC1lZkFtbVdEcUtIUmcifQ.eyJpc3MiOiJodHRwc"
        "zovL2FjY291bnRzLmV4YW1wbGUuY29tIiwiYXVkIjoiaHR0cHM6Ly9hY2NvdW50cy5leGFtcGxlLmNvbSIsInNpZCI6IjVlNTUxM"
        "DExNWU1NTEwMTE1ZTU1MTAxMSIsInNlZWQiOiI1ZWVkNWVlZDVlZWQ1ZWVkNWVlZDVlZWQiLCJnZW4iOjcsImp0aSI6ImM0MWRjN"
        "DFkYzQxZGM0MWRjNDFkYzQxZCIsInBhciI6IjAxMjM0NTY3ODlhYjAxMjM0NTY3ODlhYiIsImlhdCI6MTc2NzIyNTYwMCwiZXhwI"
        "joxNzY3MzEyMDAwfQ.mD-6zumEBcckZEe5WesFV3kKN_nqXRsE1c5tWsKcvLY"
    )


def test_an_expired_token_is_authentic_still() -> None:
    assert parse(mint(expires_at=NOW + 1)) == TOKEN
    assert parse(forge(KEY, header(KEY, "rt+jwt"), refresh_payload(iat=1, exp=2))) == TOKEN


@pytest.mark.parametrize("name", sorted(refresh_payload()))
def test_every_claim_is_required(name: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        parse(forge(KEY, header(KEY, "rt+jwt"), refresh_payload(**{name: None})))


@pytest.mark.parametrize("name", ["sid", "seed", "jti", "par"])
@pytest.mark.parametrize(
    "value", ["", "a" * 23, "a" * 25, "A" * 24, "a" * 24 + "\n", "z" * 24, 1, True, ["a" * 24], {}]
)
def test_ids_have_their_form(name: str, value: object) -> None:
    with pytest.raises(RefreshTokenInvalid):
        parse(forge(KEY, header(KEY, "rt+jwt"), refresh_payload(**{name: value})))


@pytest.mark.parametrize("generation", [1, MAX_GENERATION])
def test_a_generation_may_be_at_either_bound(generation: int) -> None:
    assert parse(mint(TOKEN._replace(generation=generation))).generation == generation


@pytest.mark.parametrize("value", [0, -1, MAX_GENERATION + 1, 10**19, 10**30, 1.0, "7", True, [7]])
def test_a_generation_is_a_positive_number_within_bounds(value: object) -> None:
    with pytest.raises(RefreshTokenInvalid):
        parse(forge(KEY, header(KEY, "rt+jwt"), refresh_payload(gen=value)))


@pytest.mark.parametrize("name", ["iss", "aud"])
@pytest.mark.parametrize("value", [ISSUER + "/", "https://evil.example.com", [ISSUER], "", 1])
def test_it_is_taken_only_by_who_minted_it(name: str, value: object) -> None:
    with pytest.raises(RefreshTokenInvalid):
        parse(forge(KEY, header(KEY, "rt+jwt"), refresh_payload(**{name: value})))


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", "application/rt+jwt", "RT+JWT", ""])
def test_a_token_of_another_kind_is_no_refresh_token(typ: str) -> None:
    both = access_payload() | refresh_payload()
    assert parse(forge(KEY, header(KEY, "rt+jwt"), both)) == TOKEN
    with pytest.raises(RefreshTokenInvalid):
        parse(forge(KEY, header(KEY, typ), both))


def test_a_key_for_access_tokens_vouches_for_no_refresh_token() -> None:
    for key in (
        from_secret(SECRET, purpose="access"),
        from_secret(OTHER_SECRET, purpose="refresh"),
        signing_key("ES256"),
    ):
        with pytest.raises(RefreshTokenInvalid):
            parse(forge(key, header(key, "rt+jwt"), refresh_payload()))


def test_it_is_signed_with_a_mac_only() -> None:
    with pytest.raises(ValueError, match=r"^refresh tokens are signed with HS256$"):
        refresh_token.mint(
            TOKEN, issuer=ISSUER, issued_at_seconds=NOW, expires_at_seconds=NOW + 1, key=signing_key("ES256")
        )


@given(st.text() | st.binary() | st.none() | st.lists(st.text(), max_size=2))
def test_whatever_is_presented_there_is_one_error(token: object) -> None:
    with pytest.raises(RefreshTokenInvalid):
        parse(token)


def test_a_refusal_says_why_to_us_alone_and_shows_nothing() -> None:
    seed = "0ddba115eed" + "0" * 13
    token = forge(KEY, header(KEY, "rt+jwt"), refresh_payload(seed=seed, gen=0))
    with pytest.raises(RefreshTokenInvalid) as refusal:
        parse(token)
    assert str(refusal.value) == RefreshTokenInvalid.message
    assert isinstance(refusal.value.__cause__, TokenRefused)
    assert str(refusal.value.__cause__) == "gen is missing or not a generation"
    printed = "".join(traceback.format_exception(refusal.value))
    assert seed not in printed
    assert token.split(".")[1] not in printed


def test_a_refresh_token_is_printed_without_its_seed() -> None:
    assert TOKEN.seed not in repr(parse(mint()))
