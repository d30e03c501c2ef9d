"""The origin check, CORS, and the forward-auth call that judges another request."""

from __future__ import annotations

import re
from itertools import product

import pytest
from tests.support.client import BASE, PASSWORD, Browser
from tests.support.server import APP, PUBLIC
from tests.support.unsafe import UNSAFE
from tests.support.wire import Answer, Wire, bearer, cookie

SITES = (None, "same-origin", "same-site", "cross-site", "none", "", "SAME-ORIGIN", "same-origin, same-origin")
ORIGINS = (
    None,
    PUBLIC,
    APP,
    "https://evil.example.com",
    "http://auth.example.com",
    "https://auth.example.com:444",
    "https://auth.example.com.evil.org",
    "https://AUTH.example.com",
    "http://localhost:3000",
    "null",
    "",
)


def passes(site: str | None, origin: str | None) -> bool:
    """The order of the rules: an allowed origin; then what the browser says; then our own origin; then neither."""
    if origin == APP:
        return True
    if site is not None:
        return site == "same-origin"
    return origin in {None, PUBLIC}


def said(site: str | None, origin: str | None) -> list[tuple[str, str]]:
    headers = [("sec-fetch-site", site)] if site is not None else []
    return [*headers, *([("origin", origin)] if origin is not None else [])]


@pytest.mark.parametrize(("site", "origin"), [*product(SITES, ORIGINS)])
def test_an_unsafe_request_passes_by_the_rules_in_their_order(
    public: Wire, site: str | None, origin: str | None
) -> None:
    answer = public.call("POST", "/logout", headers=said(site, origin))
    if passes(site, origin):
        assert answer.status == 204
    else:
        assert (answer.status, answer.code) == (403, "cross_origin")
        assert answer.values("set-cookie") == []


def test_a_safe_request_is_not_asked_where_it_comes_from(public: Wire) -> None:
    for site, origin in product(SITES, ORIGINS):
        assert public.call("GET", "//.well-known/jwks.json", headers=said(site, origin)).status == 200


def test_an_origin_or_a_site_said_twice_is_not_believed(public: Wire) -> None:
    for headers in (
        [("origin", APP), ("origin", APP)],
        [("origin", APP), ("origin", "https://evil.example.com")],
        [("origin", "https://evil.example.com"), ("origin", PUBLIC)],
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")],
    ):
        assert public.call("POST", "/logout", headers=headers).code == "cross_origin"


def test_no_unsafe_call_is_forgotten_here(guest: Browser) -> None:
    paths = guest.get("/openapi.json").json()["paths"]
    calls = {(method.upper(), path.removeprefix(BASE)) for path, found in paths.items() for method in found}
    assert {(method, re.sub(r"{\w+}", "x", path)) for method, path in calls if method != "GET"} == set(UNSAFE)


@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_every_unsafe_call_is_checked_before_anything_of_it_is_read(public: Wire, method: str, path: str) -> None:
    for headers in (
        said("cross-site", None),
        said("same-site", None),
        said(None, "null"),
        said(None, "https://x.test"),
    ):
        answer = public.call(method, path, headers=headers, body=b"\xff not JSON")
        assert (answer.status, answer.code) == (403, "cross_origin")


def test_a_cross_origin_sign_in_signs_nobody_in(public: Wire, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    assert public.call("POST", "/register", body, headers=said("cross-site", None)).code == "cross_origin"
    assert public.call("POST", "/login", body).code == "invalid_credentials"


@pytest.mark.parametrize("header", ["x-http-method-override", "x-http-method", "x-method-override"])
def test_no_header_changes_the_method(wire: Wire, header: str) -> None:
    assert wire.call("GET", "/logout", headers=[(header, "POST")]).status == 405


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("http://localhost:5173", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:8080", True),
        ("http://127.9.9.9", True),
        ("https://localhost:5173", False),
        ("http://localhost.evil.org", False),
        ("http://evil.org", False),
        ("http://127.0.0.1.evil.org:80", False),
        ("http://localhost:notaport", False),
        ("null", False),
        ("", False),
    ],
)
def test_in_development_every_loopback_origin_is_ours(wire: Wire, origin: str, ours: bool) -> None:
    answer = wire.call("POST", "/logout", headers=[("origin", origin)])
    assert answer.status == (204 if ours else 403)
    assert wire.call("POST", "/logout", headers=said("cross-site", origin)).status == 403
    assert answer.values("access-control-allow-origin") == []


@pytest.mark.parametrize("path", ["/verify", "/nothing", "//healthz"])
def test_an_allowed_origin_may_read_the_answers_errors_included(public: Wire, path: str) -> None:
    answer = public.call("GET", path, headers=said("same-site", APP))
    assert answer.values("access-control-allow-origin") == [APP]
    assert answer.values("access-control-allow-credentials") == ["true"]
    assert answer.values("access-control-expose-headers") == ["Retry-After, X-Request-Id, WWW-Authenticate"]
    assert "Origin" in answer.values("vary")[0]


