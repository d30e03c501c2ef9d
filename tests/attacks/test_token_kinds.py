"""Each kind of token at every door, and each delivery by every way in: only the diagonal passes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.client import PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Headers, Wire, bearer, cookie

CALLS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "read the profile": ("GET", "/me", None),
    "change the profile": ("PATCH", "/me", {"full_name": "A"}),
    "list the sessions": ("GET", "/sessions", None),
    "end a session": ("DELETE", "/sessions/{id}", None),
    "change the password": ("POST", "/password", {"current_password": PASSWORD, "new_password": "another password"}),
    "sign out everywhere": ("POST", "/logout-all", None),
    "close the account": ("DELETE", "/me", {"current_password": PASSWORD}),
    "forward authentication": ("GET", "/verify", None),
}
"""Every call of the API that wants an access token."""

_numbers = itertools.count(1)


class Session:
    """A session of a user of its own, and its tokens, wherever the delivery puts them."""

    def __init__(self, wire: Wire, delivery: str) -> None:
        self._wire = wire
        self.email = f"user{next(_numbers)}@example.com"
        body = {"email": self.email, "password": PASSWORD, "delivery": delivery}
        answer = wire.call("POST", "/register", body)
        assert answer.status == 201
        self.id = answer.json["session"]["id"]
        self.delivery = delivery
        self.access = answer.json.get("access_token") or answer.cookies["keyturn_access"]
        self.refresh = answer.json.get("refresh_token") or answer.cookies["keyturn_refresh"]

    def ask(self, call: str, headers: Headers) -> Answer:
        method, path, body = CALLS[call]
        return self._wire.call(method, path.format(id=self.id), body, headers=headers)

    def assert_lives(self) -> None:
        assert self.ask("read the profile", [bearer(self.access)]).status == 200
        assert self.present(DIAGONAL[self.delivery]).status == 200

    def present(self, way: str) -> Answer:
        """Try to refresh by one of `WAYS`."""
        headers, body, path = WAYS[way](self.refresh)
        method = "GET" if way == "GET" else "POST"
        encoded = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        content_type = [("content-type", "application/json")] if isinstance(body, dict) else []
        return self._wire.call(method, path, headers=[*headers, *content_type], body=encoded)


@pytest.fixture
def near(shared: LiveServer) -> Iterator[Wire]:
    with Wire(shared.address) as connection:
        yield connection


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("door", ["bearer", "access cookie"])
def test_an_access_token_is_taken_where_a_refresh_token_is_not(near: Wire, call: str, door: str) -> None:
    """T5, rows 23-24: the refresh token first, which changes nothing; then the access token, which does."""
    session = Session(near, "body")
    answer = session.ask(call, _through(door, session.refresh))
    assert (answer.status, answer.code) == (401, "access_token_invalid")
    session.assert_lives()
    assert session.ask(call, _through(door, session.access)).status in {200, 204}


@pytest.mark.parametrize("call", CALLS)
def test_a_refresh_cookie_opens_no_call_of_the_api(near: Wire, call: str) -> None:
    """T5, C6: what refreshes does nothing else."""
    session = Session(near, "split")
    answer = session.ask(call, [cookie(keyturn_refresh=session.refresh)])
    assert (answer.status, answer.code) == (401, "access_token_missing")
    session.assert_lives()


def _through(door: str, token: str) -> Headers:
    return [bearer(token)] if door == "bearer" else [cookie(keyturn_access=token)]


@pytest.mark.parametrize("way", ["cookie", "body"])
@pytest.mark.parametrize("delivery", ["split", "cookie", "body"])
def test_an_access_token_never_refreshes(near: Wire, delivery: str, way: str) -> None:
    """T5, row 24: nor does it count as reuse of anything."""
    session = Session(near, delivery)
    genuine, session.refresh = session.refresh, session.access
    answer = session.present(way)
    assert (answer.status, answer.code) == (403, "refresh_token_invalid")
    session.refresh = genuine
    session.assert_lives()


@pytest.mark.parametrize("door", ["cookie", "body"])
def test_an_access_token_in_the_place_of_the_refresh_token_signs_nobody_out(near: Wire, door: str) -> None:
    """T5 at the sign-out: there too a token counts only for what it is."""
    session = Session(near, "body")
    headers = [cookie(keyturn_refresh=session.access)] if door == "cookie" else []
    body = {"refresh_token": session.access} if door == "body" else None
    assert near.call("POST", "/logout", body, headers=headers).status == 204
    assert near.call("POST", "/logout", headers=[bearer(session.refresh)]).status == 204
    assert near.call("POST", "/logout", headers=[cookie(keyturn_access=session.refresh)]).status == 204
    session.assert_lives()


DIAGONAL = {"split": "cookie", "cookie": "cookie", "body": "body"}
"""The one way by which a session of each delivery is refreshed."""

WAYS: dict[str, Any] = {
    "cookie": lambda token: ([cookie(keyturn_refresh=token)], None, "/refresh-token"),
    "body": lambda token: ([], {"refresh_token": token}, "/refresh-token"),
    "both": lambda token: ([cookie(keyturn_refresh=token)], {"refresh_token": token}, "/refresh-token"),
    "bearer": lambda token: ([bearer(token)], None, "/refresh-token"),
    "access cookie": lambda token: ([cookie(keyturn_access=token)], None, "/refresh-token"),
    "cookie of production": lambda token: ([("cookie", f"__Host-keyturn_refresh={token}")], None, "/refresh-token"),
    "query": lambda token: ([], None, f"/refresh-token?refresh_token={token}"),
    "another header": lambda token: ([("x-refresh-token", token)], None, "/refresh-token"),
    "another member": lambda token: ([], {"token": token}, "/refresh-token"),
    "a list": lambda token: ([], {"refresh_token": [token]}, "/refresh-token"),
    "a form": lambda token: (
        [("content-type", "application/x-www-form-urlencoded")],
        f"refresh_token={token}".encode(),
        "/refresh-token",
    ),
    "GET": lambda token: ([cookie(keyturn_refresh=token)], None, "/refresh-token"),
}

REFUSED = {
    "cookie": (403, "refresh_token_invalid"),
    "body": (403, "refresh_token_invalid"),
    "both": (422, "invalid_request"),
    "bearer": (401, "refresh_token_missing"),
    "access cookie": (401, "refresh_token_missing"),
    "cookie of production": (401, "refresh_token_missing"),
    "query": (401, "refresh_token_missing"),
    "another header": (401, "refresh_token_missing"),
    "another member": (422, "invalid_request"),
    "a list": (422, "invalid_request"),
    "a form": (415, "unsupported_media_type"),
    "GET": (405, "method_not_allowed"),
}
"""What every way but the session's own is answered."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("delivery", DIAGONAL)
def test_a_session_is_refreshed_in_the_way_of_its_delivery_alone(near: Wire, delivery: str, way: str) -> None:
    """R12, R13, row 41."""
    session = Session(near, delivery)
    answer = session.present(way)
    if way == DIAGONAL[delivery]:
        assert answer.status == 200
    else:
        assert (answer.status, answer.code) == REFUSED[way]
        assert answer.cookies == {}
    session.assert_lives()


