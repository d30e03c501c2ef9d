"""Every form of a request to `POST /refresh-token`: the path that is used most has a way of its own through the server."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.support.client import PASSWORD
from tests.support.history import rows_of
from tests.support.refresh_requests import (
    COOKIE,
    CREDENTIALS,
    FRAMING,
    JSON,
    REQUESTS,
    TOKEN,
    Request,
    missing,
)
from tests.support.server import APP, HOST, LiveServer
from tests.support.wire import Answer, Wire, statuses


@pytest.fixture(scope="module")
def tokens(production: LiveServer) -> Mapping[str, str]:
    """Of two sessions that have been refreshed just now: what comes next converges, and writes nothing."""
    with Wire(production.address, host=HOST) as wire:
        new = {"email": "alice@example.com", "password": PASSWORD}
        opened = wire.call("POST", "/register", {**new, "delivery": "body"})
        in_body = wire.call("POST", "/refresh-token", {"refresh_token": opened.json["refresh_token"]})
        signed_in = wire.call("POST", "/login", {"login": new["email"], "password": PASSWORD})
        jar = "; ".join(f"{name}={value}" for name, value in signed_in.cookies.items())
        in_cookie = wire.call("POST", "/refresh-token", headers=[("cookie", jar)])
    return {
        "cookie": in_cookie.cookies["__Host-keyturn_refresh"],
        "body": in_body.json["refresh_token"],
        "access": in_body.json["access_token"],
    }


@pytest.mark.parametrize("name", REQUESTS)
def test_a_refresh_is_answered_as_the_table_says(production: LiveServer, tokens: Mapping[str, str], name: str) -> None:
    request = REQUESTS[name]
    rows = rows_of(production.data_dir / "keyturn.db")
    with Wire(production.address) as wire:
        answer = wire.send(request.encoded(tokens), method=request.method)
    assert answer.status == request.status, answer.body
    assert (answer.code if answer.status >= 400 and answer.body else "") == request.code
    assert {row.end_reason for row in rows.values()} == {None}
    assert rows_of(production.data_dir / "keyturn.db") == rows
    _check_headers(request, answer, tokens)


def _check_headers(request: Request, answer: Answer, tokens: Mapping[str, str]) -> None:
    if answer.status != 204:
        assert answer.values("cache-control") == ["no-store"]
        (kind,) = answer.values("content-type")
        assert kind == ("application/json" if answer.status == 200 else "application/problem+json")
    assert answer.values("x-content-type-options") == ["nosniff"]
    by_cookie = answer.status == 200 and request.body != TOKEN and b"<body>" not in request.body
    assert answer.cookies == ({"__Host-keyturn_refresh": tokens["cookie"]} if by_cookie else {})
    if answer.status == 405:
        assert answer.values("allow") == ["POST"]
    if request.code == "malformed_request":
        assert answer.values("connection") == ["close"]
    allowed = f"origin: {APP}" in request.headers
    assert answer.values("access-control-allow-origin") == ([APP] if allowed else [])


@pytest.mark.parametrize("name", FRAMING)
def test_what_follows_a_request_is_never_taken_for_another(
    production: LiveServer, tokens: Mapping[str, str], name: str
) -> None:
    """Row 77, H6: one request, one answer; a proxy and this server never disagree on where it ends."""
    next_one = Request(200, "", (COOKIE, "connection: close")).encoded(tokens)
    answers = statuses(production.address, FRAMING[name].encoded(tokens) + next_one)
    assert answers == ([400] if FRAMING[name].code == "malformed_request" else [FRAMING[name].status, 200])


def test_refreshes_sent_without_waiting_are_answered_in_their_order(
    production: LiveServer, tokens: Mapping[str, str]
) -> None:
    closing = Request(200, "", (COOKIE, "connection: close"))
    several = [Request(200), Request(200, "", (JSON,), TOKEN), missing(), CREDENTIALS["cookie and body"], closing]
    answered = statuses(production.address, b"".join(request.encoded(tokens) for request in several))
    assert answered == [200, 200, 401, 422, 200]


def test_a_client_that_asks_whether_to_go_on_is_told_to(production: LiveServer, tokens: Mapping[str, str]) -> None:
    request = Request(200, "", (JSON, "expect: 100-continue"), TOKEN).encoded(tokens)
    head, _, body = request.partition(b"\r\n\r\n")
    with Wire(production.address) as wire:
        wire.begin(head + b"\r\n\r\n")
        assert wire.connect().recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert wire.send(body).status == 200


def test_an_answer_to_head_has_no_body(production: LiveServer, tokens: Mapping[str, str]) -> None:
    head = Request(405, method="HEAD").encoded(tokens)
    next_one = Request(200, "", (COOKIE, "connection: close")).encoded(tokens)
    assert statuses(production.address, head + next_one) == [405, 200]
