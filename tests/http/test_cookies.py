"""Reading cookies as bytes: what a sibling subdomain may add to a request changes nothing."""

from __future__ import annotations

import pytest
from tests.support.client import BASE, PASSWORD
from tests.support.wire import Answer, Wire


@pytest.fixture
def token(wire: Wire, email: str) -> str:
    """A good access token."""
    answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "body"})
    access: str = answer.json["access_token"]
    return access


def ask(wire: Wire, *cookies: bytes, call: str = "GET", path: str = "/me") -> Answer:
    lines = b"".join(b"cookie: %b\r\n" % value for value in cookies)
    return wire.send(
        f"{call} {BASE}{path} HTTP/1.1\r\nhost: localhost\r\n".encode() + lines + b"content-length: 0\r\n\r\n"
    )


LOOK_ALIKES = [
    b"\xa0keyturn_access=evil",
    b"\x85keyturn_access=evil",
    b"keyturn_access\xa0=evil",
    b"\xc2\xa0keyturn_access=evil",
    b"\xe3\x80\x80keyturn_access=evil",
    b"\x0bkeyturn_access=evil",
    b"\x0ckeyturn_access=evil",
    b"keyturn%5Faccess=evil",
    b'"keyturn_access"=evil',
    b"KEYTURN_ACCESS=evil",
    b"keyturn_access",
    b"=keyturn_access=evil",
    b"$Version=1",
    b"$keyturn_access=evil",
    b'x="a; b=c',
    b'x="',
    b"x=a,keyturn_access=evil",
    b"\xff\xfe=\xff",
    b"",
    b"=",
]


@pytest.mark.parametrize("other", LOOK_ALIKES)
def test_a_cookie_of_a_similar_name_changes_nothing_before_or_after(wire: Wire, token: str, other: bytes) -> None:
    good = b"keyturn_access=" + token.encode()
    assert ask(wire, good).status == 200
    for cookies in ([good + b"; " + other], [other + b"; " + good], [good, other], [other, good]):
        answer = ask(wire, *cookies)
        # A byte that no header may hold is refused as a whole; nothing ever reads the evil one.
        assert answer.status == 200 or (answer.status, answer.code) == (400, "malformed_request")
    assert ask(wire, other).status in {400, 401}


@pytest.mark.parametrize("other", [b"evil", b"", b"keep", b'"evil"'])
def test_a_cookie_of_ours_that_comes_twice_is_refused_in_either_order(wire: Wire, token: str, other: bytes) -> None:
    value = token.encode() if other == b"keep" else other
    one, two = b"keyturn_access=" + token.encode(), b"keyturn_access=" + value
    for cookies in ([one + b"; " + two], [two + b"; " + one], [one, two], [two, one], [one + b";" + two + b";x=y"]):
        answer = ask(wire, *cookies)
        assert (answer.status, answer.code) == (400, "duplicate_cookie")


def test_a_refresh_cookie_that_comes_twice_is_refused_by_every_call_that_reads_it(wire: Wire) -> None:
    twice = b"keyturn_refresh=a; keyturn_refresh=b"
    for path in ("/refresh-token", "/logout"):
        answer = ask(wire, twice, call="POST", path=path)
        assert (answer.status, answer.code) == (400, "duplicate_cookie")
        assert answer.values("set-cookie") == []
    body = {"login": "nobody@example.com", "password": PASSWORD}
    header = ("cookie", twice.decode())
    assert wire.call("POST", "/login", body, headers=[header]).code == "duplicate_cookie"
    new = {"email": "new@example.com", "password": PASSWORD}
    assert wire.call("POST", "/register", new, headers=[header]).code == "duplicate_cookie"


def test_a_value_is_taken_as_it_is(wire: Wire, token: str) -> None:
    good = token.encode()
    for value in (b'"' + good + b'"', b"%65" + good[1:], good + b"=", good + b" x", b"\\145" + good[1:]):
        assert ask(wire, b"keyturn_access=" + value).code == "access_token_invalid"
    for spaced in (
        b"  keyturn_access=" + good,
        b"x=y;keyturn_access=" + good,
        b";;\tkeyturn_access=" + good + b"\t ; ;",
    ):
        assert ask(wire, spaced).status == 200