TRICKS: dict[str, tuple[str, Headers, dict[str, Any] | None]] = {
    "a query": ("?delivery=body", [], None),
    "another query": ("?mode=token&response_mode=body&grant_type=refresh_token", [], None),
    "Accept": ("", [("accept", "application/jwt, text/plain;q=0.1")], None),
    "a header": ("", [("x-delivery", "body"), ("x-token-delivery", "body"), ("prefer", "return=representation")], None),
    "a native client": ("", [("user-agent", "okhttp/4.12"), ("x-requested-with", "com.example.app")], None),
    "a member": ("", [], {"delivery": "body"}),
    "no token in the body": ("", [], {"refresh_token": None}),
}


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("delivery", ["split", "cookie"])
def test_no_trick_puts_a_refresh_token_where_scripts_can_read_it(near: Wire, delivery: str, trick: str) -> None:
    """Row 41, R12: a session whose refresh token is in a cookie never has it in a body."""
    session = Session(near, delivery)
    query, headers, body = TRICKS[trick]
    answer = near.call(
        "POST", f"/refresh-token{query}", body, headers=[cookie(keyturn_refresh=session.refresh), *headers]
    )
    if trick == "a member":
        assert (answer.status, answer.code) == (422, "invalid_request")
        return
    assert answer.status == 200
    assert "refresh_token" not in answer.json
    assert ("access_token" in answer.json) == (delivery == "split")
    assert session.refresh.encode() not in answer.body
    assert answer.cookies["keyturn_refresh"].encode() not in answer.body


@pytest.mark.parametrize("delivery", ["split", "cookie"])
def test_a_password_change_does_not_change_the_delivery(near: Wire, delivery: str) -> None:
    """Row 41: the new session is delivered as the old one was."""
    session = Session(near, delivery)
    body = {"current_password": PASSWORD, "new_password": "another password"}
    headers = [bearer(session.access)]
    assert near.call("POST", "/password", {**body, "delivery": "body"}, headers=headers).status == 422
    answer = near.call("POST", "/password?delivery=body", body, headers=headers)
    assert answer.status == 200
    assert "refresh_token" not in answer.json
    assert answer.json["session"]["delivery"] == delivery
