"""Requests that another site makes a browser send, cookies that another site planted, and answers that it would like to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.attacks import Visitor
from tests.support.server import LiveServer
from tests.support.unsafe import UNSAFE
from tests.support.wire import Wire, bearer

EVIL = "https://evil.example"

FORMS = (
    ("text/plain", b'{"refresh_token": "x", "a=": 1}'),
    ("application/x-www-form-urlencoded", b"login=a&password=b"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\na\r\n--x--\r\n'),
    ("application/json", b"{}"),
    (None, b""),
)
"""What a form or a simple fetch can send without asking first, and what it could if it asked."""

FOREIGN = (
    {"sec-fetch-site": "cross-site", "origin": EVIL},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "https://sibling.example.com"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "null"},
    {"sec-fetch-site": "SAME-ORIGIN"},
    {"sec-fetch-site": ""},
    {"origin": EVIL},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "http://localhost.evil.example"},
    {"origin": "http://evil.example@127.0.0.1.evil.example"},
    {"origin": "https://127.0.0.1"},
)
"""What a browser says of a request that did not come from our own pages."""


@pytest.fixture(scope="module")
def cookied(shared: LiveServer) -> Iterator[Visitor]:
    """Somebody signed in whose tokens are both in cookies, which a browser sends by itself."""
    with Visitor(shared) as client:
        client.join(delivery="cookie")
        yield client


def assert_still_signed_in(victim: Visitor) -> None:
    assert victim.call("GET", "/me").status_code == 200
    assert victim.refresh().status_code == 200
    sessions = victim.call("GET", "/sessions").json()["sessions"]
    assert [session["current"] for session in sessions] == [True]


@pytest.mark.parametrize("said", FOREIGN, ids=lambda said: " ".join(f"{name}={value}" for name, value in said.items()))
def test_no_other_site_can_change_anything(shared: LiveServer, cookied: Visitor, said: dict[str, str]) -> None:
    """Rows 46, 47, 48: every unsafe call, every body a page elsewhere can send, with the victim's cookies."""
    cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in cookied.cookies.items())}
    with Visitor(shared, headers={"user-agent": "Firefox", **said}) as elsewhere:
        for method, path in UNSAFE:
            for media_type, body in FORMS:
                headers = cookies | ({"content-type": media_type} if media_type else {})
                answer = elsewhere.call(method, path, content=body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin"), (method, path)
                assert "set-cookie" not in answer.headers
                assert "access-control-allow-origin" not in answer.headers
    assert_still_signed_in(cookied)


def test_a_form_from_nowhere_is_refused_for_what_it_sends(shared: LiveServer, cookied: Visitor) -> None:
    """Row 46: with neither header, as from a client that is no browser, a form is no JSON still."""
    cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in cookied.cookies.items())}
    with Visitor(shared, headers={"user-agent": "curl"}) as elsewhere:
        for path in ("/register", "/login", "/logout", "/logout-all", "/password", "/refresh-token"):
            for media_type, body in FORMS[:3]:
                answer = elsewhere.call("POST", path, content=body, headers=cookies | {"content-type": media_type})
                assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), path
    assert_still_signed_in(cookied)


def test_an_image_or_a_link_changes_nothing(shared: LiveServer, cookied: Visitor) -> None:
    """Rows 46, 51: what only reads cannot sign out, and what signs out cannot be read."""
    for method in ("GET", "HEAD"):
        for _, path in UNSAFE:
            if path != "/me":
                assert cookied.call(method, path, headers={"sec-fetch-site": "cross-site"}).status_code == 405
    assert_still_signed_in(cookied)


@pytest.mark.parametrize(
    "override",
    [
        "X-HTTP-Method-Override: DELETE",
        "X-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Forwarded-Method: POST",
    ],
)
def test_no_header_or_parameter_changes_the_method(cookied: Visitor, override: str) -> None:
    """Row 51."""
    name, _, value = override.partition(": ")
    assert cookied.call("GET", "/me", headers={name: value}).status_code == 200
    assert cookied.call("GET", "/me?_method=DELETE", headers={name: value}).status_code == 200
    for method in ("GET", "HEAD"):
        assert cookied.call(method, "/logout?_method=POST", headers={name: "POST"}).status_code == 405
    assert_still_signed_in(cookied)


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND", "PATCH", "DELETE", "get", "POSTX"])
def test_a_method_that_a_call_does_not_take_is_refused(shared: LiveServer, method: str) -> None:
    """Row 51, H5: and TRACE sends nothing back."""
    with Wire(shared.address) as wire:
        try:
            answer = wire.call(method, "/logout", headers=[("x-canary", "sent-and-not-returned")])
        except ConnectionError:
            return
        assert answer.status in {400, 405}
        assert b"sent-and-not-returned" not in answer.body


