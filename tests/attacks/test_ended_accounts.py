"""Accounts that were disabled, deleted or changed, sessions that were signed out, and things that belong to somebody else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from tests.support.attacks import Visitor
from tests.support.server import LiveServer
from tests.support.wire import Wire, bearer, cookie

from keyturn.server.opening import open_context
from keyturn.service.administration import set_disabled
from keyturn.service.context import Context
from keyturn.testing.fakes import SeededEntropy

NEW_PASSWORD = "another password of some length"


@contextmanager
def another_process(server: LiveServer) -> Iterator[Context]:
    """What an operator's command opens: connections of its own to the same database, and nothing shared in memory."""
    context = open_context(server.settings, server.issuer, clock=server.clock, entropy=SeededEntropy("an operator"))
    try:
        yield context
    finally:
        context.database.close()


def disable_here(server: LiveServer, victim: Visitor, user_id: str) -> None:
    set_disabled(server.context, user_id, disabled=True)


def disable_elsewhere(server: LiveServer, victim: Visitor, user_id: str) -> None:
    with another_process(server) as context:
        set_disabled(context, user_id, disabled=True)


def disable_and_enable(server: LiveServer, victim: Visitor, user_id: str) -> None:
    set_disabled(server.context, user_id, disabled=True)
    set_disabled(server.context, user_id, disabled=False)


def delete(server: LiveServer, victim: Visitor, user_id: str) -> None:
    with Visitor(server) as elsewhere:
        signed_in = elsewhere.login(victim.email, victim.password)
        body = {"current_password": victim.password}
        assert elsewhere.call("DELETE", "/me", body, bearer=signed_in["access_token"]).status_code == 204


def change_password(server: LiveServer, victim: Visitor, user_id: str) -> None:
    with Visitor(server) as elsewhere:
        signed_in = elsewhere.login(victim.email, victim.password)
        body = {"current_password": victim.password, "new_password": NEW_PASSWORD}
        assert elsewhere.call("POST", "/password", body, bearer=signed_in["access_token"]).status_code == 200


def sign_out_everywhere(server: LiveServer, victim: Visitor, user_id: str) -> None:
    with Visitor(server) as elsewhere:
        signed_in = elsewhere.login(victim.email, victim.password)
        assert elsewhere.call("POST", "/logout-all", {}, bearer=signed_in["access_token"]).status_code == 204


ENDS: dict[str, tuple[Callable[[LiveServer, Visitor, str], None], str]] = {
    "disabled": (disable_here, "account_disabled"),
    "disabled by another process": (disable_elsewhere, "account_disabled"),
    "disabled and enabled again": (disable_and_enable, "account_disabled"),
    "deleted": (delete, "account_deleted"),
    "password changed": (change_password, "password_changed"),
    "signed out everywhere": (sign_out_everywhere, "signed_out_everywhere"),
}


@pytest.mark.parametrize("delivery", ["split", "cookie", "body"])
@pytest.mark.parametrize("how", ENDS)
def test_no_session_outlives_what_happened_to_its_user(shared: LiveServer, how: str, delivery: str) -> None:
    """Row 37; R11: no refresh, no cookie, no call; not at once, not after the window, not the older token."""
    end, reason = ENDS[how]
    with Visitor(shared) as victim:
        signed_in = victim.join(delivery=delivery)
        first = signed_in.get("refresh_token")
        older = first or victim.refresh_cookie
        refreshed = victim.refresh(first)
        assert refreshed.status_code == 200
        newer = refreshed.json().get("refresh_token") or victim.refresh_cookie
        assert victim.call("GET", "/me", bearer=victim.access_token).status_code == 200
        end(shared, victim, signed_in["user"]["id"])
        for wait in (0, 60, 86_400):
            shared.clock.advance(wait)
            for token in (newer, older):
                answer = victim.refresh(token) if delivery == "body" else victim.present(token)
                assert (answer.status_code, answer.json()["code"]) == (403, "session_ended")
                assert answer.json()["reason"] == reason
                assert "set-cookie" not in answer.headers
            assert victim.call("GET", "/me", bearer=victim.access_token).status_code == 401
            assert victim.call("GET", "/sessions", bearer=victim.access_token).status_code == 401


