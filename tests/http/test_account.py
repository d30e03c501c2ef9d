"""`/me`, `/sessions`, `/password` and `/email`: one's own account, one's own devices."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

from keyturn.ports import Transaction

NEW_PASSWORD = "another good password"
NEW_EMAIL = "alice@example.net"


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with Wire(server.address) as connection:
        yield connection


@pytest.fixture
def alice(wire: Wire) -> Answer:
    """A user, signed in with delivery body."""
    return register(wire, EMAIL)


def register(wire: Wire, email: str, **more: object) -> Answer:
    answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "body", **more})
    assert answer.status == 201
    return answer


def sign_in(wire: Wire, password: str = PASSWORD, **more: object) -> Answer:
    return wire.call("POST", "/login", {"login": EMAIL, "password": password, "delivery": "body", **more})


def access(signed_in: Answer) -> tuple[str, str]:
    return bearer(signed_in.json["access_token"])


def refresh(wire: Wire, signed_in: Answer) -> Answer:
    return wire.call("POST", "/refresh-token", {"refresh_token": signed_in.json["refresh_token"]})


def me(wire: Wire, signed_in: Answer) -> Answer:
    return wire.call("GET", "/me", headers=[access(signed_in)])


def test_me_is_the_user(wire: Wire, alice: Answer) -> None:
    answer = me(wire, alice)
    assert answer.status == 200
    assert list(answer.json) == ["id", "email", "email_verified", "username", "full_name", "roles", "created_at"]
    assert answer.json == alice.json["user"]


def test_one_changes_what_one_sends_and_nothing_else(wire: Wire, alice: Answer) -> None:
    changed = wire.call("PATCH", "/me", {"username": "alice"}, headers=[access(alice)])
    assert (changed.status, changed.json) == (200, {**alice.json["user"], "username": "alice"})
    named = wire.call("PATCH", "/me", {"full_name": "Alice"}, headers=[access(alice)])
    assert named.json == {**alice.json["user"], "username": "alice", "full_name": "Alice"}
    assert wire.call("PATCH", "/me", {}, headers=[access(alice)]).json == named.json
    assert wire.call("PATCH", "/me", headers=[access(alice)]).json == named.json
    removed = wire.call("PATCH", "/me", {"username": None, "full_name": None}, headers=[access(alice)])
    assert removed.json == alice.json["user"] == me(wire, alice).json


def test_a_new_username_signs_in_and_the_old_one_does_not(wire: Wire, alice: Answer) -> None:
    for name in ("first", "second"):
        wire.call("PATCH", "/me", {"username": name}, headers=[access(alice)])
    assert wire.call("POST", "/login", {"login": "second", "password": PASSWORD}).status == 200
    assert wire.call("POST", "/login", {"login": "first", "password": PASSWORD}).status == 401


def test_a_username_that_is_taken_stays_with_whom_it_belongs_to(wire: Wire, alice: Answer) -> None:
    register(wire, "bob@example.com", username="bob")
    answer = wire.call("PATCH", "/me", {"username": "BOB"}, headers=[access(alice)])
    assert (answer.status, answer.code) == (409, "username_taken")
    assert me(wire, alice).json["username"] is None
    # One's own name is not taken, whatever its case.
    assert wire.call("PATCH", "/me", {"username": "alice"}, headers=[access(alice)]).status == 200
    assert wire.call("PATCH", "/me", {"username": "Alice"}, headers=[access(alice)]).json["username"] == "Alice"


@pytest.mark.parametrize("member", ["email", "roles", "id", "email_verified", "disabled", "created_at", "password"])
def test_nobody_changes_more_than_username_and_full_name(wire: Wire, alice: Answer, member: str) -> None:
    answer = wire.call("PATCH", "/me", {"username": "alice", member: "x"}, headers=[access(alice)])
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, member)
    assert me(wire, alice).json == alice.json["user"]


def test_a_profile_field_that_is_not_acceptable_is_named(wire: Wire, alice: Answer) -> None:
    for field, value in (("username", "two words"), ("username", 7), ("full_name", "a\x07b"), ("full_name", ["x"])):
        answer = wire.call("PATCH", "/me", {field: value}, headers=[access(alice)])
        assert (answer.status, [problem["field"] for problem in answer.json["errors"]]) == (422, [field])


def test_closing_an_account_ends_its_sessions_and_frees_its_names(wire: Wire, alice: Answer) -> None:
    other = sign_in(wire)
    closed = wire.call("DELETE", "/me", {"current_password": PASSWORD}, headers=[access(alice)])
    assert (closed.status, closed.body) == (204, b"")
    assert [line.partition("=")[0] for line in closed.values("set-cookie")] == ["keyturn_refresh", "keyturn_access"]
    for signed_in in (alice, other):
        assert me(wire, signed_in).code == "access_token_invalid"
        assert refresh(wire, signed_in).json["reason"] == "account_deleted"
    assert sign_in(wire).code == "invalid_credentials"
    again = register(wire, EMAIL)
    assert again.json["user"]["id"] != alice.json["user"]["id"]


def test_a_closed_account_leaves_no_device_behind(server: LiveServer, wire: Wire, alice: Answer) -> None:
    wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}, headers=[("user-agent", "curl/8.5.0")])

    def kept() -> list[tuple[str, str]]:
        with sqlite3.connect(server.data_dir / "keyturn.db") as database:
            return database.execute("SELECT device_label, device_address FROM sessions ORDER BY 1").fetchall()

    assert kept() == [("Unknown device", "127.0.0.1"), ("curl/8.5.0", "127.0.0.1")]
    wire.call("DELETE", "/me", {"current_password": PASSWORD}, headers=[access(alice)])
    assert kept() == [("", ""), ("", "")]


def test_an_account_is_not_closed_without_its_password(wire: Wire, alice: Answer) -> None:
    wrong = wire.call("DELETE", "/me", {"current_password": "wrong"}, headers=[access(alice)])
    assert (wrong.status, wrong.code) == (403, "current_password_wrong")
    for body, field in ((None, "current_password"), ({}, "current_password"), ({"password": PASSWORD}, "password")):
        refused = wire.call("DELETE", "/me", body, headers=[access(alice)])
        assert (refused.status, refused.json["errors"][0]["field"]) == (422, field)
    assert me(wire, alice).status == 200


def test_one_sees_ones_live_sessions_the_newest_first(server: LiveServer, wire: Wire, alice: Answer) -> None:
    agents = {
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
        "curl/8.5.0": "curl/8.5.0",
    }
    made = [alice]
    for agent in agents:
        server.clock.advance(60)
        body = {"login": EMAIL, "password": PASSWORD, "delivery": "body"}
        made.append(wire.call("POST", "/login", body, headers=[("user-agent", agent)]))
    answer = wire.call("GET", "/sessions", headers=[access(alice)])
    assert (answer.status, list(answer.json)) == (200, ["sessions"])
    sessions = answer.json["sessions"]
    assert [session["id"] for session in sessions] == [signed_in.json["session"]["id"] for signed_in in reversed(made)]
    assert [session["device"] for session in sessions] == [*reversed(agents.values()), "Unknown device"]
    assert [session["current"] for session in sessions] == [False, False, True]
    assert list(sessions[0]) == [
        "id",
        "delivery",
        "device",
        "address",
        "created_at",
        "last_used_at",
        "expires_at",
        "refresh_timeout",
        "current",
    ]


def test_sessions_that_ended_or_lapsed_and_other_peoples_are_not_listed(
    server: LiveServer, wire: Wire, alice: Answer
) -> None:
    register(wire, "bob@example.com")
    gone = sign_in(wire)
    wire.call("POST", "/logout", {"refresh_token": gone.json["refresh_token"]})
    server.clock.advance(31 * 86_400)
    now = sign_in(wire)
    sessions = wire.call("GET", "/sessions", headers=[access(now)]).json["sessions"]
    assert [session["id"] for session in sessions] == [now.json["session"]["id"]]


def test_one_ends_one_of_ones_sessions(wire: Wire, alice: Answer) -> None:
    other = sign_in(wire)
    path = f"/sessions/{other.json['session']['id']}"
    ended = wire.call("DELETE", path, headers=[access(alice)])
    assert (ended.status, ended.body) == (204, b"")
    assert me(wire, other).status == 401
    assert refresh(wire, other).json["reason"] == "revoked"
    assert me(wire, alice).status == 200
    # Again: it is over, and stays as it is.
    assert wire.call("DELETE", path, headers=[access(alice)]).status == 204


def test_one_may_end_the_session_one_asks_with(wire: Wire, alice: Answer) -> None:
    path = f"/sessions/{alice.json['session']['id']}"
    assert wire.call("DELETE", path, headers=[access(alice)]).status == 204
    assert wire.call("DELETE", path, headers=[access(alice)]).status == 401
    assert refresh(wire, alice).json["reason"] == "revoked"


def test_somebody_elses_session_is_not_there(wire: Wire, alice: Answer) -> None:
    bob = register(wire, "bob@example.com")
    theirs = wire.call("DELETE", f"/sessions/{bob.json['session']['id']}", headers=[access(alice)])
    none = wire.call("DELETE", f"/sessions/{'0' * 24}", headers=[access(alice)])
    assert (theirs.status, theirs.code) == (404, "not_found")
    assert theirs.looks == none.looks
    assert me(wire, bob).status == 200
    assert refresh(wire, bob).status == 200


@pytest.mark.parametrize("name", ["x", "..", "%00", "%2e%2e", "%C3%BF", "%ED%A0%80", "a" * 2000, "1%20OR%201=1"])
def test_what_is_no_session_id_is_not_there(wire: Wire, alice: Answer, name: str) -> None:
    answer = wire.call("DELETE", f"/sessions/{name}", headers=[access(alice)])
    assert (answer.status, answer.code) == (404, "not_found")


def test_changing_the_password_ends_every_session_and_opens_a_new_one(wire: Wire, alice: Answer) -> None:
    other = sign_in(wire)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = wire.call("POST", "/password", body, headers=[access(alice)])
    assert changed.status == 200
    assert set(changed.json) == set(alice.json)
    for signed_in in (alice, other):
        assert me(wire, signed_in).code == "access_token_invalid"
        assert refresh(wire, signed_in).json["reason"] == "password_changed"
    assert me(wire, changed).status == 200
    assert refresh(wire, changed).status == 200
    sessions = wire.call("GET", "/sessions", headers=[access(changed)]).json["sessions"]
    assert [session["id"] for session in sessions] == [changed.json["session"]["id"]]
    assert sign_in(wire).code == "invalid_credentials"
    assert sign_in(wire, NEW_PASSWORD).status == 200


@pytest.mark.parametrize("delivery", ["split", "cookie", "body"])
def test_the_new_session_has_the_delivery_of_the_old_one(wire: Wire, alice: Answer, delivery: str) -> None:
    signed_in = sign_in(wire, delivery=delivery)
    token = signed_in.json.get("access_token") or signed_in.cookies["keyturn_access"]
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = wire.call("POST", "/password", body, headers=[bearer(token)])
    assert changed.json["session"]["delivery"] == delivery
    assert set(changed.json) == set(signed_in.json)
    assert set(changed.cookies) == set(signed_in.cookies)
    # Nobody but the other deliveries' clients ever gets a token where it does not belong.
    assert ("refresh_token" in changed.json) == (delivery == "body")


def test_the_password_is_not_changed_without_the_current_one(wire: Wire, alice: Answer) -> None:
    body = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    wrong = wire.call("POST", "/password", body, headers=[access(alice)])
    assert (wrong.status, wrong.code) == (403, "current_password_wrong")
    for missing in ("current_password", "new_password"):
        given = {name: value for name, value in {**body, "current_password": PASSWORD}.items() if name != missing}
        answer = wire.call("POST", "/password", given, headers=[access(alice)])
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, missing)
    assert me(wire, alice).status == 200
    assert sign_in(wire).status == 200


@pytest.mark.parametrize("password", ["short", "x" * 513, ""])
def test_a_new_password_that_is_not_acceptable_is_named_as_such(wire: Wire, alice: Answer, password: str) -> None:
    body = {"current_password": PASSWORD, "new_password": password}
    answer = wire.call("POST", "/password", body, headers=[access(alice)])
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "new_password")
    assert refresh(wire, alice).status == 200


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "alice@example.com", "alice in chains", "127.0.0.1"])
def test_a_new_password_that_is_tried_first_is_named_as_such(wire: Wire, password: str) -> None:
    alice = register(wire, EMAIL, full_name="Alice in Chains")
    body = {"current_password": PASSWORD, "new_password": password}
    answer = wire.call("POST", "/password", body, headers=[access(alice)])
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "new_password")
    assert (
        "which is tried first" in answer.json["errors"][0]["message"]
        or "most common" in answer.json["errors"][0]["message"]
    )
    assert me(wire, alice).status == 200


def change_email(wire: Wire, signed_in: Answer, email: object = NEW_EMAIL, password: str = PASSWORD) -> Answer:
    return wire.call("POST", "/email", {"current_password": password, "email": email}, headers=[access(signed_in)])


def test_a_new_address_signs_in_and_the_old_one_is_free_again(server: LiveServer, wire: Wire, alice: Answer) -> None:
    verified(server, alice)
    changed = change_email(wire, alice)
    assert changed.status == 200
    assert changed.json == {**alice.json["user"], "email": NEW_EMAIL, "email_verified": False} == me(wire, alice).json
    assert wire.call("POST", "/login", {"login": NEW_EMAIL, "password": PASSWORD}).status == 200
    assert sign_in(wire).code == "invalid_credentials"
    assert refresh(wire, alice).json["user"]["email"] == NEW_EMAIL
    assert register(wire, EMAIL).json["user"]["id"] != alice.json["user"]["id"]


def verified(server: LiveServer, signed_in: Answer) -> None:
    user_id = signed_in.json["user"]["id"]

    def work(tx: Transaction) -> None:
        tx.users.update(replace(tx.users.load_many([user_id])[user_id], email_verified=True))

    server.context.database.transact(work)


def test_a_new_address_is_kept_in_the_form_that_every_address_is(wire: Wire, alice: Answer) -> None:
    assert change_email(wire, alice, " Alice@EXAMPLE.net. ").json["email"] == "Alice@example.net"
    assert change_email(wire, alice, "ALICE@example.net").json["email"] == "ALICE@example.net"


def test_an_address_that_is_taken_stays_with_whom_it_belongs_to(wire: Wire, alice: Answer) -> None:
    register(wire, NEW_EMAIL)
    for spelling in (NEW_EMAIL, NEW_EMAIL.upper(), f"{NEW_EMAIL}."):
        answer = change_email(wire, alice, spelling)
        assert (answer.status, answer.code) == (409, "email_taken")
    assert me(wire, alice).json["email"] == EMAIL


def test_the_address_is_not_changed_without_the_password(wire: Wire, alice: Answer) -> None:
    wrong = change_email(wire, alice, password="wrong")
    assert (wrong.status, wrong.code) == (403, "current_password_wrong")
    for missing in ("current_password", "email"):
        given = {
            name: value for name, value in {"current_password": PASSWORD, "email": NEW_EMAIL}.items() if name != missing
        }
        answer = wire.call("POST", "/email", given, headers=[access(alice)])
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, missing)
    for address in ("alice", "alice@", "", "a@b@c", 7, None):
        answer = change_email(wire, alice, address)
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "email")
    assert (
        wire.call("POST", "/email", {"current_password": PASSWORD, "email": NEW_EMAIL}).code == "access_token_missing"
    )
    assert me(wire, alice).json["email"] == EMAIL


def test_a_session_that_has_ended_changes_no_address(wire: Wire, alice: Answer) -> None:
    other = sign_in(wire)
    wire.call("DELETE", f"/sessions/{alice.json['session']['id']}", headers=[access(other)])
    assert change_email(wire, alice).code == "access_token_invalid"
    assert me(wire, other).json["email"] == EMAIL


def test_the_access_cookie_changes_an_address_as_well(wire: Wire, alice: Answer) -> None:
    signed_in = sign_in(wire, delivery="cookie")
    body = {"current_password": PASSWORD, "email": NEW_EMAIL}
    answer = wire.call("POST", "/email", body, headers=[cookie(keyturn_access=signed_in.cookies["keyturn_access"])])
    assert (answer.status, answer.json["email"]) == (200, NEW_EMAIL)