@pytest.mark.parametrize("said", FOREIGN, ids=lambda said: " ".join(f"{name}={value}" for name, value in said.items()))
def test_nobody_is_signed_in_to_an_attackers_account(
    shared: LiveServer, visitor: Visitor, said: dict[str, str]
) -> None:
    """Row 49: the attacker knows a good password; the victim's browser still does not sign in with it."""
    credentials = {"login": visitor.email, "password": visitor.password}
    with Visitor(shared, headers={"user-agent": "Firefox", **said}) as victim:
        for media_type in ("application/json", "text/plain"):
            answer = victim.call(
                "POST", "/login", content=json.dumps(credentials), headers={"content-type": media_type}
            )
            assert answer.json()["code"] == "cross_origin"
        assert dict(victim.cookies) == {}
    assert len(visitor.call("GET", "/sessions", bearer=visitor.access_token).json()["sessions"]) == 1


ALLOWED = "https://app.example.com"
NEARLY_ALLOWED = (
    EVIL,
    "null",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com.evil.example",
    "https://xapp.example.com",
    "https://evil.example/app.example.com",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://app.example.com https://evil.example",
    "https://app_example.com",
    "https://app.example.co",
    "*",
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server as on the internet, behind a proxy that ends TLS, with one other origin allowed."""
    data_dir = tmp_path_factory.mktemp("published") / "data"
    settings = {"issuer": "https://auth.example.com", "allowed_origins": [ALLOWED], "trusted_proxies": ["127.0.0.1"]}
    with LiveServer(Path(data_dir), **settings) as server:
        yield server


PROXIED = [("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.7")]


@pytest.mark.parametrize("origin", NEARLY_ALLOWED)
def test_no_other_origin_may_read_an_answer(published: LiveServer, origin: str) -> None:
    """Row 50: probes with credentials, and the question before them."""
    with Wire(published.address, host="auth.example.com") as wire:
        for method, path in (("GET", "/me"), ("POST", "/refresh-token"), ("OPTIONS", "/login"), ("GET", "//healthz")):
            for more in ([], [("sec-fetch-site", "same-origin")]):
                asked = [("origin", origin), ("access-control-request-method", "POST"), *more, *PROXIED]
                answer = wire.call(method, path, headers=asked)
                allowing = [name for name, _ in answer.headers if name.startswith("access-control-")]
                assert allowing == [], (method, path)


def test_the_allowed_origin_alone_is_named_and_never_a_star(published: LiveServer) -> None:
    """Row 50: without this the probes above could all fail for a reason of their own."""
    with Wire(published.address, host="auth.example.com") as wire:
        answer = wire.call("GET", "/me", headers=[("origin", ALLOWED), *PROXIED])
        assert answer.values("access-control-allow-origin") == [ALLOWED]
        assert answer.values("access-control-allow-credentials") == ["true"]
        assert any("origin" in value.lower() for value in answer.values("vary"))
        assert wire.call("GET", "/me", headers=PROXIED).values("access-control-allow-origin") == []


def test_two_origins_are_none(published: LiveServer) -> None:
    """Row 50: a second header does not ride on the first."""
    with Wire(published.address, host="auth.example.com") as wire:
        for pair in ((ALLOWED, EVIL), (EVIL, ALLOWED)):
            headers = [*(("origin", origin) for origin in pair), *PROXIED]
            answer = wire.call("POST", "/login", {"login": "a", "password": "b"}, headers=headers)
            assert answer.status == 403
            assert answer.values("access-control-allow-origin") == []


def sign_in_over_the_wire(wire: Wire, visitor: Visitor, *cookies: str) -> dict[str, str]:
    credentials = {"login": visitor.email, "password": visitor.password, "delivery": "cookie"}
    answer = wire.call("POST", "/login", credentials, headers=[("cookie", cookie) for cookie in cookies])
    assert answer.status == 200, answer
    return dict(answer.cookies)


def test_a_planted_cookie_never_becomes_the_session(shared: LiveServer, visitor: Visitor) -> None:
    """Row 45: whatever was there before the sign-in, its session is a new one; and one of somebody else's ends."""
    with Visitor(shared) as attacker, Wire(shared.address) as wire:
        attacker.join(delivery="cookie")
        planted = attacker.refresh_cookie
        seen = {planted}
        for value in (planted, "chosen-by-the-attacker", "", "a.b.c"):
            got = sign_in_over_the_wire(wire, visitor, f"keyturn_refresh={value}; keyturn_access={value}")
            assert got["keyturn_refresh"] not in seen
            seen.add(got["keyturn_refresh"])
        # The attacker, who knows the planted token, holds nothing of the victim's by it, nor anything at all any more.
        ended = attacker.refresh()
        assert (ended.status_code, ended.json()["reason"]) == (403, "replaced")


@pytest.mark.parametrize("path", ["/me", "/sessions", "/verify"])
def test_two_access_cookies_are_refused_whichever_comes_first(shared: LiveServer, path: str, cookied: Visitor) -> None:
    """Row 43: one of them was planted by a sibling, and nobody can tell which."""
    real = cookied.cookies["keyturn_access"]
    with Wire(shared.address) as wire:
        assert wire.call("GET", path, headers=[("cookie", f"keyturn_access={real}")]).status in {200, 204}
        for pair in ((real, "evil"), ("evil", real), (real, real)):
            joined = "; ".join(f"keyturn_access={value}" for value in pair)
            separate = [("cookie", f"keyturn_access={value}") for value in pair]
            for headers in ([("cookie", joined)], separate):
                assert wire.call("GET", path, headers=headers).status == 400


def test_two_refresh_cookies_are_refused_whichever_comes_first_and_end_nothing(
    shared: LiveServer, visitor: Visitor
) -> None:
    """Row 43."""
    real = visitor.refresh_cookie
    with Wire(shared.address) as wire, Visitor(shared) as attacker:
        attacker.join()
        for path, body in (("/refresh-token", None), ("/logout", None), ("/login", {"login": "a", "password": "b"})):
            for pair in ((real, attacker.refresh_cookie), (attacker.refresh_cookie, real)):
                joined = "; ".join(f"keyturn_refresh={value}" for value in pair)
                answer = wire.call("POST", path, body, headers=[("cookie", joined)])
                assert (answer.status, answer.code) == (400, "duplicate_cookie")
    assert visitor.refresh().status_code == 200


@pytest.mark.parametrize(
    "written",
    [
        '$Version=1; keyturn_access="{}"',
        'keyturn_access="{}"',
        "keyturn_access ={}",
        "keyturn_access= {}",
        "Keyturn_access={}",
        "keyturn%5Faccess={}",
        "\xa0keyturn_access={}",
        "\x85keyturn_access={}",
        "keyturn_access\xa0={}",
        "x=1, keyturn_access={}",
        "__Host-keyturn_access={}",
    ],
)
def test_a_cookie_is_ours_to_the_byte_or_not_at_all(shared: LiveServer, cookied: Visitor, written: str) -> None:
    """Rows 42, 43: nothing is unquoted, trimmed as Unicode, or forgiven."""
    real = cookied.cookies["keyturn_access"]
    with Wire(shared.address) as wire:
        assert wire.call("GET", "/me", headers=[("cookie", written.format(real))]).status == 401


def test_a_siblings_lookalike_cookie_does_not_shadow_ours(shared: LiveServer, cookied: Visitor) -> None:
    """Row 42: the real one counts, and the other is another cookie."""
    real = cookied.cookies["keyturn_access"]
    with Wire(shared.address) as wire:
        for space in ("\xa0", "\x85", "\u00ad"):
            for pair in (
                (f"keyturn_access={real}", f"{space}keyturn_access=evil"),
                (f"{space}keyturn_access=evil", f"keyturn_access={real}"),
            ):
                assert wire.call("GET", "/me", headers=[("cookie", "; ".join(pair))]).status == 200


def test_what_a_bearer_may_do_needs_no_cookie_and_a_cookie_beside_it_forgives_nothing(
    shared: LiveServer, visitor: Visitor, cookied: Visitor
) -> None:
    """T18: a header with a token does not switch the origin check off."""
    token = visitor.access_token
    assert token
    with Wire(shared.address) as wire:
        headers = [bearer(token), ("sec-fetch-site", "cross-site")]
        assert wire.call("POST", "/logout-all", {}, headers=headers).code == "cross_origin"
        both = [bearer(token), ("cookie", f"keyturn_access={cookied.cookies['keyturn_access']}")]
        assert wire.call("GET", "/me", headers=both).code == "access_token_invalid"
        assert wire.call("GET", "/me", headers=[bearer("x"), both[1]]).code == "access_token_invalid"