@pytest.mark.parametrize("statement", ["UPDATE users SET disabled = 1 WHERE id = ?", "DELETE FROM users WHERE id = ?"])
def test_a_user_who_was_disabled_or_deleted_by_hand_refreshes_no_more(shared: LiveServer, statement: str) -> None:
    """Row 37: nobody ended the sessions, so each refresh has to look at its user."""
    with Visitor(shared) as victim:
        user_id = victim.join()["user"]["id"]
        with closing(sqlite3.connect(shared.data_dir / "keyturn.db", timeout=30)) as database, database:
            assert database.execute(statement, (user_id,)).rowcount == 1
        for wait in (0, 60):
            shared.clock.advance(wait)
            answer = victim.refresh()
            assert (answer.status_code, answer.json()["reason"]) == (403, "account_disabled")
            assert victim.me().status_code == 401


@pytest.mark.parametrize("how", ["disabled by another process", "disabled"])
def test_a_disabled_user_cannot_sign_in_and_is_told_no_more_than_a_stranger(shared: LiveServer, how: str) -> None:
    """Row 37."""
    with Visitor(shared) as victim:
        user_id = victim.join()["user"]["id"]
        ENDS[how][0](shared, victim, user_id)
        answer = victim.call("POST", "/login", {"login": victim.email, "password": victim.password})
        stranger = victim.call("POST", "/login", {"login": "nobody@example.com", "password": victim.password})
        assert (answer.status_code, answer.content) == (401, stranger.content)


def test_a_forward_auth_stops_at_once_on_this_server(shared: LiveServer) -> None:
    """Row 37, S3: /verify reads no database, and still knows of an end that was decided here."""
    with Visitor(shared) as victim:
        user_id = victim.join()["user"]["id"]
        assert victim.call("GET", "/verify", bearer=victim.access_token).status_code == 204
        disable_here(shared, victim, user_id)
        assert victim.call("GET", "/verify", bearer=victim.access_token).status_code == 401


@pytest.mark.parametrize("delivery", ["split", "cookie", "body"])
def test_after_a_sign_out_nothing_replayed_works(shared: LiveServer, delivery: str) -> None:
    """Row 72; C10, C11: with the cookies of before, at once and later, as often as one likes."""
    with Visitor(shared) as owner, Wire(shared.address) as thief:
        signed_in = owner.join(delivery=delivery)
        access = signed_in.get("access_token") or owner.cookies["keyturn_access"]
        refresh = signed_in.get("refresh_token") or owner.refresh_cookie
        body = {"refresh_token": refresh} if delivery == "body" else None
        assert owner.call("POST", "/logout", body).status_code == 204
        assert dict(owner.cookies) == {}
        carried = [] if delivery == "body" else [cookie(keyturn_refresh=refresh)]
        for wait in (0, 10, 60, 3600):
            shared.clock.advance(wait)
            for path in ("/me", "/verify", "/sessions"):
                for header in (bearer(access), cookie(keyturn_access=access)):
                    assert thief.call("GET", path, headers=[header]).code == "access_token_invalid"
            answer = thief.call("POST", "/refresh-token", body, headers=carried)
            assert (answer.status, answer.json["reason"]) == (403, "signed_out")
            assert answer.values("set-cookie") == []
            # Signing out again is no news, and no error.
            assert thief.call("POST", "/logout", body, headers=carried).status == 204


def test_a_replayed_refresh_of_a_dead_session_does_not_hurt_the_next_one(shared: LiveServer) -> None:
    """Row 72: the old token dies alone; the session of the next sign-in lives on."""
    with Visitor(shared) as owner:
        owner.join()
        old = owner.refresh_cookie
        owner.call("POST", "/logout")
        owner.enter()
        assert owner.present(old).json()["reason"] == "signed_out"
        with Wire(shared.address) as thief:
            assert thief.call("POST", "/logout", headers=[cookie(keyturn_refresh=old)]).status == 204
        assert owner.me().status_code == 200
        assert owner.refresh().status_code == 200


EXTRA: dict[str, Any] = {
    "role": "admin", "roles": ["admin"], "is_active": True, "disabled": False, "email_verified": True, "id": "0" * 24,
    "user_id": "0" * 24, "sub": "x", "created_at": 0, "password_hash": "x", "email_key": "x", "is_admin": True,
    "__proto__": {"roles": ["admin"]}, "$set": {"roles": ["admin"]}, "user": {"roles": ["admin"]},
}  # fmt: skip


