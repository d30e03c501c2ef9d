"""Who is asking, when a proxy says so."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from keyturn.http.forwarded import client_of
from keyturn.http.headers import Headers

PROXIES = [ip_network("127.0.0.1")]


@pytest.mark.parametrize("hop", ["fe80::1%eth0", "fe80::1%<b>", f"::1%{'x' * 1000}", "2001:db8::1%\x1b[2J"])
def test_a_zone_is_no_part_of_a_clients_address(hop: str) -> None:
    client = client_of("127.0.0.1", Headers([(b"x-forwarded-for", hop.encode())]), PROXIES)
    assert client.address == "127.0.0.1"


@pytest.mark.parametrize("hop", ["203.0.113.7", "2001:db8::1"])
def test_an_address_is_taken_as_it_is(hop: str) -> None:
    assert client_of("127.0.0.1", Headers([(b"x-forwarded-for", hop.encode())]), PROXIES).address == hop


@pytest.mark.parametrize("space", [b"\xa0", b"\x85", b"\x1c", b"\x0b"])
def test_only_spaces_and_tabs_stand_around_an_address(space: bytes) -> None:
    """RFC 9110, 5.6.3. What else Unicode calls a space makes it no address."""
    for hops in (space + b"203.0.113.7", b"203.0.113.7" + space):
        assert client_of("127.0.0.1", Headers([(b"x-forwarded-for", hops)]), PROXIES).address == "127.0.0.1"
    assert (
        client_of("127.0.0.1", Headers([(b"x-forwarded-for", b"\t 203.0.113.7 \t")]), PROXIES).address == "203.0.113.7"
    )
