"""Who is asking, when a proxy says so."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from keyturn.http.forwarded import client_of

PROXIES = [ip_network("127.0.0.1")]


@pytest.mark.parametrize("hop", ["fe80::1%eth0", "fe80::1%<b>", f"::1%{'x' * 1000}", "2001:db8::1%\x1b[2J"])
def test_a_zone_is_no_part_of_a_clients_address(hop: str) -> None:
    client = client_of("127.0.0.1", [(b"x-forwarded-for", hop.encode())], PROXIES)
    assert client.address == "127.0.0.1"


@pytest.mark.parametrize("hop", ["203.0.113.7", "2001:db8::1"])
def test_an_address_is_taken_as_it_is(hop: str) -> None:
    assert client_of("127.0.0.1", [(b"x-forwarded-for", hop.encode())], PROXIES).address == hop
