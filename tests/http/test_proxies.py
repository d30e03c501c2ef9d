"""Proxies in front: whom they may speak for, and from where plain http is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.support.client import BASE, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Wire

from keyturn.server.wiring import application


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that trusts this machine and 10.0.0.0/8."""
    data = tmp_path_factory.mktemp("proxied") / "data"
    with LiveServer(data, trusted_proxies=("127.0.0.1", "10.0.0.0/8", "fd00::/8")) as live:
        yield live


def address_seen(server: LiveServer, email: str, *headers: tuple[str, str]) -> str:
    with Wire(server.address) as wire:
        answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD}, headers=headers)
    seen: str = answer.json["session"]["address"]
    return seen


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "127.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7, 10.1.2.3, 10.9.9.9"], "203.0.113.7"),
        (["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7", "10.1.2.3"], "203.0.113.7"),
        (["2001:db8::7, fd00::1"], "2001:db8::7"),
        (["10.1.2.3"], "127.0.0.1"),
        (["203.0.113.7, nonsense"], "127.0.0.1"),
        (["203.0.113.7, "], "127.0.0.1"),
        ([""], "127.0.0.1"),
        (["203.0.113.7, ::ffff:10.1.2.3"], "203.0.113.7"),
        (["203.0.113.7:4711"], "127.0.0.1"),
        (["<script>"], "127.0.0.1"),
    ],
)
def test_from_a_listed_proxy_the_right_most_hop_that_is_no_proxy_is_the_client(
    proxied: LiveServer, email: str, forwarded: list[str], client: str
) -> None:
    assert address_seen(proxied, email, *(("x-forwarded-for", value) for value in forwarded)) == client


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"])
def test_from_anybody_else_no_header_names_the_client(shared_server: LiveServer, email: str, name: str) -> None:
    assert (
        address_seen(shared_server, email, (name, "for=203.0.113.7" if name == "forwarded" else "203.0.113.7"))
        == "127.0.0.1"
    )


@pytest.mark.parametrize("name", ["x-forwarded-host", "x-original-host", "x-forwarded-server"])
def test_no_header_but_host_names_the_host(proxied: LiveServer, name: str) -> None:
    with Wire(proxied.address, host="evil.example.org") as wire:
        assert wire.call("GET", "/me", headers=[(name, "localhost")]).code == "unknown_host"
    with Wire(proxied.address) as wire:
        assert wire.call("GET", "/me", headers=[(name, "evil.example.org")]).status == 401


def ask_from(server: LiveServer, peer: str, path: str, **headers: str) -> httpx2.Response:
    """Ask the application as a socket from that peer would."""

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(application(server.settings, server.context), client=(peer, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="https://auth.example.com") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())


def test_plain_http_is_taken_from_loopback_and_from_listed_proxies_only(tmp_path: Path) -> None:
    listed = ("198.51.100.0/24",)
    with LiveServer(tmp_path / "data", issuer="https://auth.example.com", trusted_proxies=listed) as live:
        for peer in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "198.51.100.9", "::ffff:198.51.100.9", ""):
            assert ask_from(live, peer, f"{BASE}/me").json()["code"] == "access_token_missing"
        for peer in ("203.0.113.9", "10.0.0.1", "2001:db8::1", "::ffff:203.0.113.9", "198.51.101.1"):
            for headers in ({}, {"x_forwarded_proto": "https"}, {"x_forwarded_for": "127.0.0.1"}):
                refused = ask_from(live, peer, f"{BASE}/me", **headers)
                assert (refused.status_code, refused.json()["code"]) == (403, "https_required")


def test_a_probe_needs_no_tls(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", issuer="https://auth.example.com") as live:
        for path in ("/healthz", "/readyz"):
            assert ask_from(live, "203.0.113.9", path).status_code == 200