@pytest.mark.parametrize("origin", [origin for origin in ORIGINS if origin not in {None, APP}])
def test_nobody_else_may_read_an_answer_not_even_our_own_origin(public: Wire, origin: str) -> None:
    answer = public.call("GET", "/verify", headers=said(None, origin))
    assert not [name for name, _ in answer.headers if name.startswith("access-control")]
    preflight = public.call(
        "OPTIONS", "/login", headers=[*said(None, origin), ("access-control-request-method", "POST")]
    )
    assert preflight.status == 405
    assert not [name for name, _ in preflight.headers if name.startswith("access-control")]


def test_a_preflight_of_an_allowed_origin_is_told_what_it_may_do(public: Wire) -> None:
    answer = public.call("OPTIONS", "/me", headers=[*said(None, APP), ("access-control-request-method", "PATCH")])
    assert (answer.status, answer.body) == (204, b"")
    assert answer.values("access-control-allow-origin") == [APP]
    assert answer.values("access-control-allow-methods") == ["GET, POST, PATCH, DELETE"]
    assert answer.values("access-control-allow-headers") == ["Authorization, Content-Type"]
    assert answer.values("access-control-max-age") == ["600"]


def test_an_allowed_origin_works_with_the_cookies(public: Wire, email: str) -> None:
    there = said("same-site", APP)
    registered = public.call("POST", "/register", {"email": email, "password": PASSWORD}, headers=there)
    assert registered.status == 201
    answer = public.call("POST", "/refresh-token", headers=[*there, cookie(**registered.cookies)])
    assert (answer.status, answer.values("access-control-allow-origin")) == (200, [APP])


@pytest.fixture
def signed_in(public: Wire, email: str) -> Answer:
    return public.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "cookie"})


def access_cookie(signed_in: Answer) -> tuple[str, str]:
    return cookie(**{"__Host-keyturn_access": signed_in.cookies["__Host-keyturn_access"]})


def test_verify_names_the_user_the_session_and_the_roles_in_headers(public: Wire, signed_in: Answer) -> None:
    token = signed_in.cookies["__Host-keyturn_access"]
    for headers in ([bearer(token)], [access_cookie(signed_in), ("x-forwarded-method", "GET")]):
        answer = public.call("GET", "/verify", headers=headers)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.values("x-auth-subject") == [signed_in.json["user"]["id"]]
        assert answer.values("x-auth-session") == [signed_in.json["session"]["id"]]
        assert answer.values("x-auth-roles") == [""]
        assert answer.values("cache-control") == ["no-store"]
        assert answer.values("set-cookie") == []


def test_verify_refuses_without_an_access_token_and_names_nobody(public: Wire, signed_in: Answer) -> None:
    refresh = cookie(**{"__Host-keyturn_refresh": signed_in.cookies["__Host-keyturn_refresh"]})
    for headers, code in (
        ([], "access_token_missing"),
        ([refresh], "access_token_missing"),
        ([bearer("garbage")], "access_token_invalid"),
        ([("x-auth-subject", "somebody")], "access_token_missing"),
    ):
        answer = public.call("GET", "/verify", headers=headers)
        assert (answer.status, answer.code) == (401, code)
        assert not [name for name, _ in answer.headers if name.startswith("x-auth")]


@pytest.mark.parametrize("name", ["x-forwarded-method", "x-original-method"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "get", "", "x"])
@pytest.mark.parametrize(
    ("site", "origin"), [(None, None), ("same-origin", None), ("cross-site", None), (None, "null")]
)
def test_by_the_cookie_verify_checks_the_origin_of_the_original_request(
    public: Wire, signed_in: Answer, name: str, method: str, site: str | None, origin: str | None
) -> None:
    safe = method.strip().upper() in {"GET", "HEAD", "OPTIONS"}
    answer = public.call("GET", "/verify", headers=[access_cookie(signed_in), (name, method), *said(site, origin)])
    if safe or passes(site, origin):
        assert answer.status == 204
    else:
        assert (answer.status, answer.code) == (403, "cross_origin")


def test_a_proxy_that_does_not_say_the_method_or_says_two_gets_the_strictest_check(
    public: Wire, signed_in: Answer
) -> None:
    access, elsewhere = access_cookie(signed_in), said("cross-site", None)
    for methods in (
        [],
        [("x-forwarded-method", "GET"), ("x-original-method", "POST")],
        [("x-forwarded-method", "POST"), ("x-forwarded-method", "GET")],
        [("x-forwarded-method", "GET, POST")],
    ):
        assert public.call("GET", "/verify", headers=[access, *methods, *elsewhere]).code == "cross_origin"
        assert public.call("GET", "/verify", headers=[access, *methods]).status == 204


def test_by_the_header_verify_asks_for_no_origin(public: Wire, signed_in: Answer) -> None:
    token = signed_in.cookies["__Host-keyturn_access"]
    sent = [("x-forwarded-method", "POST"), *said("cross-site", "https://evil.example.com")]
    assert public.call("GET", "/verify", headers=[bearer(token), *sent]).status == 204
    # With both, a browser may have sent the cookie by itself; the header it cannot have added.
    assert public.call("GET", "/verify", headers=[bearer(token), access_cookie(signed_in), *sent]).status == 204
