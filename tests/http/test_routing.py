"""Which methods, paths and hosts this server answers for."""

from __future__ import annotations

import pytest
from tests.support.wire import Wire

ALLOWED = {
    "/register": "POST",
    "/login": "POST",
    "/refresh-token": "POST",
    "/logout": "POST",
    "/logout-all": "POST",
    "/me": "DELETE, GET, HEAD, PATCH",
    "/sessions": "GET, HEAD",
    "/sessions/x": "DELETE",
    "/password": "POST",
    "/verify": "GET, HEAD",
    "//.well-known/jwks.json": "GET, HEAD",
    "//healthz": "GET, HEAD",
    "//readyz": "GET, HEAD",
    "//openapi.json": "GET, HEAD",
    "//docs": "GET, HEAD",
    "//playground": "GET, HEAD",
    "//playground/api/visits": "POST",
    "//": "GET, HEAD",
    "//sign-in": "GET, HEAD, POST",
    "//sign-up": "GET, HEAD, POST",
    "//sign-out": "POST",
    "//sign-out-everywhere": "POST",
    "//password": "GET, HEAD, POST",
    "//devices/x/end": "POST",
}


@pytest.mark.parametrize(("path", "allowed"), ALLOWED.items())
def test_a_method_that_a_call_does_not_take_is_answered_with_those_it_takes(
    wire: Wire, path: str, allowed: str
) -> None:
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - set(allowed.split(", "))
    for method in sorted(methods):
        answer = wire.call(method, path)
        assert (answer.status, answer.values("allow")) == (405, [allowed])
        assert method == "HEAD" or answer.code == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["//.well-known/jwks.json", "//healthz", "//readyz", "//openapi.json", "//docs", "/me"]
)
def test_head_is_get_without_the_body(wire: Wire, path: str) -> None:
    got, head = wire.call("GET", path), wire.call("HEAD", path)
    assert head.body == b""
    assert got.body != b""
    assert head.looks == (got.looks[0], got.looks[1], b"")  # type: ignore[index]


@pytest.mark.parametrize(
    "path",
    [
        "//nothing",
        "/",
        "/nothing",
        "/me/",
        "//api/v1/auth",
        "/ME",
        "//docs/",
        "/sessions/",
        "/sessions/a/b",
        "//%2e%2e/me",
    ],
)
def test_what_is_not_there_is_not_found(wire: Wire, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = wire.call(method, path)
        assert (answer.status, answer.code) == (404, "not_found")


HOSTS = ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:80", "[::1]:3000", "127.1.2.3"]
STRANGERS = [
    "example.com",
    "localhost.evil.org",
    "",
    "127.0.0.1.nip.io",
    "10.0.0.1",
    "[::2]",
    "a b",
    "localhost@evil.org",
    "[",
]


def test_in_development_every_loopback_host_is_this_server(wire: Wire) -> None:
    for host in HOSTS:
        assert wire.send(f"GET /docs HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()).status == 200


@pytest.mark.parametrize("host", STRANGERS)
def test_another_host_is_none_of_this_servers(wire: Wire, host: str) -> None:
    answer = wire.send(f"GET /docs HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
    assert (answer.status, answer.code) == (421, "unknown_host")


def test_a_host_said_twice_is_no_host(wire: Wire) -> None:
    answer = wire.send(b"GET /docs HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n")
    assert answer.status in {400, 421}


def test_who_probes_a_machine_need_not_know_its_name(wire: Wire) -> None:
    for path in ("/healthz", "/readyz"):
        answer = wire.send(f"GET {path} HTTP/1.1\r\nhost: 10.1.2.3\r\n\r\n".encode())
        assert (answer.status, answer.json) == (200, {"status": "ok"})
