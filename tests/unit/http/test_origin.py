"""What counts as loopback, and as one of our origins."""

from __future__ import annotations

import pytest

from keyturn.http.headers import Headers
from keyturn.http.origin import SAFE_METHODS, CrossOrigin, OriginPolicy, is_loopback_host, is_loopback_origin


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.255.254", "::1", "[::1]"])
def test_a_loopback_host_is_this_machine(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost.",
        "localhost.evil.example",
        "evil.localhost.example",
        "127.1",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "0x7f.0.0.1",
        "2130706433",
        "10.0.0.1",
        "[::]",
        "::2",
    ],
)
def test_no_other_host_is(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://localhost:5173", "http://127.0.0.1:8000", "http://[::1]:3000"]
)
def test_a_loopback_origin_is_one_over_http(origin: str) -> None:
    assert is_loopback_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "localhost",
        "https://localhost",
        "file://localhost",
        "http://localhost:99999",
        "http://localhost:x",
        "http://[::1",
        "http://localhost@evil.example",
        "http://evil.example#localhost",
        "//localhost",
    ],
)
def test_no_other_origin_is(origin: str) -> None:
    assert not is_loopback_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://auth.example.com:443",
        "https://AUTH.example.com",
        "https://auth.example.com/",
        "http://auth.example.com",
        "https://auth.example.com.evil.example",
        "https://xauth.example.com",
        "https://example.com",
        "null",
        "*",
        "",
    ],
)
def test_in_production_only_the_issuer_itself_is_ours(origin: str) -> None:
    policy = OriginPolicy("https://auth.example.com")
    assert policy.is_ours("https://auth.example.com")
    assert not policy.is_ours(origin)
    assert not policy.is_ours("http://localhost")
    with pytest.raises(CrossOrigin):
        policy.check("POST", Headers([(b"origin", origin.encode())]))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "post", "get", ""])
def test_whatever_is_not_known_to_be_safe_is_checked(method: str) -> None:
    with pytest.raises(CrossOrigin):
        OriginPolicy("https://auth.example.com").check(method, Headers([(b"sec-fetch-site", b"cross-site")]))


def test_what_is_safe_is_not_checked() -> None:
    for method in SAFE_METHODS:
        OriginPolicy("https://auth.example.com").check(method, Headers([(b"sec-fetch-site", b"cross-site")]))
