"""How the tokens travel: the three deliveries, and the cookies byte by byte."""

from __future__ import annotations

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

MONTHS = 180 * 86_400


def _register(wire: Wire, email: str, **more: object) -> Answer:
    answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD, **more})
    assert answer.status == 201
    return answer


def _login(wire: Wire, email: str, **more: object) -> Answer:
    answer = wire.call("POST", "/login", {"login": email, "password": PASSWORD, **more})
    assert answer.status == 200
    return answer


def test_split_puts_the_access_token_in_the_body_and_the_refresh_token_in_a_strict_cookie(
    wire: Wire, email: str
) -> None:
    for answer in (_register(wire, email), _login(wire, email), _login(wire, email, delivery="split")):
        assert {"access_token", "token_type", "expires_in"} <= set(answer.json)
        assert not {"refresh_token", "refresh_expires_in"} & set(answer.json)
        token = answer.cookies["keyturn_refresh"]
        assert answer.values("set-cookie") == [
            f"keyturn_refresh={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={MONTHS}"
        ]
        assert token not in answer.body.decode()


def test_cookie_puts_both_tokens_in_cookies_and_none_where_a_script_can_read_it(wire: Wire, email: str) -> None:
    for answer in (_register(wire, email, delivery="cookie"), _login(wire, email, delivery="cookie")):
        assert not {"access_token", "refresh_token", "refresh_expires_in"} & set(answer.json)
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 600)
        refresh, access = answer.cookies["keyturn_refresh"], answer.cookies["keyturn_access"]
        assert answer.values("set-cookie") == [
            f"keyturn_refresh={refresh}; Path=/; HttpOnly; SameSite=Strict; Max-Age={MONTHS}",
            f"keyturn_access={access}; Path=/; HttpOnly; SameSite=Lax; Max-Age=600",
        ]
        assert refresh not in answer.body.decode()
        assert access not in answer.body.decode()


def test_body_puts_both_tokens_in_the_body_and_sets_no_cookie(wire: Wire, email: str) -> None:
    for answer in (_register(wire, email, delivery="body"), _login(wire, email, delivery="body")):
        assert answer.values("set-cookie") == []
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 600)
        assert answer.json["refresh_expires_in"] == MONTHS
        assert answer.json["refresh_token"].count(".") == answer.json["access_token"].count(".") == 2


def test_behind_an_https_issuer_the_cookies_are_secure_and_bound_to_the_host(public: Wire, email: str) -> None:
    answer = _register(public, email, delivery="cookie")
    refresh, access = answer.cookies["__Host-keyturn_refresh"], answer.cookies["__Host-keyturn_access"]
    assert answer.values("set-cookie") == [
        f"__Host-keyturn_refresh={refresh}; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age={MONTHS}",
        f"__Host-keyturn_access={access}; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600",
    ]
    split = _login(public, email)
    token = split.cookies["__Host-keyturn_refresh"]
    assert split.values("set-cookie") == [
        f"__Host-keyturn_refresh={token}; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age={MONTHS}"
    ]


def test_behind_an_https_issuer_the_names_without_prefix_mean_nothing(public: Wire, email: str) -> None:
    answer = _register(public, email, delivery="cookie")
    refresh, access = answer.cookies["__Host-keyturn_refresh"], answer.cookies["__Host-keyturn_access"]
    assert (
        public.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=refresh)]).code == "refresh_token_missing"
    )
    assert public.call("GET", "/me", headers=[cookie(keyturn_access=access)]).code == "access_token_missing"
    prefixed = cookie(**{"__Host-keyturn_access": access, "__Host-keyturn_refresh": refresh})
    assert public.call("GET", "/me", headers=[prefixed]).status == 200
    assert public.call("POST", "/refresh-token", headers=[prefixed]).status == 200


@pytest.mark.parametrize(
    "header",
    [("x-forwarded-proto", "https"), ("forwarded", "proto=https;host=auth.example.com"), ("x-forwarded-ssl", "on")],
)
def test_no_header_makes_the_cookies_of_an_http_issuer_secure(wire: Wire, email: str, header: tuple[str, str]) -> None:
    body = {"email": email, "password": PASSWORD}
    (line,) = wire.call("POST", "/register", body, headers=[header]).values("set-cookie")
    assert line.startswith("keyturn_refresh=")
    assert "Secure" not in line


