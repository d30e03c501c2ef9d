"""`POST /logout` and `POST /logout-all`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

DAY = 86_400
CLEARED = [
    "keyturn_refresh=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
    "keyturn_access=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0",
]


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with Wire(server.address) as connection:
        connection.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"})
        yield connection


def sign_in(wire: Wire, delivery: str = "body", login: str = EMAIL) -> Answer:
    answer = wire.call("POST", "/login", {"login": login, "password": PASSWORD, "delivery": delivery})
    assert answer.status == 200
    return answer


def is_alive(wire: Wire, signed_in: Answer) -> bool:
    """Whether a session of delivery body still refreshes; one that does not was signed out."""
    answer = wire.call("POST", "/refresh-token", {"refresh_token": signed_in.json["refresh_token"]})
    if answer.status == 200:
        return True
    assert (answer.status, answer.code, answer.json["reason"]) == (403, "session_ended", "signed_out")
    return False


def assert_signed_out(answer: Answer) -> None:
    assert (answer.status, answer.body) == (204, b"")
    assert answer.values("set-cookie") == CLEARED
    assert answer.values("cache-control") == ["no-store"]


def test_the_refresh_cookie_signs_out(wire: Wire) -> None:
    for delivery in ("split", "cookie"):
        signed_in = sign_in(wire, delivery)
        refresh = cookie(keyturn_refresh=signed_in.cookies["keyturn_refresh"])
        assert_signed_out(wire.call("POST", "/logout", headers=[refresh]))
        assert wire.call("POST", "/refresh-token", headers=[refresh]).json["reason"] == "signed_out"


def test_a_body_token_signs_out(wire: Wire) -> None:
    signed_in = sign_in(wire)
    assert_signed_out(wire.call("POST", "/logout", {"refresh_token": signed_in.json["refresh_token"]}))
    assert not is_alive(wire, signed_in)
    assert wire.call("GET", "/me", headers=[bearer(signed_in.json["access_token"])]).status == 401


def test_an_access_token_signs_out_from_the_header_or_the_cookie(wire: Wire) -> None:
    for header in (bearer, lambda token: cookie(keyturn_access=token)):
        signed_in = sign_in(wire)
        assert_signed_out(wire.call("POST", "/logout", headers=[header(signed_in.json["access_token"])]))
        assert not is_alive(wire, signed_in)


def test_an_access_token_that_expired_less_than_a_day_ago_still_signs_out(server: LiveServer, wire: Wire) -> None:
    signed_in = sign_in(wire)
    server.clock.advance(600 + DAY - 1)
    assert wire.call("GET", "/me", headers=[bearer(signed_in.json["access_token"])]).status == 401
    assert_signed_out(wire.call("POST", "/logout", headers=[bearer(signed_in.json["access_token"])]))
    assert not is_alive(wire, signed_in)


def test_an_access_token_that_expired_a_day_ago_signs_nobody_out(server: LiveServer, wire: Wire) -> None:
    signed_in = sign_in(wire)
    server.clock.advance(600 + DAY)
    assert_signed_out(wire.call("POST", "/logout", headers=[bearer(signed_in.json["access_token"])]))
    assert is_alive(wire, signed_in)


def test_however_old_a_refresh_token_is_it_signs_out_and_is_no_theft(server: LiveServer, wire: Wire) -> None:
    signed_in = sign_in(wire)
    newest = signed_in
    for _ in range(5):
        server.clock.advance(DAY)
        newest = wire.call("POST", "/refresh-token", {"refresh_token": newest.json["refresh_token"]})
        assert newest.status == 200
    assert_signed_out(wire.call("POST", "/logout", {"refresh_token": signed_in.json["refresh_token"]}))
    assert not is_alive(wire, newest)


def test_every_session_that_is_named_ends(wire: Wire) -> None:
    in_cookie, in_body, in_header, unnamed = (sign_in(wire) for _ in range(4))
    answer = wire.call(
        "POST",
        "/logout",
        {"refresh_token": in_body.json["refresh_token"]},
        headers=[
            cookie(keyturn_refresh=in_cookie.json["refresh_token"]),
            bearer(in_header.json["access_token"]),
        ],
    )
    assert_signed_out(answer)
    assert [is_alive(wire, signed_in) for signed_in in (in_cookie, in_body, in_header, unnamed)] == [
        False,
        False,
        False,
        True,
    ]


def test_two_access_tokens_that_differ_each_name_a_session(wire: Wire) -> None:
    in_header, in_cookie = sign_in(wire), sign_in(wire)
    headers = [bearer(in_header.json["access_token"]), cookie(keyturn_access=in_cookie.json["access_token"])]
    assert_signed_out(wire.call("POST", "/logout", headers=headers))
    assert not is_alive(wire, in_header)
    assert not is_alive(wire, in_cookie)


def test_signing_out_is_idempotent(wire: Wire) -> None:
    signed_in = sign_in(wire)
    for _ in range(3):
        body = {"refresh_token": signed_in.json["refresh_token"]}
        assert_signed_out(wire.call("POST", "/logout", body, headers=[bearer(signed_in.json["access_token"])]))
    assert not is_alive(wire, signed_in)


def test_who_is_signed_in_nowhere_may_sign_out_and_loses_its_cookies(wire: Wire) -> None:
    bystander = sign_in(wire)
    for body, headers in (
        (None, []),
        ({}, []),
        ({"refresh_token": None}, []),
        ({"refresh_token": "garbage"}, []),
        (None, [cookie(keyturn_refresh="garbage", keyturn_access="garbage")]),
        (None, [cookie(keyturn_refresh="")]),
        (None, [bearer("garbage")]),
        (None, [bearer("")]),
        (None, [("authorization", "Basic dXNlcjpwYXNz")]),
        (None, [bearer("a"), bearer("b")]),
    ):
        assert_signed_out(wire.call("POST", "/logout", body, headers=headers))
    assert is_alive(wire, bystander)


def test_garbage_in_one_place_does_not_save_the_session_named_in_another(wire: Wire) -> None:
    for place in ("cookie", "body", "header"):
        signed_in = sign_in(wire)
        refresh, access = signed_in.json["refresh_token"], signed_in.json["access_token"]
        answer = wire.call(
            "POST",
            "/logout",
            {"refresh_token": refresh if place == "body" else "garbage"},
            headers=[
                cookie(keyturn_refresh=refresh if place == "cookie" else "garbage"),
                bearer(access if place == "header" else "garbage"),
            ],
        )
        assert_signed_out(answer)
        assert not is_alive(wire, signed_in)


def test_a_forged_token_signs_nobody_out(wire: Wire) -> None:
    signed_in = sign_in(wire)
    refresh, access = signed_in.json["refresh_token"], signed_in.json["access_token"]
    for token in (refresh, access):
        head, payload, _ = token.split(".")
        forged = f"{head}.{payload}.{'A' * 43}"
        assert_signed_out(wire.call("POST", "/logout", {"refresh_token": forged}, headers=[bearer(forged)]))
    # Nor does one token in the place of the other kind.
    assert_signed_out(wire.call("POST", "/logout", {"refresh_token": access}, headers=[bearer(refresh)]))
    assert is_alive(wire, signed_in)


def test_signing_out_everywhere_ends_every_session_of_the_user_and_of_nobody_else(wire: Wire) -> None:
    mine = [sign_in(wire) for _ in range(3)]
    wire.call("POST", "/register", {"email": "bob@example.com", "password": PASSWORD, "delivery": "body"})
    theirs = sign_in(wire, login="bob@example.com")
    assert_signed_out(wire.call("POST", "/logout-all", headers=[bearer(mine[0].json["access_token"])]))
    for signed_in in mine:
        ended = wire.call("POST", "/refresh-token", {"refresh_token": signed_in.json["refresh_token"]})
        assert ended.json["reason"] == "signed_out_everywhere"
        assert wire.call("GET", "/verify", headers=[bearer(signed_in.json["access_token"])]).status == 401
    assert is_alive(wire, theirs)
    assert wire.call("GET", "/verify", headers=[bearer(theirs.json["access_token"])]).status == 204


def test_signing_out_everywhere_else_keeps_this_session_and_its_cookies(wire: Wire) -> None:
    this, *others = (sign_in(wire) for _ in range(3))
    answer = wire.call("POST", "/logout-all", {"keep_this": True}, headers=[bearer(this.json["access_token"])])
    assert (answer.status, answer.values("set-cookie")) == (204, [])
    assert is_alive(wire, this)
    for signed_in in others:
        ended = wire.call("POST", "/refresh-token", {"refresh_token": signed_in.json["refresh_token"]})
        assert ended.json["reason"] == "signed_out_everywhere"


def test_signing_out_everywhere_takes_a_live_access_token(server: LiveServer, wire: Wire) -> None:
    assert wire.call("POST", "/logout-all").code == "access_token_missing"
    signed_in = sign_in(wire)
    refresh = cookie(keyturn_refresh=signed_in.json["refresh_token"])
    assert wire.call("POST", "/logout-all", headers=[refresh]).code == "access_token_missing"
    server.clock.advance(600)
    access = bearer(signed_in.json["access_token"])
    assert wire.call("POST", "/logout-all", headers=[access]).code == "access_token_invalid"
    assert is_alive(wire, signed_in)


@pytest.mark.parametrize("value", ["yes", 1, None, []])
def test_keep_this_is_true_or_false(wire: Wire, value: object) -> None:
    signed_in = sign_in(wire)
    answer = wire.call("POST", "/logout-all", {"keep_this": value}, headers=[bearer(signed_in.json["access_token"])])
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "keep_this")
    assert is_alive(wire, signed_in)
