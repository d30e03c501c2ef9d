"""What a request may be: its body and its headers."""

from __future__ import annotations

import json
import socket

import pytest
from tests.support.client import BASE, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

JSON = ("content-type", "application/json")
KIB = 1024


def post(wire: Wire, body: bytes, *headers: tuple[str, str], path: str = "/login") -> Answer:
    return wire.call("POST", path, body=body, headers=headers or [JSON])


def head(*headers: str) -> bytes:
    """The head of a sign-in with a body of JSON."""
    lines = [f"POST {BASE}/login HTTP/1.1", "host: localhost", "content-type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode()


def chunked(*chunks: bytes) -> bytes:
    coded = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b"")]
    return head("transfer-encoding: chunked") + b"".join(coded)


def padded(size: int) -> bytes:
    """A sign-in of so many bytes, white space for the most part."""
    body = json.dumps({"login": "nobody@example.com", "password": PASSWORD}).encode()
    return body + b" " * (size - len(body))


def test_a_body_has_16_kib_at_most(wire: Wire) -> None:
    assert post(wire, padded(16 * KIB)).code == "invalid_credentials"
    answer = post(wire, padded(16 * KIB + 1))
    assert (answer.status, answer.code) == (413, "too_large")


def test_a_body_that_comes_in_chunks_has_16_kib_at_most_too(wire: Wire) -> None:
    whole = padded(16 * KIB)
    assert wire.send(chunked(whole[: 8 * KIB], whole[8 * KIB :])).code == "invalid_credentials"
    assert wire.send(chunked(whole, b" ")).code == "too_large"


def test_a_body_that_says_it_is_large_is_refused_before_it_comes(wire: Wire) -> None:
    for length, code in ((16 * KIB + 1, "too_large"), (10**12, "too_large"), (10**30, "malformed_request")):
        assert wire.send(head(f"content-length: {length}")).code == code
        wire.close()


def test_who_is_refused_while_still_sending_may_send_on_and_gets_the_answer(wire: Wire) -> None:
    """As nginx does, which would answer 502 if its connection broke meanwhile."""
    part = b" " * 100 * KIB
    with wire.connect().dup() as connection:
        wire.begin(head("connection: close", f"content-length: {4 * len(part)}") + part)
        assert wire.answer().code == "too_large"
        for _ in range(3):
            connection.sendall(part)
        assert connection.recv(1) == b""


def test_who_is_refused_before_the_body_is_sent_need_not_send_it(wire: Wire) -> None:
    with wire.connect().dup() as connection:
        wire.begin(head("connection: close", "content-length: 100000", "expect: 100-continue"))
        assert wire.answer().code == "too_large"
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "value",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
        "text/json",
        "application/problem+json",
        "",
    ],
)
def test_a_body_is_json_or_it_is_not_read(wire: Wire, value: str) -> None:
    answer = post(wire, padded(100), ("content-type", value))
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_body_without_a_content_type_or_with_two_is_not_read(wire: Wire) -> None:
    assert post(wire, padded(100), ("x-nothing", "")).code == "unsupported_media_type"
    assert post(wire, padded(100), JSON, ("content-type", "text/plain")).code == "unsupported_media_type"


@pytest.mark.parametrize("value", ["application/json", "Application/JSON", "application/json; charset=UTF-8"])
def test_json_is_json_in_utf_8_however_it_is_spelt(wire: Wire, value: str) -> None:
    assert post(wire, padded(100), ("content-type", value)).code == "invalid_credentials"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip", "x"])
def test_a_compressed_body_is_not_unpacked(wire: Wire, coding: str) -> None:
    assert post(wire, padded(100), JSON, ("content-encoding", coding)).code == "unsupported_media_type"


MALFORMED = {
    "nothing but a brace": b"{",
    "two values": b"{} {}",
    "a trailing comma": b'{"login": "a",}',
    "single quotes": b"{'login': 'a'}",
    "a comment": b"{} // really",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"login": "a"}'.encode("utf-16"),
    "bytes that are no UTF-8": b'{"login": "\xff"}',
    "a surrogate in UTF-8": b'{"login": "\xed\xa0\x80"}',
    "half a surrogate pair": rb'{"login": "\ud800"}',
    "half a pair in a name": rb'{"\udc00": 1}',
    "a name twice": b'{"login": "a", "login": "b"}',
    "a name twice, one escaped": rb'{"login": "a", "l\u006fgin": "b"}',
    "a name twice, deep": b'{"login": {"a": 1, "a": 2}}',
    "NaN": b'{"login": NaN}',
    "Infinity": b'{"login": -Infinity}',
    "an overflow": b'{"login": 1e400}',
    "many digits": b'{"login": ' + b"9" * 5000 + b"}",
    "nine levels": b'{"login": ' + b"[" * 8 + b"]" * 8 + b"}",
    "a thousand levels": b"[" * 1000 + b"]" * 1000,
    "65 members": json.dumps({f"m{number}": 1 for number in range(65)}).encode(),
    "65 elements": json.dumps({"login": [1] * 65}).encode(),
    "a control character in a string": b'{"login": "a\nb"}',
    "a zero byte": b"\x00",
    "a form": b"login=a&password=b",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
