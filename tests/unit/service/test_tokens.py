"""What goes into the tokens of a session, and how long they live."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, Delivery, Device, Policy, Session, User
from keyturn.core.rotation import child_of, opened
from keyturn.http.cookies import CookieNames
from keyturn.service.register import MAX_ROLES_LENGTH
from keyturn.service.tokens import Tokens
from keyturn.stores.keys import new_key
from keyturn.testing.fakes import FakeClock
from keyturn.verifier import Verifier

NOW = 1_800_000_000 * SECOND
ISSUER = "https://" + "accounts." * 10 + "example.com"
POLICY = Policy()
ID = "0123456789abcdef01234567"
USER = User(ID, "alice@example.com", NOW, username="alice", full_name="Alice", roles=("admin", "user"))


def tokens_with(algorithm: str = "ES256", policy: Policy = POLICY, claims: tuple[str, ...] = ()) -> Tokens:
    access, refresh = new_key("access", algorithm, 0), new_key("refresh", "HS256", 0)
    return Tokens(ISSUER, "https://api.example.com", policy, KeyRing([access]), KeyRing([refresh]), claims)


def session_of(user: User, policy: Policy = POLICY) -> Session:
    ids = (ID, "a" * 24, "b" * 24, "c" * 24)
    return opened(user=user, ids=ids, now=NOW, policy=policy, delivery=Delivery.SPLIT, remember=True, device=Device())


def verifier_of(tokens: Tokens) -> Verifier:
    keys = tokens.access_keys.verifying.values()
    return Verifier(issuer=ISSUER, audience=tokens.audience, keys=keys, clock=FakeClock(NOW))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_the_largest_claims_still_fit_into_a_cookie(algorithm: str) -> None:
    user = replace(
        USER,
        email="a" * 64 + "@" + ("b" * 60 + ".") * 3 + "example",
        username="\N{DESERET SMALL LETTER LONG I}" * 64,
        full_name='"' * 100 + "\N{GRINNING FACE}" * 100,
        roles=tuple(f"{number:02}{'r' * 62}" for number in range(MAX_ROLES_LENGTH // 64)),
    )
    tokens = tokens_with(algorithm, claims=("username", "email", "full_name"))
    access, _ = tokens.mint_access(session_of(user), user, NOW, ID)
    name = CookieNames(secure=True).access
    assert len(name) + len(access) <= 4096
    assert verifier_of(tokens).verify(access).extra["full_name"] == user.full_name


def test_no_personal_data_is_in_a_token_unless_a_setting_asks() -> None:
    tokens = tokens_with()
    said = verifier_of(tokens).verify(tokens.mint_access(session_of(USER), USER, NOW, ID)[0])
    assert (said.subject, said.roles, said.extra) == (USER.id, ("admin", "user"), {})


def test_a_claim_that_the_user_has_not_is_left_out() -> None:
    tokens = tokens_with(claims=("username", "email", "full_name"))
    user = replace(USER, username=None, full_name=None)
    assert verifier_of(tokens).verify(tokens.mint_access(session_of(user), user, NOW, ID)[0]).extra == {
        "email": user.email
    }


@pytest.mark.parametrize(
    ("idle", "total", "expected"), [(3600, 7200, 600), (120, 7200, 120), (3600, 30, 30)], ids=["access", "idle", "end"]
)
def test_an_access_token_never_outlives_its_session(idle: int, total: int, expected: int) -> None:
    policy = Policy(idle_lifetime=idle * SECOND, session_lifetime=total * SECOND)
    _, expires_in = tokens_with(policy=policy).mint_access(session_of(USER, policy), USER, NOW, ID)
    assert expires_in == expected


def test_a_refresh_token_is_the_same_bytes_whenever_it_is_minted() -> None:
    tokens, session = tokens_with(), session_of(USER)
    assert tokens.mint_refresh(child_of(session), session) == tokens.mint_refresh(child_of(session), session)


def test_a_token_minted_right_after_a_change_of_roles_is_of_the_next_second() -> None:
    user = replace(USER, tokens_valid_from=NOW + SECOND // 2)
    tokens = tokens_with()
    access, expires_in = tokens.mint_access(session_of(user), user, NOW + SECOND // 2 + 1, ID)
    said = verifier_of(tokens).verify(access)
    assert said.issued_at == NOW // SECOND + 1
    assert expires_in == POLICY.access_lifetime // SECOND
    later, _ = tokens.mint_access(session_of(user), user, NOW + 60 * SECOND, ID)
    assert (
        Verifier(
            issuer=ISSUER,
            audience=tokens.audience,
            keys=tokens.access_keys.verifying.values(),
            clock=FakeClock(NOW + 60 * SECOND),
        )
        .verify(later)
        .issued_at
        == NOW // SECOND + 60
    )
