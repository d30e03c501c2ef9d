"""Paths, methods and pages that are meant to lead around a rule, or to what nobody is to see."""

from __future__ import annotations

import re
import socket
from importlib.metadata import version

import pytest
from tests.support.client import BASE
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire

HIDDEN = [
    "/docs",
    "/docs.css",
    "/openapi.json",
    "/playground",
    "/playground.js",
    "/playground/api/visits",
    "/metrics",
    "/debug",
    "/admin",
    "/outbox",
    "/.git/HEAD",
    "/.git/config",
    "/.env",
    "/keys.json",
    "/keyturn.db",
    "/keyturn.db-wal",
    "/server-status",
    "/static/",
    "/static",
    "/.well-known/",
    "/.well-known/openid-configuration",
    "/__init__.py",
    "/actuator/env",
    "/phpinfo.php",
    "/wp-login.php",
    f"{BASE}/",
    f"{BASE}/users",
    f"{BASE}/admin",
]


@pytest.mark.parametrize("path", HIDDEN)
def test_nothing_is_there_that_is_not_meant_to_be_seen(public: Wire, path: str) -> None:
    """Row 88, H5."""
    for method in ("GET", "HEAD", "POST"):
        assert public.call(method, f"/{path}").status in {404, 405}


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "OPTIONS", "DEBUG", "PATCH"])
def test_a_method_that_shows_or_changes_what_it_should_not_is_refused(public: Wire, method: str) -> None:
    """Row 88: TRACE would give back the cookies that a script cannot read."""
    secret = "keyturn_refresh=do-not-repeat-me"
    try:
        answer = public.call(method, "//", headers=[("cookie", secret)])
    except ConnectionError:
        return
    assert answer.status in {400, 405}
    assert b"do-not-repeat-me" not in answer.body


def test_an_asterisk_is_no_path(production: LiveServer) -> None:
    with Wire(production.address) as wire:
        answer = wire.send(b"OPTIONS * HTTP/1.1\r\nhost: auth.example.com\r\n\r\n", method="OPTIONS")
    assert answer.status in {400, 404, 405}


def test_no_answer_names_a_program_or_a_version(public: Wire) -> None:
    """Row 88, H5: not in a header, and not in the page of an error."""
    for path in ("//", "/me", "//nothing", "//healthz"):
        answer = public.call("GET", path, headers=[("accept", "text/html")])
        told = "\n".join(f"{name}: {value}" for name, value in answer.headers) + answer.body.decode()
        assert not re.search(r"uvicorn|starlette|python|sqlite", told, re.IGNORECASE)
        assert version("keyturn") not in told
        assert answer.values("server") == []
        assert answer.values("x-powered-by") == []


TRICKS = [
    "/{}",
    "{}/",
    "{}//",
    "{}/.",
    "{}/..",
    "{}/../me",
    "{};",
    "{};x=1",
    "{}%2f",
    "{}%00",
    "{}%20",
    "{}.",
    "{}.json",
    "{}%3f",
    "{}%23",
    "/x/..{}",
    "/.{}",
    "/%2e{}",
    "//{}",
    "\\{}",
]


def _targets() -> list[str]:
    calls = ["/me", "/login", "/refresh-token", "/password", "/verify", "/logout-all"]
    tricked = [trick.format(f"{BASE}{call}") for call in calls for trick in TRICKS]
    changed = [
        f"{BASE.upper()}/me",
        f"{BASE}/ME",
        f"{BASE}/Me",
        f"{BASE}/%6De%2e",
        "/api/v1//auth/me",
        "/api//v1/auth/me",
    ]
    return tricked + changed


@pytest.mark.parametrize("target", _targets())
def test_a_path_that_only_looks_like_a_call_is_none(public: Wire, production: LiveServer, target: str) -> None:
    """Row 78, H7: no spelling of a path reaches a call around what is checked before it."""
    for method in ("GET", "POST", "DELETE"):
        with Wire(production.address) as wire:
            answer = wire.send(
                f"{method} {target} HTTP/1.1\r\nhost: auth.example.com\r\ncontent-length: 0\r\n\r\n".encode()
            )
        assert answer.status in {400, 404}, (method, target)


@pytest.mark.parametrize(
    "spelling", ["/api/v1/auth/m%65", "/%61pi/v1/auth/me", "http://auth.example.com/api/v1/auth/me"]
)
def test_another_spelling_of_the_same_path_meets_the_same_rules(production: LiveServer, spelling: str) -> None:
    """Row 78: what is decoded is decoded once, and then it is the call with all its checks."""
    plain = _asked(production, f"{BASE}/me", "GET")
    assert _asked(production, spelling, "GET").looks == plain.looks
    assert plain.code == "access_token_missing"
    forged = _asked(production, spelling, "DELETE", "sec-fetch-site: cross-site\r\n")
    assert (forged.status, forged.code) == (403, "cross_origin")


def test_the_host_of_an_absolute_target_counts_for_nothing(production: LiveServer) -> None:
    """Row 70, 78: whom it is for is said by the Host header alone."""
    answer = _asked(production, f"http://evil.example{BASE}/me", "GET")
    assert answer.code == "access_token_missing"
    with socket.create_connection(production.address) as connection:
        connection.sendall(b"GET http://auth.example.com/ HTTP/1.1\r\nhost: evil.example\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 421 ")


def _asked(server: LiveServer, target: str, method: str, more: str = "") -> Answer:
    with Wire(server.address) as wire:
        return wire.send(
            f"{method} {target} HTTP/1.1\r\nhost: auth.example.com\r\n{more}content-length: 0\r\n\r\n".encode()
        )


@pytest.mark.parametrize(
    "path", ["//", "//sign-in", "/me", "//nothing", "/login", "//healthz", "//.well-known/jwks.json"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_answer_can_be_framed(public: Wire, path: str, method: str) -> None:
    """Row 52: the sign-in page and its buttons cannot be laid under somebody else's."""
    answer = public.call(method, path, headers=[("accept", "text/html")])
    (policy,) = answer.values("content-security-policy")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.values("cross-origin-opener-policy") == ["same-origin"]
    assert answer.values("cross-origin-resource-policy") == ["same-origin"]
