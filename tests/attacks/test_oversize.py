"""Requests that are far too large, too deep or too long: refused early, each with one answer, and without a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.support.client import BASE, EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer


@pytest.fixture
def near(shared: LiveServer) -> Iterator[Wire]:
    """A connection to the shared server."""
    with Wire(shared.address) as connection:
        yield connection


@pytest.fixture(scope="module")
def alice(shared: LiveServer) -> dict[str, str]:
    with Wire(shared.address) as wire:
        answer = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"})
    signed_in: dict[str, str] = answer.json
    return signed_in


def huge(near: Wire, request: bytes) -> Answer | None:
    """The answer to a request that nobody need read to its end; none if the connection was closed over it."""
    try:
        return near.send(request)
    except ConnectionError:
        return None


@pytest.mark.parametrize("size", [20_000, 70_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("carrier", ["bearer", "access cookie", "refresh cookie"])
def test_a_huge_token_in_a_header_is_refused(near: Wire, alice: dict[str, str], carrier: str, size: int) -> None:
    """Row 27, D2, D3: before anything is decoded."""
    token = alice["access_token"] + "A" * size
    header = {
        "bearer": f"authorization: Bearer {token}",
        "access cookie": f"cookie: keyturn_access={token}",
        "refresh cookie": f"cookie: keyturn_refresh={token}",
    }[carrier]
    answer = huge(near, f"GET {BASE}/me HTTP/1.1\r\nhost: localhost\r\n{header}\r\n\r\n".encode())
    if answer is None:
        assert size > 20_000
    else:
        assert (answer.status, answer.code) == (431, "headers_too_large")
    assert_well(near, alice)


def test_a_token_as_long_as_headers_may_be_is_no_token(near: Wire, alice: dict[str, str]) -> None:
    """Row 27, T1: longer than 4096 bytes is refused, whatever it says."""
    for size in (4_097, 15_000):
        token = (alice["access_token"] + "A" * size)[:size]
        answer = near.call("GET", "/verify", headers=[bearer(token)])
        assert (answer.status, answer.code) == (401, "access_token_invalid")
        assert near.call("POST", "/refresh-token", {"refresh_token": token}).status == 422
    assert_well(near, alice)


NESTED = [
    ("100 000 arrays", b"[" * 100_000 + b"]" * 100_000, 413),
    ("100 000 objects", b'{"a":' * 100_000, 413),
    ("8 000 arrays", b"[" * 8_000 + b"]" * 8_000, 400),
    ("8 000 arrays that never close", b"[" * 16_000, 400),
    ("2 000 objects", b'{"a":' * 2_000 + b"1" + b"}" * 2_000, 400),
    ("nine levels", b'{"a":' + b"[" * 8 + b"]" * 8 + b"}", 400),
    ("a number of 5 000 digits", b'{"login":"a","password":' + b"9" * 5_000 + b"}", 400),
    ("a negative one", b'{"login":"a","password":-' + b"9" * 5_000 + b"}", 400),
    ("a float of 5 000 digits", b'{"login":"a","password":0.' + b"9" * 5_000 + b"}", 422),
    ("an exponent of 5 000 digits", b'{"login":"a","password":1e' + b"9" * 5_000 + b"}", 400),
    ("1 000 members", json.dumps({str(number): 0 for number in range(1_000)}).encode(), 400),
    ("an array of 8 000", b"[" + b"0," * 7_999 + b"0]", 400),
]


@pytest.mark.parametrize(("body", "status"), [pytest.param(*case[1:], id=case[0]) for case in NESTED])
@pytest.mark.parametrize("path", ["/login", "/refresh-token", "/logout"])
def test_json_without_measure_is_refused(
    near: Wire, alice: dict[str, str], path: str, body: bytes, status: int
) -> None:
    """Row 27, D1, T22: counted before it is parsed."""
    answer = near.call("POST", path, body=body, headers=[("content-type", "application/json")])
    assert answer.status == status
    assert answer.code in {"too_large", "malformed_json", "invalid_request"}
    near.close()
    assert_well(near, alice)


@pytest.mark.parametrize("size", [16_385, 70_000, 300_000, 1_000_000])
def test_a_body_too_large_gets_one_answer_and_no_other(near: Wire, alice: dict[str, str], size: int) -> None:
    """Row 58, D1: what follows on the connection is answered for itself, or the connection is closed."""
    for _ in range(5):
        first = near.call("POST", "/login", {"login": EMAIL, "password": "x" * size})
        assert (first.status, first.code) == (413, "too_large")
        assert near.call("GET", "/me", headers=[bearer(alice["access_token"])]).status == 200


def assert_well(near: Wire, alice: dict[str, str]) -> None:
    """The server goes on, and nobody has lost a session."""
    assert near.call("GET", "/me", headers=[bearer(alice["access_token"])]).status == 200
    assert near.call("POST", "/refresh-token", {"refresh_token": alice["refresh_token"]}).status == 200