def test_what_is_not_strict_json_is_malformed(wire: Wire, body: bytes) -> None:
    answer = post(wire, body)
    assert (answer.status, answer.code) == (400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b'""', b"null", b"1", b"true", b"[{}]"])
def test_a_body_that_is_json_but_no_object_is_invalid(wire: Wire, body: bytes) -> None:
    for path in ("/login", "/refresh-token", "/logout"):
        answer = post(wire, body, path=path)
        assert (answer.status, answer.code, answer.json["errors"][0]["field"]) == (422, "invalid_request", "body")


def test_eight_levels_and_64_members_are_read(wire: Wire) -> None:
    deep = b'{"login": ' + b"[" * 7 + b"]" * 7 + b"}"
    assert post(wire, deep).code == "invalid_request"
    wide = json.dumps({f"m{number}": 1 for number in range(63)}).encode()
    assert post(wire, wide).code == "invalid_request"


CALLS = ["/register", "/login", "/refresh-token", "/logout"]


@pytest.mark.parametrize("path", CALLS)
def test_a_member_that_nobody_knows_is_refused_by_name(wire: Wire, path: str) -> None:
    answer = wire.call("POST", path, {"is_admin": True, "x" * 1000: 1})
    fields = [problem["field"] for problem in answer.json["errors"]]
    assert answer.status == 422
    assert {"is_admin", "x" * 64} <= set(fields)


def test_members_that_nobody_knows_are_refused_behind_an_access_token_too(wire: Wire, email: str) -> None:
    signed_in = wire.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "body"})
    for method, path, body in (
        ("POST", "/logout-all", {}),
        ("PATCH", "/me", {"username": "x"}),
        ("DELETE", "/me", {"current_password": PASSWORD}),
        ("POST", "/password", {"current_password": PASSWORD, "new_password": PASSWORD}),
    ):
        sent = {**body, "is_admin": True}
        answer = wire.call(method, path, sent, headers=[bearer(signed_in.json["access_token"])])
        assert (answer.status, [problem["field"] for problem in answer.json["errors"]]) == (422, ["is_admin"])


def test_headers_have_16_kib_at_most(wire: Wire) -> None:
    assert wire.call("GET", "/me", headers=[("x-filler", "x" * (15 * KIB))]).status == 401
    for headers in (
        [("x-filler", "x" * (16 * KIB))],
        [(f"x-filler-{number}", "x" * KIB) for number in range(16)],
        [cookie(anything="x" * (16 * KIB))],
    ):
        answer = wire.call("GET", "/me", headers=headers)
        assert (answer.status, answer.code) == (431, "headers_too_large")


def test_there_are_64_headers_at_most(wire: Wire) -> None:
    # One of them is Host.
    assert wire.call("GET", "/me", headers=[("x", "")] * 63).status == 401
    assert wire.call("GET", "/me", headers=[("x", "")] * 64).code == "headers_too_large"


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-endless: ",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-endless",
        b"GET /",
        b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 100,
    ],
)
def test_a_head_that_does_not_end_is_refused_while_it_comes(
    shared_server: LiveServer, wire: Wire, beginning: bytes
) -> None:
    answer = wire.send(beginning + b"a" * 70 * KIB)
    assert (answer.status, answer.code) == (431, "headers_too_large")
    assert answer.values("connection") == ["close"]
    assert answer.values("cache-control") == ["no-store"]


def test_long_requests_on_one_connection_are_counted_one_by_one(wire: Wire) -> None:
    for _ in range(8):
        assert wire.call("GET", "/me", headers=[("x-filler", "x" * (15 * KIB))]).status == 401
        assert post(wire, padded(16 * KIB)).code == "invalid_credentials"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\nnonsense\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_http_request_gets_a_problem_and_no_second_chance(wire: Wire, request_bytes: bytes) -> None:
    answer = wire.send(request_bytes)
    assert (answer.status, answer.code) == (400, "malformed_request")
    assert answer.values("content-type") == ["application/problem+json"]
    assert answer.values("connection") == ["close"]


def test_a_client_that_hangs_up_in_the_middle_of_a_body_disturbs_nobody(shared_server: LiveServer, wire: Wire) -> None:
    for part in (b"", b'{"login": "a"'):
        with socket.create_connection(shared_server.address, 5) as connection:
            connection.sendall(head("content-length: 50") + part)
    assert wire.call("GET", "//healthz").status == 200