def test_no_header_makes_the_cookies_of_an_https_issuer_insecure(public: Wire, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    (line,) = public.call("POST", "/register", body, headers=[("x-forwarded-proto", "http")]).values("set-cookie")
    assert line.startswith("__Host-keyturn_refresh=")
    assert "; Secure;" in line


@pytest.mark.parametrize("delivery", ["split", "cookie"])
def test_whoever_is_not_to_be_remembered_has_cookies_that_last_as_long_as_the_browser(
    wire: Wire, email: str, delivery: str
) -> None:
    _register(wire, email, delivery="body")
    answer = _login(wire, email, delivery=delivery, remember=False)
    sent = cookie(**answer.cookies)
    # It stays so after a refresh and a change of the password.
    refreshed = wire.call("POST", "/refresh-token", headers=[sent])
    access = refreshed.json.get("access_token") or refreshed.cookies["keyturn_access"]
    change = {"current_password": PASSWORD, "new_password": "another good password"}
    changed = wire.call("POST", "/password", change, headers=[bearer(access)])
    for step in (answer, refreshed, changed):
        assert step.status == 200
        assert step.cookies.keys() >= {"keyturn_refresh"}
        assert not any("Max-Age" in line or "Expires" in line for line in step.values("set-cookie"))


def test_a_user_who_registers_is_remembered(wire: Wire, email: str) -> None:
    answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD, "remember": True})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "remember")
    assert "Max-Age" in _register(wire, email).values("set-cookie")[0]


def test_the_access_token_is_taken_from_the_header_or_from_the_access_cookie(wire: Wire, email: str) -> None:
    for delivery in ("split", "cookie", "body"):
        answer = _register(wire, f"{delivery}{email}", delivery=delivery)
        token = answer.json.get("access_token") or answer.cookies["keyturn_access"]
        assert wire.call("GET", "/me", headers=[bearer(token)]).status == 200
        assert wire.call("GET", "/me", headers=[cookie(keyturn_access=token)]).status == 200
        assert wire.call("GET", "/me", headers=[("authorization", f"bEARER {token}")]).status == 200


@pytest.mark.parametrize(("chosen", "sent_as"), [("split", "body"), ("cookie", "body"), ("body", "cookie")])
def test_a_refresh_token_sent_the_other_deliverys_way_is_none(
    wire: Wire, email: str, chosen: str, sent_as: str
) -> None:
    answer = _register(wire, email, delivery=chosen)
    token = answer.json.get("refresh_token") or answer.cookies["keyturn_refresh"]
    as_body, as_cookie = {"json": {"refresh_token": token}}, {"headers": [cookie(keyturn_refresh=token)]}
    wrong, right = (as_body, as_cookie) if sent_as == "body" else (as_cookie, as_body)
    refused = wire.call("POST", "/refresh-token", **wrong)
    assert (refused.status, refused.code) == (403, "refresh_token_invalid")
    assert refused.values("set-cookie") == []
    assert wire.call("POST", "/refresh-token", **right).status == 200


@pytest.mark.parametrize("delivery", ["split", "cookie", "body"])
def test_a_session_keeps_its_delivery_for_life(
    shared_server: LiveServer, wire: Wire, email: str, delivery: str
) -> None:
    answer = _register(wire, email, delivery=delivery)
    assert answer.json["session"]["delivery"] == delivery
    token = answer.json.get("refresh_token") or answer.cookies["keyturn_refresh"]
    for _ in range(2):
        if delivery == "body":
            refreshed = wire.call("POST", "/refresh-token", {"refresh_token": token})
        else:
            refreshed = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)])
        assert refreshed.status == 200
        assert refreshed.json["session"]["delivery"] == delivery
        assert set(refreshed.json) == set(answer.json)
        assert set(refreshed.cookies) == set(answer.cookies)
        token = refreshed.json.get("refresh_token") or refreshed.cookies["keyturn_refresh"]
        shared_server.clock.advance(31)


def test_a_sign_in_by_another_delivery_clears_the_cookies_it_does_not_write(wire: Wire, email: str) -> None:
    first = _register(wire, email, delivery="cookie")
    body = {"login": email, "password": PASSWORD}
    as_body = wire.call("POST", "/login", {**body, "delivery": "body"}, headers=[cookie(**first.cookies)])
    assert as_body.values("set-cookie") == [
        "keyturn_refresh=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
        "keyturn_access=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0",
    ]
    second = _login(wire, email, delivery="cookie")
    split = wire.call("POST", "/login", body, headers=[cookie(**second.cookies)])
    assert split.values("set-cookie")[1:] == ["keyturn_access=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]


def test_the_refresh_cookie_lives_as_long_as_the_session_may(shared_server: LiveServer, wire: Wire, email: str) -> None:
    token = _register(wire, email).cookies["keyturn_refresh"]
    shared_server.clock.advance(86_400)
    answer = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)])
    assert answer.values("set-cookie")[0].endswith(f"; Max-Age={MONTHS - 86_400}")


def test_every_answer_that_carries_a_token_or_writes_a_cookie_is_kept_by_no_cache(wire: Wire, email: str) -> None:
    registered = _register(wire, email, delivery="cookie")
    sent = cookie(**registered.cookies)
    change = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
    answers = [
        registered,
        wire.call("POST", "/refresh-token", headers=[sent]),
        wire.call("GET", "/me", headers=[sent]),
        wire.call("GET", "/sessions", headers=[sent]),
        changed := wire.call("POST", "/password", change, headers=[sent]),
        wire.call("POST", "/logout", headers=[cookie(**changed.cookies)]),
        wire.call("POST", "/login", {"login": EMAIL, "password": "wrong"}),
    ]
    assert [answer.values("cache-control") for answer in answers] == [["no-store"]] * 7