@pytest.mark.parametrize("member", EXTRA)
def test_nobody_gives_themselves_what_the_form_does_not_ask(shared: LiveServer, visitor: Visitor, member: str) -> None:
    """Row 61; A4: refused by name, and nothing of the rest is done either."""
    extra = {member: EXTRA[member]}
    token = visitor.access_token
    stranger = f"extra-{member.strip('_$')}@example.com"
    calls = (
        ("POST", "/register", {"email": stranger, "password": NEW_PASSWORD}),
        ("POST", "/login", {"login": visitor.email, "password": visitor.password}),
        ("PATCH", "/me", {"full_name": "Changed"}),
        ("POST", "/password", {"current_password": visitor.password, "new_password": NEW_PASSWORD}),
        ("DELETE", "/me", {"current_password": visitor.password}),
        ("POST", "/logout-all", {}),
        ("POST", "/refresh-token", {}),
        ("POST", "/logout", {}),
    )
    before = visitor.call("GET", "/me", bearer=token).json()
    for method, path, body in calls:
        answer = visitor.call(method, path, body | extra, bearer=token)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path
        assert [problem["field"] for problem in answer.json()["errors"]] == [member]
    assert visitor.call("GET", "/me", bearer=token).json() == before
    assert visitor.call("POST", "/login", {"login": stranger, "password": NEW_PASSWORD}).status_code == 401


def test_no_role_comes_from_a_form_of_any_kind(shared: LiveServer, visitor: Visitor) -> None:
    """Row 61: what a new account is."""
    user = visitor.call("GET", "/me", bearer=visitor.access_token).json()
    assert (user["roles"], user["email_verified"]) == ([], False)


def test_what_belongs_to_somebody_else_is_not_there(shared: LiveServer, visitor: Visitor) -> None:
    """Row 62; A5: the answer is that of an id which nobody has, byte for byte."""
    with Visitor(shared) as other:
        theirs = other.join()["session"]["id"]
        nobodys = visitor.call("DELETE", "/sessions/" + "0" * 24, bearer=visitor.access_token)
        answer = visitor.call("DELETE", f"/sessions/{theirs}", bearer=visitor.access_token)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.content == nobodys.content
        listed = visitor.call("GET", "/sessions", bearer=visitor.access_token).json()["sessions"]
        assert theirs not in [session["id"] for session in listed]
        assert other.me().status_code == 200
        assert other.refresh().status_code == 200


@pytest.mark.parametrize(
    "id_", ["*", "%25", "_", "null", "current", "1", "' OR '1'='1", "..%2f", "a" * 5000, "%00", "%C0%AF", "{id}", "0,1"]
)
def test_no_name_stands_for_sessions_of_others(shared: LiveServer, visitor: Visitor, id_: str) -> None:
    """Row 62: neither a pattern nor a statement."""
    with Visitor(shared) as other:
        other.join()
        answer = visitor.call("DELETE", f"/sessions/{id_}", bearer=visitor.access_token)
        assert answer.status_code in {400, 404}
        assert other.me().status_code == 200
        assert visitor.me().status_code == 200


def test_no_header_or_parameter_makes_somebody_of_anybody(shared: LiveServer, visitor: Visitor) -> None:
    """Row 62: who asks is who the token names."""
    with Visitor(shared) as other:
        theirs = other.join()["user"]["id"]
        mine = visitor.call("GET", "/me", bearer=visitor.access_token).json()
        headers = {"x-auth-subject": theirs, "x-user-id": theirs, "x-auth-roles": "admin", "x-auth-session": theirs}
        asked = visitor.call(
            "GET", f"/me?id={theirs}&user_id={theirs}&sub={theirs}", bearer=visitor.access_token, headers=headers
        )
        assert asked.json() == mine
        told = visitor.call("GET", "/verify", bearer=visitor.access_token, headers=headers)
        assert (told.headers["x-auth-subject"], told.headers["x-auth-roles"]) == (mine["id"], "")


def test_an_account_cannot_be_renamed_to_anothers_name(shared: LiveServer, visitor: Visitor) -> None:
    """P16: in no spelling of it."""
    with Visitor(shared) as other:
        other.join(username="Kelvin.Street")
        for name in ("Kelvin.Street", "kelvin.street", "\u212aelvin.Street", "Ｋelvin.Street", "kelvin․street"):
            answer = visitor.call("PATCH", "/me", {"username": name}, bearer=visitor.access_token)
            assert answer.status_code in {409, 422}, name
