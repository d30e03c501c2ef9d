"""Where an access token may stand, and the one answer to every one that is not good."""

from __future__ import annotations

import re

import pytest
from tests.support.client import PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie


@pytest.fixture
def alice(wire: Wire, email: str) -> Answer:
    """A user, signed in with delivery body."""
    return wire.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "body"})


def access(signed_in: Answer) -> tuple[str, str]:
    return bearer(signed_in.json["access_token"])


def sign_in(wire: Wire, user: Answer) -> Answer:
    body = {"login": user.json["user"]["email"], "password": PASSWORD, "delivery": "body"}
    return wire.call("POST", "/login", body)


CALLS = [
    ("GET", "/me", None),
    ("PATCH", "/me", {"full_name": "Mallory"}),
    ("DELETE", "/me", {"current_password": PASSWORD}),
    ("GET", "/sessions", None),
    ("DELETE", "/sessions/000000000000000000000000", None),
    ("POST", "/password", {"current_password": PASSWORD, "new_password": "another good password"}),
    ("POST", "/logout-all", None),
    ("GET", "/verify", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_call_of_ones_own_takes_an_access_token_that_is_good(
    shared_server: LiveServer, wire: Wire, alice: Answer, method: str, path: str, body: object
) -> None:
    missing = wire.call(method, path, body)
    assert (missing.status, missing.code, missing.values("www-authenticate")) == (
        401,
        "access_token_missing",
        ["Bearer"],
    )
    token = alice.json["access_token"]
    other = sign_in(wire, alice)
    wire.call("POST", "/logout", {"refresh_token": other.json["refresh_token"]})
    answers = [
        wire.call(method, path, body, headers=[bearer(bad)])
        for bad in ("garbage", "", f"{token}x", alice.json["refresh_token"], other.json["access_token"])
    ]
    shared_server.clock.advance(600)
    answers.append(wire.call(method, path, body, headers=[bearer(token)]))
    assert {answer.looks for answer in answers} == {answers[0].looks}
    assert (answers[0].status, answers[0].code) == (401, "access_token_invalid")
    assert answers[0].values("www-authenticate") == ['Bearer error="invalid_token"']
    assert re.fullmatch(r"[0-9a-f]{24}", answers[0].values("x-request-id")[0])


MATRIX = [
    # Authorization, access cookie, status
    ("none", "none", "access_token_missing"),
    ("none", "good", None),
    ("none", "bad", "access_token_invalid"),
    ("good", "none", None),
    ("good", "good", None),
    ("good", "bad", "access_token_invalid"),
    ("bad", "none", "access_token_invalid"),
    ("bad", "good", "access_token_invalid"),
    ("bad", "bad", "access_token_invalid"),
]


@pytest.mark.parametrize(("header", "cookie_value", "code"), MATRIX)
def test_header_and_cookie_must_not_say_two_things(
    wire: Wire, alice: Answer, header: str, cookie_value: str, code: str | None
) -> None:
    tokens = {"good": alice.json["access_token"], "bad": "garbage"}
    sent = [bearer(tokens[header])] if header != "none" else []
    sent += [cookie(keyturn_access=tokens[cookie_value])] if cookie_value != "none" else []
    answer = wire.call("GET", "/me", headers=sent)
    assert (None if answer.status == 200 else answer.code) == code


def test_two_good_tokens_that_differ_are_none(wire: Wire, alice: Answer) -> None:
    other = sign_in(wire, alice).json["access_token"]
    mixed = [access(alice), cookie(keyturn_access=other)]
    assert wire.call("GET", "/me", headers=mixed).code == "access_token_invalid"
    assert wire.call("GET", "/me", headers=[access(alice), bearer(other)]).code == "access_token_invalid"
    assert wire.call("GET", "/me", headers=[access(alice), access(alice)]).code == "access_token_invalid"


def test_a_header_does_not_switch_the_origin_check_off_for_a_cookie(wire: Wire, alice: Answer) -> None:
    token = alice.json["access_token"]
    sent = [cookie(keyturn_access=token), ("sec-fetch-site", "cross-site")]
    for more in ([], [bearer(token)], [bearer("garbage")], [("authorization", "Basic eDp5")]):
        assert wire.call("PATCH", "/me", {"username": "x"}, headers=[*sent, *more]).code == "cross_origin"


def test_an_access_token_elsewhere_than_in_its_place_is_none(wire: Wire, alice: Answer) -> None:
    token = alice.json["access_token"]
    for path, headers in (
        (f"/me?access_token={token}", []),
        ("/me", [("x-auth-token", token)]),
        ("/me", [("authorization", f"Token {token}")]),
        ("/me", [("authorization", token)]),
        ("/me", [cookie(access_token=token)]),
        ("/me", [cookie(**{"__Host-keyturn_access": token})]),
        ("/me", [cookie(KEYTURN_ACCESS=token)]),
    ):
        assert wire.call("GET", path, headers=headers).code == "access_token_missing"
